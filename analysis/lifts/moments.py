"""Counts, means and products of deviations by cell: all that the estimators of a fixed design see of the data.

A cell is one variant in one stratum; it holds k columns: a metric's value, then whatever belongs to it (what is below
the line of a ratio, covariates). Moments of two parts of the data add up to those of the whole, so that they can be
gathered from a stream. Deviations are taken from the mean and never from raw sums of squares, which cancel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats, Ints

BLOCK = 1 << 16
"""Rows that are gathered at once."""

_ROWS_A_CELL = 64
"""With fewer rows a cell, going through the cells one by one costs more than going through the rows."""


@dataclass(frozen=True, slots=True)
class Moments:
    """n (v, s), mean (v, s, k) and M2 (v, s, k, k): the sums of products of deviations, by variant and stratum.

    >>> one_cell = np.zeros(2, np.int64)
    >>> both = Moments.of(np.array([1., 2.]), one_cell, one_cell, (1, 1))
    >>> both = both + Moments.of(np.array([3., 4.]), one_cell, one_cell, (1, 1))
    >>> both.n.item(), both.mean.item(), both.m2.item()
    (4, 2.5, 5.0)
    """

    n: Ints
    mean: Floats
    m2: Floats

    @classmethod
    def of(cls, values: Floats, variant: Ints, stratum: Ints, shape: tuple[int, int]) -> Moments:
        """Return the moments of `values`, (n,) or (n, k), each row in the cell of its variant and stratum, (n,)."""
        return cls.of_columns(list(values.T if values.ndim > 1 else [values]), variant, stratum, shape)

    @classmethod
    def of_columns(
        cls, columns: Sequence[Floats], variant: Ints, stratum: Ints, shape: tuple[int, int], block: int = BLOCK
    ) -> Moments:
        """Return the moments of k columns, (n,) each: faster than `of` where they are not one array.

        They are gathered from blocks of so many rows that stay in the processor's cache, so that beside the columns
        nothing grows with n.
        """
        cell = variant * shape[1] + stratum
        found = cls.none(shape, len(columns))
        if not len(cell):
            return found
        # Means of blocks that are large beside their spread would be rounded before they are merged.
        shift = np.array([column[0] for column in columns])
        step = max(block, _ROWS_A_CELL * shape[0] * shape[1])
        for start in range(0, len(cell), step):
            rows = slice(start, start + step)
            found += cls._of_block([column[rows] for column in columns], shift, cell[rows], shape)
        return cls(found.n, np.where(found.n[..., None] > 0, found.mean + shift, 0.0), found.m2)

    @classmethod
    def none(cls, shape: tuple[int, int], k: int) -> Moments:
        """Return the moments of no rows."""
        return cls(np.zeros(shape, np.int64), np.zeros((*shape, k)), np.zeros((*shape, k, k)))

    @classmethod
    def _of_block(cls, columns: Sequence[Floats], shift: Floats, cell: Ints, shape: tuple[int, int]) -> Moments:
        n = np.bincount(cell, minlength=shape[0] * shape[1])
        gather = _by_multiplying if _ROWS_A_CELL * len(n) <= len(cell) else _by_counting
        mean, m2 = gather(columns, shift, cell, n)
        k = len(columns)
        return cls(n.reshape(shape), mean.reshape(*shape, k), m2.reshape(*shape, k, k))

    def __add__(self, other: Moments) -> Moments:
        """Merge by Chan, Golub and LeVeque (1979); Pebay (2008), equations 1.4, 1.5 and 3.10."""
        n = self.n + other.n
        share = other.n / np.maximum(n, 1)
        step = other.mean - self.mean
        product = step[..., :, None] * step[..., None, :]
        return Moments(
            n,
            self.mean + step * share[..., None],
            self.m2 + other.m2 + product * (self.n * share)[..., None, None],
        )

    def columns(self, chosen: Sequence[int]) -> Moments:
        """Return the moments of some columns, in the order given."""
        return Moments(self.n, self.mean[..., chosen], self.m2[..., chosen, :][..., chosen])

    @property
    def covariance(self) -> Floats:
        """The unbiased covariance by cell, (v, s, k, k); 0 where n is below 2."""
        return self.m2 / np.maximum(self.n - 1, 1)[..., None, None]

    @property
    def variance(self) -> Floats:
        """The unbiased variance by cell and column, (v, s, k); 0 where n is below 2."""
        return np.diagonal(self.covariance, axis1=-2, axis2=-1)

    @property
    def total(self) -> Floats:
        """The sum of values by cell and column, (v, s, k)."""
        return self.n[..., None] * self.mean


def _by_multiplying(columns: Sequence[Floats], shift: Floats, cell: Ints, n: Ints) -> tuple[Floats, Floats]:
    """Return mean (n_cells, k) less `shift` and M2 (n_cells, k, k), by one product of matrices for each cell."""
    # Numbers of one or two bytes are sorted by radix.
    order = np.argsort(cell.astype(np.min_scalar_type(len(n))), kind="stable")
    together = np.empty((len(columns), len(cell)))
    for place, column in enumerate(columns):
        np.subtract(column[order], shift[place], out=together[place])
    mean, m2 = np.zeros((len(n), len(columns))), np.zeros((len(n), len(columns), len(columns)))
    ends = np.cumsum(n)
    for place in np.flatnonzero(n).tolist():
        own = together[:, ends[place] - n[place] : ends[place]]
        mean[place] = own.mean(axis=1)
        own -= mean[place, :, None]
        m2[place] = own @ own.T
    return mean, m2


def _by_counting(columns: Sequence[Floats], shift: Floats, cell: Ints, n: Ints) -> tuple[Floats, Floats]:
    """Return the same by adding up row by row."""
    shifted = [column - step for column, step in zip(columns, shift, strict=True)]
    mean = np.stack([np.bincount(cell, column, len(n)) / np.maximum(n, 1) for column in shifted], axis=1)
    deviation = [column - mean[cell, place] for place, column in enumerate(shifted)]
    m2 = np.empty((len(n), len(columns), len(columns)))
    for i, one in enumerate(deviation):
        for j, other in enumerate(deviation[: i + 1]):
            m2[:, i, j] = m2[:, j, i] = np.bincount(cell, one * other, len(n))
    return mean, m2
