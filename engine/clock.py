"""The one clock: the wall, or the request's own time.

Windows, caps, schedules and the log's times all come from here, so that a demo, a replay and a test can run two
months in a minute and get the same log each time.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from engine.errors import InvalidRequest

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CLOCK_SKEW = timedelta(minutes=5)
"""How far a caller's clock may be ahead of ours."""

_MICROSECOND = timedelta(microseconds=1)


class Clock(Protocol):
    """Tells the time of a request."""

    def now(self, at: datetime | None) -> datetime:
        """Return the aware UTC time of a request that says it was made `at`.

        Raises:
            InvalidRequest: `at` is given to a wall clock, or missing under the request's clock.
        """

    def stopwatch_s(self) -> float:
        """Return seconds from some fixed moment, for measuring how long a decision takes."""


class WallClock:
    """The machine's time; a request cannot choose its own."""

    def now(self, at: datetime | None) -> datetime:
        """Return the machine's time."""
        if at is not None:
            raise InvalidRequest("`at` is read only by a server started with --clock=request: leave it out")
        return datetime.now(UTC)

    def stopwatch_s(self) -> float:
        """Return the seconds of the machine's monotonic clock."""
        return time.perf_counter()


class RequestClock:
    """The time that each request brings along: for the demo, replay and tests."""

    def now(self, at: datetime | None) -> datetime:
        """Return `at`."""
        if at is None:
            raise InvalidRequest("this server runs with --clock=request: send the time of the request in `at`")
        return at

    def stopwatch_s(self) -> float:
        """Return 0: a decision takes no time, so that a busy machine changes no answer of a replay."""
        return 0.0


def to_micros(moment: datetime) -> int:
    """Return the microseconds from the Unix epoch to an aware time.

    >>> to_micros(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    1000000
    """
    return (moment - EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """Return the aware UTC time of a number of microseconds since the Unix epoch.

    >>> from_micros(1_000_000).isoformat()
    '1970-01-01T00:00:01+00:00'
    """
    return EPOCH + timedelta(microseconds=micros)
