"""The bootstrap over units of any estimator: all its sums are drawn again together, bias-corrected and accelerated.

An estimator that is a ratio of sums is drawn again as one. So SNIPS of a constant reward stays that constant in every
sample; drawing w r / mean(w) again, as a mean, gives it a spread that is not there.

The ends are Efron's (1987, JASA 82) BCa ones: they are corrected for the bias of the median and for the skewness.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from analysis.arrays import Floats
from analysis.ope.estimators.base import Estimator

N_SAMPLES = 1000
"""So many samples are drawn: the ends move by chance by some 3 % of the interval."""

N_GROUPS = 1 << 14
"""More units than this are drawn again in groups of as many: the same first three moments for constant work."""


def interval(
    sums: Floats, estimator: Estimator, alpha: float, *, seed: int, n_samples: int = N_SAMPLES
) -> tuple[float, float] | None:
    """Return low and high, or None where some sample has no value; two units at least.

    `sums` (u, 1 + m) are how many draws each unit has and the sums of the estimator's m terms (`totals.UnitSums`).

    >>> from analysis.ope.estimators.snips import Snips
    >>> weight = np.array([0.5, 2.0, 1.0, 0.5])
    >>> interval(np.stack([np.ones(4), weight, weight * 1.0], axis=1), Snips(), 0.05, seed=1)
    (1.0, 1.0)
    """
    grouped = groups(sums)
    found = _samples(grouped, estimator, np.random.default_rng(seed), n_samples)
    if not np.isfinite(found).all():
        return None
    mean = grouped[:, 1:].sum(axis=0) / grouped[:, 0].sum()
    shares = _shares(found, estimator.value(mean), _acceleration(grouped, mean, estimator), alpha)
    low, high = np.quantile(found, shares)
    return float(low), float(high)


def groups(sums: Floats, n: int = N_GROUPS) -> Floats:
    """Return units' sums (u, 1 + m), or those of at most n groups, each of every n-th unit.

    >>> groups(np.array([[1.0, 2.0], [1.0, 3.0], [1.0, 4.0]]), 2).tolist()
    [[2.0, 6.0], [1.0, 3.0]]
    """
    if len(sums) <= n:
        return sums
    place = np.arange(len(sums)) % n
    return np.stack([np.bincount(place, column, n) for column in sums.T], axis=1)


def _samples(sums: Floats, estimator: Estimator, random: np.random.Generator, n_samples: int) -> Floats:
    """Return the estimates of samples of as many units, (n_samples,)."""
    n = len(sums)
    found = np.empty(n_samples)
    for place in range(n_samples):
        times = np.bincount(random.integers(0, n, n), minlength=n)
        total = times @ sums
        found[place] = estimator.value(total[1:] / total[0])
    return found


def _acceleration(sums: Floats, mean: Floats, estimator: Estimator) -> float:
    """Return a sixth of the skewness of what each unit adds to the estimate."""
    influence = (sums[:, 1:] - sums[:, :1] * mean) @ estimator.gradient(mean)
    spread = float((influence**2).sum())
    return float((influence**3).sum()) / spread**1.5 / 6 if spread > 0 else 0.0


def _shares(found: Floats, value: float, acceleration: float, alpha: float) -> tuple[float, float]:
    """Return the shares of samples below each end, by bias and acceleration."""
    below = float((found < value).mean() + (found <= value).mean()) / 2
    bias = float(special.ndtri(np.clip(below, 1 / len(found), 1 - 1 / len(found))))
    moved = [bias + side * float(special.ndtri(alpha / 2)) for side in (1, -1)]
    low, high = (float(special.ndtr(bias + each / max(1 - acceleration * each, 0.1))) for each in moved)
    return low, high
