"""Who came into a set of experiments, when, and by what chance its draws all fell on the control."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from analysis.arrays import Flags, Floats, Ints
from analysis.attribution.incremental.units import Draws, Units
from analysis.logs.crediting import micros

_FOREVER = np.iinfo(np.int64).max // 4


@dataclass(frozen=True, slots=True, eq=False)
class Entered:
    """Units with a draw in a set of experiments whose window has closed, by key: (u,) each.

    `since` is the first draw, in the experiment that is `first` in the set; what is done up to `until` counts, and so
    do draws. `is_control` says who drew the control each time, and `chance` is the product of its probabilities: each
    is that of a draw given all before it, so that over draws is_control / chance has the mean 1 whatever led from one
    experiment into another (Robins 1986, sequential randomisation).
    """

    unit: Ints
    since: Ints
    until: Ints
    first: Ints
    is_control: Flags
    chance: Floats

    def __len__(self) -> int:
        return len(self.unit)

    @classmethod
    def of(cls, units: Units, draws: Sequence[Draws]) -> Entered:
        """Return who came into some experiments, one at least."""
        which = np.repeat(np.arange(len(draws)), [len(each.unit) for each in draws])
        columns = [np.concatenate([getattr(each, name) for each in draws]) for name in _COLUMNS]
        order = np.lexsort((columns[1], columns[0]))
        unit, at, is_control, chance = (column[order] for column in columns)
        starts = np.flatnonzero(np.append(True, unit[1:] != unit[:-1])) if len(unit) else np.zeros(0, np.int64)
        until = at[starts] + (_FOREVER if units.within is None else micros(units.within))
        counts = at <= np.repeat(until, np.diff(np.append(starts, len(unit))))
        if not len(starts):
            return cls(unit, at, at, unit, is_control, chance)
        found = cls(
            unit[starts],
            at[starts],
            until,
            which[order][starts],
            np.logical_and.reduceat(is_control | ~counts, starts),
            np.multiply.reduceat(np.where(counts, chance, 1.0), starts),
        )
        return found if units.within is None else found.chosen(until <= units.end)

    @classmethod
    def joined(cls, parts: Sequence[Entered]) -> Entered:
        """Return who came into several sets, one part after the other: a unit may be there several times."""
        return cls(*(np.concatenate([getattr(each, field.name) for each in parts]) for field in fields(cls)))

    @property
    def next_since(self) -> Ints:
        """When the same unit comes in next, (u,), or never."""
        order = np.lexsort((self.since, self.unit))
        unit, since = (np.append(column[order], end) for column, end in ((self.unit, -1), (self.since, _FOREVER)))
        found = np.empty(len(self), np.int64)
        found[order] = np.where(unit[1:] == unit[:-1], since[1:], _FOREVER)
        return found

    def chosen(self, which: Flags) -> Entered:
        """Return some of the units (u,)."""
        return Entered(*(getattr(self, field.name)[which] for field in fields(self)))


_COLUMNS = ("unit", "at", "is_control", "chance")
