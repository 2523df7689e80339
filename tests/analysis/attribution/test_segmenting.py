"""Units cut by what was known of them at their first draw in any of several experiments."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analysis.attribution import segmenting
from analysis.attribution.incremental import effect, read
from engine.experiments import ContextField, FieldType
from tests.analysis.attribution.small_store import DEVICE, HERO, LETTER, beside, small_store
from tests.analysis.conftest import Log

FLAG = (ContextField("vip", FieldType.FLAG),)
CHANNEL = (ContextField("channel", FieldType.TEXT),)


@pytest.fixture(scope="module")
def store():
    return small_store(300)


def cut(store):
    units = read(store, "order")
    return units, segmenting.cut(store, units, [state.experiment for state in store.states()])


def two(first, second):
    """Return short words for two experiments that declare some context."""
    letter = Log(replace(LETTER, context=first))
    return letter, beside(letter, replace(HERO, context=second))


def unit_names(store, units):
    """Return the plain ids of units with a draw."""
    found = {entry.unit_key: entry.unit.id for entry in store.entries(limit=10_000) if hasattr(entry, "unit_key")}
    return sorted({found[key] for draws in units.draws for key in draws.unit.tolist()})


def test_a_unit_is_in_the_segment_of_its_first_draw_in_any_of_the_experiments(store):
    """The second draw of each says "desktop"; what is refused, or declares the field alone, cuts nothing."""
    whole, found = cut(store)
    assert [(each.dimension, str(each.name), each.experiments) for each, _ in found] == [
        ("segment", "device = desktop", ("hero", "letter")),
        ("segment", "device = phone", ("hero", "letter")),
    ]
    phones = [f"unit {i}" for i in range(300) if i % 3]
    assert unit_names(store, found[1][1]) == sorted(phones)
    for draws in whole.draws:
        parts = [next(d for d in units.draws if d.experiment_id == draws.experiment_id) for _, units in found]
        assert sorted(np.concatenate([part.unit for part in parts])) == sorted(draws.unit)
        assert all(len(part.unit) == len(part.at) == len(part.drawn) == len(part.chances) for part in parts)


def test_the_effects_of_segments_are_of_their_units_alone(store):
    whole, found = cut(store)
    alone = [effect(units, ["letter"], "letter") for _, units in found]
    assert [each.n_units for each in alone] == [100, 200]
    plain = [each.plain[0].value for each in (*alone, effect(whole, ["letter"], "letter"))]
    assert plain[0] + plain[1] == pytest.approx(plain[2])


def test_a_flag_cuts_as_a_text_does_and_who_is_not_known_is_in_no_segment():
    letter, hero = two(FLAG, FLAG)
    for i in range(30):
        letter.assign(f"unit {i}", 1, context={} if i < 5 else {"vip": i % 2 == 0})
        hero.assign(f"unit {i}", 2, context={"vip": True})
    _, found = cut(letter.store)
    sizes = {str(each.name): len(unit_names(letter.store, units)) for each, units in found}
    assert sizes == {"vip = no": 13, "vip = yes": 12}


def test_a_field_in_which_all_are_alike_or_that_one_declares_alone_or_the_channel_cuts_nothing():
    for first, second in ((DEVICE, ()), (CHANNEL, CHANNEL), (DEVICE, DEVICE)):
        letter, hero = two(first, second)
        for i in range(20):
            is_channel = first == CHANNEL
            own = {"channel": "web" if i % 2 else "mail"} if is_channel else {"device": "phone"}
            letter.assign(f"unit {i}", 1, context=own)
            hero.assign(f"unit {i}", 2, context=own if second else {})
        assert cut(letter.store)[1] == []


def test_of_many_segments_the_largest_are_asked_about():
    letter, hero = two(DEVICE, DEVICE)
    for i in range(90):
        device = f"device {min(i % 10, i % 9)}"
        letter.assign(f"unit {i}", 1, context={"device": device})
        hero.assign(f"unit {i}", 2, context={"device": device})
    _, found = cut(letter.store)
    sizes = [len(unit_names(letter.store, units)) for _, units in found]
    assert len(sizes) == segmenting.MOST
    expected = np.sort(np.bincount(np.minimum(np.arange(90) % 10, np.arange(90) % 9)))[::-1]
    assert sorted(sizes, reverse=True) == expected[: segmenting.MOST].tolist()
