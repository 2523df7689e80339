"""One unit's exposures and outcomes in the order of their times: which outcome belongs to which row."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Self

from engine.metrics import Metric
from engine.records import Assignment, Outcome

_order = attrgetter("order")
_exposed_at = attrgetter("exposed_at")
_at = attrgetter("at")


@dataclass(slots=True, eq=False)
class Row:
    """What is remembered of an assignment: `assignment` itself only as long as it may become a reward.

    `key` is the assignment's id and slot. `order` is the key of its reward; all rows wait equally long, so it is the
    order of exposures too. A sticky answer `is_repeat`; `draw` is what it repeats, where that is known, and a draw has
    its `repeats`.
    """

    key: tuple[str, int]
    node_id: str
    seq: int
    unit_key: int
    assignment: Assignment | None
    is_repeat: bool = False
    exposed_at: datetime | None = None
    order: tuple[datetime, str, int] | None = None
    matured: bool = False
    draw: Row | None = None
    repeats: list[Row] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Observed:
    """An outcome as one metric sees it.

    `at` is when it occurred less the metric's `after`, and `span` is the length of the window less it. So every window
    opens with its exposure.
    """

    metric: str
    outcome: Outcome
    at: datetime
    span: timedelta

    @classmethod
    def of(cls, metric: Metric, outcome: Outcome) -> Self:
        """Return how a metric sees an outcome."""
        return cls(metric.name, outcome, outcome.occurred_at - metric.after, metric.window - metric.after)

    def is_in_window(self, row: Row) -> bool:
        """Whether the window that the row's exposure opens holds it."""
        return row.exposed_at is not None and row.exposed_at <= self.at <= row.exposed_at + self.span


@dataclass(slots=True)
class Timeline:
    """A unit's exposed rows, and what was observed of it and is not credited yet."""

    rows: list[Row] = field(default_factory=list)
    observed: list[Observed] = field(default_factory=list)

    def latest(self, at: datetime) -> Row | None:
        """Return the last row exposed at or before a time."""
        index = bisect_right(self.rows, at, key=_exposed_at)
        return self.rows[index - 1] if index else None

    def add(self, row: Row) -> None:
        """Put a row that was exposed into its place."""
        insort(self.rows, row, key=_order)

    def take(self, row: Row, window_of: Row) -> list[Observed]:
        """Remove and return what is this row's and in a row's window: its own one, or that of the draw it repeats.

        A row has nothing from after the next row's exposure: that one's window, as long as its own, holds it too.
        """
        start = bisect_left(self.observed, row.exposed_at, key=_at)
        following = bisect_right(self.rows, row.order, key=_order)
        until = self.rows[following].exposed_at if following < len(self.rows) else None
        stop = None if until is None else bisect_left(self.observed, until, key=_at)
        found = self.observed[start:stop]
        self.observed[start:stop] = [each for each in found if not each.is_in_window(window_of)]
        return [each for each in found if each.is_in_window(window_of)]


def add(held: list[Observed], observed: Observed) -> None:
    """Put something that was observed into its place; of two at the same time, the one logged first leads."""
    insort(held, observed, key=_at)


def drop(held: list[Observed], until: datetime) -> None:
    """Drop what is at or before a time."""
    del held[: bisect_right(held, until, key=_at)]
