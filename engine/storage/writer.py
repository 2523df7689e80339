"""The batching writer: many waiting callers of an event loop, one thread that commits.

Nobody lingers for company: while one commit is being written, the next batch gathers by itself.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future as ThreadFuture
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from engine.errors import Overloaded, StoreUnavailable
from engine.ports import Store
from engine.records import Entry, Kept
from engine.settings import Settings

T = TypeVar("T")

_REMEMBERED_COMMITS = 1000


@dataclass(frozen=True, slots=True, eq=False)
class _Append:
    """One caller's entries: they go into one transaction."""

    entries: tuple[Entry, ...]
    future: asyncio.Future[Any]


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """Work with the store that is a transaction of its own; `last` ends the thread."""

    function: Callable[[Store], Any]
    future: asyncio.Future[Any]
    last: bool = False


_Call = _Append | _Run
_Settled = list[tuple[_Call, Any]]
"""Calls with their results; a result that is an exception is raised."""


class Writer:
    """Keeps what the calls of one event loop bring; `commit_s` holds the seconds of the latest commits.

    A thread of its own makes the store, and is the only one that touches it. Calls are kept in the order in which
    they came. What a cancelled caller brought is kept all the same.
    """

    def __init__(self, make_store: Callable[[], Store], settings: Settings) -> None:
        """Start the thread and wait until it has made the store.

        Raises:
            StoreUnavailable: the store cannot be opened.
        """
        self.commit_s: deque[float] = deque(maxlen=_REMEMBERED_COMMITS)
        self._settings = settings
        self._queue: queue.SimpleQueue[list[_Call]] = queue.SimpleQueue()
        self._tick: list[_Call] = []
        self._n_waiting = 0
        self._closed = False
        made: ThreadFuture[None] = ThreadFuture()
        # A daemon: a process that ends without closing must not hang, and the log is made to survive a crash.
        thread = threading.Thread(target=self._work, args=(make_store, made), name="armlift-writer", daemon=True)
        thread.start()
        made.result()

    async def append(self, entries: Sequence[Entry]) -> list[Kept]:
        """Keep entries in one transaction and return what became of each, once it is on the disk.

        Raises:
            Overloaded: too many rows wait already.
            StoreUnavailable: the commit failed, or the writer is closed.
        """
        if not entries:
            return []
        n_waiting = self._n_waiting + len(entries)
        # A call that finds nobody waiting is always taken, or a very large one could never be.
        if n_waiting > self._settings.max_waiting_rows and self._n_waiting:
            raise Overloaded(f"{self._n_waiting} rows wait for the disk: send this again a little later")
        kept: list[Kept] = await self._enqueue(_Append(tuple(entries), _new_future()))
        return kept

    async def run(self, function: Callable[[Store], T]) -> T:
        """Return what `function` makes of the store, in the writer's thread; what it raises is raised here.

        Raises:
            StoreUnavailable: the writer is closed.
        """
        result: T = await self._enqueue(_Run(function, _new_future()))
        return result

    async def close(self) -> None:
        """Keep what waits, close the store and end the thread; later calls are refused."""
        if self._closed:
            return
        closing = self._enqueue(_Run(lambda store: store.close(), _new_future(), last=True))
        self._closed = True
        await closing

    def _enqueue(self, call: _Call) -> asyncio.Future[Any]:
        if self._closed:
            raise StoreUnavailable("the log is closed because the server stops: send this to another one, or later")
        if not self._tick:
            call.future.get_loop().call_soon(self._hand_over)
        self._tick.append(call)
        self._n_waiting += _n_rows(call)
        return call.future

    def _hand_over(self) -> None:
        """Give the thread what one tick of the event loop brought."""
        self._queue.put(self._tick)
        self._tick = []

    def _settle(self, settled: _Settled) -> None:
        for call, result in settled:
            self._n_waiting -= _n_rows(call)
            if call.future.done():
                continue
            if isinstance(result, Exception):
                call.future.set_exception(result)
            else:
                call.future.set_result(result)

    def _work(self, make_store: Callable[[], Store], made: ThreadFuture[None]) -> None:
        """Run the thread: wait for calls, commit the next few, and answer them."""
        try:
            store = make_store()
        except Exception as error:
            made.set_exception(error)
            return
        made.set_result(None)
        waiting: deque[_Call] = deque()
        last = False
        while not last:
            self._gather(waiting)
            batch = _next_batch(waiting, self._settings.max_batch_rows)
            settled = self._commit(store, batch)
            last = isinstance(batch[-1], _Run) and batch[-1].last
            # A closed loop has nobody who waits, and the rows are kept.
            with suppress(RuntimeError):
                batch[0].future.get_loop().call_soon_threadsafe(self._settle, settled)

    def _gather(self, waiting: deque[_Call]) -> None:
        """Take over what was handed in; wait for it only where there is nothing else to do."""
        if not waiting:
            waiting.extend(self._queue.get())
        with suppress(queue.Empty):
            while True:
                waiting.extend(self._queue.get_nowait())

    def _commit(self, store: Store, batch: list[_Call]) -> _Settled:
        started = time.perf_counter()
        settled = _attempt(store, batch)
        self.commit_s.append(time.perf_counter() - started)
        return settled


def _new_future() -> asyncio.Future[Any]:
    return asyncio.get_running_loop().create_future()


def _n_rows(call: _Call) -> int:
    return len(call.entries) if isinstance(call, _Append) else 0


def _next_batch(waiting: deque[_Call], max_rows: int) -> list[_Call]:
    """Take the next calls that fit into one commit: other work alone, and at least one call, however large."""
    batch = [waiting.popleft()]
    n_rows = _n_rows(batch[0])
    while isinstance(batch[0], _Append) and waiting and isinstance(waiting[0], _Append):
        n_rows += _n_rows(waiting[0])
        if n_rows > max_rows:
            break
        batch.append(waiting.popleft())
    return batch


def _attempt(store: Store, batch: list[_Call]) -> _Settled:
    try:
        return _done(store, batch)
    except StoreUnavailable as error:
        # An exception of its own for each: raising one in several tasks would tangle their tracebacks.
        return [(call, StoreUnavailable(str(error))) for call in batch]
    except Exception as error:
        if len(batch) == 1:
            return [(batch[0], error)]
        # One of the calls cannot be kept: the others must not suffer for it.
        return [each for call in batch for each in _attempt(store, [call])]


def _done(store: Store, batch: list[_Call]) -> _Settled:
    if isinstance(batch[0], _Run):
        return [(batch[0], batch[0].function(store))]
    appends = [call for call in batch if isinstance(call, _Append)]
    kept = iter(store.append([entry for call in appends for entry in call.entries]))
    return [(call, list(islice(kept, len(call.entries)))) for call in appends]
