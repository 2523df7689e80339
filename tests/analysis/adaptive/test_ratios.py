"""Relative lifts agree with differences, and with Fieller where nothing is skewed."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from analysis.adaptive import means, ratios
from analysis.adaptive.means import Mean
from analysis.adaptive.ratios import Pair
from analysis.lifts import intervals


def scores(seed=0, n=200, base=3.0):
    random = np.random.default_rng(seed)
    return random.exponential(size=n) + base, random.exponential(size=n) + base, random.dirichlet(np.ones(n))


@given(st.integers(0, 20), st.floats(-5, 5))
def test_the_difference_of_a_pair_is_that_of_its_scores(seed, ratio):
    plus, minus, weights = scores(seed)
    found, wanted = Pair.of(plus, minus, weights).less(ratio), Mean.of(plus - ratio * minus, weights)
    for name in ("value", "square", "cube", "fourth"):
        assert getattr(found, name) == pytest.approx(getattr(wanted, name), rel=1e-8, abs=1e-9)


@given(st.integers(0, 200), st.floats(0.2, 3))
def test_it_leaves_0_out_where_the_difference_does(seed, base):
    plus, minus, weights = scores(seed, 40, base)
    found = ratios.interval(Pair.of(plus, minus, weights), 0.3)
    assume(found is not None)
    low, high = means.interval(Mean.of(plus - minus, weights), 0.3)
    assert (found[0] > 0, found[1] < 0) == (low > 0, high < 0)


def test_without_skewness_it_is_fiellers():
    random = np.random.default_rng(1)
    half = random.normal(0, 1, (300, 2))
    plus, minus = np.concatenate([half, -half]).T + np.array([[8], [5]])
    weights = np.full(600, 1 / 600)
    pair = Pair.of(plus, minus, weights)
    found = ratios.interval(pair, 0.05)
    square, product, base = pair.sums[2]
    # The freedom of the two differs by little between ratios.
    reach = means.critical(pair.less(pair.plus / pair.minus), 0.05)
    wanted = intervals.fieller(pair.plus, square, pair.minus, base, reach, covariance=product)
    assert found == pytest.approx(wanted, rel=1e-4)


def test_of_negative_values_the_lift_is_relative_to_their_size():
    plus, minus, weights = scores()
    low, high = ratios.interval(Pair.of(plus, minus, weights), 0.05)
    assert ratios.interval(Pair.of(-plus, -minus, weights), 0.05) == pytest.approx((-high, -low))


def test_a_base_that_may_be_0_has_none():
    plus, minus, weights = scores()
    assert ratios.interval(Pair.of(plus, minus - minus.mean(), weights), 0.05) is None
    assert ratios.interval(Pair.of(plus, np.zeros(200), weights), 0.05) is None
