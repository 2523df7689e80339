import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from analysis import intervals

COUNTS = [(0, 10), (1, 10), (5, 10), (10, 10), (9, 1000), (400, 1000), (0, 1), (1, 1)]


@pytest.mark.parametrize(("successes", "n"), COUNTS)
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_a_shares_intervals_against_statsmodels(successes, n, alpha):
    exact = intervals.clopper_pearson(np.array([successes]), np.array([n]), alpha)
    np.testing.assert_allclose(np.ravel(exact), proportion_confint(successes, n, alpha, "beta"), atol=1e-12)
    score = intervals.wilson(np.array([successes / n]), np.array([n]), alpha)
    np.testing.assert_allclose(np.ravel(score), proportion_confint(successes, n, alpha, "wilson"), atol=1e-12)


@pytest.mark.parametrize("left", COUNTS)
@pytest.mark.parametrize("right", COUNTS)
def test_newcombs_difference_against_statsmodels(left, right):
    share = np.array([left[0] / left[1], right[0] / right[1]])
    wilson = intervals.wilson(share, np.array([left[1], right[1]]), 0.05)
    found = intervals.mover(np.array([1.0, -1.0]), share, wilson)
    np.testing.assert_allclose(found, confint_proportions_2indep(*left, *right, method="newcomb"), atol=1e-12)


@pytest.mark.parametrize(
    ("value", "base"), [(1.1, 1.0), (0.02, 0.5), (-0.3, 1.0), (2.0, -1.5), (-2.0, -1.0), (0.0, 1.0)]
)
def test_fieller_against_brute_force(value, base):
    # The interval holds the ratios that a test of value - ratio * base = 0 does not reject.
    variance, base_variance, critical = 0.02, 0.01, 1.96
    ratios = np.linspace(-20, 20, 4_000_001)
    statistic = np.abs(value - ratios * base) / np.sqrt(variance + ratios**2 * base_variance)
    kept = ratios[statistic <= critical]
    found = intervals.fieller(value, variance, base, base_variance, critical)
    expected = [kept[0] - 1, kept[-1] - 1] if base > 0 else [1 - kept[-1], 1 - kept[0]]
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_fieller_is_not_identified_where_the_base_may_be_zero():
    assert intervals.fieller(1.0, 0.1, 0.1, 0.01, 1.96) is None
    assert intervals.fieller(1.0, 0.1, 0.0, 0.0, 1.96) is None


def test_welchs_freedom_against_scipy():
    rng = np.random.default_rng(3)
    left, right = rng.normal(size=12), 3 * rng.normal(size=30)
    parts = np.array([left.var(ddof=1) / 12, right.var(ddof=1) / 30])
    freedom = intervals.welch_freedom(parts, np.array([12, 30]))
    assert freedom == pytest.approx(stats.ttest_ind(left, right, equal_var=False).df, rel=1e-12)
