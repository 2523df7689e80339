"""Numbers over time, in stretches that a chart can hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats, Ints
from engine.clock import from_micros

_SECOND = 1_000_000
_DAY_S = 86_400
_STEPS_S = ((3_600, 36), (21_600, 14), (_DAY_S, 42), (7 * _DAY_S, 52), (28 * _DAY_S, 52), (364 * _DAY_S, 10_000))
"""Lengths of a stretch, and up to how many of them fit."""


@dataclass(frozen=True, slots=True)
class Stretches:
    """Equal stretches of time: `index` (n,) is each row's, `starts` (n_stretches,) their beginnings in ISO 8601."""

    index: Ints
    starts: tuple[str, ...]
    step_s: int

    def __len__(self) -> int:
        return len(self.starts)

    def counts(self, series: Ints, n_series: int) -> Floats:
        """Return how many rows each of the series has in each stretch, (n_series, n_stretches)."""
        counted = np.bincount(series * len(self) + self.index, minlength=n_series * len(self))
        return counted.reshape(n_series, len(self)).astype(np.float64)

    def means(self, values: Floats) -> list[float | None]:
        """Return the mean of `values` (n,) in each stretch, None where it has no rows."""
        n = np.bincount(self.index, minlength=len(self))
        total = np.bincount(self.index, values, len(self))
        return [float(part / size) if size else None for part, size in zip(total, n, strict=True)]


def stretches(times: Ints) -> Stretches:
    """Return the stretches that hold the times (n,), in microseconds; n is at least 1.

    >>> stretches(np.array([0, 86_400_000_000 * 20])).starts[-1]
    '1970-01-21T00:00:00+00:00'
    """
    first, last = int(times.min()) // _SECOND, int(times.max()) // _SECOND
    step = next(step for step, room in _STEPS_S if last // step - first // step < room)
    begin = first // step
    starts = tuple(from_micros(place * step * _SECOND).isoformat() for place in range(begin, last // step + 1))
    return Stretches(times // (step * _SECOND) - begin, starts, step)
