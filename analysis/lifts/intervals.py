"""Intervals as pure functions of numbers; `alpha` is the share of samples that an interval may miss in all.

Every function works element by element on arrays. Quantiles are scipy's own functions rather than its distributions:
the same numbers thirty times as fast, and a p-value asks for many.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import special
from scipy.optimize import brentq

from analysis.arrays import Floats, Ints

Interval = tuple[Floats, Floats]
"""Low and high ends, of the same shape."""

_LEAST = np.log(1e-300)
"""The logarithm of the least p-value that is told apart."""


def clopper_pearson(successes: Ints, n: Ints, alpha: float) -> Interval:
    """Return the exact interval of a proportion (Clopper and Pearson 1934): it never covers less than it says.

    >>> low, high = clopper_pearson(np.array([0]), np.array([10]), 0.05)
    >>> low.item(), round(high.item(), 4)
    (0.0, 0.3085)
    """
    failures = n - successes
    low = special.betaincinv(np.maximum(successes, 1), failures + 1, alpha / 2)
    high = special.betainccinv(successes + 1, np.maximum(failures, 1), alpha / 2)
    return np.where(successes == 0, 0.0, low), np.where(failures == 0, 1.0, high)


def wilson(share: Floats, n: Ints, alpha: float) -> Interval:
    """Return the score interval of a proportion (Wilson 1927)."""
    z2 = special.ndtri(alpha / 2) ** 2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (share * (1 - share) + z2 / (4 * n)) / n) / (1 + z2 / n)
    low = np.where(share == 0, 0.0, np.maximum(centre - half, 0))
    return low, np.where(share == 1, 1.0, np.minimum(centre + half, 1))


def mover(weights: Floats, values: Floats, intervals: Interval) -> tuple[float, float]:
    """Return the interval of sum(weights * values) from the intervals of independent values (Zou and Donner 2008).

    With weights (1, -1) and Wilson's intervals it is Newcomb's interval of a difference of proportions (1998).
    """
    lower, upper = values - intervals[0], intervals[1] - values
    value = float(weights @ values)
    down = np.where(weights > 0, lower, upper) * weights
    up = np.where(weights > 0, upper, lower) * weights
    return value - float(np.hypot.reduce(down)), value + float(np.hypot.reduce(up))


def mover_p_value(weights: Floats, values: Floats, intervals_at: Callable[[float], Interval]) -> float:
    """Return the least `alpha` at which the interval of `mover` leaves 0 out, of the intervals at each `alpha`.

    So that it agrees with what is shown, and not a test of its own; at least 1e-300.

    >>> share, n = np.array([0.2, 0.1]), np.array([100, 100])
    >>> found = mover_p_value(np.array([1., -1.]), share, lambda alpha: wilson(share, n, alpha))
    >>> low, _ = mover(np.array([1., -1.]), share, wilson(share, n, found))
    >>> round(found, 4), abs(low) < 1e-9
    (0.0497, True)
    """
    value = float(weights @ values)

    def nearest(log_alpha: float) -> float:
        low, high = mover(weights, values, intervals_at(float(np.exp(log_alpha))))
        return low if value > 0 else -high

    if not value:
        return 1.0
    return float(np.exp(_LEAST if nearest(_LEAST) > 0 else brentq(nearest, _LEAST, 0.0, xtol=1e-13)))


def fieller(
    value: float, variance: float, base: float, base_variance: float, critical: float, *, covariance: float = 0.0
) -> tuple[float, float] | None:
    """Return the interval of (value - base) / |base| (Fieller 1954), or None: not identified.

    It is not identified where g = critical**2 * base_variance / base**2 reaches 1: the base may then well be zero, and
    no bounded set of ratios has the coverage.

    >>> low, high = fieller(1.1, 0.0001, 1.0, 0.0001, 1.96)
    >>> round(low, 4), round(high, 4)
    (0.0713, 0.1296)
    """
    # The ratios r with (value - r * base)**2 <= critical**2 * variance of (value - r * base): a quadratic in r.
    z2 = critical**2
    square, middle = base**2 - z2 * base_variance, value * base - z2 * covariance
    if square <= 0:
        return None
    # The discriminant, written so that nothing large cancels.
    inner = value**2 * base_variance + variance * square - 2 * value * base * covariance + z2 * covariance**2
    root = critical * np.sqrt(max(inner, 0.0))
    low, high = float((middle - root) / square) - 1, float((middle + root) / square) - 1
    return (low, high) if base > 0 else (-high, -low)


def welch_freedom(parts: Floats, freedom: Floats) -> float:
    """Return the freedom of a sum of estimated variances `parts`, each with a freedom (Satterthwaite 1946).

    Infinite where every part is as good as known. Parts that are 0 count for nothing.

    >>> round(welch_freedom(np.array([2.0, 1.0]), np.array([9.0, 9.0])), 9)
    16.2
    """
    used = parts > 0
    lost = float(((parts[used] / parts.sum()) ** 2 / freedom[used]).sum())
    return 1 / lost if lost else float(np.inf)
