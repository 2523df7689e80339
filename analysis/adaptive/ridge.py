"""Linear models of what each variant brings, each shrunk towards that of all variants together."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from analysis.adaptive.drawn import Context
from analysis.adaptive.encoding import Encoding
from analysis.arrays import Floats, Ints

PRIOR = 10.0
"""A variant's model weighs its own rows against that of all variants together as if the latter were so many rows."""

_CHUNK = 65_536
"""Rows whose columns are held at once."""


@dataclass(frozen=True, slots=True)
class Sums:
    """What ridge needs of the rows of some groups: X'X (g, c, c), X'y (g, c), and the least and most value (g,).

    A group without rows has zeros, and infinities for the least and most.
    """

    squares: Floats
    products: Floats
    least: Floats
    most: Floats

    @classmethod
    def of(cls, encoding: Encoding, context: Context, group: Ints, values: Floats, n_groups: int) -> Sums:
        """Return the sums of rows by their groups, (n,) numbers below `n_groups`."""
        c = encoding.n_columns
        squares, products = np.zeros((n_groups, c, c)), np.zeros((n_groups, c))
        for begin in range(0, len(values), _CHUNK):
            rows = slice(begin, begin + _CHUNK)
            _add(squares, products, encoding.columns(context[rows]), group[rows], values[rows])
        least, most = np.full(n_groups, np.inf), np.full(n_groups, -np.inf)
        np.minimum.at(least, group, values)
        np.maximum.at(most, group, values)
        return cls(squares, products, least, most)

    def __add__(self, other: Sums) -> Sums:
        squares, products = self.squares + other.squares, self.products + other.products
        return Sums(squares, products, np.minimum(self.least, other.least), np.maximum(self.most, other.most))

    def widened(self, n_groups: int) -> Sums:
        """Return the sums with further groups, which have no rows."""
        n, c = n_groups - len(self.least), self.products.shape[1]
        return Sums(
            np.concatenate([self.squares, np.zeros((n, c, c))]),
            np.concatenate([self.products, np.zeros((n, c))]),
            np.append(self.least, np.full(n, np.inf)),
            np.append(self.most, np.full(n, -np.inf)),
        )

    def __getitem__(self, groups: slice) -> Sums:
        return Sums(self.squares[groups], self.products[groups], self.least[groups], self.most[groups])


@dataclass(frozen=True, slots=True)
class Ridge:
    """One linear model a variant, `slopes` (c, n_variants), and that of all of them together, `common` (c,).

    Predictions stay within the `least` and `most` that was seen.
    """

    encoding: Encoding
    slopes: Floats
    common: Floats
    least: float
    most: float

    @classmethod
    def of(cls, encoding: Encoding, sums: Sums) -> Ridge:
        """Return the model of all variants together plus what each one's own rows add to it, both by ridge.

        `sums` has a group a variant. Without any row all predictions are 0.
        """
        common = _solved(sums.squares.sum(axis=0), sums.products.sum(axis=0), 1.0)
        own = _solved(sums.squares, sums.products - sums.squares @ common, PRIOR)
        least, most = float(sums.least.min(initial=np.inf)), float(sums.most.max(initial=-np.inf))
        bounds = (least, most) if least <= most else (0.0, 0.0)
        return cls(encoding, common[:, None] + own.T, common, *bounds)

    def predict(self, context: Context) -> Floats:
        """Return predictions for each variant, (n, n_variants)."""
        predicted = self.encoding.columns(context) @ self.slopes
        return np.clip(predicted, self.least, self.most, out=predicted)

    def among(self, variants: Ints) -> Ridge:
        """Return the models of some variants, (k,) numbers; that of all together for a number that has none."""
        known = np.column_stack([self.slopes, self.common])
        return replace(self, slopes=known[:, np.minimum(variants, self.slopes.shape[1])])


def _add(squares: Floats, products: Floats, columns: Floats, group: Ints, values: Floats) -> None:
    """Add the rows' part of each group's sums."""
    n_groups, c = products.shape
    if c == 1:
        # The constant alone: counts and totals, however many groups there are.
        squares[:, 0, 0] += np.bincount(group, minlength=n_groups)
        products[:, 0] += np.bincount(group, values, minlength=n_groups)
        return
    order = np.argsort(group.astype(np.min_scalar_type(n_groups)), kind="stable")
    columns, values = columns[order], values[order]
    bounds = np.searchsorted(group[order], np.arange(n_groups + 1))
    for place in np.flatnonzero(np.diff(bounds)).tolist():
        own = columns[bounds[place] : bounds[place + 1]]
        squares[place] += own.T @ own
        products[place] += own.T @ values[bounds[place] : bounds[place + 1]]


def _solved(squares: Floats, products: Floats, penalty: float) -> Floats:
    """Return the ridge solutions of (..., c, c) and (..., c)."""
    penalised = squares + penalty * np.eye(squares.shape[-1])
    return np.asarray(np.linalg.solve(penalised, products[..., None])[..., 0], np.float64)
