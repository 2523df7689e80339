"""The log and the registry in one SQLite file: a reader beside the writer."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine import files
from engine.clock import from_micros
from engine.errors import StoreUnavailable
from engine.experiments import Change, Experiment, ExperimentState, Status
from engine.records import Assignment, Entry, Outcome, Unit
from engine.storage import rows
from engine.storage.schema import LAST_SEQ, SELECTS, STORE_STEPS, checked_columns
from engine.storage.sqlite_files import STORE_FILE, open_reading, unavailable

_PAGE = 100_000
"""How many entries one query of `columns` looks through: no reader holds the WAL for longer."""

# One statement sees one moment: with a query a table, rows that are committed in between would be passed over.
_ENTRIES = (
    " UNION ALL ".join(f"{select} WHERE seq > :after" for select in SELECTS.values()) + " ORDER BY seq LIMIT :limit"
)
_STATE = "SELECT definition, status, revision, epoch, etag, snapshot FROM experiments JOIN revisions USING "
_STATES = f"{_STATE} (experiment_id, revision)"
_OF_ASSIGNMENT = "WHERE assignment_id = ? AND slot = ?"
_HISTORY = (
    "SELECT experiment_id, changed_at, actor, action, reason, status, revision, epoch FROM history "
    "WHERE experiment_id = ? ORDER BY change_id"
)


class SqliteReader:
    """The Reader of a directory: it can change nothing, and sees what was committed before each call."""

    def __init__(self, directory: str | Path) -> None:
        """Open the file of the directory's store.

        Raises:
            StoreUnavailable: there is no store, or one of another format.
        """
        self._path = Path(directory) / STORE_FILE
        connection = open_reading(self._path, STORE_STEPS)
        if connection is None:
            raise StoreUnavailable(f"there is no store in {directory}: name its directory, or let a server make it")
        self._connection: sqlite3.Connection = connection
        found = self._all("SELECT node_id, secret FROM meta")
        self.node_id: str = found[0][0]
        self.secret: bytes = found[0][1]

    def entries(self, after: int = 0, limit: int = 10_000) -> list[Entry]:
        """Return the entries with seq > `after`, at most `limit`."""
        return [rows.from_found(found) for found in self._all(_ENTRIES, {"after": after, "limit": limit})]

    def last_seq(self) -> int:
        """Return the highest seq, or 0."""
        return int(self._all(LAST_SEQ)[0][0])

    def assignment(self, assignment_id: str, slot: int = 0) -> Assignment | None:
        """Return one assignment, or None."""
        return next((row for row in self._of("assignments", assignment_id, slot) if isinstance(row, Assignment)), None)

    def outcomes_of(self, assignment_id: str, slot: int = 0) -> list[Outcome]:
        """Return the outcomes of one assignment."""
        return [row for row in self._of("outcomes", assignment_id, slot) if isinstance(row, Outcome)]

    def columns(self, table: str, names: Sequence[str], experiment_id: str = "") -> dict[str, list[Any]]:
        """Return typed columns as lists in the order of seq."""
        checked_columns(table, names)
        condition, parameters = self._condition(table, experiment_id)
        query = f"SELECT {', '.join(names)} FROM {table} WHERE seq > ? AND seq <= ? {condition} ORDER BY seq"  # noqa: S608
        columns: dict[str, list[Any]] = {name: [] for name in names}
        for start in range(0, self.last_seq(), _PAGE):
            page = self._all(query, (start, start + _PAGE, *parameters))
            for name, values in zip(names, zip(*page, strict=True), strict=False):
                columns[name].extend(values)
        return columns

    def unit_key(self, unit: Unit) -> int | None:
        """Return the unit's key, or None."""
        found = self._all("SELECT unit_key FROM units WHERE unit_type = ? AND unit_id = ?", (unit.type, unit.id))
        return found[0][0] if found else None

    def state(self, experiment_id: str) -> ExperimentState | None:
        """Return an experiment with its state, or None."""
        found = self._all(f"{_STATES} WHERE experiment_id = ?", (experiment_id,))
        return _state(found[0]) if found else None

    def states(self) -> list[ExperimentState]:
        """Return all experiments with their states, by id."""
        return [_state(found) for found in self._all(f"{_STATES} ORDER BY experiment_id")]

    def definition(self, experiment_id: str, revision: int) -> Experiment | None:
        """Return a revision's definition, or None."""
        query = "SELECT definition FROM revisions WHERE experiment_id = ? AND revision = ?"
        found = self._all(query, (experiment_id, revision))
        return files.load(found[0][0]) if found else None

    def history(self, experiment_id: str) -> list[Change]:
        """Return the changes of an experiment, oldest first."""
        return [_change(found) for found in self._all(_HISTORY, (experiment_id,))]

    def close(self) -> None:
        """Release the file."""
        self._connection.close()

    def _all(self, query: str, parameters: Mapping[str, object] | Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with unavailable(self._path):
            return self._connection.execute(query, parameters).fetchall()

    def _of(self, table: str, assignment_id: str, slot: int) -> Iterator[Entry]:
        query = f"{SELECTS[table]} {_OF_ASSIGNMENT} ORDER BY seq"
        try:
            key = bytes.fromhex(assignment_id)
        except ValueError:
            return iter(())  # a text that is no id is nobody's id
        return map(rows.from_found, self._all(query, (key, slot)))

    def _condition(self, table: str, experiment_id: str) -> tuple[str, list[str]]:
        """Return what makes a table's rows those of an experiment."""
        if not experiment_id:
            return "", []
        if table == "assignments":
            return "AND experiment_id = ?", [experiment_id]
        if table == "exposures":
            own = "SELECT 1 FROM assignments a WHERE a.assignment_id = exposures.assignment_id "
            return f"AND EXISTS ({own} AND a.slot = exposures.slot AND experiment_id = ?)", [experiment_id]
        state = self.state(experiment_id)
        metrics = [metric.name for metric in state.experiment.metrics] if state else []
        return f"AND metric IN ({', '.join('?' * len(metrics))})", metrics


def _state(found: tuple[Any, ...]) -> ExperimentState:
    text, status, *rest = found
    return ExperimentState(files.load(text), Status(status), *rest)


def _change(found: tuple[Any, ...]) -> Change:
    experiment_id, changed_at, actor, action, reason, status, revision, epoch = found
    at = from_micros(changed_at)
    return Change(experiment_id, at, actor, action, reason, Status(status), revision, epoch)
