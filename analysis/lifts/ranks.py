"""A quantile of weighted values, and the order statistics between which it lies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import stats

from analysis.arrays import Floats, Ints

_ROUNDING = 1e-12
"""The relative error of a sum of shares."""

_FEW_UNITS = 10
"""Below so many units their sums do not show how much they vary."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """The q quantile of `values` (n,) in their order: the least of them up to which the share `q` is reached.

    `cumulated` (n,) is the share up to each value. `scores` (n_units,) say how the share below the quantile moves with
    each unit; for it the values are worth `n_effective` independent ones.
    """

    q: float
    value: float
    n_effective: int
    values: Floats
    cumulated: Floats
    scores: Floats

    def __len__(self) -> int:
        return len(self.values)

    def interval(self, alpha: float) -> tuple[float, float]:
        """Return the order statistics between which a binomial number falls (Thompson 1936).

        An end is infinite where no value is far enough out to be it.
        """
        low, high = _ends(self.n_effective, self.q, alpha)
        return (
            self._of_rank(low) if low >= 1 else -math.inf,
            self._of_rank(high) if high <= self.n_effective else math.inf,
        )

    def _of_rank(self, rank: int) -> float:
        # Half a rank down, the rounding of the cumulated shares does not reach the next one.
        return float(self.values[_reaching(self.cumulated, (rank - 0.5) / self.n_effective)])


def ranked(q: float, values: Floats, weight: Floats, cell: Ints, unit: Ints, *, n_units: int) -> Ranked:
    """Return the q quantile of sorted `values`, of which each has a share, `weight`; arrays are (n,).

    The shares sum to 1 and are the same within a `cell`, whose values are independent of other cells' but for values
    of the same `unit`.

    >>> one = np.zeros(9, np.int64)
    >>> found = ranked(0.5, np.arange(9.0), np.full(9, 1 / 9), one, np.arange(9), n_units=9)
    >>> found.value, found.n_effective, found.interval(0.05)
    (4.0, 9, (1.0, 7.0))
    """
    cumulated = np.cumsum(weight)
    value = float(values[_reaching(cumulated, q)])
    below = (values <= value).astype(np.float64)
    n_by_cell = np.maximum(np.bincount(cell), 1)
    expected = (np.bincount(cell, below) / n_by_cell)[cell]
    scores, by_unit = (
        np.bincount(unit, part, n_units).astype(np.float64) for part in (weight * (below - expected), weight)
    )
    n_effective = _effective(float(weight @ below), scores, by_unit)
    return Ranked(q, value, n_effective, values, cumulated, scores)


def correlation(one: Ranked, other: Ranked) -> float:
    """Return the correlation of two quantiles: 0 unless units are in both."""
    spread = math.sqrt(float((one.scores @ one.scores) * (other.scores @ other.scores)))
    return float(one.scores @ other.scores) / spread if spread else 0.0


@lru_cache(maxsize=4096)
def _ends(n: int, q: float, alpha: float) -> tuple[int, int]:
    """Return the ranks, from 0 (none) to n + 1 (none), that are too low or too high with probability alpha at most."""
    return int(stats.binom.ppf(alpha / 2, n, q)), int(stats.binom.isf(alpha / 2, n, q)) + 1


def _effective(share: float, scores: Floats, weight: Floats) -> int:
    """Return how many independent values would know the share below the quantile as well, from sums by unit.

    Where units are few or all values are equal, little shows how alike a unit's are: then it counts once.
    """
    variance = float(scores @ scores)
    if not variance or np.count_nonzero(weight) < _FEW_UNITS:
        return round(1 / float(weight @ weight))
    return max(1, round(share * (1 - share) / variance))


def _reaching(cumulated: Floats, share: float) -> int:
    """Return the first place at which so large a share is reached, up to rounding."""
    return min(int(np.searchsorted(cumulated, share * (1 - _ROUNDING))), len(cumulated) - 1)
