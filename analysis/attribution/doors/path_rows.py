"""Rows of paths: each stands for all journeys that met the same touchpoints in the same order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from analysis.arrays import LARGEST, Floats, Ints
from analysis.attribution.doors import cells
from analysis.attribution.doors.reading import Reading, Taken
from analysis.attribution.journeys import Journeys
from analysis.attribution.noted import Noted
from analysis.ope.doors.chunks import Chunk, numbers
from engine.errors import InvalidRequest

_MOST_JOURNEYS = 100_000_000
"""Rows that stand for more journeys are refused: they would not fit in memory."""

_NOTHING = Journeys.of([], [])


@dataclass(frozen=True, slots=True)
class Paths:
    """Which columns of a table with a path a row are what."""

    path: str
    conversions: str
    journeys: str | None
    nulls: str | None
    value: str | None
    unit: str | None
    separator: str
    reading: Reading

    def taken(self, table: Any) -> Taken:  # noqa: ANN401 (any native frame)
        """Return the journeys of a table."""
        wanted = [self.path, self.conversions, self.journeys, self.nulls, self.value, self.unit]
        blocks = [self._block(chunk) for chunk in self.reading.chunks(table, wanted)]
        found = Journeys.joined([_NOTHING, *blocks])
        self.reading.notes[Noted.UNTOUCHED] += int((found.conversions[found.lengths == 0] > 0).sum())
        return self.reading.taken(found if self.unit else replace(found, unit=np.arange(len(found))))

    def _block(self, chunk: Chunk) -> Journeys:
        """Return the journeys that rows stand for: of each row those that converted, and then the others."""
        converted, others = self._counts(chunk)
        rows, value = self._rows(chunk), self._values(chunk, converted)
        others = self._touched(others, rows)
        half = np.repeat(np.arange(2 * len(rows)), np.stack([converted, others], axis=1).ravel())
        row, won = half // 2, (half % 2 == 0).astype(np.float64)
        made = replace(rows.at(row), conversions=won, value=won * (value / np.maximum(converted, 1))[row])
        is_alone = (converted == 0) & (value != 0)
        self.reading.notes[Noted.ALONE] += int(is_alone.sum())
        return made.and_values(rows.unit[is_alone], value[is_alone])

    def _counts(self, chunk: Chunk) -> tuple[Ints, Ints]:
        """Return how many journeys of each row converted and how many did not, (n,) each."""
        converted = cells.counts(chunk, self.conversions)
        others = (converted == 0).astype(np.int64)
        if self.nulls:
            others = cells.counts(chunk, self.nulls)
        if self.journeys:
            others = cells.counts(chunk, self.journeys) - converted
            cells.refuse(chunk, self.journeys, others < 0, "no less than the conversions")
        if (n := converted.sum(dtype=np.float64) + others.sum(dtype=np.float64)) > _MOST_JOURNEYS:
            raise InvalidRequest(f"the rows stand for {n:,.0f} journeys: give at most {_MOST_JOURNEYS:,} at once")
        return converted, others

    def _touched(self, others: Ints, rows: Journeys) -> Ints:
        """Return how many journeys of each row did not convert, (n,), where there is a path."""
        is_empty = rows.lengths == 0
        self.reading.notes[Noted.NOTHING] += int(others[is_empty].sum())
        return np.where(is_empty, 0, others)

    def _rows(self, chunk: Chunk) -> Journeys:
        """Return the path of each row as a journey of which nothing is known but the unit."""
        found = [cells.path(cell, self.separator) for cell in chunk.columns[self.path].tolist()]
        names = [name for each in found for name in each]
        nothing = np.zeros(len(chunk))
        unit = self.reading.units_of(chunk.columns[self.unit])[0] if self.unit else np.zeros(len(chunk), np.int64)
        return Journeys(
            (),
            np.cumsum([0, *map(len, found)]),
            self.reading.names.of(np.fromiter(names, object, len(names))),
            nothing,
            nothing,
            unit,
        )

    def _values(self, chunk: Chunk, converted: Ints) -> Floats:
        """Return what rows brought, (n,): 0 where it cannot be computed with, or is missing as nothing converted."""
        if not self.value:
            return converted.astype(np.float64)
        found = numbers(chunk.columns[self.value])
        is_wrong = ~(np.abs(found) <= LARGEST)
        self.reading.notes[Noted.VALUES] += int((is_wrong & ~(np.isnan(found) & (converted == 0))).sum())
        return np.where(is_wrong, 0.0, found)
