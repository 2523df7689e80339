"""The stores that the suite is held against: a new store adds a line to a fixture and no new test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.ports import Reader, SnapshotStore, Store
from engine.records import Entry, KeptStatus
from engine.storage import open_reader, open_snapshots, open_store
from engine.storage.memory import MemorySnapshots, MemoryStore


@dataclass
class Both:
    """A store with a reader of it; `reopen` gives up both and opens them again."""

    store: Store
    reader: Reader
    reopen: Callable[[], Both] | None = None

    def kept(self, *entries: Entry) -> list[KeptStatus]:
        return [kept.status for kept in self.store.append(entries)]


def in_memory() -> Both:
    store = MemoryStore("n1", b"secret")
    return Both(store, store)


def in_sqlite(directory: Path) -> Both:
    store = open_store(directory, "n1", b"secret")
    both = Both(store, open_reader(directory))

    def reopen() -> Both:
        both.reader.close()
        both.store.close()
        again = in_sqlite(directory)
        both.store, both.reader = again.store, again.reader
        return both

    both.reopen = reopen
    return both


@pytest.fixture(params=["memory", "sqlite"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Both]:
    made = in_memory() if request.param == "memory" else in_sqlite(tmp_path)
    yield made
    made.reader.close()
    made.store.close()


@pytest.fixture(params=["memory", "sqlite"])
def snapshots(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SnapshotStore]:
    made = MemorySnapshots() if request.param == "memory" else open_snapshots(tmp_path, write=True)
    yield made
    made.close()
