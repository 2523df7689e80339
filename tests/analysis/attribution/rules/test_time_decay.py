"""Time decay by hand, at any age, and without times."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.attribution.journeys import Journeys
from analysis.attribution.rules.time_decay import TimeDecay
from engine.errors import InvalidRequest

DAY = 86_400.0
AGES = st.lists(st.floats(0, 1e9), min_size=1, max_size=6)


def shares(ages, rule):
    """The credit of one journey whose touches are all different, of these ages."""
    sums = rule.sums(Journeys.of([[str(place) for place in range(len(ages))]], [1], age_s=[ages]))
    return rule.credit(sums.keys, sums.totals, len(ages))[:, 0]


def test_credit_halves_with_each_half_life():
    # 14, 7 and 0 days at a half-life of 7: 1/4 : 1/2 : 1, which is 1/7, 2/7 and 4/7.
    np.testing.assert_allclose(shares([14 * DAY, 7 * DAY, 0.0], TimeDecay()), [1 / 7, 2 / 7, 4 / 7], rtol=1e-12)
    # Half a half-life is 2 ** -.5, with no steps in between.
    found = shares([DAY / 2, 0.0], TimeDecay(timedelta(days=1)))
    np.testing.assert_allclose(found[0] / found[1], 2**-0.5, rtol=1e-12)


def test_each_journey_is_shared_by_itself():
    # "a" has 1/3 of 10 (a week old beside a fresh b) and all of 5; "b" 2/3 of 10.
    journeys = Journeys.of([["a", "b"], ["a"]], [1, 1], [10.0, 5.0], [[7 * DAY, 0.0], [30 * DAY]])
    sums = TimeDecay().sums(journeys)
    found = TimeDecay().credit(sums.keys, sums.totals, 2)
    np.testing.assert_allclose(found, [[4 / 3, 25 / 3], [2 / 3, 20 / 3]], rtol=1e-12)


def test_touches_that_are_all_very_old_are_shared_by_how_much_older_one_is():
    # 2 ** (-1e6) has no float64; the difference of a half-life does.
    old = 1e6 * 7 * DAY
    np.testing.assert_allclose(shares([old + 7 * DAY, old], TimeDecay()), [1 / 3, 2 / 3], rtol=1e-9)


@given(AGES, st.integers(1, 10**9))
def test_shares_sum_to_one_and_younger_touches_have_no_less(ages, half_life):
    found = shares(ages, TimeDecay(timedelta(seconds=half_life)))
    assert found.sum() == pytest.approx(1, rel=1e-12)
    assert (np.diff(found[np.argsort(ages)]) <= 0).all()


def test_without_times_it_says_what_to_do():
    assert TimeDecay().needs_times
    with pytest.raises(InvalidRequest, match="give the touches' times, or leave time_decay out"):
        TimeDecay().sums(Journeys.of([["a"]], [1]))


def test_no_journey_has_no_sums():
    assert TimeDecay().sums(Journeys.of([], [], age_s=[])).keys.tolist() == []


@pytest.mark.parametrize("half_life", [timedelta(0), timedelta(days=-1)])
def test_a_half_life_is_above_0(half_life):
    with pytest.raises(InvalidRequest, match="give one above 0"):
        TimeDecay(half_life)
