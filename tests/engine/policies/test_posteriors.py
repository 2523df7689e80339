"""The best of Beta posteriors: against closed forms, adaptive quadrature, simulation and itself."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import betaln
from scipy.stats import beta as beta_distribution

from engine.errors import PolicyFailed
from engine.policies.posteriors import Shape, probability_of_best

EXACT = 1e-9
"""What is reached in practice; 1e-6 is what is promised."""


def second_beats_first(first: Shape, second: Shape) -> float:
    """P(X2 > X1) for integer alpha2: sum over i < alpha2 of B(a1 + i, b1 + b2) / ((b2 + i) B(1 + i, b2) B(a1, b1)).

    Source: Evan Miller, "Formulas for Bayesian A/B Testing", 2013.
    """
    (a1, b1), (a2, b2) = first, second
    i = np.arange(int(a2))
    logs = betaln(a1 + i, b1 + b2) - np.log(b2 + i) - betaln(1 + i, b2) - betaln(a1, b1)
    return float(math.fsum(np.exp(logs)))


def by_adaptive_quadrature(posteriors: list[Shape]) -> list[float]:
    """The same integrals over x, one at a time, with breakpoints at the quantiles of every posterior."""
    laws = [beta_distribution(a, b) for a, b in posteriors]
    points = sorted({float(law.ppf(q)) for law in laws for q in (1e-9, 1e-4, 0.02, 0.2, 0.5, 0.8, 0.98, 1 - 1e-4)})
    edges = [0.0, *points, 1.0]

    def integral(k: int) -> float:
        def density(x: float) -> float:
            others = math.prod(float(law.cdf(x)) for j, law in enumerate(laws) if j != k)
            return float(laws[k].pdf(x)) * others

        pieces = [
            quad(density, low, high, epsabs=1e-12, epsrel=1e-10, limit=200)[0]
            for low, high in itertools.pairwise(edges)
        ]
        return math.fsum(pieces)

    return [integral(k) for k in range(len(posteriors))]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((1, 1), (1, 1)),
        ((1, 1), (2, 1)),
        ((3, 7), (5, 5)),
        ((120, 880), (150, 850)),
        ((1, 1), (1000, 9000)),
        ((2, 1000), (900, 3)),
        ((10_000, 90_000), (10_200, 89_800)),
        ((1.5, 40.25), (3, 60.5)),
        ((1, 1_000_000), (1, 500_000)),
    ],
)
def test_two_posteriors_against_the_closed_form(first, second):
    expected = second_beats_first(first, second)
    assert probability_of_best([first, second]) == pytest.approx((1 - expected, expected), abs=EXACT)


@pytest.mark.parametrize(
    ("first", "second"), [((10**5, 9 * 10**5), (100_500, 899_500)), ((10**6, 10**6), (10**6 + 500, 10**6))]
)
def test_two_very_concentrated_posteriors_against_the_closed_form(first, second):
    expected = second_beats_first(first, second)
    # The closed form's terms are differences of logarithms near 1e6: its own error is some 1e-9.
    assert probability_of_best([first, second])[1] == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("n", [2, 3, 17, 200])
def test_powers_against_the_closed_form(n):
    # Beta(c, 1) has cdf x^c, so that variant k is best with probability c_k / sum(c).
    alphas = 1 + np.arange(n) ** 1.5
    expected = alphas / alphas.sum()
    assert probability_of_best([(alpha, 1.0) for alpha in alphas]) == pytest.approx(expected, abs=EXACT)


@pytest.mark.parametrize(
    "posteriors",
    [
        [(1, 1), (1.5, 1.5), (2.25, 1.001)],
        [(1.0, 1.3), (1.1, 1.2), (5.5, 4.4), (30.1, 31.7)],
        [(12.5, 300.25), (9.75, 280.5), (15.0, 310.0), (1.0, 1.0)],
        [(1.02, 3.98), (1.0, 1.0), (4.0, 1.0)],
        [(5000.5, 5000.5), (2.0, 2.0), (5050.25, 5000.75)],
        [(1.0, 2000.0), (1.4, 2000.6), (3.0, 1.0)],
    ],
)
def test_against_adaptive_quadrature(posteriors):
    assert probability_of_best(posteriors) == pytest.approx(by_adaptive_quadrature(posteriors), abs=1e-8)


def test_two_hundred_variants_against_simulation():
    n, z = 100_000, 4.5
    rng = np.random.default_rng(20240101)
    alpha, beta = 20 + rng.random(200) * 30, 300 + rng.random(200) * 100
    best = np.bincount(rng.beta(alpha, beta, size=(n, 200)).argmax(axis=1), minlength=200) / n
    p = np.array(probability_of_best(list(zip(alpha, beta, strict=True))))
    # A simulated share has the standard error sqrt(p (1 - p) / n); of 200, one beyond z = 4.5 has probability 0.0014.
    # 5 / n more, because shares of a few draws are not normal.
    assert np.all(np.abs(best - p) < z * np.sqrt(p * (1 - p) / n) + 5 / n)


def test_a_million_rewards_against_the_normal_limit():
    n, gain = 10**6, 700
    variance = 0.25 / (2 * n)
    shift = gain / (4 * n)
    expected = 0.5 * math.erfc(-shift / math.sqrt(2 * variance) / math.sqrt(2))
    # The posterior is normal up to terms of order 1 / sqrt(n).
    assert probability_of_best([(n, n), (n + gain, n)])[1] == pytest.approx(expected, abs=1 / math.sqrt(n))


def test_very_unlike_posteriors():
    assert probability_of_best([(1, 10**6), (10**6, 1)]) == (0.0, 1.0)
    # A uniform one exceeds Beta(a, 1) with probability 1 / (a + 1).
    assert probability_of_best([(1, 1), (10**6, 1), (1, 10**6)]) == pytest.approx((1e-6, 1 - 1e-6, 0), abs=1e-10)


def test_equal_posteriors_get_equal_probabilities_to_the_bit():
    answer = probability_of_best([(3, 9), (4, 2), (3, 9), (4, 2), (3, 9)])
    assert len({answer[0], answer[2], answer[4]}) == len({answer[1], answer[3]}) == 1
    assert probability_of_best([(1.7, 2.9)] * 200) == pytest.approx([0.005] * 200, abs=1e-15)


@pytest.mark.parametrize("count", [1e3, 1e6, 1e9, 1e12, 1e13])
def test_however_many_rewards_were_learned(count):
    # One standard deviation of a difference apart, in the normal limit; the third is hopeless.
    ahead = math.sqrt(2 * 0.25 / (2 * count)) * 4 * count
    answer = probability_of_best([(count, count), (count + ahead, count), (count / 2, count)])
    assert answer == pytest.approx((0.158655, 0.841345, 0.0), abs=0.6 / math.sqrt(count) + 1e-6)


@pytest.mark.parametrize("posterior", [(0.5, 1.0), (1.0, 1e15), (math.nan, 1.0), (math.inf, 1.0), (1.0, -3.0)])
def test_a_posterior_out_of_range_is_refused(posterior):
    with pytest.raises(PolicyFailed):
        probability_of_best([(1.0, 1.0), posterior])


_SHAPES = st.one_of(st.floats(1, 10), st.floats(1, 1e4), st.floats(1, 1e8), st.integers(1, 10**9).map(float))


@given(st.lists(st.tuples(_SHAPES, _SHAPES), min_size=1, max_size=12))
def test_any_posteriors_give_a_distribution_that_follows_their_order(posteriors):
    answer = probability_of_best(posteriors)
    assert math.fsum(answer) == pytest.approx(1, abs=1e-12)
    assert min(answer) >= 0
    assert probability_of_best(posteriors[::-1])[::-1] == answer


@given(st.tuples(_SHAPES, _SHAPES), st.tuples(_SHAPES, _SHAPES))
def test_the_best_of_two_is_the_worst_of_two_mirrored(first, second):
    # X1 > X2 exactly where 1 - X2 > 1 - X1, and 1 - X is Beta(beta, alpha).
    mirrored = probability_of_best([first[::-1], second[::-1]])
    assert probability_of_best([first, second]) == pytest.approx(mirrored[::-1], abs=1e-8)
