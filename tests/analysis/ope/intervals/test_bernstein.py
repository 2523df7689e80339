"""The empirical Bernstein interval."""

import math

import numpy as np
import pytest

from analysis.ope.intervals.bernstein import interval


def test_it_is_maurer_and_pontils_formula_at_half_of_alpha_for_each_end():
    n, variance, d = 50, 0.04, 0.025
    reach = math.sqrt(2 * variance * math.log(2 / d) / n) + 7 * math.log(2 / d) / (3 * (n - 1))
    assert interval(0.3, variance, n, 1.0, 0.05) == pytest.approx((0.3 - reach, 0.3 + reach), rel=1e-12)


def test_it_scales_with_what_the_scores_may_be():
    plain, wide = interval(0.3, 0.04, 50, 1.0, 0.05), interval(3.0, 4.0, 50, 10.0, 0.05)
    np.testing.assert_allclose(wide, 10 * np.array(plain))


@pytest.mark.parametrize(("n", "chance"), [(5, 0.02), (30, 0.02), (300, 0.5)])
def test_it_never_misses_more_than_it_says(n, chance):
    """For so few draws the share of misses is known exactly: the sum over the counts that miss."""
    from scipy import stats

    missed = 0.0
    for hits in range(n + 1):
        mean = hits / n
        low, high = interval(mean, mean * (1 - mean) * n / (n - 1), n, 1.0, 0.05)
        missed += stats.binom.pmf(hits, n, chance) * (not low <= chance <= high)
    assert missed <= 0.05
