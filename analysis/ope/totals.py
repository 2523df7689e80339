"""Means of terms with their covariance, by unit: gathered block by block, added up, and of constant size.

Where units have several draws, these depend on each other, so that a unit is what is counted: with S_u the sums of a
unit's terms and n_u its draws, a mean is sum S_u / sum n_u, and its error comes from S_u - n_u * mean (a ratio of means
over units). Only then does memory grow, with the number of units.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from analysis.arrays import Floats, Ints, distinct
from analysis.lifts.moments import Moments
from analysis.ope.estimators.base import Estimator

_ONE_CELL = (1, 1)

_MANY = 1 << 20
"""So many places of units may wait to be made one."""

_ROUNDING = 1e-13
"""A variance that is so small a share of what it is made of is what rounding left of none."""


@dataclass(frozen=True, slots=True)
class UnitSums:
    """Sums of draws of `units` (u,): `columns` of (u,) each, first how many draws, then their terms.

    A unit may have several places, until they are made one.
    """

    units: Ints
    columns: tuple[Floats, ...]

    @classmethod
    def of(cls, terms: Sequence[Floats], unit: Ints) -> UnitSums:
        """Return draws of `unit` (n,), each with a place of its own."""
        return cls(unit, (np.ones(len(unit)), *terms))

    @classmethod
    def one(cls, parts: Sequence[UnitSums]) -> UnitSums:
        """Return the sums of some parts, units ascending with one place each.

        >>> draws = UnitSums.of([np.array([1.0, 2.0, 4.0])], np.array([7, 9, 7]))
        >>> found = UnitSums.one([draws, draws])
        >>> found.units.tolist(), [each.tolist() for each in found.columns]
        ([7, 9], [[4.0, 2.0], [10.0, 4.0]])
        """
        units, index = np.unique(np.concatenate([part.units for part in parts]), return_inverse=True)
        columns = zip(*(part.columns for part in parts), strict=True)
        return cls(units, tuple(_summed(np.concatenate(each), index, len(units)) for each in columns))

    def __len__(self) -> int:
        return len(self.units)

    @property
    def sums(self) -> Floats:
        """The columns beside each other, (u, 1 + m)."""
        return np.stack(self.columns, axis=1)


@dataclass(frozen=True)
class Totals:
    """The sums of m terms: `moments` of draws, and where units are named, `parts` of their sums.

    Parts become one only when they are many beside the first, so that adding block after block does not go through all
    units at every block, and so that there are never many more places than units.
    """

    moments: Moments
    parts: tuple[UnitSums, ...] | None = None

    @classmethod
    def of(cls, terms: Sequence[Floats], unit: Ints | None = None) -> Totals:
        """Return the totals of draws, of `unit` (n,) or each of a unit of its own.

        >>> terms = [np.array([1.0, 3.0, 2.0])]
        >>> one, other = Totals.of(terms), Totals.of(terms, np.array([7, 7, 8]))
        >>> one.n, one.mean.tolist(), other.n_units, other.mean.tolist()
        (3, [2.0], 2, [2.0])
        """
        return cls(_moments(terms), None if unit is None else (UnitSums.of(terms, unit),))

    def __add__(self, other: Totals) -> Totals:
        moments = self.moments + other.moments
        if self.parts is None or other.parts is None:
            return Totals(moments)
        first, *rest = parts = self.parts + other.parts
        is_many = sum(map(len, rest)) > max(len(first), _MANY)
        return Totals(moments, (UnitSums.one(parts),) if is_many else parts)

    @property
    def n(self) -> int:
        """How many draws there are."""
        return int(self.moments.n[0, 0])

    @cached_property
    def n_units(self) -> int:
        """How many units they are of."""
        return self.n if self.parts is None else len(distinct(np.concatenate([part.units for part in self.parts])))

    @cached_property
    def by_unit(self) -> UnitSums | None:
        """The sums of each unit, ascending, or None where each draw is of its own."""
        return None if self.parts is None else UnitSums.one(self.parts)

    @property
    def mean(self) -> Floats:
        """The mean of each term over the draws, (m,)."""
        return np.asarray(self.moments.mean[0, 0])

    @cached_property
    def covariance(self) -> Floats:
        """The covariance of the means, (m, m); NaN where there are fewer than two units."""
        if self.n_units < 2:
            return np.full((len(self.mean), len(self.mean)), np.nan)
        if self.n_units == self.n or self.by_unit is None:
            return np.asarray(self.moments.covariance[0, 0]) / self.n
        n, *sums = self.by_unit.columns
        off = np.stack([each - n * mean for each, mean in zip(sums, self.mean, strict=True)])
        return np.asarray(off @ off.T) * (self.n_units / (self.n_units - 1)) / self.n**2

    def chosen(self, columns: Sequence[int]) -> Totals:
        """Return the totals of some terms."""
        places = [0, *(1 + column for column in columns)]
        parts = self.parts and tuple(
            UnitSums(part.units, tuple(part.columns[place] for place in places)) for part in self.parts
        )
        return Totals(self.moments.columns(columns), parts)


def standard_error(totals: Totals, estimator: Estimator) -> float:
    """Return the standard error of an estimator from the totals of its terms, by the delta method; NaN without one.

    >>> from analysis.ope.estimators.ips import Ips
    >>> round(standard_error(Totals.of([np.array([0.0, 1.0, 1.0, 0.0])]), Ips()), 4)  # sqrt(1 / 3 / 4)
    0.2887
    """
    return deviation(estimator.gradient(totals.mean), totals.covariance)


def deviation(gradient: Floats, covariance: Floats) -> float:
    """Return the standard deviation of what moves with some means by a gradient (m,), and 0 where they cancel out.

    >>> deviation(np.array([-0.3, 1.0]), np.array([[0.1, 0.03], [0.03, 0.009]]))
    0.0
    """
    square = float(gradient @ covariance @ gradient)
    if not math.isfinite(square):
        return math.nan
    size = np.abs(gradient)
    return math.sqrt(square) if square > _ROUNDING * float(size @ np.abs(covariance) @ size) else 0.0


def _summed(values: Floats, index: Ints, n: int) -> Floats:
    return np.bincount(index, values, n).astype(np.float64, copy=False)


def _moments(terms: Sequence[Floats]) -> Moments:
    cell = np.zeros(len(terms[0]), np.int64)
    return Moments.of_columns(terms, cell, cell, _ONE_CELL)
