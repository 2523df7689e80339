"""The log and the registry in one SQLite file: the one writer."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from functools import cache
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import Any

from engine.errors import InvalidRequest
from engine.experiments import Change, ExperimentState
from engine.funnel import ForcedUnit, PopulationChange, PopulationState
from engine.proposals import Filed
from engine.randomness import new_secret
from engine.records import Assignment, Entry, Erasure, Exposure, Kept, KeptStatus, Outcome, Snapshot, Unit
from engine.storage import rows, sqlite_proposals, sqlite_registry
from engine.storage.columns import Row, to_row
from engine.storage.identity import AssignmentKey, Refused, awaited, note_refused, refused_with_first, verdict
from engine.storage.schema import COLUMNS, LAST_SEQ, SELECTS, STORE_STEPS
from engine.storage.sqlite_files import STORE_FILE, STORE_LOCK, FileLock, checkpoint, open_writing, unavailable
from engine.storage.unit_keys import UnitKeys

CHECKPOINT_ROWS = 2000
"""The commit that makes so many rows since the last checkpoint is followed by one."""

_MAX_PARAMETERS = 30_000

_TABLES: dict[type[Entry], str] = {
    Assignment: "assignments",
    Exposure: "exposures",
    Outcome: "outcomes",
    Erasure: "erasures",
}
_LARGEST_INSERT = 512
_STAMPED = ("node_id", "seq", "unit_key")
_decided = attrgetter(*(field.name for field in fields(Assignment) if field.name not in _STAMPED))


class SqliteStore:
    """The Store of a directory, for the thread that made it alone.

    Opening makes what is not there yet. `node_id` and `secret` are for a new store; an existing one keeps its own.
    """

    def __init__(self, directory: str | Path, node_id: str = "", secret: bytes = b"") -> None:
        """Take the directory's lock and open its file.

        Raises:
            StoreUnavailable: another process holds it, a newer armlift wrote it, or the disk refuses.
        """
        self._path = Path(directory) / STORE_FILE
        self._n_unchecked = 0
        self._lock = FileLock(self._path.with_name(STORE_LOCK))
        try:
            self._connection = open_writing(self._path, STORE_STEPS)
        except BaseException:
            self._lock.release()
            raise
        try:
            self._unit_keys = UnitKeys(self._connection)
            self._seq = self._last_seq()
            self.node_id, self.secret = self._introduced(node_id, secret)
        except BaseException:
            self.close()
            raise

    def append(self, entries: Sequence[Entry]) -> list[Kept]:
        """Keep entries in order and say what became of each."""
        with unavailable(self._path):
            kept = self._keep_new(entries)
            if kept is None:
                refused: Refused = {}
                with self._transaction():
                    kept = [self._keep_one(entry, refused) for entry in entries]
        self._n_unchecked += len(entries)
        if self._n_unchecked >= CHECKPOINT_ROWS:
            self._n_unchecked = 0
            checkpoint(self._connection)
        return kept

    def save(
        self,
        state: ExperimentState,
        change: Change,
        expected_etag: str,
        moved: Sequence[tuple[ExperimentState, Change]] = (),
        filed: Filed | None = None,
    ) -> None:
        """Make `state` and `moved` the experiments' current states, and keep a proposal with them."""
        with unavailable(self._path), self._transaction():
            sqlite_registry.save(self._connection, state, change, expected_etag)
            sqlite_registry.save_moved(self._connection, moved)
            if filed is not None:
                sqlite_proposals.file(self._connection, filed)

    def save_population(
        self, state: PopulationState, change: PopulationChange, moved: Sequence[tuple[ExperimentState, Change]]
    ) -> None:
        """Make `state` the population, and `moved` the experiments' current states."""
        with unavailable(self._path), self._transaction():
            sqlite_registry.save_population(self._connection, state, change, moved)

    def force(self, forced: ForcedUnit, change: Change) -> None:
        """Keep that a unit gets a variant, or no longer does."""
        with unavailable(self._path), self._transaction():
            sqlite_registry.force(self._connection, self._unit_keys, forced, change)

    def point(self, experiment_id: str, epoch: int, snapshot: str, *, is_shadow: bool = False) -> None:
        """Make `snapshot` the live one, or the shadow's, if the experiment is still in `epoch`."""
        with unavailable(self._path), self._transaction():
            sqlite_registry.point(self._connection, experiment_id, epoch, snapshot, is_shadow=is_shadow)

    def warm(self, snapshot: Snapshot, state: ExperimentState, change: Change, expected_etag: str) -> None:
        """Keep what a draft begins with."""
        with unavailable(self._path), self._transaction():
            sqlite_registry.warm(self._connection, snapshot, state, change, expected_etag)

    def close(self) -> None:
        """Bring everything into the one file, and release it and its lock."""
        with unavailable(self._path):
            checkpoint(self._connection, "TRUNCATE")
            self._connection.close()
            self._lock.release()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Commit, or on an error undo what was done: also the counters that ran ahead."""
        seq = self._seq
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            # A full disk makes SQLite roll back by itself.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._seq = seq
            self._unit_keys.clear()
            raise

    def _keep_new(self, entries: Sequence[Entry]) -> list[Kept] | None:
        """Keep all at once, as if every entry were new; where one is not, do nothing and return None."""
        if any(isinstance(entry, Erasure) for entry in entries):
            return None
        try:
            with self._transaction():
                return self._insert(entries)
        except sqlite3.IntegrityError:
            return None

    def _keep_one(self, entry: Entry, refused: Refused) -> Kept:
        standing = self._standing(entry)
        if standing is not None:
            return note_refused(refused, entry, Kept(verdict(standing, entry), standing))
        try:
            return refused_with_first(refused, entry) or self._insert([entry])[0]
        except sqlite3.IntegrityError as error:
            raise InvalidRequest(f"this entry cannot be kept, mend it: {error}") from error

    def _insert(self, entries: Sequence[Entry]) -> list[Kept]:
        known = self._known_assignments(entries)
        kept = []
        values: dict[str, list[Row]] = {table: [] for table in COLUMNS}
        for entry in entries:
            stamped = self._stamp(entry)
            values[_TABLES[type(stamped)]].append(to_row(stamped))
            if isinstance(stamped, Assignment):
                known.add((stamped.assignment_id, stamped.slot))
            key = awaited(stamped)
            status = KeptStatus.RECORDED if key is None or key in known else KeptStatus.UNMATCHED
            kept.append(Kept(status, stamped))
        for table, lines in values.items():
            if lines:
                self._insert_lines(table, lines)
        return kept

    def _insert_lines(self, table: str, lines: Sequence[Row]) -> None:
        """Insert with few statements: after each one the thread has to wait for its turn among the others.

        Their sizes are powers of two, so that there are few different ones, and SQLite finds each prepared.
        """
        start = 0
        while start < len(lines):
            size = min(_LARGEST_INSERT, 1 << (len(lines) - start).bit_length() - 1)
            values = list(chain.from_iterable(lines[start : start + size]))
            self._connection.execute(_insert_statement(table, size), values)
            start += size

    def _stamp(self, entry: Entry) -> Entry:
        self._seq += 1
        match entry:
            case Assignment():
                # `replace` takes twice as long, and this is the largest record by far; the stamps are its last fields.
                values: tuple[Any, ...] = (*_decided(entry), self.node_id, self._seq, self._unit_keys.key(entry.unit))
                return Assignment(*values)
            case Exposure():
                return replace(entry, node_id=self.node_id, seq=self._seq)
            case Outcome():
                key = self._unit_keys.key(entry.unit)
                return replace(entry, node_id=self.node_id, seq=self._seq, unit_key=key)
            case Erasure():
                key = self._forget(entry)
                unit = Unit(entry.unit.type, "")
                return replace(entry, node_id=self.node_id, seq=self._seq, unit=unit, unit_key=key)

    def _forget(self, erasure: Erasure) -> int:
        """Forget the unit, scrub its rows, and return the key it had."""
        key = self._unit_keys.forget(erasure.unit, erasure.unit_key)
        if key:
            found = self._connection.execute(
                "SELECT record, seq FROM assignments WHERE unit_key = ?", (key,)
            ).fetchall()
            clean = [(rows.scrubbed(record), seq) for record, seq in found]
            self._connection.executemany("UPDATE assignments SET record = ? WHERE seq = ?", clean)
        return key

    def _known_assignments(self, entries: Sequence[Entry]) -> set[AssignmentKey]:
        """Return those assignments in the log that the entries wait for."""
        ids = list({bytes.fromhex(key[0]) for key in map(awaited, entries) if key is not None})
        known: set[AssignmentKey] = set()
        for start in range(0, len(ids), _MAX_PARAMETERS):
            some = ids[start : start + _MAX_PARAMETERS]
            marks = ", ".join("?" * len(some))
            query = f"SELECT assignment_id, slot FROM assignments WHERE assignment_id IN ({marks})"  # noqa: S608 marks
            known.update((found.hex(), slot) for found, slot in self._connection.execute(query, some))
        return known

    def _standing(self, entry: Entry) -> Entry | None:
        """Return the row that is in the log under the entry's identity, or None."""
        match entry:
            case Assignment() | Exposure():
                of_slot = f"{SELECTS[_TABLES[type(entry)]]} WHERE assignment_id = ? AND slot = ?"
                found = self._one(of_slot, bytes.fromhex(entry.assignment_id), entry.slot)
            case Outcome():
                found = self._one(f"{SELECTS['outcomes']} WHERE outcome_id = ?", entry.outcome_id)
            case Erasure():
                return None
        return rows.from_found(found) if found else None

    def _one(self, query: str, *parameters: object) -> tuple[Any, ...] | None:
        found: tuple[Any, ...] | None = self._connection.execute(query, parameters).fetchone()
        return found

    def _last_seq(self) -> int:
        with unavailable(self._path):
            return int(self._connection.execute(LAST_SEQ).fetchone()[0])

    def _introduced(self, node_id: str, secret: bytes) -> tuple[str, bytes]:
        """Return what the store is called and what it hides, chosen once."""
        with unavailable(self._path), self._transaction():
            found = self._one("SELECT node_id, secret FROM meta")
            if found is None:
                found = node_id or new_secret().hex()[:12], secret or new_secret()
                self._connection.execute("INSERT INTO meta (node_id, secret) VALUES (?, ?)", found)
        return found[0], found[1]


@cache
def _insert_statement(table: str, n_lines: int) -> str:
    line = f"({', '.join('?' * len(COLUMNS[table]))})"
    return f"INSERT INTO {table} VALUES {', '.join([line] * n_lines)}"  # noqa: S608 our own names
