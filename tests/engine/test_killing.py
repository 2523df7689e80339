"""Killing a variant draws its own units again, and the logged chances are exact."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import randomness
from engine.explanation import Verdict
from engine.randomness import ONE
from engine.records import Reason
from engine.specs import FixedSpec, ThompsonSpec
from tests.engine.house import House, experiment

UNITS = [f"u{n}" for n in range(3000)]
WEIGHTS = {"plain": 0.5, "bold": 0.3, "quiet": 0.2}


@pytest.fixture
def house() -> House:
    house = House()
    house.run(experiment(policy=FixedSpec(WEIGHTS)))
    return house


def variants(house: House) -> dict[str, str]:
    return {unit: house.decide(unit).variant for unit in UNITS}


def test_only_the_killed_variants_units_are_drawn_again(house):
    before = variants(house)
    house.change("hero", killed=("bold",))
    after = variants(house)
    assert {unit for unit in UNITS if before[unit] != after[unit]} == {u for u in UNITS if before[u] == "bold"}
    assert set(after.values()) == {"plain", "quiet"}


def test_the_logged_chance_is_that_of_a_new_unit_and_the_served_share_follows_it(house):
    house.change("hero", killed=("bold",))
    row = house.ask("u1")
    chances = dict(zip(row.eligible, row.distribution, strict=True))
    expected = {"plain": 0.5 + 0.3 * 5 / 7, "quiet": 0.2 + 0.3 * 2 / 7}
    assert {name: pytest.approx(weight / ONE, abs=2 / ONE) for name, weight in chances.items()} == expected
    assert sum(row.distribution) == ONE
    served = sum(variant == "plain" for variant in variants(house).values()) / len(UNITS)
    assert abs(served - expected["plain"]) < 6 * (0.25 / len(UNITS)) ** 0.5
    assert house.explain(row).verdict is Verdict.REPRODUCED


def test_a_second_killing_leaves_the_rest_where_they_are(house):
    house.change("hero", killed=("bold",))
    first = variants(house)
    house.change("hero", killed=("bold", "quiet"))
    assert set(variants(house).values()) == {"plain"}
    assert {unit for unit, variant in first.items() if variant == "plain"} <= set(UNITS)
    row = house.ask("u2")
    assert (row.eligible, row.distribution) == (("plain",), (ONE,))
    assert house.explain(row).verdict is Verdict.REPRODUCED


def test_it_opens_an_epoch_in_a_test_and_none_where_each_answer_is_a_draw():
    house = House()
    house.run(experiment(), experiment("bandit", policy=ThompsonSpec()))
    for name in ("hero", "bandit"):
        house.change(name, killed=("bold",))
    assert (house.decide().epoch, house.decide(experiment_id="bandit").epoch) == (2, 1)
    rows = [house.ask(unit, experiment_id="bandit") for unit in UNITS[:50]]
    assert {row.eligible for row in rows} == {("plain", "quiet")}
    assert {house.explain(row).verdict for row in rows} == {Verdict.REPRODUCED}


def test_a_request_that_excludes_what_is_left_gets_the_default(house):
    house.change("hero", killed=("bold",))
    row = house.decide(excluded_variants=frozenset({"plain", "quiet"}))
    assert (row.variant, row.reason) == ("plain", Reason.NO_VARIANTS)
    row = house.ask(excluded_variants=frozenset({"quiet", "bold"}))
    assert (row.variant, row.eligible) == ("plain", ("plain",))
    assert house.explain(row).verdict is Verdict.REPRODUCED


@st.composite
def distributions(draw: st.DrawFn) -> tuple[tuple[int, ...], int]:
    cuts = sorted(draw(st.sets(st.integers(1, ONE - 1), min_size=1, max_size=8)))
    edges = [0, *cuts, ONE]
    weights = tuple(high - low for low, high in pairwise(edges))
    return weights, draw(st.integers(0, len(weights) - 1))


@given(distributions(), st.integers(0, ONE - 1))
def test_others_stay_where_they_are_and_the_weights_are_apportioned(case, number):
    weights, index = case
    kept, moved = randomness.without(weights, number, index)
    assert sum(kept) == ONE
    others = [weight for place, weight in enumerate(weights) if place != index]
    for weight, now in zip(others, kept, strict=True):
        exact = weight + Fraction(weights[index] * weight, sum(others))
        assert abs(now - exact) < 1
    was = randomness.draw(weights, number)
    if was != index:
        assert randomness.draw(kept, moved) == was - (was > index)


@given(st.lists(st.integers(1, 6), min_size=2, max_size=5), st.data())
def test_the_exchange_of_intervals_loses_and_doubles_no_number(sizes, data):
    """Scaled down: all numbers of a small range are gone through."""
    total = sum(sizes)
    index = data.draw(st.integers(0, len(sizes) - 1))
    scale = ONE // total
    weights = [size * scale for size in sizes]
    weights[-1] += ONE - sum(weights)
    starts = {randomness.without(weights, place * scale, index)[1] for place in range(total)}
    assert len(starts) == total
