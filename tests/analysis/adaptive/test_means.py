"""Studentised intervals of weighted means of scores."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.adaptive.means import Mean, critical, interval, p_value


def skewed(n=60, seed=3):
    random = np.random.default_rng(seed)
    return Mean.of(random.exponential(2.0, n) - 1, random.dirichlet(np.ones(n)))


def test_without_skewness_it_is_students():
    scores = np.array([-3.0, -1.0, 0.0, 1.0, 3.0]) + 2
    mean = Mean.of(scores, np.full(5, 0.2))
    deviations = (scores - 2) / 5
    error = np.sqrt((deviations**2).sum())
    freedom = 2 * (deviations**2).sum() ** 2 / (deviations**4).sum()
    assert mean.standard_error == pytest.approx(error, rel=1e-12)
    np.testing.assert_allclose(interval(mean, 0.05), stats.t(freedom, 2, error).ppf([0.025, 0.975]), rtol=1e-9)
    assert p_value(mean) == pytest.approx(2 * stats.t.sf(2 / error, freedom), rel=1e-9)


def test_skewness_moves_the_interval_to_the_long_tail():
    random = np.random.default_rng(3)
    scores, weights = random.exponential(2.0, 60), random.dirichlet(np.ones(60))
    mean = Mean.of(scores, weights)
    error = weights * (scores - mean.value)
    assert mean.skewness == pytest.approx((error**3).sum() / (error**2).sum() ** 1.5)
    low, high = interval(mean, 0.05)
    assert high - mean.value > mean.value - low


@given(st.floats(1e-8, 0.99), st.integers(0, 50))
def test_the_ends_have_halls_statistic_at_the_critical_value(alpha, seed):
    mean = skewed(seed=seed)
    for end, wanted in zip(interval(mean, alpha), (1, -1), strict=True):
        statistic, skew = (mean.value - end) / mean.standard_error, mean.skewness
        hall = statistic + skew / 6 + skew * statistic**2 / 3 + skew**2 * statistic**3 / 27
        assert hall == pytest.approx(wanted * critical(mean, alpha), rel=1e-6, abs=1e-9)


def test_the_p_value_is_where_the_interval_leaves_0_out():
    mean = skewed()
    low, high = interval(mean, p_value(mean))
    assert min(abs(low), abs(high)) == pytest.approx(0, abs=1e-9)


@given(st.floats(-100, 100), st.floats(0.01, 100))
def test_it_moves_and_scales_with_the_scores(shift, scale):
    random = np.random.default_rng(5)
    scores, weights = random.exponential(size=40), np.full(40, 1 / 40)
    plain = np.array(interval(Mean.of(scores, weights), 0.05))
    moved = interval(Mean.of(shift + scale * scores, weights), 0.05)
    np.testing.assert_allclose(moved, shift + scale * plain, rtol=1e-7, atol=1e-7 * (1 + abs(shift)))
