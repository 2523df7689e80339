"""What is known of a table while it is read, and what comes of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from analysis.arrays import Flags, Ints, Texts
from analysis.attribution.doors import cells
from analysis.attribution.doors.names import Names
from analysis.attribution.journeys import Journeys
from analysis.attribution.noted import Notes, said
from analysis.document import Count
from analysis.ope.doors.chunks import Chunk, source_of
from analysis.ope.doors.leaving_out import LeftOut
from analysis.ope.doors.rows import Numbering
from engine.errors import InvalidRequest

_BLOCK = 1 << 16
"""So many rows of a table are read at a time."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Journeys of a table, and what of it is not in them as it was."""

    journeys: Journeys
    left_out: tuple[Count, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """The names of channels and the numbers of units so far, and what was noted."""

    names: Names
    units: Numbering = field(default_factory=Numbering)
    left_out: LeftOut = field(default_factory=LeftOut)
    notes: Notes = field(default_factory=Notes)

    @classmethod
    def among(cls, channels: Sequence[str]) -> Reading:
        """Return what is known at first: the channels that are declared."""
        return cls(Names.declared(channels))

    def chunks(self, table: Any, wanted: Sequence[str | None]) -> Iterator[Chunk]:  # noqa: ANN401 (any native frame)
        """Yield the columns of a table that are named.

        Raises:
            InvalidRequest: it is no table, or lacks one of them.
        """
        source = source_of(table)
        columns = [name for name in wanted if name]
        cells.check(source, columns)
        return source.chunks(columns, _BLOCK, self.left_out)

    def units_of(self, column: Texts) -> tuple[Ints, Flags]:
        """Return the units that cells name (n,), and which name one, (n,): of the others each is a unit of its own."""
        place, texts = cells.coded(column)
        is_named = np.array([each is not None for each in texts], np.bool_)[place]
        unit = self.units.of(texts)[place]
        unit[~is_named] = self.units.of([None] * int((~is_named).sum()))
        return unit, is_named

    def taken(self, journeys: Journeys) -> Taken:
        """Return journeys among the names that are told apart.

        Raises:
            InvalidRequest: there are none.
        """
        apart = self.names.told_apart(journeys, self.notes)
        counts = (*self.left_out.counts(), *said(self.notes))
        if not len(apart):
            why = "; ".join(f"{each.what}: {each.n}" for each in counts) or "it has no rows"
            raise InvalidRequest(f"there are no journeys in this table: {why}")
        return Taken(apart, counts)
