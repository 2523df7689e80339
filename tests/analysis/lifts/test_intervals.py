import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from analysis.lifts import intervals

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


@pytest.mark.parametrize("covariance", [-0.01, 0.005, 0.012])
@pytest.mark.parametrize(("value", "base"), [(1.1, 1.0), (-0.3, 1.0), (-2.0, -1.5)])
def test_fieller_of_values_that_vary_together_against_brute_force(value, base, covariance):
    variance, base_variance, critical = 0.02, 0.01, 1.96
    ratios = np.linspace(-20, 20, 4_000_001)
    spread = variance + ratios**2 * base_variance - 2 * ratios * covariance
    kept = ratios[np.abs(value - ratios * base) <= critical * np.sqrt(spread)]
    found = intervals.fieller(value, variance, base, base_variance, critical, covariance=covariance)
    expected = [kept[0] - 1, kept[-1] - 1] if base > 0 else [1 - kept[-1], 1 - kept[0]]
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_a_p_value_that_inverts_an_interval_ends_it_at_zero():
    weights, share, n = np.array([0.5, 0.5, -1.0]), np.array([0.2, 0.3, 0.12]), np.array([90, 70, 80])
    found = intervals.mover_p_value(weights, share, lambda alpha: intervals.wilson(share, n, alpha))
    low, high = intervals.mover(weights, share, intervals.wilson(share, n, found))
    assert abs(low) < 1e-9 < high
    assert intervals.mover_p_value(-weights, share, lambda alpha: intervals.wilson(share, n, alpha)) == found


def test_a_p_value_that_inverts_an_interval_has_a_floor():
    share, n = np.array([0.9, 0.1]), np.array([10**6, 10**6])
    found = intervals.mover_p_value(np.array([1.0, -1.0]), share, lambda alpha: intervals.wilson(share, n, alpha))
    assert found == pytest.approx(1e-300)


def test_welchs_freedom_against_scipy():
    rng = np.random.default_rng(3)
    left, right = rng.normal(size=12), 3 * rng.normal(size=30)
    parts = np.array([left.var(ddof=1) / 12, right.var(ddof=1) / 30])
    freedom = intervals.welch_freedom(parts, np.array([11.0, 29.0]))
    assert freedom == pytest.approx(stats.ttest_ind(left, right, equal_var=False).df, rel=1e-12)
