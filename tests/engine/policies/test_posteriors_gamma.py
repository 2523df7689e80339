"""The best of gamma posteriors: against closed forms, simulation and itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betainc, betaincc

from engine.errors import PolicyFailed
from engine.policies.posteriors import Gamma, Shape, probability_of_best

EXACT = 1e-9
"""What is reached in practice; 1e-6 is what is promised."""


def best(*shapes: Shape) -> tuple[float, ...]:
    return probability_of_best(shapes, Gamma)


def second_beats_first(first: Shape, second: Shape) -> float:
    """P(X2 > X1): rate1 X1 / (rate1 X1 + rate2 X2) is Beta(shape1, shape2), and X1 < X2 where it is below a share."""
    (a1, b1), (a2, b2) = first, second
    # By whichever of the share and its complement loses no digits.
    return float(betainc(a1, a2, b1 / (b1 + b2)) if b1 < b2 else betaincc(a2, a1, b2 / (b1 + b2)))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((1, 1), (1, 1)),
        ((1, 1), (1, 3)),
        ((4, 2), (9.5, 5)),
        ((120, 1000), (150, 1000)),
        ((1, 1), (300, 1000)),
        ((1, 1e-6), (5, 7)),
        ((1e6, 1e6), (1e6 + 1500, 1e6)),
        ((2.5, 40.25), (3, 1e9)),
    ],
)
def test_two_posteriors_against_the_closed_form(first, second):
    expected = second_beats_first(first, second)
    assert best(first, second) == pytest.approx((1 - expected, expected), abs=EXACT)


@pytest.mark.parametrize("n", [2, 3, 17, 200])
def test_the_least_of_exponentials_against_the_closed_form(n):
    # P(one exponential exceeds n - 1 faster ones of rate 2) = the integral of e^-x (1 - e^-2x)^(n - 1), by u = e^-2x.
    expected = math.exp(math.lgamma(0.5) + math.lgamma(n) - math.lgamma(n + 0.5)) / 2
    assert best((1.0, 1.0), *[(1.0, 2.0)] * (n - 1))[0] == pytest.approx(expected, abs=EXACT)


def test_two_hundred_variants_against_simulation():
    n, z = 100_000, 4.5
    rng = np.random.default_rng(20240102)
    shape, rate = 20 + rng.random(200) * 30, 30 + rng.random(200) * 10
    simulated = np.bincount((rng.gamma(shape, size=(n, 200)) / rate).argmax(axis=1), minlength=200) / n
    p = np.array(best(*zip(shape, rate, strict=True)))
    # A share's standard error is sqrt(p (1 - p) / n); of 200, one beyond z = 4.5 has probability 0.0014. 5 / n more,
    # because shares of a few draws are not normal.
    assert np.all(np.abs(simulated - p) < z * np.sqrt(p * (1 - p) / n) + 5 / n)


@pytest.mark.parametrize("count", [1e3, 1e6, 1e9, 1e12])
def test_however_many_rewards_were_learned(count):
    # One standard deviation of a difference apart, in the normal limit; the third is hopeless.
    answer = best((count, count), (count + math.sqrt(2 * count), count), (count / 2, count))
    assert answer == pytest.approx((0.158655, 0.841345, 0.0), abs=0.6 / math.sqrt(count) + 1e-6)


def test_a_variant_without_a_reward_beside_one_with_a_billion():
    # An exponential of mean 1 exceeds 2 with probability e^-2; the other is 2 to nine digits' root.
    assert best((1, 1), (2e9, 1e9))[0] == pytest.approx(math.exp(-2), abs=1e-8)


@pytest.mark.parametrize(
    "shape", [(0.5, 1.0), (1e15, 1.0), (1.0, 0.0), (1.0, math.inf), (math.nan, 1.0), (1.0, math.nan)]
)
def test_a_posterior_out_of_range_is_refused(shape):
    with pytest.raises(PolicyFailed):
        best((1.0, 1.0), shape)


_SHAPES = st.floats(1, 100) | st.floats(1, 1e9)
_RATES = st.floats(1e-3, 100) | st.floats(1e-6, 1e9)


@given(st.lists(st.tuples(_SHAPES, _RATES), min_size=1, max_size=12))
def test_any_posteriors_give_a_distribution_that_follows_their_order(shapes):
    answer = best(*shapes)
    assert math.fsum(answer) == pytest.approx(1, abs=1e-12)
    assert min(answer) >= 0
    assert best(*shapes[::-1])[::-1] == answer


@given(st.tuples(_SHAPES, _RATES), st.tuples(_SHAPES, _RATES))
def test_any_two_agree_with_the_closed_form(first, second):
    assert best(first, second)[1] == pytest.approx(second_beats_first(first, second), abs=1e-7)
