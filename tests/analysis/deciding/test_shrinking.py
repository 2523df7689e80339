import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.meta_analysis import combine_effects

from analysis.deciding import shrinking
from analysis.estimate import Estimate
from analysis.sequential import asymptotic
from analysis.texts import text

NONE = text("method.none")


@pytest.mark.parametrize("seed", range(5))
def test_mean_and_spread_against_statsmodels(seed):
    rng = np.random.default_rng(seed)
    errors = rng.uniform(0.01, 0.1, 12)
    values = rng.normal(0.02, 0.03, 12) + errors * rng.normal(size=12)
    found = shrinking.shrink(values, errors)
    # statsmodels does not cut a negative spread at 0 before it weighs.
    expected = combine_effects(values, errors**2, method_re="dl")
    if expected.tau2 > 0:
        assert found.spread == pytest.approx(np.sqrt(expected.tau2), rel=1e-9)
        assert found.mean == pytest.approx(expected.mean_effect_re, rel=1e-9)
    else:
        assert found.spread == 0
        assert found.mean == pytest.approx(expected.mean_effect_fe, rel=1e-9)


@pytest.mark.parametrize(("n", "spread"), [(4, 0.03), (6, 0.1), (20, 0.005), (20, 0.03)])
def test_shrunk_lifts_are_nearer_to_the_truth_and_their_intervals_cover_it(n, spread):
    # Intervals of one run share mean and spread, so runs are what is independent: 400 of them, and of each the share
    # that is covered, whose standard error comes from how it varies.
    rng, covered, gain = np.random.default_rng(7), [], 0.0
    for _ in range(400):
        errors = rng.uniform(0.01, 0.05, n)
        truth = rng.normal(0.01, spread, n)
        values = truth + errors * rng.normal(size=n)
        found = shrinking.shrink(values, errors)
        gain += ((values - truth) ** 2).sum() - ((found.values - truth) ** 2).sum()
        half = stats.norm.isf(0.025) * found.errors
        covered.append((np.abs(found.values - truth) <= half).mean())
    assert gain > 0
    assert np.mean(covered) > 0.95 - 3.29 * np.std(covered) / np.sqrt(400)


def test_where_chance_explains_all_lifts_are_drawn_by_morriss_share():
    # Of 5 lifts (5 - 3) / (5 - 1) of the way, because the spread itself is uncertain.
    found = shrinking.shrink(np.array([0.0, 0.01, 0.02, 0.03, 0.04]), np.full(5, 0.1))
    np.testing.assert_allclose(found.values, [0.01, 0.015, 0.02, 0.025, 0.03])


def test_the_standard_error_behind_an_interval_of_a_family():
    half = 0.02 * stats.norm.isf(0.05 / 4 / 2)
    found = Estimate(0.1, 0.1 - half, 0.1 + half, 9, NONE, NONE, family=4)
    assert asymptotic.standard_error(found) == pytest.approx(0.02)
