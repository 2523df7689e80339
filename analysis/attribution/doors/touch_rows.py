"""Rows of touches and conversions, which are cut into journeys."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from analysis.arrays import Flags, Ints
from analysis.attribution.cutting import cut
from analysis.attribution.doors import cells
from analysis.attribution.doors.reading import Reading, Taken
from analysis.attribution.events import CONVERSION, Events, Windows
from analysis.attribution.noted import Noted
from analysis.ope.doors.chunks import Chunk, numbers

_NO_EVENTS = Events(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))


@dataclass(frozen=True, slots=True)
class Touches:
    """Which columns of a table with a touch or a conversion a row are what, and how its events are cut."""

    unit: str
    at: str
    channel: str
    converted: str
    value: str | None
    windows: Windows
    reading: Reading

    def taken(self, table: Any) -> Taken:  # noqa: ANN401 (any native frame)
        """Return the journeys of a table."""
        wanted = [self.unit, self.at, self.channel, self.converted, self.value]
        blocks = [block for chunk in self.reading.chunks(table, wanted) for block in self._blocks(chunk)]
        events = Events.joined([_NO_EVENTS, *blocks])
        made = cut(events, self.windows, self.reading.names.all, int(events.at.max(initial=cells.NEVER)))
        self.reading.notes.update(made.notes)
        return self.reading.taken(made.journeys)

    def _blocks(self, chunk: Chunk) -> tuple[Events, Events]:
        """Return the touches and the conversions of some rows."""
        (unit, has_unit), at = self.reading.units_of(chunk.columns[self.unit]), cells.times(chunk.columns[self.at])
        converted, name = cells.flags(chunk, self.converted), self.reading.names.of(chunk.columns[self.channel])
        value = numbers(chunk.columns[self.value]) if self.value else np.ones(len(chunk))
        is_met = ~converted | ((name > 0) & ~(value < 0))
        is_known = self._known(has_unit, at)
        events = Events(unit, at, name, value)
        did = replace(events, touchpoint=np.full(len(chunk), CONVERSION))
        return events[is_known & is_met], did[is_known & converted]

    def _known(self, has_unit: Flags, at: Ints) -> Flags:
        """Return which rows have a unit and a time, (n,)."""
        has_time = at != cells.NEVER
        self.reading.notes[Noted.NO_UNIT] += int((~has_unit).sum())
        self.reading.notes[Noted.NO_TIME] += int((has_unit & ~has_time).sum())
        return np.asarray(has_unit & has_time)
