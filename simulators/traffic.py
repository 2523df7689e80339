"""Visits in the order of time: in batches, and until when their windows are open."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import TypeVar

from numpy.random import Generator

from engine.experiments import Experiment

T = TypeVar("T")

_AFTER_ALL = timedelta(hours=1)


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
