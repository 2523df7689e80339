"""The log and the registry in one SQLite file: a reader beside the writer."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np

from engine.clock import from_micros
from engine.columns import Columns, Ints
from engine.records import Assignment, Entry, Outcome
from engine.skimming import Passed, Wanted
from engine.storage import rows
from engine.storage.columns import received_at
from engine.storage.contexts import contexts_of_records, joined_contexts, readable_fields
from engine.storage.schema import DERIVED, LAST_SEQ, SELECTS, column_types
from engine.storage.shadows import joined_shadows, shadows_of_records
from engine.storage.sqlite_columns import Page, Selection, pages_of, read_columns
from engine.storage.sqlite_files import unavailable
from engine.storage.sqlite_proposals import ProposalReader
from engine.storage.sqlite_registry import RegistryReader
from engine.storage.sqlite_units import UnitReader

_MAX_IDS = 500
"""The most that are looked up by one statement."""

_MAX_THREADS = 4
"""Each holds a page, so more would take memory rather than save time."""

# One statement sees one moment: with a query a table, rows that are committed in between would be passed over.
_ENTRIES = (
    " UNION ALL ".join(f"{select} WHERE seq > :after" for select in SELECTS.values()) + " ORDER BY seq LIMIT :limit"
)
_WANTED = {
    "assignments": "experiment_id IN (SELECT value FROM json_each(:experiments))",
    "exposures": ":exposures",
    "outcomes": "metric IN (SELECT value FROM json_each(:outcomes)) OR void_of <> ''",
    "erasures": "1",
}
_CAME = {"assignments": "received_at", "exposures": "received_at", "outcomes": "received_at", "erasures": "erased_at"}
_UNIT = "(SELECT unit_id FROM units WHERE units.unit_key = {0}.unit_key)"
_UNITS = {"assignments": _UNIT.format("assignments"), "outcomes": _UNIT.format("outcomes")}
# When it came, the seq, and what else `entries` reads: the record is missing where it is not wanted.
_SKIMMED = [
    f"SELECT {_CAME[table]}, seq, '{table}', CASE WHEN {wanted} THEN record END, "  # noqa: S608 our own names
    f"CASE WHEN {wanted} THEN {_UNITS.get(table, 'NULL')} END FROM {table} WHERE seq > :after"
    for table, wanted in _WANTED.items()
]
_SKIM = " UNION ALL ".join(_SKIMMED) + " ORDER BY seq LIMIT :limit"
_NAMED = "own.assignment_id = {0}.assignment_id AND own.slot = {0}.slot"
_FOUND = "(SELECT own.seq FROM assignments own WHERE " + _NAMED + ")"  # noqa: S608 our own names
_DERIVED = {
    ("exposures", "assignment_seq"): f"coalesce({_FOUND.format('exposures')}, -1)",
    ("outcomes", "assignment_seq"): f"iif(assignment_id IS NULL, 0, coalesce({_FOUND.format('outcomes')}, -1))",
}
# CROSS keeps the order: exposures are gone through, and the assignment of each is looked up.
_OWN_EXPOSURES = f"exposures CROSS JOIN assignments own ON {_NAMED.format('exposures')}"
# Without CROSS the planner may look for the later outcome of each, though few outcomes have one.
_VOIDED = (
    "FROM outcomes later CROSS JOIN outcomes taken ON taken.outcome_id = later.void_of "
    "WHERE later.seq > ? AND later.seq <= ? AND later.void_of <> ''"
)
_RECORDS = "SELECT record FROM assignments WHERE seq > ? AND seq <= ? AND experiment_id = ? ORDER BY seq"
_OF_ASSIGNMENT = "WHERE assignment_id = ? AND slot = ?"


class SqliteReader(RegistryReader, ProposalReader, UnitReader):
    """The Reader of a directory: it can change nothing, and sees what was committed before each call."""

    def __init__(self, directory: str | Path) -> None:
        """Open the file of the directory's store.

        Raises:
            StoreUnavailable: there is no store, or one of another format.
        """
        super().__init__(directory)
        found = self._all("SELECT node_id, secret FROM meta")
        self.node_id: str = found[0][0]
        self.secret: bytes = found[0][1]

    def entries(self, after: int = 0, limit: int = 10_000) -> list[Entry]:
        """Return the entries with seq > `after`, at most `limit`."""
        return [rows.from_found(found) for found in self._all(_ENTRIES, {"after": after, "limit": limit})]

    def skim(self, wanted: Wanted, after: int = 0, limit: int = 10_000) -> list[Entry | Passed]:
        """Return the entries with seq > `after`, at most `limit`: outlines, and what is not wanted passed over."""
        names = {"experiments": json.dumps([*wanted.experiments]), "outcomes": json.dumps([*wanted.outcomes])}
        found = self._all(_SKIM, {**names, "exposures": wanted.exposures, "after": after, "limit": limit})
        return [
            Passed(row[1], from_micros(row[0])) if row[3] is None else rows.outline_from_found(row[1:]) for row in found
        ]

    def last_seq(self) -> int:
        """Return the highest seq, or 0."""
        return int(self._all(LAST_SEQ)[0][0])

    def first_seq(self, experiment_id: str) -> int:
        """Return the seq of the experiment's first assignment, or 0."""
        found = self._all("SELECT min(seq) FROM assignments WHERE experiment_id = ?", (experiment_id,))
        return found[0][0] or 0

    def assignment(self, assignment_id: str, slot: int = 0) -> Assignment | None:
        """Return one assignment, or None."""
        return next((row for row in self._of("assignments", assignment_id, slot) if isinstance(row, Assignment)), None)

    def assignments(self, ids: Sequence[str]) -> Mapping[str, tuple[Assignment, ...]]:
        """Return those of these assignments that are in the log, by id, their slots in order."""
        found: dict[str, tuple[Assignment, ...]] = {}
        for start in range(0, len(ids), _MAX_IDS):
            some = [bytes.fromhex(each) for each in ids[start : start + _MAX_IDS]]
            query = f"{SELECTS['assignments']} WHERE assignment_id IN ({', '.join('?' * len(some))})"
            entries = map(rows.from_found, self._all(query, some))
            slots = sorted((row for row in entries if isinstance(row, Assignment)), key=lambda row: row.slot)
            for row in slots:
                found[row.assignment_id] = (*found.get(row.assignment_id, ()), row)
        return found

    def outcomes_of(self, assignment_id: str, slot: int = 0) -> list[Outcome]:
        """Return the outcomes of one assignment."""
        return [row for row in self._of("outcomes", assignment_id, slot) if isinstance(row, Outcome)]

    def columns(
        self, table: str, names: Sequence[str], experiment_id: str = "", *, after: int = 0, until: int | None = None
    ) -> Columns:
        """Return typed columns in the order of seq."""
        types = column_types(table, names)
        tables, condition, arguments = self._rows_of(table, experiment_id)
        expressions = {name: _DERIVED.get((table, name), f"{table}.{name}") for name in types}
        if tables != table:
            expressions |= {name: "own.seq" for name in types if name in DERIVED[table]}
        chosen = f"FROM {tables} WHERE {table}.seq > ? AND {table}.seq <= ? {condition}"
        return self._read(Selection(expressions, types, chosen, arguments), after, until) if types else {}

    def contexts(
        self, experiment_id: str, names: Sequence[str], *, after: int = 0, until: int | None = None
    ) -> Columns:
        """Return declared fields of the contexts in the order of seq."""
        state = self.state(experiment_id)
        fields = readable_fields(state.experiment if state else None, names)
        found = (self._all(_RECORDS, (*page, experiment_id)) for page in self._pages(after, until))
        parts = [contexts_of_records(fields, (record for (record,) in page)) for page in found]
        return joined_contexts(fields, parts)

    def shadows(self, experiment_id: str) -> Columns:
        """Return what the shadow policy would have drawn from, in the order of seq."""
        found = (self._all(_RECORDS, (*page, experiment_id)) for page in self._pages())
        return joined_shadows([shadows_of_records(record for (record,) in page) for page in found])

    def voided(self) -> Ints:
        """Return the seqs of the outcomes that a later one took back, ascending."""
        found = self._read(Selection({"seq": "taken.seq"}, {"seq": int}, _VOIDED))
        seqs: Ints = np.unique(found["seq"])
        return seqs

    def ended_at(self) -> int:
        """Return when the last entry was received, in microseconds, or 0."""
        return max(map(received_at, self.entries(after=self.last_seq() - 1, limit=1)), default=0)

    def _read(self, selection: Selection, after: int = 0, until: int | None = None) -> Columns:
        """Read over several connections where there is more than one page."""
        pages = list(self._pages(after, until))
        with ExitStack() as stack, unavailable(self._path):
            n_more = min(len(pages), os.cpu_count() or 1, _MAX_THREADS) - 1
            more = [stack.enter_context(closing(self._open())) for _ in range(n_more)]
            return read_columns([self._connection, *more], selection, pages)

    def _pages(self, after: int = 0, until: int | None = None) -> Iterator[Page]:
        last = self.last_seq()
        return pages_of(after, last if until is None else min(until, last))

    def _of(self, table: str, assignment_id: str, slot: int) -> Iterator[Entry]:
        query = f"{SELECTS[table]} {_OF_ASSIGNMENT} ORDER BY seq"
        try:
            key = bytes.fromhex(assignment_id)
        except ValueError:
            return iter(())  # a text that is no id is nobody's id
        return map(rows.from_found, self._all(query, (key, slot)))

    def _rows_of(self, table: str, experiment_id: str) -> tuple[str, str, tuple[str, ...]]:
        """Return the tables, the condition and its arguments that choose the rows of an experiment, or all of them."""
        if not experiment_id or table == "erasures":
            return table, "", ()
        if table == "assignments":
            return table, "AND experiment_id = ?", (experiment_id,)
        if table == "exposures":
            return _OWN_EXPOSURES, "AND own.experiment_id = ?", (experiment_id,)
        state = self.state(experiment_id)
        names = tuple(sorted(state.experiment.outcomes)) if state else ()
        return table, f"AND metric IN ({', '.join('?' * len(names))})", names
