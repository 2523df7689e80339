"""What units did: conversions and refunds in the order of time, and how many of them lie in a window."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from analysis.arrays import LARGEST, Floats, Ints, places
from analysis.attribution.incremental.identities import Identities
from analysis.document import Count
from analysis.logs.sources import LogSource
from analysis.texts import text
from engine.columns import Columns
from engine.records import Reason

_SIDES: tuple[Literal["left"], Literal["right"]] = ("left", "right")
_COLUMNS = ("seq", "metric", "value", "occurred_at", "void_of", "assignment_seq", "unit_key")


@dataclass(frozen=True, eq=False)
class Did:
    """Conversions that stand, and refunds, in the order of time: (c,) each. A refund has a negative value."""

    unit: Ints
    at: Ints
    value: Floats

    def of(self, who: Identities) -> Did:
        """Return the same with units by another name."""
        return Did(who.of(self.unit), self.at, self.value)

    def between(self, unit: Ints, since: Ints, until: Ints) -> Floats:
        """Return the conversions and the value of units (r,) from `since` to `until`, both included, (r, 2).

        >>> did = Did(np.array([7, 8, 7]), np.array([1, 2, 3]), np.array([5.0, 1.0, -2.0]))
        >>> did.between(np.array([7, 7, 8]), np.array([1, 2, 0]), np.array([3, 3, 1])).tolist()
        [[1.0, 3.0], [0.0, -2.0], [0.0, 0.0]]
        """
        begin, end = (self._ranks(unit, at) for at in (since, until + 1))
        found = np.zeros((len(unit), 2))
        some = end > begin
        if some.any():
            value = np.append(self.value[self._order], 0.0)
            columns = np.stack([value >= 0, value], axis=1).astype(np.float64)
            bounds = np.stack([begin[some], end[some]], axis=1).ravel()
            found[some] = np.add.reduceat(columns, bounds, axis=0)[::2]
        return found

    @cached_property
    def _order(self) -> Ints:
        return np.lexsort((self.at, self.unit))

    def _ranks(self, unit: Ints, at: Ints) -> Ints:
        """Return how many rows in the order of unit and time stand before each of some units and times, (r,)."""
        units, times = self.unit[self._order], np.append(self.at[self._order], 0)
        low, high = (np.searchsorted(units, unit, side) for side in _SIDES)
        # Units did little each, so that few halvings do.
        while (low < high).any():
            middle = (low + high) // 2
            is_before = (low < high) & (times[middle] < at)
            low, high = np.where(is_before, middle + 1, low), np.where(is_before, high, middle)
        return low


def read(log: LogSource, outcome: str) -> tuple[Did, tuple[Count, ...]]:
    """Return all outcomes of a name that stand, whichever experiment counts them, and what was left out.

    An outcome of an assignment is its unit's. Answers for quality assurance, and what names nobody who is in the log,
    are nobody's.
    """
    raw = log.columns("outcomes", _COLUMNS)
    is_it = raw["metric"].looked_up([*(word == outcome for word in raw["metric"].words), False], np.bool_)
    is_void = raw["void_of"].looked_up([*(word != "" for word in raw["void_of"].words), False], np.bool_)
    stands = np.flatnonzero(is_it & ~is_void & (places(raw["seq"], log.voided()) < 0))
    unit, value = _units(log, raw, stands), raw["value"][stands]
    is_sound = np.abs(value) <= LARGEST
    kept = np.flatnonzero(is_sound & (unit != 0))
    kept = kept[np.argsort(raw["occurred_at"][stands[kept]], kind="stable")]
    did = Did(unit[kept], raw["occurred_at"][stands[kept]], value[kept])
    return did, (
        Count(int((~is_sound).sum()), text("attribution.incremental.too_far")),
        Count(int((is_sound & (unit == 0)).sum()), text("attribution.incremental.nobodys")),
    )


def _units(log: LogSource, raw: Columns, stands: Ints) -> Ints:
    """Return whose the outcomes at some places are, (m,), 0 where nobody's."""
    named = raw["assignment_seq"][stands]
    unit = np.where(named == 0, raw["unit_key"][stands], 0)
    by_row = np.flatnonzero(named != 0)
    for state in log.states() if len(by_row) else ():
        rows = log.columns("assignments", ("seq", "reason", "unit_key"), state.experiment.experiment_id)
        reason = rows["reason"]
        is_real = reason.looked_up([*(word != Reason.QA.value for word in reason.words), True], np.bool_)
        place = places(named[by_row], rows["seq"][is_real])
        unit[by_row] = np.where(place < 0, unit[by_row], np.append(rows["unit_key"][is_real], 0)[place])
    return unit
