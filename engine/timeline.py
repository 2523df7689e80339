"""One unit's exposures and outcomes in the order of their times: which outcome belongs to which row."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter

from engine.records import Assignment, Outcome

_order = attrgetter("order")
_exposed_at = attrgetter("exposed_at")
_occurred_at = attrgetter("occurred_at")


@dataclass(slots=True, eq=False)
class Row:
    """What is remembered of an assignment: `assignment` itself only as long as it may become a reward.

    `key` is the assignment's id and slot. `order` is the key of its reward; all rows wait equally long, so it is the
    order of exposures too.
    """

    key: tuple[str, int]
    node_id: str
    seq: int
    unit_key: int
    assignment: Assignment | None
    exposed_at: datetime | None = None
    order: tuple[datetime, str, int] | None = None
    matured: bool = False


@dataclass(slots=True)
class Timeline:
    """A unit's exposed rows and those of its outcomes that are not credited yet."""

    rows: list[Row] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    def latest(self, at: datetime) -> Row | None:
        """Return the last row exposed at or before a time."""
        index = bisect_right(self.rows, at, key=_exposed_at)
        return self.rows[index - 1] if index else None

    def add(self, row: Row) -> None:
        """Put a row that was exposed into its place."""
        insort(self.rows, row, key=_order)

    def take(self, row: Row, in_window: Callable[[Row, Outcome], bool]) -> list[Outcome]:
        """Remove and return the outcomes that are this row's.

        A row has none from after the next row's exposure: that one's window, as long as its own, holds them too.
        """
        start = bisect_left(self.outcomes, row.exposed_at, key=_occurred_at)
        following = bisect_right(self.rows, row.order, key=_order)
        until = self.rows[following].exposed_at if following < len(self.rows) else None
        stop = None if until is None else bisect_left(self.outcomes, until, key=_occurred_at)
        found = self.outcomes[start:stop]
        taken = [outcome for outcome in found if in_window(row, outcome)]
        self.outcomes[start:stop] = [outcome for outcome in found if not in_window(row, outcome)]
        return taken


def add_outcome(outcomes: list[Outcome], outcome: Outcome) -> None:
    """Put an outcome into its place; of two that occurred together, the one logged first leads."""
    insort(outcomes, outcome, key=_occurred_at)


def drop_outcomes(outcomes: list[Outcome], until: datetime) -> None:
    """Drop those that occurred at or before a time."""
    del outcomes[: bisect_right(outcomes, until, key=_occurred_at)]
