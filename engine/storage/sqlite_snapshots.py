"""The learner's own SQLite file: snapshots, and how far the learner is."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.clock import from_micros, to_micros
from engine.errors import StoreUnavailable
from engine.randomness import content_hash
from engine.records import Candidate, Context, Probe, Snapshot
from engine.storage.schema import LEARNING_STEPS
from engine.storage.sqlite_files import (
    LEARNING_FILE,
    LEARNING_LOCK,
    FileLock,
    checkpoint,
    open_reading,
    open_writing,
    unavailable,
)

_INSERT = (
    "INSERT INTO snapshots (experiment_id, epoch, hash, policy, blob, parent, watermark_at, watermark_node, "
    "watermark_seq, n_rewards, library, arguments, schema, probes, is_shadow, n_warm, fold_from) "
    "VALUES (:experiment_id, :epoch, :hash, :policy, :blob, :parent, :watermark_at, :watermark_node, "
    ":watermark_seq, :n_rewards, :library, :arguments, :schema, :probes, :is_shadow, :n_warm, :fold_from) "
    # What was damaged is learned again, and mended in its place.
    "ON CONFLICT DO UPDATE SET blob = excluded.blob WHERE "
    "content_hash(blob, policy, library, arguments, schema) <> lower(hex(hash))"
)


_HEX_DIGITS = 64
_KEYS = "SELECT snapshot_key FROM snapshots WHERE experiment_id = ? AND is_shadow = ? ORDER BY snapshot_key DESC"


class SqliteSnapshots:
    """The SnapshotStore of a directory.

    With `write` it is the one writer, holds the learner's lock, and serves the thread that made it alone. Without, it
    can change nothing, and finds nothing for as long as no learner ran.
    """

    def __init__(self, directory: str | Path, write: bool = False) -> None:
        """Open the learner's file.

        Raises:
            StoreUnavailable: another learner writes it, or the disk refuses.
        """
        self._path = Path(directory) / LEARNING_FILE
        self._connection: sqlite3.Connection | None = None
        self._lock = FileLock(self._path.with_name(LEARNING_LOCK)) if write else None
        if self._lock is not None:
            try:
                self._connection = open_writing(self._path, LEARNING_STEPS)
                self._connection.create_function("content_hash", 5, content_hash, deterministic=True)
            except BaseException:
                self._lock.release()
                raise

    def add(self, snapshot: Snapshot) -> None:
        """Keep a snapshot, unless it is there already and whole."""
        self._write(_INSERT, to_row(snapshot))

    def snapshot(self, experiment_id: str, hash: str) -> Snapshot | None:
        """Return a snapshot, or None; of several epochs the latest."""
        query = "SELECT * FROM snapshots WHERE experiment_id = ? AND hash = ? ORDER BY snapshot_key DESC LIMIT 1"
        found = self._read(query, experiment_id, bytes.fromhex(hash))
        return from_row(found[0]) if found else None

    def snapshots(self, experiment_id: str) -> list[Snapshot]:
        """Return an experiment's snapshots in the order in which they were added."""
        found = self._read("SELECT * FROM snapshots WHERE experiment_id = ? ORDER BY snapshot_key", experiment_id)
        return [from_row(row) for row in found]

    def matching(self, experiment_id: str, prefix: str) -> list[str]:
        """Return the hashes that begin with these hex digits, ascending."""
        query = "SELECT DISTINCT hash FROM snapshots WHERE experiment_id = ? AND hash BETWEEN ? AND ? ORDER BY hash"
        low, high = (bytes.fromhex(prefix.ljust(_HEX_DIGITS, digit)) for digit in "0f")
        return [row["hash"].hex() for row in self._read(query, experiment_id, low, high)]

    def newest(self, experiment_id: str, *, is_shadow: bool = False) -> Iterator[Snapshot]:
        """Yield all snapshots, the newest first."""
        found = self._read(_KEYS, experiment_id, int(is_shadow))
        for row in found:
            yield from_row(self._read("SELECT * FROM snapshots WHERE snapshot_key = ?", row["snapshot_key"])[0])

    def set_position(self, seq: int) -> None:
        """Note how far the learner is."""
        self._write("INSERT OR REPLACE INTO position (only, seq) VALUES (1, :seq)", {"seq": seq})

    def position(self) -> int:
        """Return the last noted position, or 0."""
        found = self._read("SELECT seq FROM position")
        return found[0]["seq"] if found else 0

    def close(self) -> None:
        """Release the file, and the lock where it is held."""
        if self._connection is not None:
            self._connection.close()
        if self._lock is not None:
            self._lock.release()

    def _write(self, statement: str, parameters: Mapping[str, Any]) -> None:
        """Run one statement, which is a transaction of its own."""
        if self._lock is None or self._connection is None:
            raise StoreUnavailable(f"{self._path} was opened to be read: only the learner writes it")
        with unavailable(self._path):
            self._connection.execute(statement, parameters)
        checkpoint(self._connection)

    def _read(self, query: str, *parameters: object) -> list[sqlite3.Row]:
        if self._connection is None:
            self._connection = open_reading(self._path, LEARNING_STEPS)
        if self._connection is None:
            return []
        with unavailable(self._path):
            cursor = self._connection.cursor()
            cursor.row_factory = sqlite3.Row
            return cursor.execute(query, parameters).fetchall()


def to_row(snapshot: Snapshot) -> dict[str, Any]:
    """Return a snapshot's columns by name."""
    at, node_id, seq = snapshot.watermark
    return {
        "experiment_id": snapshot.experiment_id,
        "epoch": snapshot.epoch,
        "hash": bytes.fromhex(snapshot.hash),
        "policy": snapshot.policy,
        "blob": snapshot.blob,
        "parent": bytes.fromhex(snapshot.parent),
        "watermark_at": to_micros(at),
        "watermark_node": node_id,
        "watermark_seq": seq,
        "n_rewards": snapshot.n_rewards,
        "library": snapshot.library,
        "arguments": json.dumps(snapshot.arguments),
        "schema": snapshot.schema,
        "probes": json.dumps([_probe_data(probe) for probe in snapshot.probes]),
        "is_shadow": int(snapshot.is_shadow),
        "n_warm": snapshot.n_warm,
        "fold_from": snapshot.fold_from,
    }


def from_row(row: sqlite3.Row) -> Snapshot:
    """Return a snapshot from its columns by name."""
    return Snapshot(
        hash=row["hash"].hex(),
        experiment_id=row["experiment_id"],
        epoch=row["epoch"],
        policy=row["policy"],
        blob=row["blob"],
        parent=row["parent"].hex(),
        watermark=(from_micros(row["watermark_at"]), row["watermark_node"], row["watermark_seq"]),
        n_rewards=row["n_rewards"],
        library=row["library"],
        arguments=tuple(json.loads(row["arguments"])),
        schema=row["schema"],
        probes=tuple(_probe(*parts) for parts in json.loads(row["probes"])),
        is_shadow=bool(row["is_shadow"]),
        n_warm=row["n_warm"],
        fold_from=row["fold_from"],
    )


def _probe_data(probe: Probe) -> list[Any]:
    candidates = [[candidate.name, dict(candidate.features)] for candidate in probe.candidates]
    return [dict(probe.context), probe.eligible, probe.probabilities, candidates]


def _probe(
    context: dict[str, Any],
    eligible: list[str],
    probabilities: list[float],
    candidates: Sequence[tuple[str, dict[str, Any]]] = (),
) -> Probe:
    brought = tuple(Candidate(name, _fields(features)) for name, features in candidates)
    return Probe(_fields(context), tuple(eligible), tuple(probabilities), brought)


def _fields(data: Mapping[str, Any]) -> Context:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
