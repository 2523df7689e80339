"""What is to happen when: handed out in the order of time, at little cost where it is written down in that order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import count
from typing import Any, Generic, Protocol, TypeVar


class Comparable(Protocol):
    """What has an order."""

    def __lt__(self, other: Any, /) -> bool:  # noqa: ANN401 (whatever it is compared with)
        """Whether it comes before another one."""


Due = TypeVar("Due", bound=Comparable)
What = TypeVar("What")


class Agenda(Generic[Due, What]):
    """Things with the time at which each is due; of two at the same time, the one added first comes first.

    What is added in order waits in a queue, and only the rest in a heap, where it costs O(log n).

    >>> agenda: Agenda[int, str] = Agenda()
    >>> for due, what in ((2, "b"), (3, "d"), (1, "a"), (2, "c")):
    ...     agenda.add(due, what)
    >>> agenda.first
    1
    >>> [agenda.pop() for _ in range(4)], agenda.first
    ([(1, 'a'), (2, 'b'), (2, 'c'), (3, 'd')], None)
    """

    def __init__(self) -> None:
        self._queue: deque[tuple[Due, int, What]] = deque()
        self._late: list[tuple[Due, int, What]] = []
        self._ticket = count()

    def __len__(self) -> int:
        """Return how many things are waiting."""
        return len(self._queue) + len(self._late)

    @property
    def first(self) -> Due | None:
        """When the first of all is due, or None where there is none."""
        held = self._held()
        return held[0][0] if held else None

    def add(self, due: Due, what: What) -> None:
        """Write something down."""
        entry = due, next(self._ticket), what
        if self._queue and entry < self._queue[-1]:
            heappush(self._late, entry)
        else:
            self._queue.append(entry)

    def pop(self) -> tuple[Due, What]:
        """Take out the first of all, and return when it is due and what it is; there is one."""
        due, _, what = heappop(self._late) if self._held() is self._late else self._queue.popleft()
        return due, what

    def until(self, due: Due) -> Iterator[tuple[Due, What]]:
        """Take out and yield what is due at or before a time, with its own.

        >>> agenda: Agenda[int, str] = Agenda()
        >>> agenda.add(3, "late")
        >>> agenda.add(1, "early")
        >>> list(agenda.until(2)), len(agenda)
        ([(1, 'early')], 1)
        """
        while (first := self.first) is not None and not due < first:
            yield self.pop()

    def _held(self) -> deque[tuple[Due, int, What]] | list[tuple[Due, int, What]]:
        """Return where the first of all is."""
        return self._late if self._late and not (self._queue and self._queue[0] < self._late[0]) else self._queue
