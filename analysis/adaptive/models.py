"""What each variant was expected to bring at each draw, from earlier rows alone.

A model need not be right: the score corrects it by the residual of what was drawn. It must only not know the row
that it predicts. So means run behind the log, and models that read the context are refitted at rows that double, each
predicting the rows up to the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from analysis.adaptive.drawn import Drawn
from analysis.adaptive.encoding import Encoding
from analysis.arrays import Floats

PRIOR = 10.0
"""A variant's model weighs its own rows against that of all variants together as if the latter were so many rows."""

_FIRST = 256
"""The rows before the first model that reads the context."""

_CHUNK = 65_536
"""Rows whose columns are held at once."""


def predictions(drawn: Drawn) -> Floats:
    """Return what each variant was expected to bring, (n, n_variants), row by row from the rows before it alone.

    Means of earlier rows, shrunk towards that of all variants; where there is a context, from row 256 on, ridge
    regressions on it, shrunk towards that of all variants.
    """
    found = running_means(drawn)
    if drawn.context.n_fields:
        for start, stop in _batches(len(drawn)):
            model = _Ridge.of(drawn[:start])
            for part in _chunks(start, stop):
                found[part] = model.predict(drawn[part])
    return found


def running_means(drawn: Drawn) -> Floats:
    """Return the mean of each variant's earlier rows, shrunk towards that of all variants, (n, n_variants).

    >>> zeros = np.zeros(3, np.int64)
    >>> running_means(Drawn.of(zeros, np.array([1., 1., 1.]), zeros, np.ones((1, 1)))).ravel().tolist()
    [0.0, 1.0, 1.0]
    """
    overall = _before(drawn.values) / np.maximum(np.arange(len(drawn)), 1)
    found = np.empty((len(drawn), drawn.n_variants), order="F")
    for variant in range(drawn.n_variants):
        is_its = drawn.variant == variant
        total, n = _before(drawn.values * is_its), _before(is_its.astype(np.float64))
        found[:, variant] = (total + PRIOR * overall) / (n + PRIOR)
    return found


def _before(values: Floats) -> Floats:
    """Return the sum of all values before each row, (n,)."""
    summed = np.zeros(len(values))
    np.cumsum(values[:-1], out=summed[1:])
    return summed


def _batches(n: int) -> Iterator[tuple[int, int]]:
    """Yield the rows [start, stop) that one model predicts; it learns from all rows before `start`."""
    start = _FIRST
    while start < n:
        yield start, min(2 * start, n)
        start *= 2


def _chunks(start: int, stop: int) -> Iterator[slice]:
    for begin in range(start, stop, _CHUNK):
        yield slice(begin, min(begin + _CHUNK, stop))


@dataclass(frozen=True, slots=True)
class _Ridge:
    """One linear model a variant, `slopes` (k, n_variants); predictions stay within `least` and `most` so far."""

    encoding: Encoding
    slopes: Floats
    least: float
    most: float

    @classmethod
    def of(cls, earlier: Drawn) -> _Ridge:
        """Return the model of all variants together plus what each one's own rows add to it, both by ridge."""
        encoding = Encoding.of(earlier.context)
        squares, products = _normal_equations(earlier, encoding)
        common = _solved(squares.sum(axis=0), products.sum(axis=0), 1.0)
        left = products - squares @ common
        own = [_solved(square, product, PRIOR) for square, product in zip(squares, left, strict=True)]
        slopes = common[:, None] + np.stack(own, axis=1)
        return cls(encoding, slopes, float(earlier.values.min()), float(earlier.values.max()))

    def predict(self, rows: Drawn) -> Floats:
        """Return predictions for each variant, (n, n_variants)."""
        return np.clip(self.encoding.columns(rows.context) @ self.slopes, self.least, self.most)


def _normal_equations(drawn: Drawn, encoding: Encoding) -> tuple[Floats, Floats]:
    """Return X'X (n_variants, k, k) and X'y (n_variants, k) of each variant's rows."""
    k = 1 + drawn.context.numbers.shape[1] + sum(map(len, encoding.levels))
    squares, products = np.zeros((drawn.n_variants, k, k)), np.zeros((drawn.n_variants, k))
    for chunk in _chunks(0, len(drawn)):
        part = drawn[chunk]
        columns = encoding.columns(part.context)
        for variant in range(drawn.n_variants):
            own = columns[part.variant == variant]
            squares[variant] += own.T @ own
            products[variant] += own.T @ part.values[part.variant == variant]
    return squares, products


def _solved(square: Floats, product: Floats, penalty: float) -> Floats:
    return np.asarray(np.linalg.solve(square + penalty * np.eye(len(square)), product), np.float64)
