"""The probability of being the best normal posterior, against closed forms, adaptive quadrature and simulation."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from engine.errors import PolicyFailed
from engine.policies.normals import best_of_normals


def by_scipy(means, deviations, k):
    """One integral by scipy's own adaptive quadrature, broken where anything happens."""
    others = [j for j in range(len(means)) if j != k]

    def density(t):
        return norm.pdf(t, means[k], deviations[k]) * np.prod([norm.cdf(t, means[j], deviations[j]) for j in others])

    places = zip(means, deviations, strict=True)
    edges = sorted({mean + step * deviation for mean, deviation in places for step in (-8, -3, 0, 3, 8)})
    return sum(quad(density, low, high, limit=200)[0] for low, high in pairwise(edges))


@given(
    st.lists(st.tuples(st.floats(-2, 2), st.floats(-4, 0.5)), min_size=2, max_size=2),
)
def test_two_are_compared_as_their_difference_is(pairs):
    means, deviations = np.array([mean for mean, _ in pairs]), 10.0 ** np.array([size for _, size in pairs])
    first = norm.cdf((means[0] - means[1]) / np.hypot(*deviations))
    assert best_of_normals(means, deviations)[0] == pytest.approx(first, abs=1e-6)


@pytest.mark.parametrize(("sizes", "apart"), [((1e-12, 1.0), 0.3), ((1e-12, 3e-12), 1.5), ((1e-9, 1e-4), -2.0)])
@pytest.mark.parametrize("mean", [0.0, 0.5, 1000.0])
def test_two_that_differ_by_less_than_floats_near_them_do(sizes, apart, mean):
    deviations = np.array(sizes)
    means = mean + np.array([0.0, apart * np.hypot(*sizes)])
    # Of the means as floats have them: next to 1,000 they are 1e-13 apart at least.
    first = norm.cdf((means[0] - means[1]) / np.hypot(*deviations))
    assert best_of_normals(means, deviations)[0] == pytest.approx(first, abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_several_are_what_adaptive_quadrature_finds(seed):
    rng = np.random.default_rng(seed)
    means, deviations = rng.normal(0, 1, 5), 10.0 ** rng.uniform(-2, 0.3, 5)
    expected = [by_scipy(means, deviations, k) for k in range(5)]
    assert best_of_normals(means, deviations) == pytest.approx(expected, abs=1e-6)


def test_many_are_what_simulation_finds():
    rng = np.random.default_rng(3)
    means, deviations, n = rng.normal(0, 0.1, 40), rng.uniform(0.05, 0.3, 40), 200_000
    won = np.bincount((means + deviations * rng.normal(size=(n, 40))).argmax(axis=1), minlength=40) / n
    # Forty shares, each within 4.5 standard errors: missed by chance once in 3,600 seeds.
    error = np.sqrt(np.maximum(won, 1 / n) / n)
    assert (abs(best_of_normals(means, deviations) - won) < 4.5 * error).all()


@given(st.integers(2, 30), st.floats(-5, 5), st.floats(1e-6, 10))
def test_equal_ones_are_as_likely(k, mean, deviation):
    assert best_of_normals(np.full(k, mean), np.full(k, deviation)) == pytest.approx(np.full(k, 1 / k))


def test_what_lies_far_below_has_no_chance():
    assert best_of_normals(np.array([0.0, 1.0]), np.array([0.01, 0.01])).tolist() == [0.0, 1.0]


def test_what_is_not_finite_is_refused():
    with pytest.raises(PolicyFailed):
        best_of_normals(np.array([np.nan, 0.0]), np.ones(2))
