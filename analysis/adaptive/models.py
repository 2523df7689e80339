"""What each variant was expected to bring at each draw, from earlier rows alone.

A model need not be right: the score corrects it by the residual of what was drawn. It must only not know the row
that it predicts. So means run behind the log, and models that read the context are refitted at rows that double, each
predicting the rows up to the next.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analysis.adaptive.drawn import Drawn
from analysis.adaptive.encoding import Encoding
from analysis.adaptive.ridge import PRIOR, Ridge, Sums
from analysis.arrays import Flags, Floats, Ints

FIRST = 256
"""The rows before the first model that reads the context."""

_CHUNK = 65_536
"""Rows that are predicted at once."""


def predictions(drawn: Drawn) -> Floats:
    """Return what each variant was expected to bring, (n, n_variants), row by row from the rows before it alone.

    Means of earlier rows, shrunk towards that of all variants; where there is a context, from row 256 on, ridge
    regressions on it, shrunk towards that of all variants.
    """
    found = running_means(drawn)
    if drawn.context.n_fields:
        for start, stop in _batches(len(drawn)):
            model = _ridge(drawn[:start])
            for part in _chunks(start, stop):
                found[part] = model.predict(drawn.context[part])
    return found


def running_means(drawn: Drawn) -> Floats:
    """Return the mean of each variant's earlier rows, shrunk towards that of all variants, (n, n_variants).

    >>> zeros = np.zeros(3, np.int64)
    >>> running_means(Drawn.of(zeros, np.array([1., 1., 1.]), zeros, np.ones((1, 1)))).ravel().tolist()
    [0.0, 1.0, 1.0]
    """
    return MeansSoFar(drawn.n_variants).before(drawn.variant, drawn.values)


class MeansSoFar:
    """The mean of each variant's rows so far, shrunk towards that of all variants; the rows come piece by piece.

    How they were cut into pieces changes no bit of it.
    """

    def __init__(self, n_variants: int) -> None:
        self._totals, self._counts = np.zeros(n_variants), np.zeros(n_variants)
        self._total, self._n = 0.0, 0

    def widen(self, n_variants: int) -> None:
        """Let there be further variants, which have no rows yet."""
        n = n_variants - len(self._totals)
        self._totals, self._counts = (np.append(each, np.zeros(n)) for each in (self._totals, self._counts))

    def before(self, variant: Ints, values: Floats) -> Floats:
        """Return the means before each of these rows, (n, n_variants), and take the rows in."""
        summed = _running(self._total, values)
        overall = summed[:-1] / np.maximum(self._n + np.arange(len(values)), 1)
        found = np.empty((len(values), len(self._totals)), order="F")
        for place in range(len(self._totals)):
            is_its = variant == place
            total, n = _running(self._totals[place], values * is_its), _running(self._counts[place], is_its)
            found[:, place] = (total[:-1] + PRIOR * overall) / (n[:-1] + PRIOR)
            self._totals[place], self._counts[place] = total[-1], n[-1]
        self._total, self._n = float(summed[-1]), self._n + len(values)
        return found


def _running(start: float, values: Floats | Flags) -> Floats:
    """Return the sum of `start` and of all values before each row, (n,), and behind them that of all, (n + 1,)."""
    summed = np.empty(len(values) + 1)
    summed[0], summed[1:] = start, values
    return np.cumsum(summed, out=summed)


def _batches(n: int) -> Iterator[tuple[int, int]]:
    """Yield the rows [start, stop) that one model predicts; it learns from all rows before `start`."""
    start = FIRST
    while start < n:
        yield start, min(2 * start, n)
        start *= 2


def _chunks(start: int, stop: int) -> Iterator[slice]:
    for begin in range(start, stop, _CHUNK):
        yield slice(begin, min(begin + _CHUNK, stop))


def _ridge(earlier: Drawn) -> Ridge:
    encoding = Encoding.of(earlier.context)
    return Ridge.of(encoding, Sums.of(encoding, earlier.context, earlier.variant, earlier.values, earlier.n_variants))
