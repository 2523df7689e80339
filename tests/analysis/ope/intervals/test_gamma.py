"""The gamma interval of skewed scores, against the exact intervals of what is nearly Poisson."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.adaptive import means
from analysis.ope.intervals.gamma import Spread, exceedance, interval, p_value, quantile


@pytest.mark.parametrize("hits", [0, 1, 3, 40, 2000])
def test_of_equal_weights_it_is_garwoods_exact_interval_of_a_count(hits):
    found = interval(Spread(hits, hits, hits, rise=1.0, fall=0.0), 0.05)
    low = stats.gamma(hits).ppf(0.025) if hits else 0.0
    np.testing.assert_allclose(found, [low, stats.gamma(hits + 1).ppf(0.975)], rtol=1e-6, atol=1e-12)


def test_of_other_weights_it_is_fay_and_feuers():
    weights = np.array([1.0, 1.0, 3.0, 7.0])
    y, v = weights.sum(), (weights**2).sum()
    above, square = y + 7.0, v + 49.0
    # Theirs has the mean and variance alone; with that skewness, 2 sqrt(v) / y, ours is the same distribution.
    cube = (square**2 / above) - 7.0**3
    found = interval(Spread(y, v, cube, rise=7.0, fall=0.0), 0.05)[1]
    assert found == pytest.approx(stats.gamma(above**2 / square, scale=square / above).ppf(0.975), rel=1e-9)


def test_with_half_of_the_typical_jump_it_is_halls_interval_but_for_small_terms():
    """Both expand to mean + error (z + skewness (2 z**2 + 1) / 6).

    The rest, and what the freedom of Student's quantile adds, is of the order of skewness**2.
    """
    scores = np.random.default_rng(1).exponential(size=4000)
    mean = means.Mean.of(scores, np.full(4000, 1 / 4000))
    half = mean.cube / mean.square / 2
    found = Spread(mean.value, mean.square, mean.cube, rise=half, fall=-half)
    np.testing.assert_allclose(
        interval(found, 0.05), means.interval(mean, 0.05), atol=6 * mean.skewness**2 * mean.standard_error
    )


@pytest.mark.parametrize("tail", [0.4, 0.025, 1e-4])
@pytest.mark.parametrize("skewness", [-2.0, -0.3, -1.01e-3, -9.9e-4, 0.0, 9.9e-4, 1.01e-3, 0.3, 2.0])
def test_quantiles_are_those_of_pearsons_third_type(skewness, tail):
    wanted = stats.pearson3(skewness).isf(tail)
    assert quantile(tail, skewness) == pytest.approx(wanted, abs=1e-5)
    assert exceedance(quantile(tail, skewness), skewness) == pytest.approx(tail, rel=1e-3)


SPREADS = st.builds(
    Spread,
    mean=st.floats(-1, 1),
    variance=st.floats(1e-6, 1),
    cube=st.floats(-1, 1),
    rise=st.floats(0, 1),
    fall=st.floats(0, 1),
    blind=st.floats(0, 0.1),
)


@given(SPREADS)
def test_the_p_value_is_where_the_interval_leaves_0_out(spread):
    p = p_value(spread)
    if 1e-9 < p < 1:
        inside, outside = interval(spread, p * 0.999), interval(spread, p * 1.001)
        assert inside[0] <= 0 <= inside[1]
        assert not outside[0] < 0 < outside[1]


@given(SPREADS)
def test_negative_scores_give_the_mirrored_interval(spread):
    low, high = interval(spread, 0.05)
    assert interval(spread.negative, 0.05) == pytest.approx((-high, -low), rel=1e-12)


@given(SPREADS)
def test_more_that_was_not_seen_never_narrows_it_much(spread):
    """A jump moves the end outwards; only the gamma's shape may take a hundredth of the spread back."""
    without = interval(Spread(spread.mean, spread.variance, spread.cube, 0.0, 0.0), 0.05)
    found = interval(spread, 0.05)
    slack = 0.35 * spread.variance**0.5
    assert found[0] <= without[0] + slack
    assert found[1] >= without[1] - slack


def test_scores_that_could_not_have_been_others_have_no_width():
    certain = Spread(0.25, 0.0, 0.0, 0.0, 0.0)
    assert certain.is_certain
    assert interval(certain, 0.05) == (0.25, 0.25)
