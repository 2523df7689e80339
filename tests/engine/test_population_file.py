"""The population in a file: what is dumped is loaded again, and each mistake is one line that says where."""

from datetime import timedelta

import pytest
from hypothesis import given

from engine.errors import InvalidPopulation
from engine.funnel import Cap, Layer, Population
from engine.population_file import dump, is_population, load
from engine.population_rules import define_population
from tests.engine.funnel_strategies import populations

EVERYTHING = """\
population:
  segments:
    vip:
      visits: {$gte: 10}
    nordic:
      country: {$inGroup: nordic}
  groups:
    nordic: [NO, 'true', '1']
    sizes: [1, 2.5]
    known: [true, false]
  layers:
    checkout:
      unit: session
      holdout: 0.05
      seed: spring
      cap: {n: 3, window: 7d}
    home: {}
  holdout: 0.02
  seed: held
"""


def test_every_field_is_read():
    population = load(EVERYTHING)
    assert population == Population(
        segments={"vip": {"visits": {"$gte": 10}}, "nordic": {"country": {"$inGroup": "nordic"}}},
        groups={"nordic": ("NO", "true", "1"), "sizes": (1.0, 2.5), "known": (True, False)},
        layers={"checkout": Layer("session", 0.05, "spring", Cap(3, timedelta(days=7))), "home": Layer(seed="home")},
        holdout=0.02,
        seed="held",
    )
    assert [type(group[0]) for group in population.groups.values()] == [str, float, bool]


def test_what_a_person_writes_is_what_is_shown():
    assert dump(load(EVERYTHING)) == EVERYTHING


@pytest.mark.parametrize("text", ["population: {}", "population:"])
def test_the_empty_one(text):
    assert load(text) == define_population(Population())
    assert dump(load(text)) == "population: {}\n"


@given(populations)
def test_what_is_dumped_is_loaded_again(population):
    defined = define_population(population)
    text = dump(defined)
    again = load(text)
    assert again == defined
    assert [type(each) for group in again.groups.values() for each in group] == [
        type(each) for group in defined.groups.values() for each in group
    ]
    assert dump(again) == text


def test_its_first_field_says_what_a_file_is():
    assert is_population(EVERYTHING)
    assert is_population("# ours\n\npopulation:")
    for other in ("", "experiment: hero", "experiment: hero\npopulation: {}", "{", "population", "[population]"):
        assert not is_population(other)


REFUSED = [
    ("", ["is empty"]),
    ("experiment: hero", ["line 1", "unknown field `experiment`"]),
    ("population: {}\nsegments: {}", ["line 2", "unknown field `segments`"]),
    ("{}", ["`population` is missing"]),
    ("population: all", ["line 1", "`population` must be fields"]),
    ("population:\n  segment: {}", ["line 2", "did you mean `segments`?"]),
    ("population: {segments: {vip: many}}", ["`vip` must be fields"]),
    ("population: {groups: {nordic: NO}}", ["`nordic` must be a list"]),
    ("population:\n  groups:\n    nordic: [NO, null]", ["line 3", "must be a list of numbers, texts, true or false"]),
    ("population: {groups: {nordic: [[NO]]}}", ["must be a list of numbers, texts"]),
    ("population: {layers: [checkout]}", ["`layers` must be fields"]),
    ("population: {layers: {checkout: {units: x}}}", ["did you mean `unit`?"]),
    ("population: {layers: {checkout: {holdout: x}}}", ["`holdout` must be a number"]),
    ("population: {layers: {checkout: {cap: {n: 3}}}}", ["`cap` must be complete"]),
    ("population: {holdout: 2}", ["holdout"]),
    ("population: {layers: {checkout: {cap: {n: -3, window: 1d}}}}", ["-3"]),
    ("population: {segments: {vip: {visits: {$near: 3}}}}", ["vip", "$near"]),
]


@pytest.mark.parametrize(("text", "parts"), REFUSED, ids=[text for text, _ in REFUSED])
def test_bad_input_is_one_line_that_helps(text, parts):
    with pytest.raises(InvalidPopulation) as caught:
        load(text, "population.yaml")
    sentence = str(caught.value)
    assert sentence.startswith("population.yaml")
    assert "\n" not in sentence
    for part in parts:
        assert part in sentence
