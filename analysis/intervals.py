"""Intervals as pure functions of numbers; `alpha` is the share of samples that an interval may miss in all.

Every function works element by element on arrays.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from analysis.arrays import Floats, Ints

Interval = tuple[Floats, Floats]
"""Low and high ends, of the same shape."""


def clopper_pearson(successes: Ints, n: Ints, alpha: float) -> Interval:
    """Return the exact interval of a proportion (Clopper and Pearson 1934): it never covers less than it says.

    >>> low, high = clopper_pearson(np.array([0]), np.array([10]), 0.05)
    >>> low.item(), round(high.item(), 4)
    (0.0, 0.3085)
    """
    failures = n - successes
    low = stats.beta.ppf(alpha / 2, np.maximum(successes, 1), failures + 1)
    high = stats.beta.isf(alpha / 2, successes + 1, np.maximum(failures, 1))
    return np.where(successes == 0, 0.0, low), np.where(failures == 0, 1.0, high)


def wilson(share: Floats, n: Ints, alpha: float) -> Interval:
    """Return the score interval of a proportion (Wilson 1927)."""
    z2 = stats.norm.isf(alpha / 2) ** 2
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


def fieller(
    value: float, variance: float, base: float, base_variance: float, critical: float
) -> tuple[float, float] | None:
    """Return the interval of (value - base) / |base| for independent means (Fieller 1954), or None: not identified.

    It is not identified where g = critical**2 * base_variance / base**2 reaches 1: the base may then well be zero, and
    no bounded set of ratios has the coverage.

    >>> low, high = fieller(1.1, 0.0001, 1.0, 0.0001, 1.96)
    >>> round(low, 4), round(high, 4)
    (0.0713, 0.1296)
    """
    scale = base**2 - critical**2 * base_variance
    if scale <= 0:
        return None
    root = critical * np.sqrt(value**2 * base_variance + variance * scale)
    ends = sorted(((value * base - root) / scale, (value * base + root) / scale))
    low, high = float(ends[0]) - 1, float(ends[1]) - 1
    return (low, high) if base > 0 else (-high, -low)


def welch_freedom(parts: Floats, n: Ints) -> float:
    """Return the degrees of freedom of a sum of estimated variances `parts`, each from n values (Satterthwaite 1946).

    Parts of a cell with a single value are no estimate and must not be here.
    """
    scaled = parts / parts.sum()
    return 1 / float((scaled**2 / (n - 1)).sum())
