"""Counts, means and squared deviations by cell: all that the estimators see of the data.

A cell is one variant in one stratum. Moments of two parts of the data add up to those of the whole, so that they can be
gathered from a stream. Deviations are taken from the mean and never from raw sums of squares, which cancel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats, Ints


@dataclass(frozen=True, slots=True)
class Moments:
    """n, mean and M2 (the sum of squared deviations from the mean), each of shape (n_variants, n_strata).

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
        """Return the moments of `values` (n,), each in the cell of its variant (n,) and stratum (n,)."""
        cell = variant * shape[1] + stratum
        n_cells = shape[0] * shape[1]
        n = np.bincount(cell, minlength=n_cells)
        mean = np.bincount(cell, values, n_cells) / np.maximum(n, 1)
        m2 = np.bincount(cell, (values - mean[cell]) ** 2, n_cells).astype(np.float64)
        return cls(n.reshape(shape), mean.reshape(shape), m2.reshape(shape))

    def __add__(self, other: Moments) -> Moments:
        """Merge by Chan, Golub and LeVeque (1979); Pebay (2008), equations 1.4 and 1.5."""
        n = self.n + other.n
        share = other.n / np.maximum(n, 1)
        step = other.mean - self.mean
        return Moments(n, self.mean + step * share, self.m2 + other.m2 + step**2 * self.n * share)

    @property
    def variance(self) -> Floats:
        """The unbiased variance by cell; 0 where n is below 2."""
        return self.m2 / np.maximum(self.n - 1, 1)

    @property
    def total(self) -> Floats:
        """The sum of values by cell."""
        return self.n * self.mean
