"""Means of terms with their covariance, by unit: gathered block by block, and added up.

Where units have several draws, these depend on each other, so that a unit is what is counted: with S_u the sums of a
unit's terms and n_u its draws, a mean is sum S_u / sum n_u, and its error comes from S_u - n_u * mean (a ratio of means
over units). Only then does memory grow, with the number of units.

Where each draw is of a unit above all before it, as where nothing says whose a draw is, no unit repeats, and it need
not grow. Should some repeat after all when there were very many, groups of units are what is counted: those who come
together by chance are as independent of each other as units are, and there are enough to know their spread to .3 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from analysis.arrays import Floats, Ints, distinct, renumbered
from analysis.lifts.moments import Moments
from analysis.mixing import buckets
from analysis.ope.estimators.base import Estimator

_ONE_CELL = (1, 1)

_MANY = 1 << 18
"""So many places of units may wait to be made one, and so many units that do not repeat are kept apart."""

_N_GROUPS = 1 << 16
"""More of those are put together in so many groups."""

_SEED = 0x6172_6D6C_6966_7402

_ROUNDING = 1e-13
"""A variance that is so small a share of what it is made of is what rounding left of none."""


@dataclass(frozen=True, slots=True)
class UnitSums:
    """Sums of draws of `units` (u,): `columns` of (u,) each, first how many draws, then their terms.

    A unit may have several places, until they are made one. If they `are_groups`, units are groups of them.
    """

    units: Ints
    columns: tuple[Floats, ...]
    are_groups: bool = False

    @classmethod
    def of(cls, terms: Sequence[Floats], unit: Ints) -> UnitSums:
        """Return draws of `unit` (n,), each with a place of its own."""
        return cls(unit, (np.ones(len(unit)), *terms))

    @classmethod
    def one(cls, parts: Sequence[UnitSums]) -> UnitSums:
        """Return the sums of some parts, units ascending with one place each; of groups, if some part has groups.

        >>> draws = UnitSums.of([np.array([1.0, 2.0, 4.0])], np.array([7, 9, 7]))
        >>> found = UnitSums.one([draws, draws])
        >>> found.units.tolist(), [each.tolist() for each in found.columns]
        ([7, 9], [[4.0, 2.0], [10.0, 4.0]])
        """
        are_groups = any(part.are_groups for part in parts)
        alike = [part.grouped for part in parts] if are_groups else parts
        units, index = _numbered(np.concatenate([part.units for part in alike]), are_groups)
        columns = zip(*(part.columns for part in alike), strict=True)
        return cls(units, tuple(_summed(np.concatenate(each), index, len(units)) for each in columns), are_groups)

    def __len__(self) -> int:
        return len(self.units)

    @property
    def grouped(self) -> UnitSums:
        """The sums of groups of units, which a hash puts together: the same ones in every log."""
        if self.are_groups:
            return self
        return replace(self, units=buckets(self.units, _N_GROUPS, _SEED), are_groups=True)

    @property
    def sums(self) -> Floats:
        """The columns beside each other, (u, 1 + m)."""
        return np.stack(self.columns, axis=1)


@dataclass(frozen=True, slots=True)
class Ascent:
    """How many of some units were each above all before it, from the `first` one to the `last`; whether all were."""

    n: int
    first: int
    last: int
    is_all: bool

    @classmethod
    def of(cls, unit: Ints) -> Ascent:
        """Return the ascent of the units of draws (n,).

        >>> Ascent.of(np.array([3, 5, 4, 8]))
        Ascent(n=3, first=3, last=8, is_all=False)
        """
        return cls(0, 0, 0, is_all=True).over(unit)

    def over(self, unit: Ints) -> Ascent:
        """Return the ascent with more draws (n,)."""
        if not len(unit):
            return self
        before = unit[:1] - 1 if not self.n else np.array([self.last])
        highest = np.maximum.accumulate(np.concatenate([before, unit]))
        n = int(np.count_nonzero(np.diff(highest)))
        first = self.first if self.n else int(unit[0])
        return Ascent(self.n + n, first, int(highest[-1]), self.is_all and n == len(unit))

    def __add__(self, other: Ascent) -> Ascent:
        """Return what is certain of both, where the other's units are not known any more."""
        if not self.n:
            return other
        goes_on = other.first > self.last
        n = self.n + other.n if goes_on else max(self.n, other.n)
        return Ascent(n, self.first, max(self.last, other.last), self.is_all and other.is_all and goes_on)


@dataclass(frozen=True)
class Totals:
    """The sums of m terms: `moments` of draws, and where units are named, `parts` of their sums and their `ascent`.

    Parts become one only when they are many beside the first, so that adding block after block does not go through all
    units at every block, and so that there are never many more places than units.
    """

    moments: Moments
    parts: tuple[UnitSums, ...] | None = None
    ascent: Ascent | None = None

    @classmethod
    def of(cls, terms: Sequence[Floats], unit: Ints | None = None) -> Totals:
        """Return the totals of draws, of `unit` (n,) or each of a unit of its own.

        >>> terms = [np.array([1.0, 3.0, 2.0])]
        >>> one, other = Totals.of(terms), Totals.of(terms, np.array([7, 7, 8]))
        >>> one.n, one.mean.tolist(), other.n_units, other.mean.tolist()
        (3, [2.0], 2, [2.0])
        """
        if unit is None:
            return cls(_moments(terms))
        return cls(_moments(terms), (UnitSums.of(terms, unit),), Ascent.of(unit))

    def __add__(self, other: Totals) -> Totals:
        moments = self.moments + other.moments
        if self.parts is None or other.parts is None or self.ascent is None or other.ascent is None:
            return Totals(moments)
        first, *rest = parts = self.parts + other.parts
        ascent = self.ascent + other.ascent if other.has_groups else self.ascent.over(other._units)
        if sum(map(len, rest)) <= max(len(first), _MANY):
            return Totals(moments, parts, ascent)
        # Of units that do not repeat, each by itself says no more than a group.
        return Totals(moments, (UnitSums.one([each.grouped for each in parts] if ascent.is_all else parts),), ascent)

    @property
    def n(self) -> int:
        """How many draws there are."""
        return int(self.moments.n[0, 0])

    @cached_property
    def n_units(self) -> int:
        """How many units they are of; where units repeat among groups, as many as were above all before them.

        Those are all of them where units are numbered in the order in which they come, as doors number them.
        """
        if self.parts is None or self.ascent is None or self.ascent.is_all:
            return self.n
        return self.ascent.n if self.has_groups else len(distinct(self._units))

    @cached_property
    def by_unit(self) -> UnitSums | None:
        """The sums of each unit or group of units, ascending, or None where each draw is of its own."""
        return None if self.parts is None else UnitSums.one(self.parts)

    @property
    def has_groups(self) -> bool:
        """Whether units were too many to be kept apart."""
        return any(part.are_groups for part in self.parts or ())

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
        return np.asarray(off @ off.T) * (len(n) / (len(n) - 1)) / self.n**2

    @cached_property
    def squares(self) -> Floats:
        """The sum over units of the squares of their sums, (m,); what groups add to it by chance is taken away."""
        if self.n_units == self.n or self.by_unit is None:
            return np.diagonal(self.moments.m2[0, 0]) + self.n * self.mean**2
        found = np.array([each @ each for each in self.by_unit.columns[1:]])
        if not self.by_unit.are_groups:
            return found
        return (found - (self.n * self.mean) ** 2 / _N_GROUPS) / (1 - 1 / _N_GROUPS)

    @property
    def _units(self) -> Ints:
        return np.concatenate([part.units for part in self.parts or ()])

    def chosen(self, columns: Sequence[int]) -> Totals:
        """Return the totals of some terms."""
        places = [0, *(1 + column for column in columns)]
        parts = self.parts and tuple(
            replace(part, columns=tuple(part.columns[place] for place in places)) for part in self.parts
        )
        return replace(self, moments=self.moments.columns(columns), parts=parts)


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


def _numbered(units: Ints, are_groups: bool) -> tuple[Ints, Ints]:
    """Return the different units, ascending, and which of them each place is of; of groups without sorting them."""
    if are_groups:
        index, found = renumbered(units, _N_GROUPS)
        return found, index
    found, index = np.unique(units, return_inverse=True)
    return found, index


def _summed(values: Floats, index: Ints, n: int) -> Floats:
    return np.bincount(index, values, n).astype(np.float64, copy=False)


def _moments(terms: Sequence[Floats]) -> Moments:
    cell = np.zeros(len(terms[0]), np.int64)
    return Moments.of_columns(terms, cell, cell, _ONE_CELL)
