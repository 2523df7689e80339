"""Rules by position: worked out by hand, and what holds for all of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.attribution.journeys import OTHERS, Journeys
from analysis.attribution.rules.positional import First, Last, LastNonDirect, Linear, Position
from engine.errors import InvalidRequest
from tests.analysis.attribution.drawn_journeys import drawn

# Four touches, three, one (direct), two, and one that did not convert.
PATHS = [list("abca"), ["b", "c", "direct"], ["direct"], list("cb"), ["direct", "a"]]
JOURNEYS = Journeys.of(PATHS, [1, 1, 1, 1, 0], [100.0, 10.0, 5.0, -2.0, 0.0])
A, B, C, DIRECT = range(4)
EVERY = [First(), Last(), LastNonDirect(), Linear(), Position(), Position(0.1, 0.6), Position(0, 0), Position(0.5, 0.5)]


def credit(rule, journeys):
    sums = rule.sums(journeys)
    return rule.credit(sums.keys, sums.totals, len(journeys.touchpoints))


@pytest.mark.parametrize(
    ("rule", "conversions", "value"),
    [
        (First(), [1, 1, 1, 1], [100, 10, -2, 5]),
        (Last(), [1, 1, 0, 2], [100, -2, 0, 15]),
        # The second journey's last touch but direct is c; the third has none, and direct keeps it.
        (LastNonDirect(), [1, 1, 1, 1], [100, -2, 10, 5]),
        # Direct and c are passed over: b has the second, and the fourth ends with it anyway.
        (LastNonDirect(frozenset({"direct", "c"})), [1, 2, 0, 1], [100, 8, 0, 5]),
        # a: 2/4, b: 1/4 + 1/3 + 1/2, c: 1/4 + 1/3 + 1/2, direct: 1/3 + 1.
        (Linear(), [1 / 2, 13 / 12, 13 / 12, 4 / 3], [50, 25 + 10 / 3 - 1, 25 + 10 / 3 - 1, 10 / 3 + 5]),
        # a: .4 + .4, b: .1 + .4 + .5, c: .1 + .2 + .5, direct: .4 + 1.
        (Position(), [0.8, 1.0, 0.8, 1.4], [80, 10 + 4 - 1, 10 + 2 - 1, 4 + 5]),
        # Two touches by .6 : .2, which is 3/4 and 1/4; c is the first of the fourth journey.
        (Position(0.6, 0.2), [0.8, 0.1 + 0.6 + 0.25, 0.1 + 0.2 + 0.75, 1.2], [80, 15.5, 10.5, 7]),
        # All to those in between; of two touches each has half.
        (Position(0, 0), [0, 0.5 + 0.5, 0.5 + 1 + 0.5, 1], [0, 49, 59, 5]),
    ],
)
def test_credit_by_hand(rule, conversions, value):
    np.testing.assert_allclose(credit(rule, JOURNEYS), np.stack([conversions, value], axis=1), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rule", EVERY)
@given(seed=st.integers(0, 2**32 - 1))
def test_credit_sums_to_everything_that_was_converted_and_each_group_has_its_own(rule, seed):
    journeys = drawn(np.random.default_rng(seed), 60, 5, direct=0.0)
    found, influence = credit(rule, journeys), rule.influence(rule.sums(journeys), 5)
    np.testing.assert_allclose(found.sum(axis=0), [journeys.conversions.sum(), journeys.value.sum()], rtol=1e-9)
    np.testing.assert_allclose(influence.sum(axis=0), found, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("rule", EVERY)
def test_no_journey_is_credited_with_nothing(rule):
    nothing = Journeys.of([], [])
    assert rule.sums(nothing).keys.tolist() == []
    assert not credit(rule, Journeys.of([["a"], ["b", "a"]], [0, 0])).any()


def test_names_of_ours_are_not_direct():
    journeys = Journeys(
        (OTHERS, "direct"), np.array([0, 2]), np.array([0, 1]), np.ones(1), np.ones(1), np.zeros(1, int)
    )
    assert credit(LastNonDirect(), journeys)[:, 0].tolist() == [1, 0]


@pytest.mark.parametrize(("first", "last"), [(-0.1, 0.4), (0.4, -0.1), (0.7, 0.4), (float("nan"), 0.4)])
def test_shares_of_a_position_are_at_most_all_of_it(first, last):
    with pytest.raises(InvalidRequest, match="at most 1 together"):
        Position(first, last)


@pytest.mark.parametrize("direct", ["direct", frozenset()])
def test_what_is_direct_is_a_set_of_names(direct):
    with pytest.raises(InvalidRequest, match="give a set"):
        LastNonDirect(direct)
