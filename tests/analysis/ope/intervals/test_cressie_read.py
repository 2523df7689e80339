"""The Cressie-Read interval, against a direct optimisation of the same problem."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from analysis.ope.intervals.cressie_read import Sums, interval

LARGEST = 8.0


def log(seed, n=25, value_range=(0.0, 1.0)):
    """Return weights and rewards of n draws."""
    random = np.random.default_rng(seed)
    return random.choice([0.0, 0.5, 2.0, 5.0], n, p=[0.4, 0.3, 0.2, 0.1]), random.uniform(*value_range, n)


def sums(w, r):
    return Sums(len(w), w.sum(), w @ w, w @ r, w**2 @ r, w**2 @ r**2)


def closest(w):
    """Return the t closest to 1 for which the means of t and of t w are 1: a projection on two equations."""
    rows = np.stack([np.ones(len(w)), w]) / len(w)
    return 1 + np.linalg.pinv(rows) @ (np.ones(2) - rows.sum(axis=1))


def least_divergence(w):
    return float(((closest(w) - 1) ** 2).sum())


def directly(w, r, value_range, side):
    """Return the end below (side 1) or above (side -1) by a solver, over both draws that were not seen."""
    worst = value_range[0] if side > 0 else value_range[1]
    unseen = [(0.0, worst), (LARGEST, worst)]
    joined = [(np.append(w, fake), np.append(r, reward)) for fake, reward in unseen]
    limit = min(least_divergence(weights) for weights, _ in joined) + stats.f.isf(0.05, 1, len(w))
    return side * min(solved(weights, side * rewards, limit) for weights, rewards in joined)


def solved(w, r, limit):
    n, value = len(w), w * r
    if least_divergence(w) > limit:
        return np.inf
    found = optimize.minimize(
        lambda t: t @ value / n,
        closest(w),
        jac=lambda t: value / n,
        method="SLSQP",
        constraints=[
            {"type": "eq", "fun": lambda t: t.mean() - 1, "jac": lambda t: np.full(n, 1 / n)},
            {"type": "eq", "fun": lambda t: t @ w / n - 1, "jac": lambda t: w / n},
            {"type": "ineq", "fun": lambda t: limit - ((t - 1) ** 2).sum(), "jac": lambda t: -2 * (t - 1)},
        ],
        options={"maxiter": 500, "ftol": 1e-9},
    )
    assert found.success, found.message
    return found.fun


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("value_range", [(0.0, 1.0), (-2.0, 3.0)])
def test_its_ends_are_those_of_a_direct_optimisation(seed, value_range):
    w, r = log(seed, value_range=value_range)
    wanted = [np.clip(directly(w, r, value_range, side), *value_range) for side in (1, -1)]
    np.testing.assert_allclose(interval(sums(w, r), LARGEST, value_range, 0.05), wanted, atol=1e-5)


@given(st.integers(0, 200), st.floats(-5, 5))
def test_it_moves_with_the_rewards(seed, shift):
    """Because the mean weight is held at 1."""
    w, r = log(seed)
    plain = np.array(interval(sums(w, r), LARGEST, (0.0, 1.0), 0.05))
    moved = interval(sums(w, r + shift), LARGEST, (shift, 1.0 + shift), 0.05)
    np.testing.assert_allclose(moved, plain + shift, atol=1e-6)


def test_a_larger_weight_that_was_not_seen_widens_it():
    w, r = log(3, 400)
    narrow, wide = (interval(sums(w, r), largest, (0.0, 1.0), 0.05) for largest in (5.0, 200.0))
    assert wide[1] - wide[0] > narrow[1] - narrow[0]


def test_without_a_match_it_is_the_whole_range():
    assert interval(Sums(50), 20.0, (0.0, 1.0), 0.05) == (0.0, 1.0)


def test_two_logs_add_up():
    (w, r), (v, s) = log(1), log(2)
    both = sums(np.append(w, v), np.append(r, s))
    added = sums(w, r) + sums(v, s)
    np.testing.assert_allclose(interval(added, LARGEST, (0.0, 1.0), 0.05), interval(both, LARGEST, (0.0, 1.0), 0.05))


def test_its_coverage():
    """Of 500 logs of 2,000 draws 95 % at least hold the truth: fewer than 92 % has a chance below .001."""
    random = np.random.default_rng(7)
    p, pi = np.array([0.5, 0.4, 0.1]), np.array([0.2, 0.2, 0.6])
    rate = np.array([0.1, 0.2, 0.3])
    held = 0
    for _ in range(500):
        variant = random.choice(3, 2000, p=p)
        found = interval(sums((pi / p)[variant], (random.random(2000) < rate[variant]) * 1.0), 6.0, (0.0, 1.0), 0.05)
        held += found[0] <= pi @ rate <= found[1]
    assert stats.binom.cdf(held, 500, 0.95) > 0.001
