"""Ranks of Beta draws: against closed forms, against counting, and in hard corners."""

import math
from itertools import permutations

import numpy as np
import pytest
from scipy.special import betaln

from analysis.ope.doors.beta_ranks import ranks, simulated_ranks
from engine.errors import InvalidRequest


def larger(a, b, c, d):
    """Return P(Beta(a, b) > Beta(c, d)) for a whole a: B(c + i, b + d) / ((b + i) B(1 + i, b) B(c, d)) over i < a."""
    return sum(math.exp(betaln(c + i, b + d) - math.log(b + i) - betaln(1 + i, b) - betaln(c, d)) for i in range(a))


@pytest.mark.parametrize(("a", "b", "c", "d"), [(3, 5.0, 2.0, 4.5), (1, 0.5, 0.5, 1.0), (40, 900.0, 35.0, 700.0)])
def test_the_larger_of_two_is_the_closed_form(a, b, c, d):
    found = ranks(np.array([a, c]), np.array([b, d]), 2)
    first = larger(a, b, c, d)
    assert found == pytest.approx(np.array([[first, 1 - first], [1 - first, first]]), abs=1e-11)


def test_draws_of_powers_of_a_uniform_have_ranks_in_closed_form():
    """Beta(a, 1) is U**(1/a), and -log of it exponential with rate a: ranks are those of a race (Plackett and Luce)."""
    rates = np.array([0.7, 1.0, 2.5, 4.0])
    found = ranks(rates, np.ones(4), 3)
    expected = np.zeros((4, 3))
    for order in permutations(range(4)):
        left, chance = rates.sum(), 1.0
        for winner in order:
            chance *= rates[winner] / left
            left -= rates[winner]
        expected[list(order[:3]), range(3)] += chance
    assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("k", [1, 2, 7, 80])
def test_equal_draws_are_equally_likely_everywhere(k):
    n_ranks = min(k, 3)
    assert ranks(np.full(k, 5.0), np.full(k, 1000.0), n_ranks) == pytest.approx(np.full((k, n_ranks), 1 / k), abs=1e-13)


def test_columns_sum_to_one_and_so_do_rows_over_all_ranks():
    rng = np.random.default_rng(3)
    found = ranks(rng.uniform(0.3, 500, 12), rng.uniform(0.3, 500, 12), 12)
    assert found.sum(axis=0) == pytest.approx(np.ones(12), abs=1e-11)
    assert found.sum(axis=1) == pytest.approx(np.ones(12), abs=1e-11)
    assert found.min() >= 0


def test_narrow_beside_wide_is_integrated_as_well():
    """A draw at 1/2 for certain, all but: Beta(1, 1) is above it half the time, and Beta(2, 1) three times in four."""
    found = ranks(np.array([1e6, 1.0, 2.0]), np.array([1e6, 1.0, 1.0]), 1)
    assert found[0, 0] == pytest.approx(0.5 * 0.25, abs=1e-3)
    assert found.sum() == pytest.approx(1, abs=1e-9)


def test_it_is_what_simulation_counts():
    """Bernstein: of n = 20,000 a frequency is off by more than sqrt(2 p c / n) + c / n, c = log(2 * 90 / 1e-6), once in
    a million runs for any of the 90 numbers.
    """
    rng = np.random.default_rng(5)
    alpha, beta = rng.integers(1, 60, 30).astype(float), rng.integers(500, 4000, 30).astype(float)
    exact, counted, n = ranks(alpha, beta, 3), simulated_ranks(alpha, beta, 3, 20_000, 11), 20_000
    c = math.log(2 * 90 / 1e-6)
    assert (np.abs(counted - exact) <= np.sqrt(2 * exact * c / n) + c / n).all()


def test_simulation_draws_the_numbers_that_obp_draws():
    """Its loop, written out: one vector of draws a round, sorted downwards."""
    alpha, beta = np.array([3.0, 1.0, 2.0]), np.array([9.0, 4.0, 5.0])
    random, counts = np.random.RandomState(12345), np.zeros((3, 2))
    for _ in range(500):
        chosen = random.beta(a=alpha, b=beta).argsort()[::-1][:2]
        for position in range(2):
            counts[chosen[position], position] += 1
    assert simulated_ranks(alpha, beta, 2, 500, 12345).tolist() == (counts / 500).tolist()


@pytest.mark.parametrize(
    ("alpha", "beta", "n_ranks", "match"),
    [
        ([1.0, 0.0], [1.0, 1.0], 1, "two positive numbers"),
        ([1.0], [1.0, 1.0], 1, "two positive numbers"),
        ([1.0, math.nan], [1.0, 1.0], 1, "two positive numbers"),
        ([1.0, 1.0], [1.0, 1.0], 3, "from 1 to 2 slots, and not 3"),
        ([1e-3, 1.0], [1.0, 1.0], 1, "too near 0 or 1"),
    ],
)
def test_what_cannot_be_integrated_is_refused(alpha, beta, n_ranks, match):
    with pytest.raises(InvalidRequest, match=match):
        ranks(np.array(alpha), np.array(beta), n_ranks)
