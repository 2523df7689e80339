"""The stores in memory: the reference that the others are held against, and what tests and simulations use."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import datetime
from itertools import chain, count
from typing import Any, TypeVar

import numpy as np

from engine.columns import Columns, Ints, to_column
from engine.experiments import Change, ExposureRule
from engine.funnel import ForcedUnit
from engine.learned import name_of
from engine.records import (
    Assignment,
    Contact,
    Entry,
    Erasure,
    Exposure,
    Kept,
    KeptStatus,
    Outcome,
    Reason,
    Snapshot,
    Unit,
)
from engine.skimming import Passed, Wanted, outline
from engine.storage.columns import received_at, to_row
from engine.storage.contexts import context_columns, readable_fields
from engine.storage.identity import Refused, awaited, identity, note_refused, refused_with_first, verdict
from engine.storage.memory_registry import MemoryRegistry
from engine.storage.memory_units import UnitIndex
from engine.storage.schema import COLUMNS, column_types
from engine.storage.shadows import shadow_columns

E = TypeVar("E", bound=Entry)

_KEPT = (Reason.DRAWN, Reason.CACHED)
_MET = (*_KEPT, Reason.FORCED)


class MemoryStore(MemoryRegistry):
    """A Store and its Reader in one.

    >>> MemoryStore().last_seq()
    0
    """

    def __init__(self, node_id: str = "local", secret: bytes = b"not a secret") -> None:
        super().__init__()
        self.node_id = node_id
        self.secret = secret
        self._log: list[Entry] = []
        self._seqs: dict[tuple[object, ...], int] = {}
        self._first_seqs: dict[str, int] = {}
        self._units: dict[Unit, int] = {}
        self._n_units = 0
        self._index = UnitIndex()
        self._forced: dict[tuple[str, int], str] = {}

    def append(self, entries: Sequence[Entry]) -> list[Kept]:
        """Keep entries in order and say what became of each."""
        refused: Refused = {}
        return [self._keep(entry, refused) for entry in entries]

    def force(self, forced: ForcedUnit, change: Change) -> None:
        """Keep that a unit gets a variant, or no longer does."""
        if forced.variant:
            self._forced[forced.experiment_id, self._key(forced.unit)] = forced.variant
        else:
            self._forced.pop((forced.experiment_id, self._units.get(forced.unit, 0)), None)
        self._changes.append(change)

    def entries(self, after: int = 0, limit: int = 10_000) -> list[Entry]:
        """Return the entries with seq > `after`, at most `limit`."""
        return [_own(entry) for entry in self._log[after : after + limit]]

    def skim(self, wanted: Wanted, after: int = 0, limit: int = 10_000) -> list[Entry | Passed]:
        """Return the entries with seq > `after`, at most `limit`: outlines, and what is not wanted passed over."""
        return [
            _own(outline(entry))
            if isinstance(entry, Erasure) or wanted.has(entry)
            else Passed(entry.seq, entry.received_at)
            for entry in self._log[after : after + limit]
        ]

    def last_seq(self) -> int:
        """Return the highest seq, or 0."""
        return len(self._log)

    def first_seq(self, experiment_id: str) -> int:
        """Return the seq of the experiment's first assignment, or 0."""
        return self._first_seqs.get(experiment_id, 0)

    def assignment(self, assignment_id: str, slot: int = 0) -> Assignment | None:
        """Return one assignment, or None."""
        found = self._standing((Assignment, assignment_id, slot))
        return _own(found) if isinstance(found, Assignment) else None

    def assignments(self, ids: Sequence[str]) -> Mapping[str, tuple[Assignment, ...]]:
        """Return those of these assignments that are in the log, by id, their slots in order."""
        found = {each: tuple(self._slots(each)) for each in ids}
        return {each: slots for each, slots in found.items() if slots}

    def _slots(self, assignment_id: str) -> Iterator[Assignment]:
        for slot in count():
            row = self.assignment(assignment_id, slot)
            if row is None:
                return
            yield row

    def columns(
        self, table: str, names: Sequence[str], experiment_id: str = "", *, after: int = 0, until: int | None = None
    ) -> Columns:
        """Return typed columns in the order of seq."""
        types = column_types(table, names)
        last = self.last_seq() if until is None else until
        chosen = [self._typed(table, row) for row in self._rows_of(table, experiment_id) if after < row.seq <= last]
        return {name: to_column([row[name] for row in chosen], kind) for name, kind in types.items()}

    def contexts(
        self, experiment_id: str, names: Sequence[str], *, after: int = 0, until: int | None = None
    ) -> Columns:
        """Return declared fields of the contexts in the order of seq."""
        state = self._states.get(experiment_id)
        fields = readable_fields(state.experiment if state else None, names)
        found = [row for row in _of_type(Assignment, self._log[after:until]) if row.experiment_id == experiment_id]
        return context_columns(fields, {name: [row.context.get(name) for row in found] for name in names})

    def shadows(self, experiment_id: str) -> Columns:
        """Return what the shadow policy would have drawn from, in the order of seq."""
        found = [row for row in _of_type(Assignment, self._log) if row.experiment_id == experiment_id]
        return shadow_columns((row.seq, row.eligible, row.shadow_distribution) for row in found)

    def voided(self) -> Ints:
        """Return the seqs of the outcomes that a later one took back, ascending."""
        taken = {self._seqs.get((Outcome, row.void_of), 0) for row in _of_type(Outcome, self._log) if row.void_of}
        return np.array(sorted(taken - {0}), np.int64)

    def ended_at(self) -> int:
        """Return when the last entry was received, in microseconds, or 0."""
        return max(map(received_at, self._log[-1:]), default=0)

    def outcomes_of(self, assignment_id: str, slot: int = 0) -> list[Outcome]:
        """Return the outcomes of one assignment."""
        return [row for row in _of_type(Outcome, self._log) if (row.assignment_id, row.slot) == (assignment_id, slot)]

    def unit_key(self, unit: Unit) -> int | None:
        """Return the unit's key, or None."""
        return self._units.get(unit)

    def forced_units(self) -> list[ForcedUnit]:
        """Return the units that get a variant without a draw."""
        units = {key: unit for unit, key in self._units.items()}
        forced = sorted(self._forced.items())
        return [ForcedUnit(name, units[key], variant) for (name, key), variant in forced if key in units]

    def kept(self, experiment_id: str, unit: Unit) -> Assignment | None:
        """Return the unit's latest remembered row that is drawn or cached, or None."""
        own = [row for row in self._remembered(unit, _KEPT) if row.experiment_id == experiment_id]
        return _own(own[-1]) if own else None

    def contacts(self, unit: Unit, experiments: Mapping[str, ExposureRule], since: datetime) -> list[Contact]:
        """Return the unit's exposures after `since` in these experiments, oldest first."""
        rows = (row for row in self._remembered(unit, _MET) if row.experiment_id in experiments)
        met = ((row, self._exposed_at(row, experiments[row.experiment_id])) for row in rows)
        found = [Contact(row.assignment_id, row.experiment_id, at) for row, at in met if at and at > since]
        return sorted(found, key=lambda contact: contact.exposed_at)

    def reacted(self, unit: Unit, outcome: str, contacts: Sequence[Contact]) -> bool:
        """Whether an outcome of this name came at or after the first of the contacts."""
        if not contacts:
            return False
        first = min(contact.exposed_at for contact in contacts)
        keys = [self._units.get(unit), *(contact.assignment_id for contact in contacts)]
        found = self._at(Outcome, chain.from_iterable(map(self._index.outcomes, keys)))
        late_enough = (row for row in found if row.metric == outcome and row.occurred_at >= first)
        return any(not self._index.is_voided(row.outcome_id) for row in late_enough)

    def close(self) -> None:
        """Nothing to release."""

    def _keep(self, entry: Entry, refused: Refused) -> Kept:
        known_by = identity(entry)
        standing = self._standing(known_by)
        if standing is not None:
            return note_refused(refused, entry, Kept(verdict(standing, entry), _own(standing)))
        return refused_with_first(refused, entry) or self._keep_new(entry, known_by)

    def _keep_new(self, entry: Entry, known_by: tuple[object, ...] | None) -> Kept:
        stamped = self._stamp(entry)
        self._log.append(stamped)
        if known_by is not None:
            self._seqs[known_by] = stamped.seq
        self._index.add(stamped)
        if isinstance(stamped, Assignment):
            self._first_seqs.setdefault(stamped.experiment_id, stamped.seq)
        if isinstance(stamped, Erasure):
            self._scrub(stamped.unit_key)
        return Kept(self._status(stamped), _own(stamped))

    def _standing(self, known_by: tuple[object, ...] | None) -> Entry | None:
        seq = self._seqs.get(known_by) if known_by is not None else None
        return self._log[seq - 1] if seq is not None else None

    def _stamp(self, entry: Entry) -> Entry:
        place: dict[str, Any] = {"node_id": self.node_id, "seq": len(self._log) + 1}
        match entry:
            case Exposure():
                return replace(entry, **place)
            case Erasure():
                # Shipped or applied again after a restore, an erasure knows the unit by its key alone.
                key = self._units.pop(entry.unit, 0) if entry.unit.id else entry.unit_key
                return replace(entry, **place, unit=Unit(entry.unit.type, ""), unit_key=key)
            case _:
                return replace(_own(entry), **place, unit_key=self._key(entry.unit))

    def _key(self, unit: Unit | None) -> int:
        if unit is None or not unit.id:
            return 0
        if unit not in self._units:
            self._n_units += 1
            self._units[unit] = self._n_units
        return self._units[unit]

    def _status(self, entry: Entry) -> KeptStatus:
        key = awaited(entry)
        unmatched = key is not None and (Assignment, *key) not in self._seqs
        return KeptStatus.UNMATCHED if unmatched else KeptStatus.RECORDED

    def _scrub(self, unit_key: int) -> None:
        self._units = {unit: key for unit, key in self._units.items() if key != unit_key}
        self._forced = {name: variant for name, variant in self._forced.items() if name[1] != unit_key}
        self._log = [forgotten(row) if _belongs_to(row, unit_key) else row for row in self._log]

    def _remembered(self, unit: Unit, reasons: Collection[Reason]) -> Iterable[Assignment]:
        seqs = self._index.remembered(self._units.get(unit))
        return (row for row in self._at(Assignment, seqs) if row.reason in reasons)

    def _exposed_at(self, row: Assignment, rule: ExposureRule) -> datetime | None:
        if rule is ExposureRule.ASSIGNED:
            return row.assigned_at
        reported = self._at(Exposure, self._index.exposures(row.assignment_id))
        return min((exposure.exposed_at for exposure in reported), default=None)

    def _at(self, kind: type[E], seqs: Iterable[int]) -> Iterable[E]:
        return _of_type(kind, (self._log[seq - 1] for seq in seqs))

    def _typed(self, table: str, entry: Entry) -> dict[str, Any]:
        """Return the values of a row by column, those that are found by matching too."""
        key = awaited(entry)
        seq = 0 if key is None else self._seqs.get((Assignment, *key), -1)
        return dict(zip(COLUMNS[table], to_row(entry), strict=True)) | {"assignment_seq": seq}

    def _rows_of(self, table: str, experiment_id: str) -> list[Entry]:
        state = self._states.get(experiment_id)
        metrics = state.experiment.outcomes if state else frozenset()
        assignments = _of_type(Assignment, self._log)
        own = [row for row in assignments if not experiment_id or row.experiment_id == experiment_id]
        keys = {(row.assignment_id, row.slot) for row in own}
        exposures = _of_type(Exposure, self._log)
        chosen: dict[str, Iterable[Entry]] = {
            "assignments": own,
            "exposures": (row for row in exposures if not experiment_id or (row.assignment_id, row.slot) in keys),
            "outcomes": (row for row in _of_type(Outcome, self._log) if not experiment_id or row.metric in metrics),
            "erasures": _of_type(Erasure, self._log),
        }
        return list(chosen[table])


class MemorySnapshots:
    """A SnapshotStore in memory.

    >>> MemorySnapshots().position()
    0
    """

    def __init__(self) -> None:
        self._snapshots: dict[tuple[str, int, str, bool], Snapshot] = {}
        self._position = 0

    def add(self, snapshot: Snapshot) -> None:
        """Keep a snapshot, unless it is there already and whole."""
        key = snapshot.experiment_id, snapshot.epoch, snapshot.hash, snapshot.is_shadow
        standing = self._snapshots.setdefault(key, deepcopy(snapshot))
        if name_of(standing) != standing.hash:
            self._snapshots[key] = replace(standing, blob=snapshot.blob)

    def snapshot(self, experiment_id: str, hash: str) -> Snapshot | None:
        """Return a snapshot, or None; of several epochs the latest."""
        wanted = experiment_id, hash
        found = [each for each in self._snapshots.values() if (each.experiment_id, each.hash) == wanted]
        return deepcopy(found[-1]) if found else None

    def snapshots(self, experiment_id: str) -> list[Snapshot]:
        """Return an experiment's snapshots in the order in which they were added."""
        return [deepcopy(found) for found in self._snapshots.values() if found.experiment_id == experiment_id]

    def matching(self, experiment_id: str, prefix: str) -> list[str]:
        """Return the hashes that begin with these hex digits, ascending."""
        own = {each.hash for each in self._snapshots.values() if each.experiment_id == experiment_id}
        return sorted(name for name in own if name.startswith(prefix))

    def newest(self, experiment_id: str, *, is_shadow: bool = False) -> Iterator[Snapshot]:
        """Yield all snapshots, the newest first."""
        wanted = experiment_id, is_shadow
        own = [found for found in self._snapshots.values() if (found.experiment_id, found.is_shadow) == wanted]
        return map(deepcopy, reversed(own))

    def set_position(self, seq: int) -> None:
        """Note how far the learner is."""
        self._position = seq

    def position(self) -> int:
        """Return the last noted position, or 0."""
        return self._position

    def close(self) -> None:
        """Nothing to release."""


def forgotten(entry: Entry) -> Entry:
    """Return the row as it is after its unit was forgotten."""
    match entry:
        case Assignment():
            return replace(entry, unit=Unit(entry.unit.type, ""), context={}, candidates=(), request_id="")
        case Outcome():
            return replace(entry, unit=entry.unit and Unit(entry.unit.type, ""))
        case _:
            return entry


def _belongs_to(entry: Entry, unit_key: int) -> bool:
    return unit_key != 0 and not isinstance(entry, Exposure) and entry.unit_key == unit_key


def _of_type(kind: type[E], log: Iterable[Entry]) -> Iterable[E]:
    return (row for row in log if isinstance(row, kind))


def _own(entry: E) -> E:
    """Return the entry with mappings of its own, so that nobody outside can change what is kept."""
    if not isinstance(entry, Assignment):
        return entry
    candidates = tuple(replace(candidate, features=dict(candidate.features)) for candidate in entry.candidates)
    return replace(entry, context=dict(entry.context), candidates=candidates)
