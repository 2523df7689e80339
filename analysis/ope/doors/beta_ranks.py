"""How likely each of k independent Beta numbers is the largest, the second largest, and so on.

This is the distribution of Bernoulli Thompson sampling over slots: each slot gets the variant with the next largest
draw. With f_i, F_i the density and distribution function of draw i,

    P(i has rank l) = integral of f_i(x) P(exactly l - 1 of the others are above x) dx.

The number of others above x is Poisson-binomial, and its first probabilities are a product of k - 1 polynomials
F_j(x) + z (1 - F_j(x)), cut off after z**(l - 1). The integral is taken over the logit of x, where every density is
smooth and falls off at both ends, so that the trapezoidal rule converges faster than any power of its step
(Trefethen and Weideman 2014, The exponentially convergent trapezoidal rule, SIAM Review 56).
"""

from __future__ import annotations

import numpy as np
from scipy import special

from analysis.arrays import Floats
from engine.errors import InvalidRequest

_TAIL = 1e-18
"""What lies further out than these quantiles weighs nothing."""

_CLOSE = 1e-12
"""Where halving the step changes less, nothing is left but rounding."""

_WHOLE = 1e-9
"""A rank's probabilities sum to 1 to that, or a narrow density fell between the points."""

_LEAST = float(np.finfo(np.float64).tiny)
"""The nearest to 0 that a number is told from it."""

_MOST_POINTS = 1 << 20

_N_BELL = 1 << 10
"""Points for one density alone, some 50 to each of its standard deviations."""

_AT_ONCE = 1 << 12
"""Points whose k x n_ranks polynomials are in memory at a time."""


def ranks(alpha: Floats, beta: Floats, n_ranks: int) -> Floats:
    """Return the probability that draw i has rank l, (k, n_ranks); each column sums to 1.

    Raises:
        InvalidRequest: a parameter is not positive, or there are more ranks than draws.

    >>> ranks(np.array([1.0, 2.0]), np.array([1.0, 1.0]), 2).round(12).tolist()
    [[0.333333333333, 0.666666666667], [0.666666666667, 0.333333333333]]
    """
    a, b = np.asarray(alpha, np.float64), np.asarray(beta, np.float64)
    if a.shape != b.shape or a.ndim != 1 or not (np.minimum(a, b) > 0).all():
        raise InvalidRequest("a Beta distribution has two positive numbers: give as many alphas as betas, all above 0")
    if not 1 <= n_ranks <= len(a):
        raise InvalidRequest(f"{len(a)} variants fill from 1 to {len(a)} slots, and not {n_ranks}")
    low, high = _ends(a, b, n_ranks)
    n, step = 1 << 8, (high - low) / (1 << 8)
    total = _summed(a, b, n_ranks, low + step * np.arange(n + 1.0))
    while n < _MOST_POINTS:
        # The points in the middle between those that were taken.
        finer = total + _summed(a, b, n_ranks, low + step * np.arange(0.5, n))
        change = np.abs(finer * step / 2 - total * step).max()
        n, step, total = 2 * n, step / 2, finer
        if change < _CLOSE and np.abs(total.sum(axis=0) * step - 1).max() < _WHOLE:
            return np.asarray(total * step)
    raise InvalidRequest("these Beta distributions are too narrow beside each other to be integrated: simulate them")


def _ends(a: Floats, b: Floats, n_ranks: int) -> tuple[float, float]:
    """Return between which logits a draw lies that has one of the ranks."""
    if max(special.betainc(a, b, _LEAST).max(), special.betainc(b, a, _LEAST).max()) > _CLOSE:
        raise InvalidRequest("a Beta distribution with a number near 0 has its draws too near 0 or 1: simulate them")
    lowest = special.logit(np.maximum(special.betaincinv(a, b, _TAIL), _LEAST))
    highest = -special.logit(np.maximum(special.betaincinv(b, a, _TAIL), _LEAST))
    # Below the lowest of n_ranks + 1 draws, at least n_ranks others are above.
    return float(np.sort(lowest)[-min(n_ranks + 1, len(a))]), float(highest.max())


def _summed(a: Floats, b: Floats, n_ranks: int, points: Floats) -> Floats:
    """Return the sums of the integrand over logits, (k, n_ranks)."""
    total = np.zeros((len(a), n_ranks))
    for first in range(0, len(points), _AT_ONCE):
        total += _integrand(a, b, n_ranks, points[first : first + _AT_ONCE]).sum(axis=2)
    return total


def _integrand(a: Floats, b: Floats, n_ranks: int, t: Floats) -> Floats:
    """Return the density of each draw at logits t (m,) times the chance of each rank there, (k, n_ranks, m)."""
    a, b = a[:, None], b[:, None]
    below = np.asarray(special.betainc(a, b, special.expit(t)), np.float64)
    above = np.asarray(special.betainc(b, a, special.expit(-t)), np.float64)
    density = _bell(a, b, t) / _mass(a, b)
    before = _products(below, above, n_ranks)
    after = _products(below[::-1], above[::-1], n_ranks)[::-1]
    return np.asarray(density[:, None, :] * _multiplied(before, after))


def _bell(a: Floats, b: Floats, t: Floats) -> Floats:
    """Return the density of Beta draws at logits t, up to a factor: 1 where it is highest, at log(a / b)."""
    peak = np.log(a / b)
    return np.asarray(
        np.exp(
            a * (special.log_expit(t) - special.log_expit(peak))
            + b * (special.log_expit(-t) - special.log_expit(-peak))
        )
    )


def _mass(a: Floats, b: Floats) -> Floats:
    """Return the integral of `_bell`, (k, 1). Of a Beta function of large numbers, many digits would be lost."""
    lowest = special.logit(np.maximum(special.betaincinv(a, b, _TAIL), _LEAST))
    highest = -special.logit(np.maximum(special.betaincinv(b, a, _TAIL), _LEAST))
    t, step = np.linspace(lowest[:, 0], highest[:, 0], _N_BELL, axis=1, retstep=True)
    return np.asarray(_bell(a, b, t).sum(axis=1) * step)[:, None]


def _products(below: Floats, above: Floats, n_ranks: int) -> Floats:
    """Return, for each draw, the product of the polynomials of all before it, (k, n_ranks, m)."""
    found = np.zeros((len(below), n_ranks, below.shape[1]))
    found[0, 0] = 1
    for i in range(1, len(below)):
        found[i] = found[i - 1] * below[i - 1]
        found[i, 1:] += found[i - 1, :-1] * above[i - 1]
    return found


def _multiplied(one: Floats, other: Floats) -> Floats:
    """Return products of polynomials, (k, n_ranks, m), without their higher powers."""
    n_ranks = one.shape[1]
    found = np.zeros_like(one)
    for power in range(n_ranks):
        found[:, power:] += one[:, : n_ranks - power] * other[:, power : power + 1]
    return found


def simulated_ranks(alpha: Floats, beta: Floats, n_ranks: int, n_sim: int, seed: int) -> Floats:
    """Return how often draw i had rank l in `n_sim` simulations, (k, n_ranks), to compare with `ranks`.

    As obp's `BernoulliTS.compute_batch_action_dist` does it, with the same numbers for the same `random_state`.
    """
    random = np.random.RandomState(seed)
    counts = np.zeros((len(alpha), n_ranks))
    for _ in range(n_sim):
        counts[random.beta(alpha, beta).argsort()[::-1][:n_ranks], range(n_ranks)] += 1
    return counts / n_sim
