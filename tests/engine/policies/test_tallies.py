"""What is kept of a variant's rewards, against numpy's weighted sums, means and variances."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.policies.tallies import Moments, Successes, Totals

STATISTICS = [Successes(), Totals(), Totals(unit=20.0), Moments()]
REWARDS = st.lists(st.tuples(st.floats(0, 1), st.floats(1e-6, 1)), min_size=1, max_size=30)


def tally_of(statistic, rewards, before=None):
    tally = statistic.empty if before is None else before
    for reward, weight in rewards:
        tally = statistic.added(tally, reward, weight)
    return tally


def expected(statistic, rewards):
    r, w = np.array(rewards).T
    if isinstance(statistic, Successes):
        return np.sum(w * r), np.sum(w * (1 - r))
    if isinstance(statistic, Totals):
        return np.sum(w * r) * statistic.unit, np.sum(w)
    mean = np.average(r, weights=w)
    return np.sum(w), mean, np.sum(w * (r - mean) ** 2)


@pytest.mark.parametrize("statistic", STATISTICS)
@given(REWARDS)
def test_a_tally_is_what_numpy_sums(statistic, rewards):
    assert tally_of(statistic, rewards) == pytest.approx(expected(statistic, rewards), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("statistic", STATISTICS)
@given(REWARDS, REWARDS)
def test_merging_is_as_if_the_rewards_had_come_one_after_the_other(statistic, first, second):
    merged = statistic.merged(tally_of(statistic, first), tally_of(statistic, second))
    assert merged == pytest.approx(tally_of(statistic, first + second), rel=1e-9, abs=1e-12)
    assert statistic.merged(merged, statistic.empty) == merged


@pytest.mark.parametrize("statistic", STATISTICS)
@given(REWARDS, st.floats(0, 1))
def test_fading_multiplies_every_weight(statistic, rewards, factor):
    faded = statistic.faded(tally_of(statistic, rewards), factor)
    if factor > 1e-9:
        rewards = [(reward, weight * factor) for reward, weight in rewards]
        assert faded == pytest.approx(tally_of(statistic, rewards), rel=1e-9, abs=1e-12)
    else:
        assert statistic.reaches(faded, statistic.empty)


@pytest.mark.parametrize("statistic", STATISTICS)
@given(REWARDS)
def test_the_mean_is_the_weighted_one(statistic, rewards):
    r, w = np.array(rewards).T
    assert statistic.mean(tally_of(statistic, rewards)) == pytest.approx(np.average(r, weights=w), rel=1e-9)


@pytest.mark.parametrize("statistic", [Totals(), Moments()])
def test_the_mean_of_nothing_is_a_half(statistic):
    assert statistic.mean(statistic.empty) == 0.5


@pytest.mark.parametrize("statistic", STATISTICS)
@given(REWARDS)
def test_what_rewards_made_is_reached_from_the_start(statistic, rewards):
    assert statistic.reaches(tally_of(statistic, rewards), statistic.empty)


@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("number", [-1e-9, math.nan, math.inf])
def test_what_no_rewards_can_make_is_not(statistic, place, number):
    tally = list(tally_of(statistic, [(0.5, 1.0)] * 3))
    tally[place] = number
    assert not statistic.reaches(tuple(tally), statistic.empty)


def test_equal_rewards_have_no_variance_however_many_they_are():
    tally = tally_of(Moments(), [(0.7, 1.0)] * 10_000)
    assert tally == (10_000.0, 0.7, 0.0)


def test_small_variance_around_a_large_mean_is_kept():
    rng = np.random.default_rng(1)
    rewards = 0.999 + 1e-9 * rng.random(2_000)
    _, _, squares = tally_of(Moments(), [(float(reward), 1.0) for reward in rewards])
    assert squares / 2_000 == pytest.approx(np.var(rewards - 0.999), rel=1e-6)
