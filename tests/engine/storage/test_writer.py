"""The batching writer: what is gathered, what is refused, and what is left when something fails."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from engine.clock import EPOCH
from engine.errors import Overloaded, StaleEtag, StoreUnavailable
from engine.records import Assignment, Entry, Kept, KeptStatus, Reason, Unit
from engine.settings import Settings
from engine.storage import open_reader, open_store
from engine.storage.memory import MemoryStore
from engine.storage.writer import Writer

DEFAULTS = Settings()


def assignment(number: int) -> Assignment:
    unit = Unit("customer", f"unit {number}")
    return Assignment("hero", "bold", Reason.DRAWN, unit, EPOCH, EPOCH, assignment_id=f"{number:032x}")


class SlowStore(MemoryStore):
    """Begins a commit only when it is told to, and remembers how many rows each had."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()
        self.begun = threading.Event()
        self.sizes: list[int] = []

    def append(self, entries: Sequence[Entry]) -> list[Kept]:
        self.begun.set()
        self.go.wait()
        self.sizes.append(len(entries))
        return super().append(entries)


def with_writer(make_store, use: Callable[[Writer], object], settings: Settings = DEFAULTS) -> None:
    """Run `use` with a writer, and close it."""

    async def main() -> None:
        writer = Writer(make_store, settings)
        await use(writer)
        await writer.close()

    asyncio.run(main())


async def begun(store: SlowStore) -> None:
    await asyncio.to_thread(store.begun.wait)


def test_each_caller_gets_the_answers_to_its_own_entries() -> None:
    async def use(writer: Writer) -> None:
        calls = [[assignment(number) for number in range(n)] for n in (1, 3, 0, 2)]
        answers = await asyncio.gather(*(writer.append(call) for call in calls))
        assert [len(answer) for answer in answers] == [1, 3, 0, 2]
        statuses = [kept.status for answer in answers for kept in answer]
        assert (
            statuses
            == [KeptStatus.RECORDED] + [KeptStatus.DUPLICATE] + [KeptStatus.RECORDED] * 2 + [KeptStatus.DUPLICATE] * 2
        )
        assert [[kept.entry.seq for kept in answer] for answer in answers] == [[1], [1, 2, 3], [], [1, 2]]

    with_writer(MemoryStore, use)


def test_while_one_commit_runs_the_next_batch_gathers_and_no_call_is_split() -> None:
    store = SlowStore()

    async def use(writer: Writer) -> None:
        first = asyncio.ensure_future(writer.append([assignment(0)]))
        await begun(store)
        sizes = (2, 2, 3, 9, 1)
        others = [asyncio.ensure_future(writer.append([assignment(1)] * n)) for n in sizes]
        await asyncio.sleep(0.01)
        store.go.set()
        await asyncio.gather(first, *others)
        assert store.sizes == [1, 4, 3, 9, 1]
        assert len(writer.commit_s) == 5

    with_writer(lambda: store, use, Settings(max_batch_rows=4))


def test_what_a_cancelled_caller_brought_is_kept() -> None:
    store = SlowStore()

    async def use(writer: Writer) -> None:
        cancelled = asyncio.ensure_future(writer.append([assignment(1)]))
        await begun(store)
        waiting = asyncio.ensure_future(writer.append([assignment(2)]))
        await asyncio.sleep(0)
        for call in (cancelled, waiting):
            call.cancel()
        store.go.set()
        assert await writer.run(lambda store: len(store.entries())) == 2  # type: ignore[attr-defined]  # it is a reader too
        assert (cancelled.cancelled(), waiting.cancelled()) == (True, True)

    with_writer(lambda: store, use)


def test_too_many_waiting_rows_are_refused_at_once_and_room_comes_back() -> None:
    store = SlowStore()

    async def use(writer: Writer) -> None:
        large = asyncio.ensure_future(writer.append([assignment(n) for n in range(9)]))
        await begun(store)
        with pytest.raises(Overloaded, match="9 rows wait"):
            await writer.append([assignment(10)])
        store.go.set()
        assert len(await large) == 9
        assert len(await writer.append([assignment(10)])) == 1

    with_writer(lambda: store, use, Settings(max_waiting_rows=8))


def test_work_with_the_store_keeps_its_place_and_its_errors() -> None:
    async def use(writer: Writer) -> None:
        def refuse(_: object) -> None:
            raise StaleEtag("somebody was faster")

        before = writer.append([assignment(1)])
        seqs = await asyncio.gather(before, writer.run(lambda store: store.last_seq()), writer.append([assignment(2)]))
        assert seqs[1] == 1
        with pytest.raises(StaleEtag, match="faster"):
            await writer.run(refuse)
        assert await writer.run(lambda store: store.last_seq()) == 2

    with_writer(MemoryStore, use)


def test_the_store_lives_in_a_thread_of_its_own(tmp_path) -> None:
    async def use(writer: Writer) -> None:
        assert await writer.run(lambda _: threading.current_thread().name) == "armlift-writer"
        await writer.append([assignment(1)])
        reader = open_reader(tmp_path)
        assert reader.last_seq() == 1
        reader.close()

    with_writer(lambda: open_store(tmp_path), use)


def test_a_failed_commit_fails_all_its_callers_and_the_writer_goes_on(tmp_path, full_disk) -> None:
    async def use(writer: Writer) -> None:
        await writer.append([assignment(0)])
        calls = [[assignment(100 * call + row) for row in range(100)] for call in range(1, 5)]
        with full_disk(tmp_path, 20_000):
            failed = await asyncio.gather(*(writer.append(call) for call in calls), return_exceptions=True)
        assert [type(error) for error in failed] == [StoreUnavailable] * 4
        kept = await asyncio.gather(*(writer.append(call) for call in calls))
        assert {each.status for answer in kept for each in answer} == {KeptStatus.RECORDED}
        assert [each.entry.seq for answer in kept for each in answer] == list(range(2, 402))

    with_writer(lambda: open_store(tmp_path), use)


def test_one_call_that_cannot_be_kept_does_not_harm_the_others_of_its_batch(tmp_path) -> None:
    async def use(writer: Writer) -> None:
        wrong = replace(assignment(2), snapshot="no hash")
        answers = await asyncio.gather(
            *(writer.append([entry]) for entry in (assignment(1), wrong, assignment(3))), return_exceptions=True
        )
        assert [type(answer) for answer in answers] == [list, ValueError, list]
        assert [answers[0][0].entry.seq, answers[2][0].entry.seq] == [1, 2]

    with_writer(lambda: open_store(tmp_path), use)


def test_a_store_that_cannot_be_opened_is_said_at_once(tmp_path) -> None:
    holder = open_store(tmp_path)
    with pytest.raises(StoreUnavailable, match="in use"):
        Writer(lambda: open_store(tmp_path), Settings())
    holder.close()


def test_closing_keeps_what_waits_and_refuses_what_comes_later(tmp_path) -> None:
    async def main() -> None:
        writer = Writer(lambda: open_store(tmp_path), Settings())
        waiting = asyncio.ensure_future(writer.append([assignment(1)]))
        await asyncio.sleep(0)
        await asyncio.gather(writer.close(), writer.close())
        assert len(await waiting) == 1
        with pytest.raises(StoreUnavailable, match="the log is closed"):
            await writer.append([assignment(2)])
        await writer.close()

    asyncio.run(main())
    again = open_store(tmp_path)
    assert again.append([assignment(1)])[0].status is KeptStatus.DUPLICATE
    again.close()
