"""Experiments, what they begin with, the population and who is forced, in a SQLite store: saved and read.

The population stands beside the experiments under an empty id, in the revisions and in the history. The history's
numbers are the catalog's revisions.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from engine import files, population_file
from engine.clock import from_micros, to_micros
from engine.experiments import Change, Experiment, ExperimentState, Status
from engine.funnel import ForcedUnit, Population, PopulationChange, PopulationState
from engine.records import BEFORE_THE_LOG, Snapshot, Unit
from engine.storage.identity import POPULATION, check_etag, check_revision, etag_before
from engine.storage.sqlite_files import OpenedStore
from engine.storage.unit_keys import UnitKeys

_ETAG = "SELECT etag FROM experiments WHERE experiment_id = ?"
_KEEP_REVISION = "INSERT OR IGNORE INTO revisions (experiment_id, revision, definition) VALUES (?, ?, ?)"
_KEEP_STATE = (
    "INSERT OR REPLACE INTO experiments (experiment_id, status, revision, epoch, etag, snapshot, step, step_at, "
    "shadow_snapshot, pinned) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_KEEP_CHANGE = (
    "INSERT INTO history (experiment_id, changed_at, actor, action, reason, status, revision, epoch, fields) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_POINT = "UPDATE experiments SET snapshot = ? WHERE experiment_id = ? AND epoch = ?"
_POINT_SHADOW = "UPDATE experiments SET shadow_snapshot = ? WHERE experiment_id = ? AND epoch = ?"
_WARM = (
    "INSERT OR REPLACE INTO warm_starts "
    "(experiment_id, hash, epoch, policy, blob, n_lessons, library, arguments, schema) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_FORCE = "INSERT OR REPLACE INTO forced_units (experiment_id, unit_key, variant) VALUES (?, ?, ?)"
_END_FORCING = (
    "DELETE FROM forced_units WHERE experiment_id = ? "
    "AND unit_key = (SELECT unit_key FROM units WHERE unit_type = ? AND unit_id = ?)"
)

_STATES = (
    "SELECT definition, status, revision, epoch, etag, snapshot, step, step_at, shadow_snapshot, pinned "
    "FROM experiments "
    "JOIN revisions USING (experiment_id, revision)"
)
_DEFINITION = "SELECT definition FROM revisions WHERE experiment_id = ? AND revision = ?"
_WARM_START = (
    "SELECT experiment_id, hash, epoch, policy, blob, n_lessons, library, arguments, schema FROM warm_starts "
    "WHERE experiment_id = ?"
)
_HISTORY = (
    "SELECT experiment_id, changed_at, actor, action, reason, status, revision, epoch, fields FROM history "
    "WHERE experiment_id = ? ORDER BY change_id"
)
_POPULATION = "SELECT revision, definition FROM revisions WHERE experiment_id = ? ORDER BY revision DESC LIMIT 1"
_LATEST = "SELECT experiment_id, max(change_id) FROM history WHERE change_id > ? GROUP BY experiment_id"
_FORCED = (
    "SELECT experiment_id, unit_type, unit_id, variant FROM forced_units JOIN units USING (unit_key) "
    "ORDER BY experiment_id, unit_key"
)


# --- saving, inside a transaction ------------------------------------------------------------------------------------


def save(connection: sqlite3.Connection, state: ExperimentState, change: Change, expected_etag: str) -> None:
    """Make `state` the current one and add `change` to the history.

    Raises:
        StaleEtag: the stored etag is another one.
        ExperimentExists: no etag is expected, and the id was used before.
    """
    experiment_id = state.experiment.experiment_id
    found = connection.execute(_ETAG, (experiment_id,)).fetchone()
    check_etag(experiment_id, found[0] if found else None, expected_etag)
    connection.execute(_KEEP_REVISION, (experiment_id, state.revision, files.dump(state.experiment)))
    connection.execute(_KEEP_STATE, _state_row(state))
    connection.execute(_KEEP_CHANGE, _change_row(change))


def save_population(
    connection: sqlite3.Connection,
    state: PopulationState,
    change: PopulationChange,
    moved: Sequence[tuple[ExperimentState, Change]],
) -> None:
    """Make `state` the population, `moved` the experiments' current states, and add their changes to the history.

    Raises:
        StaleEtag: somebody was faster.
    """
    found = connection.execute(_POPULATION, (POPULATION,)).fetchone()
    check_revision(found[0] if found else 0, state.revision)
    connection.execute(_KEEP_REVISION, (POPULATION, state.revision, population_file.dump(state.population)))
    connection.execute(_KEEP_CHANGE, _population_row(change))
    save_moved(connection, moved)


def save_moved(connection: sqlite3.Connection, moved: Sequence[tuple[ExperimentState, Change]]) -> None:
    """Make `moved` the experiments' current states, and add their changes to the history.

    Raises:
        StaleEtag: somebody was faster.
    """
    for experiment, its_change in moved:
        save(connection, experiment, its_change, etag_before(experiment))


def force(connection: sqlite3.Connection, unit_keys: UnitKeys, forced: ForcedUnit, change: Change) -> None:
    """Keep that a unit gets a variant, or no longer does, and add `change` to the history."""
    unit = forced.unit
    if forced.variant:
        connection.execute(_FORCE, (forced.experiment_id, unit_keys.key(unit), forced.variant))
    else:
        connection.execute(_END_FORCING, (forced.experiment_id, unit.type, unit.id))
    connection.execute(_KEEP_CHANGE, _change_row(change))


def point(connection: sqlite3.Connection, experiment_id: str, epoch: int, snapshot: str, *, is_shadow: bool) -> None:
    """Make `snapshot` the live one, or the shadow's, if the experiment is still in `epoch`."""
    connection.execute(_POINT_SHADOW if is_shadow else _POINT, (snapshot, experiment_id, epoch))


def warm(
    connection: sqlite3.Connection, snapshot: Snapshot, state: ExperimentState, change: Change, expected_etag: str
) -> None:
    """Keep what a draft begins with, and save its state and change.

    Raises:
        StaleEtag: the stored etag is another one.
    """
    save(connection, state, change, expected_etag)
    connection.execute(_WARM, _warm_row(snapshot))


def _warm_row(snapshot: Snapshot) -> tuple[object, ...]:
    return (
        snapshot.experiment_id,
        bytes.fromhex(snapshot.hash),
        snapshot.epoch,
        snapshot.policy,
        snapshot.blob,
        snapshot.n_warm,
        snapshot.library,
        json.dumps(snapshot.arguments),
        snapshot.schema,
    )


def _state_row(state: ExperimentState) -> tuple[object, ...]:
    return (
        state.experiment.experiment_id,
        state.status.value,
        state.revision,
        state.epoch,
        state.etag,
        state.snapshot,
        state.step,
        to_micros(state.step_at) if state.step_at else None,
        state.shadow_snapshot,
        int(state.pinned),
    )


def _change_row(change: Change) -> tuple[object, ...]:
    return (
        change.experiment_id,
        to_micros(change.changed_at),
        change.actor,
        change.action,
        change.reason,
        change.status.value,
        change.revision,
        change.epoch,
        json.dumps(change.fields, ensure_ascii=False),
    )


def _population_row(change: PopulationChange) -> tuple[object, ...]:
    at, fields = to_micros(change.changed_at), json.dumps(change.fields, ensure_ascii=False)
    return POPULATION, at, change.actor, "update", change.reason, "", change.revision, 0, fields


# --- reading ---------------------------------------------------------------------------------------------------------


class RegistryReader(OpenedStore):
    """What a reader can be asked about experiments and the population."""

    def state(self, experiment_id: str) -> ExperimentState | None:
        """Return an experiment with its state, or None."""
        found = self._all(f"{_STATES} WHERE experiment_id = ?", (experiment_id,))
        return _state(found[0]) if found else None

    def states(self) -> list[ExperimentState]:
        """Return all experiments with their states, by id."""
        return [_state(found) for found in self._all(f"{_STATES} ORDER BY experiment_id")]

    def definition(self, experiment_id: str, revision: int) -> Experiment | None:
        """Return a revision's definition, or None."""
        text = self._revision(experiment_id, revision) if experiment_id != POPULATION else None
        return files.load(text) if text else None

    def warm_start(self, experiment_id: str) -> Snapshot | None:
        """Return what the experiment began with, or None."""
        found = self._all(_WARM_START, (experiment_id,))
        return _warm_start(found[0]) if found else None

    def history(self, experiment_id: str) -> list[Change]:
        """Return the changes of an experiment, oldest first."""
        found = self._all(_HISTORY, (experiment_id,)) if experiment_id != POPULATION else []
        return [_change(each) for each in found]

    def population(self) -> PopulationState:
        """Return the population with its revision."""
        found = self._all(_POPULATION, (POPULATION,))
        return PopulationState(population_file.load(found[0][1]), found[0][0]) if found else PopulationState()

    def population_at(self, revision: int) -> Population | None:
        """Return a revision of the population, or None."""
        if revision == 0:
            return Population()
        text = self._revision(POPULATION, revision)
        return population_file.load(text) if text else None

    def population_history(self) -> list[PopulationChange]:
        """Return the changes of the population, oldest first."""
        return [_population_change(found) for found in self._all(_HISTORY, (POPULATION,))]

    def forced_units(self) -> list[ForcedUnit]:
        """Return the units that get a variant without a draw."""
        return [
            ForcedUnit(experiment_id, Unit(unit_type, unit_id), variant)
            for experiment_id, unit_type, unit_id, variant in self._all(_FORCED)
        ]

    def catalog_revision(self) -> int:
        """Return the number of the latest change, or 0."""
        return int(self._all("SELECT coalesce(max(change_id), 0) FROM history")[0][0])

    def changed_since(self, catalog_revision: int) -> Mapping[str, int]:
        """Return what changed later, with the number of its latest change."""
        return dict(self._all(_LATEST, (catalog_revision,)))

    def _revision(self, experiment_id: str, revision: int) -> str | None:
        found = self._all(_DEFINITION, (experiment_id, revision))
        return found[0][0] if found else None


def _state(found: tuple[Any, ...]) -> ExperimentState:
    text, status, revision, epoch, etag, snapshot, step, step_at, shadow_snapshot, pinned = found
    since = None if step_at is None else from_micros(step_at)
    experiment = files.load(text)
    pointers = shadow_snapshot, bool(pinned)
    return ExperimentState(experiment, Status(status), revision, epoch, etag, snapshot, step, since, *pointers)


def _warm_start(found: tuple[Any, ...]) -> Snapshot:
    experiment_id, name, epoch, policy, blob, n_lessons, library, arguments, schema = found
    return Snapshot(
        hash=name.hex(),
        experiment_id=experiment_id,
        epoch=epoch,
        policy=policy,
        blob=blob,
        parent="",
        watermark=BEFORE_THE_LOG,
        n_rewards=0,
        library=library,
        arguments=_names(arguments),
        schema=schema,
        probes=(),
        n_warm=n_lessons,
    )


def _change(found: tuple[Any, ...]) -> Change:
    experiment_id, changed_at, actor, action, reason, status, revision, epoch, fields = found
    at = from_micros(changed_at)
    return Change(experiment_id, at, actor, action, reason, Status(status), revision, epoch, _names(fields))


def _population_change(found: tuple[Any, ...]) -> PopulationChange:
    _, changed_at, actor, _, reason, _, revision, _, fields = found
    return PopulationChange(revision, from_micros(changed_at), actor, reason, _names(fields))


def _names(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))
