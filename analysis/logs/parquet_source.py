"""A log that was exported, to be read in place of its store."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from analysis.arrays import Ints
from analysis.logs.duck import Duck
from analysis.logs.exporting import REGISTRY, TABLES, file_of
from engine import files
from engine.columns import Columns
from engine.errors import StoreUnavailable
from engine.experiments import Change, Experiment, ExperimentState, Status
from engine.storage import open_reader
from engine.storage.contexts import contexts_of_records, readable_fields
from engine.storage.schema import DERIVED, column_types
from engine.storage.shadows import shadows_of_records
from engine.storage.sqlite_reader import SqliteReader

_MATCHED = {
    "exposures": "coalesce(own.seq, -1)",
    "outcomes": "CASE WHEN outcomes.assignment_id IS NULL THEN 0 ELSE coalesce(own.seq, -1) END",
}
_VOIDED = (
    "SELECT DISTINCT taken.seq FROM outcomes later JOIN outcomes taken ON taken.outcome_id = later.void_of "
    "WHERE later.void_of <> '' ORDER BY taken.seq"
)
_LAST = 2**63 - 1
_JOIN = "LEFT JOIN assignments own ON own.assignment_id = {0}.assignment_id AND own.slot = {0}.slot"


class ParquetSource:
    """The `analysis.logs.sources.LogSource` of a directory that `analysis.logs.exporting` wrote."""

    def __init__(self, directory: str | Path) -> None:
        """Open the directory.

        Raises:
            StoreUnavailable: there is no exported log.
            InvalidRequest: DuckDB is not installed.
        """
        self._directory = Path(directory)
        try:
            registry = json.loads((self._directory / REGISTRY).read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise StoreUnavailable(f"there is no exported log in {directory}: {error}") from error
        self._end: int = registry["ended_at"]
        self._experiments: dict[str, Any] = {each["experiment_id"]: each for each in registry["experiments"]}
        self._duck = Duck()
        for table in TABLES:
            self._duck.open(table, self._directory / table / "*.parquet")

    def state(self, experiment_id: str) -> ExperimentState | None:
        """Return an experiment with its state, or None."""
        found = self._experiments.get(experiment_id)
        if found is None:
            return None
        definition = self.definition(experiment_id, found["revision"])
        assert definition is not None
        where = found["revision"], found["epoch"], found["etag"], found["snapshot"], found["step"]
        step_at = found["step_at"] and datetime.fromisoformat(found["step_at"])
        return ExperimentState(
            definition,
            Status(found["status"]),
            *where,
            step_at=step_at,
            shadow_snapshot=found.get("shadow_snapshot", ""),
            pinned=found.get("pinned", False),
        )

    def states(self) -> list[ExperimentState]:
        """Return all experiments with their states, by id."""
        return [state for state in map(self.state, self._experiments) if state is not None]

    def definition(self, experiment_id: str, revision: int) -> Experiment | None:
        """Return a revision's definition, or None."""
        path = file_of(self._directory, experiment_id, revision)
        return files.read(path) if experiment_id in self._experiments and path.exists() else None

    def history(self, experiment_id: str) -> list[Change]:
        """Return the changes of an experiment, oldest first."""
        changes = self._experiments.get(experiment_id, {}).get("history", [])
        return [_change(**change) for change in changes]

    def last_seq(self) -> int:
        """Return the highest seq of the rows that were exported, or 0."""
        highest = " UNION ALL ".join(f"SELECT max(seq) AS seq FROM {table}" for table in TABLES)  # noqa: S608 our own names
        return self._duck.rows(f"SELECT max(seq) FROM ({highest})")[0][0] or 0  # noqa: S608

    def columns(
        self, table: str, names: Sequence[str], experiment_id: str = "", *, after: int = 0, until: int | None = None
    ) -> Columns:
        """Return typed columns in the order of seq; with `after` and `until`, of rows with after < seq <= until."""
        types = column_types(table, names)
        chosen_by, arguments = self._condition(table, experiment_id)
        condition = f"WHERE {table}.seq > ? AND {table}.seq <= ? {chosen_by}"
        wanted = {"seq": f"{table}.seq"} | {name: f"{table}.{name}" for name in types}
        wanted |= {name: _MATCHED[table] for name in types if name in DERIVED[table]}
        chosen = ", ".join(f"{sql} AS {name}" for name, sql in wanted.items())
        join = _JOIN.format(table) if table in _MATCHED else ""
        query = f"SELECT {chosen} FROM {table} {join} {condition}"  # noqa: S608 our own names
        return self._duck.columns(query, [*_span(after, until), *arguments], types)

    def contexts(
        self, experiment_id: str, names: Sequence[str], *, after: int = 0, until: int | None = None
    ) -> Columns:
        """Return declared fields of the contexts in the order of seq, of the rows that `columns` would look at."""
        state = self.state(experiment_id)
        fields = readable_fields(state.experiment if state else None, names)
        return contexts_of_records(fields, self._records(experiment_id, after, until))

    def shadows(self, experiment_id: str) -> Columns:
        """Return what the shadow policy would have drawn from, in the order of seq."""
        return shadows_of_records(self._records(experiment_id))

    def voided(self) -> Ints:
        """Return the seqs of the outcomes that a later one took back, ascending."""
        return np.array([seq for (seq,) in self._duck.rows(_VOIDED)], np.int64)

    def ended_at(self) -> int:
        """Return when the last entry was received, in microseconds, or 0."""
        return self._end

    def close(self) -> None:
        """Release the files."""
        self._duck.close()

    def _records(self, experiment_id: str, after: int = 0, until: int | None = None) -> Iterator[bytes]:
        query = "SELECT record FROM assignments WHERE seq > ? AND seq <= ? AND experiment_id = ? ORDER BY seq"
        return (bytes(record) for (record,) in self._duck.rows(query, [*_span(after, until), experiment_id]))

    def _condition(self, table: str, experiment_id: str) -> tuple[str, list[Any]]:
        """Return what chooses the rows of an experiment."""
        if not experiment_id:
            return "", []
        if table == "outcomes":
            state = self.state(experiment_id)
            return "AND list_contains(?, metric)", [sorted(state.experiment.outcomes) if state else []]
        return f"AND {'own' if table == 'exposures' else table}.experiment_id = ?", [experiment_id]


def open_log(directory: str | Path) -> SqliteReader | ParquetSource:
    """Return a log to be read: a store's directory, or one that was exported.

    Raises:
        StoreUnavailable: the directory holds neither.
    """
    return ParquetSource(directory) if (Path(directory) / REGISTRY).exists() else open_reader(directory)


def _span(after: int, until: int | None) -> tuple[int, int]:
    """Return after which seq rows are looked at, and up to which."""
    return after, _LAST if until is None else until


def _change(changed_at: str, status: str, fields: Sequence[str], **rest: Any) -> Change:  # noqa: ANN401 (a change's other fields)
    return Change(changed_at=datetime.fromisoformat(changed_at), status=Status(status), fields=tuple(fields), **rest)
