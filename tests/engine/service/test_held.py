"""What a server holds of the answers it gave: nothing, once each one's commit has ended, well or not."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from armlift.v1 import assignment_pb2 as contract

from engine import lifecycle
from engine.clock import EPOCH, WallClock
from engine.engine import Engine
from engine.errors import StoreUnavailable
from engine.experiments import Experiment, Status
from engine.funnel import Cap, Funnel, Sticky
from engine.lifecycle import Author
from engine.records import Assignment, Entry, Kept
from engine.service.assignment_servicer import AssignmentServicer
from engine.settings import Settings
from engine.storage import open_reader, open_store
from engine.storage.writer import Writer

N_CALLS = 300
AUTHOR = Author("ann", "a test", EPOCH)


class Unwell(Writer):
    """Every third append fails; every other one after its rows were kept."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._turns = count()

    async def append(self, entries: Sequence[Entry]) -> list[Kept]:
        turn = next(self._turns)
        if turn % 6 == 0:
            raise StoreUnavailable("the disk is full")
        kept = await super().append(entries)
        if turn % 3 == 0:
            raise StoreUnavailable("the disk is full")
        return kept


class Aborting:
    """A call's context of which only the end is of interest."""

    async def abort_with_status(self, status: object) -> None:
        raise ConnectionAbortedError


def n_held() -> int:
    """Return how many assignments there are in this process."""
    gc.collect()
    return sum(isinstance(each, Assignment) for each in gc.get_objects())


@pytest.fixture
def store(tmp_path: Path, hero: Experiment) -> Path:
    """A store in which an experiment runs that looks back: it is sticky and capped."""
    with closing(open_store(tmp_path)) as opened:
        looking_back = replace(hero, sticky=Sticky(), funnel=Funnel(cap=Cap(50, timedelta(days=1))))
        draft, created = lifecycle.create(looking_back, AUTHOR)
        opened.save(draft, created, "")
        opened.save(*lifecycle.transition(draft, Status.RUNNING, "", AUTHOR), draft.etag)
    return tmp_path


@asynccontextmanager
async def serving(store: Path) -> AsyncIterator[Any]:
    writer = Unwell(lambda: open_store(store), Settings())
    with closing(open_reader(store)) as reader:
        engine = Engine(reader, lambda *_: None, WallClock(), Settings())
        yield AssignmentServicer(engine, writer, reader, lambda *_: None, Settings())
        await writer.close()


async def ask(servicer: Any, number: int) -> None:
    """Ask alone or in a batch; every fifth caller goes away."""
    one = contract.AssignRequest(experiment_id="hero", units={"customer": f"unit-{number % 7}"})
    many = contract.BatchAssignRequest(requests=[one] * 3, shared_units=one.units, all_running=True)
    call = servicer.Assign(one, Aborting()) if number % 2 else servicer.BatchAssign(many, Aborting())
    calling = asyncio.ensure_future(call)
    if number % 5 == 0:
        await asyncio.sleep(0)
        calling.cancel()
    with suppress(ConnectionAbortedError, asyncio.CancelledError):
        await calling


def test_nothing_is_held_of_answers_whose_commit_has_ended_also_where_it_failed_or_the_caller_went_away(
    store: Path,
) -> None:
    async def visit() -> tuple[int, int]:
        # That nobody heard of a failed commit is logged, and what captures the log would hold on to the rows.
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        async with serving(store) as servicer:
            calls = [asyncio.ensure_future(ask(servicer, number)) for number in range(N_CALLS)]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            under_way = n_held()
            await asyncio.gather(*calls)
        return under_way, n_held()

    before = n_held()
    under_way, after = asyncio.run(visit())
    assert under_way > before
    assert after == before
    with closing(open_reader(store)) as reader:
        assert len(reader.entries()) > N_CALLS
