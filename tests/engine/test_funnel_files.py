"""Funnels and rules in files: what a person would write, and each mistake in one line that says where."""

from datetime import UTC, datetime, timedelta

import pytest

from engine.errors import InvalidExperiment
from engine.files import dump, load
from engine.funnel import LayerRange, RampStep, Sticky
from engine.specs import Rule, SegmentsSpec, ThompsonSpec

HERO = "experiment: hero\nvariants: [plain, bold]\nmetrics: [click]\n"
HEAD, TAIL = HERO.split("variants", 1)

SHORTEST = [
    "layer: checkout",
    "layer: {name: checkout, to: 0.3}",
    "layer: {name: checkout, from: 0.25}",
    "traffic: 0.5",
    "sticky: true",
    "sticky: {version: 2}",
    "sticky: {min_version: 1}",
    "starts_at: 2026-12-01T00:00:00Z",
    "ends_at: 2026-12-01T09:30:00.250000Z",
    "cap: {n: 3, window: 7d}",
    "rest: {outcome: click, within: 3d, lasts: 14d}",
    "audience: {country: NO, visits: 10, new: true, page: null}",
    "audience:\n  country:\n    $in: [no, 'true', '1', 1, 1.5, null, '']",
    "audience:\n  $or:\n  - {country: NO}\n  - visits: {$gte: 10}",
    "ramp:\n- {traffic: 0.01, lasts: 1d, units: 1000}\n- {traffic: 0.5, units: 5}\n- {traffic: 1}",
    "prerequisites:\n  other-exp: [bold]",
]


@pytest.mark.parametrize("written", SHORTEST)
def test_what_a_person_writes_is_what_is_shown(written):
    text = f"{HEAD}{written}\nvariants{TAIL}"
    assert dump(load(text)) == text


def test_rules_are_shown_as_they_are_written():
    text = """\
experiment: hero
context: {new: flag}
variants: [plain, bold]
policy:
  segments:
    rules:
    - when: {new: true}
      weights: {plain: 0.9, bold: 0.1}
    otherwise: {bold: 1}
    floor: 0.05
metrics: [click]
"""
    assert dump(load(text)) == text
    assert load(text).policy == SegmentsSpec((Rule({"new": True}, {"plain": 0.9, "bold": 0.1}),), {"bold": 1.0}, 0.05)


@pytest.mark.parametrize("nothing", ["sticky: false", "traffic: 1", "audience: {}", "audience:", "ramp: []", "forced:"])
def test_what_says_nothing_is_not_shown(nothing):
    assert dump(load(HERO + nothing)) == HERO


def test_the_whole_of_a_layer_is_its_name():
    for written in ("checkout", "{name: checkout}", "{name: checkout, from: 0, to: 1}"):
        experiment = load(HERO + f"layer: {written}")
        assert experiment.funnel.layer == LayerRange("checkout")
        assert "layer: checkout\n" in dump(experiment)


def test_a_step_needs_its_traffic_alone():
    assert load(HERO + "ramp: [{traffic: 0.5}, {traffic: 1}]").funnel.ramp == (RampStep(0.5), RampStep(1.0))


def test_true_is_the_first_version():
    assert load(HERO + "sticky: true").sticky == Sticky(1, 0)
    assert load(HERO + "sticky: false").sticky is None


def test_a_prior_can_be_the_same_for_everybody():
    learned = load(HERO + "policy: {thompson: {prior: {otherwise: {bold: 1}}}}").policy
    assert learned == ThompsonSpec(prior=SegmentsSpec(otherwise={"bold": 1.0}))


@pytest.mark.parametrize(
    "written", ["2026-12-01T09:00:00Z", "2026-12-01T10:00:00+01:00", "'2026-12-01 09:00+00:00'", "20261201T090000Z"]
)
def test_a_time_says_its_zone(written):
    assert load(HERO + f"starts_at: {written}").funnel.starts_at == datetime(2026, 12, 1, 9, tzinfo=UTC)


def test_a_list_of_killed_and_forced():
    experiment = load(HERO + "killed: [bold]\nforced: [{variant: plain, when: {employee: true}}]")
    assert experiment.killed == ("bold",)
    assert experiment.forced[0].when == {"employee": True}
    assert load(dump(experiment)) == experiment


def test_steps_last_as_long_as_they_say():
    steps = load(HERO + "ramp: [{traffic: 0.5, lasts: 36h}, {traffic: 1}]").funnel.ramp
    assert steps[0].lasts == timedelta(hours=36)


REFUSED = [
    ("audience: NO", ["line 4", "`audience` must be fields with values, such as {visits: {$gte: 3}}"]),
    ("audience: {country: NO, country: SE}", ["line 4", "`country` is there twice"]),
    ("audience: {visits: 1" + 400 * "0" + "}", ["`visits` is compared with inf, which must be a finite number"]),
    ("audience: {visits: 1e999}", ["line 4", "not that large"]),
    ("layer: [a, b]", ["line 4", "`layer` must be fields with values, such as {name: checkout, from: 0,"]),
    ("layer: ", ["`layer` must name a layer"]),
    ("layer: {from: 0, to: 0.5}", ["line 4", "`layer` must be the name of a layer, or a range such as"]),
    ("layer: {name: [a]}", ["name one name"]),
    ("layer: {name: a, start: 0}", ["unknown field `start`"]),
    ("layer: {name: a, from: 0.5, to: 0.4}", ["must be 0 <= from < to <= 1"]),
    ("traffic: 50%", ["line 4", "`traffic` must be a number"]),
    ("traffic: 50", ["`traffic` is 50 and must be in (0, 1]"]),
    ("traffic: 0.5\nramp: [{traffic: 0.1}, {traffic: 1}]", ["`traffic` and `ramp` exclude each other"]),
    ("ramp: 0.5", ["line 4", "`ramp` must be a list such as [{traffic: 0.1, lasts: 1d, units: 1000}, {traffic: 1}]"]),
    ("ramp: [0.1, 1]", ["line 4", "`ramp` must be fields with values, such as {traffic: 0.1, lasts: 1d,"]),
    ("ramp: [{lasts: 1d}, {traffic: 1}]", ["line 4", "`ramp` must be steps with their traffic"]),
    ("ramp:\n- {traffic: 0.1}\n- {traffic: 1, last: 1d}", ["line 6", "did you mean `lasts`?"]),
    ("ramp: [{traffic: 0.1, lasts: -1d}, {traffic: 1}]", ["`lasts` must be a duration such as"]),
    ("ramp: [{traffic: 0.1, units: many}, {traffic: 1}]", ["`units` must be a whole number"]),
    ("prerequisites: [other]", ["line 4", "`prerequisites` must be fields with values, such as {home-offer: [bold]}"]),
    ("prerequisites: {other: bold}", ["line 4", "`other` must be a list"]),
    ("prerequisites: {other: }", ["prerequisite 'other' names no variants"]),
    ("starts_at: tomorrow", ["line 4", "`starts_at` must be a time with its zone, such as 2026-12-01T09:00:00Z"]),
    ("starts_at: 2026-12-01", ["a time with its zone"]),
    ("starts_at: 2026-12-01T09:00:00", ["a time with its zone"]),
    ("ends_at: [2026-12-01T09:00:00Z]", ["`ends_at` must be a time"]),
    ("ends_at: 1926-12-01T09:00:00Z", ["`ends_at` must lie between 1970 and 8999"]),
    ("ends_at: 9999-12-31T23:59:59-12:00", ["`ends_at` must lie between 1970 and 8999"]),
    ("cap: 3", ["line 4", "`cap` must be fields with values, such as {n: 3, window: 7d}"]),
    ("cap: {n: 3}", ["line 4", "`cap` must be complete, such as {n: 3, window: 7d}"]),
    ("cap: {n: 3, window: -7d}", ["`window` must be a duration"]),
    ("cap: {n: -3, window: 7d}", ["`n` of the cap is -3"]),
    ("rest: {outcome: click, within: 3d}", ["`rest` must be complete, such as {outcome: click, within: 3d, lasts"]),
    ("rest: {outcome: clack, within: 3d, lasts: 1d}", ["'clack', which no metric is made of: there is click"]),
    ("sticky: yes", ["line 4", "`sticky` must be true or false"]),
    ("sticky: {versoin: 2}", ["did you mean `version`?"]),
    ("sticky: {version: 1, min_version: 2}", ["`min_version` of `sticky` is 2"]),
    ("fallback_unit: device", ["`fallback_unit` needs `sticky: true`"]),
    ("sticky: true\nfallback_unit: ", ["line 5", "`fallback_unit` must be a type of unit"]),
    ("sticky: true\nfallback_unit: [device]", ["name one fallback_unit"]),
    ("killed: bold", ["line 4", "`killed` must be a list"]),
    ("killed: [plain]", ["the control 'plain' cannot be killed"]),
    ("forced: {bold: {a: 1}}", ["line 4", "`forced` must be a list such as [{variant: bold, when: {country: NO}}]"]),
    (
        "forced: [{variant: bold}]",
        ["line 4", "`forced` must be complete, such as {variant: bold, when:"],
    ),
    ("forced: [{variant: bold, when: {}}]", ["forced rule 1 needs a condition"]),
    ("policy: segments", ["a policy of segments needs `rules`"]),
    ("policy: {segments: {rules: {when: {a: 1}}}}", ["line 4", "`rules` must be a list"]),
    ("policy: {segments: {rules: [{if: {a: 1}}]}}", ["line 4", "unknown field `if`"]),
    ("policy: {segments: {rules: [{weights: {bold: 1}}]}}", ["rule 1 needs a condition in `when`"]),
    ("policy: {thompson: {prior: segments}}", ["line 4", "`prior` must be fields"]),
    ("policy: {thompson: {prior: {floor: 0.1, otherwise: {bold: 1}}}}", ["the prior has no floor of its own"]),
]


@pytest.mark.parametrize(("text", "parts"), REFUSED, ids=[text for text, _ in REFUSED])
def test_bad_input_is_one_line_that_helps(text, parts):
    with pytest.raises(InvalidExperiment) as caught:
        load(HERO + text, "offer.yaml")
    sentence = str(caught.value)
    assert sentence.startswith("offer.yaml")
    assert "\n" not in sentence
    for part in parts:
        assert part in sentence
