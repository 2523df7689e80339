"""Outcomes on their way: whoever reports one goes on at once, and a thread sends them."""

from __future__ import annotations

import atexit
import logging
from collections import deque
from collections.abc import Sequence
from threading import Condition, Thread

from armlift.answers import Event, Recorded, to_outcomes
from armlift.client import Client
from armlift.errors import ArmliftError

MAX_WAITING = 10_000
"""As many outcomes wait in memory while the server is away."""

_BATCH = 500
# Nobody waits for an outcome, so a server may take its time to come back.
_TIMEOUT_S = 5.0
_log = logging.getLogger(__name__)


class Outbox:
    """Sends outcomes beside the product. What cannot be sent is logged: nothing is raised, and nothing waits."""

    def __init__(self, address: str) -> None:
        self._client = Client(address, timeout_s=_TIMEOUT_S)
        self._waiting: deque[Event] = deque()
        self._changed = Condition()
        self._closing = False
        self._thread = Thread(target=self._send_until_closed, name="armlift-outbox", daemon=True)
        self._thread.start()
        # A process that ends without a close would lose what waits.
        atexit.register(self.close)

    def put(self, event: Event) -> None:
        """Take an outcome to be sent soon.

        Raises:
            ArmliftError: no message can hold it; one like that would spoil those that are sent with it.
        """
        to_outcomes([event], None)
        with self._changed:
            if len(self._waiting) < MAX_WAITING:
                self._waiting.append(event)
                self._changed.notify()
                return
        _log.error("the outcome %r is lost: %s wait for a server that does not answer", event.metric, MAX_WAITING)

    def close(self) -> None:
        """Send what waits, for as long as one call may take, and end."""
        atexit.unregister(self.close)
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(_TIMEOUT_S)
        with self._changed:
            n_lost = len(self._waiting)
            self._waiting.clear()
        # The call that is under way is given up, and the thread says what was lost with it.
        self._client.close()
        self._thread.join(_TIMEOUT_S)
        if n_lost:
            _log.error("%s outcomes are lost: the server did not take them in time", n_lost)

    def _send_until_closed(self) -> None:
        while batch := self._next():
            self._send(batch)

    def _next(self) -> Sequence[Event]:
        """Return what waits, as soon as there is any; nothing, after the close."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            return [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]

    def _send(self, batch: Sequence[Event]) -> None:
        try:
            for event, recorded in zip(batch, self._client.record_many(batch), strict=True):
                _log_refused(event, recorded)
        except ArmliftError as error:
            _log.error("%s outcomes are lost: %s (%s)", len(batch), error, error.code)
        except Exception:
            # Not even what nobody thought of may end the thread.
            _log.exception("%s outcomes are lost", len(batch))


def _log_refused(event: Event, recorded: Recorded) -> None:
    if recorded.status in ("INVALID", "CONFLICT"):
        _log.error("the outcome %r was refused: %s", event.metric, recorded.message)
