"""Lifts of several experiments shrunk towards their common mean, because the largest of many were also the luckiest.

The model: each true lift is normal around a mean that all share, and each estimate is normal around its true lift. The
spread between experiments is estimated from the estimates themselves (empirical Bayes; Efron and Morris 1975).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.arrays import Floats
from analysis.deciding.heterogeneity import between
from analysis.estimate import LEVEL

MIN_LIFTS = 4
"""Of fewer lifts nobody can tell how much experiments differ."""


@dataclass(frozen=True, slots=True)
class Shrunk:
    """Shrunk lifts and their standard errors, (n,) each, and the mean and spread (standard deviation) of true lifts."""

    values: Floats
    errors: Floats
    mean: float
    spread: float


def shrink(values: Floats, errors: Floats) -> Shrunk:
    """Return lifts with known standard errors, (n,) each and n at least 4, shrunk towards their mean.

    The spread is DerSimonian and Laird's (1986); how far each lift is drawn, and its error, which counts in that mean
    and spread are estimates too, are Morris's (1983, for unequal variances).

    >>> found = shrink(np.array([0.10, 0.0, 0.02, -0.04]), np.array([0.03, 0.03, 0.03, 0.03]))
    >>> found.values.round(3).tolist(), found.errors.round(3).tolist(), round(found.spread, 3)
    ([0.093, 0.002, 0.02, -0.035], [0.031, 0.029, 0.029, 0.03], 0.051)
    """
    n = len(values)
    spread2 = between(values, errors**2)
    weights = 1 / (errors**2 + spread2)
    mean = float(weights @ values / weights.sum())
    drawn = (n - 3) / (n - 1) * errors**2 * weights
    of_mean = weights / weights.sum()
    doubt = 2 / (n - 3) * drawn**2 * n * of_mean
    variance = errors**2 * (1 - (1 - of_mean) * drawn) + doubt * (values - mean) ** 2
    return Shrunk(values - drawn * (values - mean), np.sqrt(variance), mean, float(np.sqrt(spread2)))


def interval(value: float, error: float) -> tuple[float, float]:
    """Return the interval of one shrunk lift."""
    half = float(stats.norm.isf((1 - LEVEL) / 2)) * error
    return value - half, value + half
