"""Where the log, the registry and learned state are kept: the doors to a store's directory.

`Store`, `Reader` and `SnapshotStore` (in `engine.ports`) say what may be asked of what comes out of them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from engine.records import Snapshot
from engine.storage.sqlite import SqliteStore
from engine.storage.sqlite_reader import SqliteReader
from engine.storage.sqlite_snapshots import SqliteSnapshots

__all__ = ["find_snapshot_in", "open_reader", "open_snapshots", "open_store"]


def open_store(directory: str | Path, node_id: str = "", secret: bytes = b"") -> SqliteStore:
    """Return the one writer of a directory's store, made where there is none yet; for the calling thread alone.

    `node_id` and `secret` are for a new store; an existing one keeps its own.

    Raises:
        StoreUnavailable: another process writes it, a newer armlift wrote it, or the disk refuses.
    """
    return SqliteStore(directory, node_id, secret)


def open_reader(directory: str | Path) -> SqliteReader:
    """Return a reader of a directory's store, beside its writer or without one.

    Raises:
        StoreUnavailable: there is no store, or one of another format.
    """
    return SqliteReader(directory)


def open_snapshots(directory: str | Path, write: bool = False) -> SqliteSnapshots:
    """Return a directory's learned state; with `write`, the learner's one writer of it.

    Raises:
        StoreUnavailable: another learner writes it, a newer armlift wrote it, or the disk refuses.
    """
    return SqliteSnapshots(directory, write)


def find_snapshot_in(directory: str | Path) -> Callable[[str, str], Snapshot | None]:
    """Return what finds a snapshot in a directory by experiment and hash, from any thread.

    It is in the learner's file, or it is what the experiment began with, or what a proposal was frozen with.
    """

    def find(experiment_id: str, hash: str) -> Snapshot | None:
        with closing(open_snapshots(directory)) as snapshots:
            found = snapshots.snapshot(experiment_id, hash)
        return found or _given(directory, experiment_id, hash)

    return find


def _given(directory: str | Path, experiment_id: str, hash: str) -> Snapshot | None:
    with closing(open_reader(directory)) as reader:
        warm = reader.warm_start(experiment_id)
        return warm if warm and warm.hash == hash else reader.frozen(experiment_id, hash)
