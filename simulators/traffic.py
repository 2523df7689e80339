"""Events in the order of time: visits in batches, and what will come of them."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import count
from typing import Generic, TypeVar

from numpy.random import Generator

from engine.experiments import Experiment

T = TypeVar("T")

_AFTER_ALL = timedelta(hours=1)


class Pending(Generic[T]):
    """What will happen, handed out in the order of time; of two at the same time the earlier added comes first.

    >>> from datetime import UTC
    >>> noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    >>> pending = Pending[str]()
    >>> pending.add(noon, "late")
    >>> pending.add(noon - timedelta(hours=1), "early")
    >>> [what for _, what in pending.until(noon - timedelta(minutes=1))]
    ['early']
    """

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, int, T]] = []
        self._ticket = count()

    def add(self, at: datetime, what: T) -> None:
        """Note that something will happen."""
        heapq.heappush(self._heap, (at, next(self._ticket), what))

    def until(self, at: datetime) -> list[tuple[datetime, T]]:
        """Take out and return what happens at or before a time, with its time."""
        due = []
        while self._heap and self._heap[0][0] <= at:
            happens_at, _, what = heapq.heappop(self._heap)
            due.append((happens_at, what))
        return due


def crowd(rng: Generator) -> str:
    """Return how the ids of one run's customers begin: others come by under another seed, as tests draw by the id."""
    return f"customer-{rng.integers(16**6):06x}"


def batches(items: Iterable[T], at: Callable[[T], datetime], size: int, span: timedelta) -> Iterator[list[T]]:
    """Yield runs of items in their order, none longer than `size` items or `span` from its first to its last.

    >>> from datetime import UTC
    >>> hours = [datetime(2026, 1, 1, hour, tzinfo=UTC) for hour in (0, 1, 2, 5, 6)]
    >>> [len(batch) for batch in batches(hours, lambda hour: hour, 2, timedelta(hours=1))]
    [2, 1, 2]
    """
    batch: list[T] = []
    for item in items:
        if batch and (len(batch) == size or at(item) - at(batch[0]) > span):
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch


def closing_time(last: datetime, experiments: Iterable[Experiment]) -> datetime:
    """Return a time at which every window that was open at the last visit has closed."""
    longest = max(
        (metric.window + experiment.grace for experiment in experiments for metric in experiment.metrics),
        default=timedelta(0),
    )
    return last + longest + _AFTER_ALL
