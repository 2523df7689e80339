"""What the engine asks of its stores.

One process writes: its `Store` is bound to the thread that made it. Any number of processes read, through `Reader`s
of their own. Entries and states are immutable; what was handed in or out is never changed later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from engine.columns import Columns, Ints
from engine.experiments import Change, Experiment, ExperimentState, ExposureRule
from engine.funnel import ForcedUnit, Population, PopulationChange, PopulationState
from engine.proposals import Filed, Proposal
from engine.records import Assignment, Contact, Entry, Kept, Outcome, Snapshot, Unit
from engine.skimming import Passed, Wanted


class Store(Protocol):
    """The one writer of the log and of the registry.

    Every method is one transaction: when it returns, its work survives a crash; when it raises, nothing of it was
    done and the store goes on working.
    """

    def append(self, entries: Sequence[Entry]) -> list[Kept]:
        """Keep entries in order and say what became of each; the rows are stamped with node_id, seq and unit_key.

        An assignment is known by (assignment_id, slot), an exposure likewise, an outcome by its outcome_id. A known
        one with the same content (for an assignment: the same request_digest) is DUPLICATE, with another content
        CONFLICT; in both cases the earlier row stands and is returned. An exposure or outcome whose assignment is not
        in the log is kept as UNMATCHED. Also within one call the first of two stands. The slots of an assignment are
        one answer: where the first is not new, further ones that come with it are not kept, and have its status and
        row. An erasure takes the plain id out of the table of units, and the contexts and request ids out of the
        unit's rows.

        Raises:
            StoreUnavailable: the commit failed.
        """

    def save(
        self,
        state: ExperimentState,
        change: Change,
        expected_etag: str,
        moved: Sequence[tuple[ExperimentState, Change]] = (),
        filed: Filed | None = None,
    ) -> None:
        """Make `state` the experiment's current one and add `change` to its history, and `moved` those of others.

        An empty `expected_etag` means that there must be no such experiment yet. Each revision's definition is kept
        for ever; a state whose revision exists already leaves that definition as it is. The stored etag of each moved
        experiment must be the one before its state's, or nothing is saved.

        What is `filed` is kept with it: a proposal that waits is a new attempt, and another one settles the stored one
        that waits. What was frozen is never written again.

        Raises:
            StaleEtag: the stored etag is another one, the attempt is there already, or what is settled does not wait.
            ExperimentExists: `expected_etag` is empty and the id was used before.
            StoreUnavailable: the commit failed.
        """

    def save_population(
        self, state: PopulationState, change: PopulationChange, moved: Sequence[tuple[ExperimentState, Change]]
    ) -> None:
        """Make `state` the population and add `change` to its history, and `moved` the experiments' current states.

        Each revision is kept for ever. The stored revision must be the one before `state.revision`, and the stored etag
        of each moved experiment the one before its state's, or nothing is saved.

        Raises:
            StaleEtag: somebody was faster.
            StoreUnavailable: the commit failed.
        """

    def force(self, forced: ForcedUnit, change: Change) -> None:
        """Keep that a unit gets a variant, in place of what was kept for it, and add `change` to the history.

        The plain unit id goes into the table of units alone. An erasure of the unit ends it.
        """

    def point(self, experiment_id: str, epoch: int, snapshot: str, *, is_shadow: bool = False) -> None:
        """Make `snapshot` the live one, or the shadow's, if the experiment is still in `epoch`.

        Etag and history stay as they are.

        A learner publishes often, and a person's change must not fail because of it.
        """

    def warm(self, snapshot: Snapshot, state: ExperimentState, change: Change, expected_etag: str) -> None:
        """Keep what a draft begins with, in place of what was kept for it, and save `state` and `change` with it.

        Raises:
            StaleEtag: the stored etag is another one.
            StoreUnavailable: the commit failed.
        """

    def close(self) -> None:
        """Release the file and its lock."""


class Reader(Protocol):
    """Reads the log and the registry, beside a writer; holds no transaction between calls."""

    node_id: str
    secret: bytes

    def entries(self, after: int = 0, limit: int = 10_000) -> list[Entry]:
        """Return the entries with seq > `after` in the order of seq, at most `limit`, whatever their kind."""

    def skim(self, wanted: Wanted, after: int = 0, limit: int = 10_000) -> list[Entry | Passed]:
        """Return what `entries` does: of assignments the `outline`, and all that is not wanted passed over."""

    def last_seq(self) -> int:
        """Return the highest seq in the log, or 0."""

    def first_seq(self, experiment_id: str) -> int:
        """Return the seq of an experiment's first assignment in the log, or 0 where it has none."""

    def assignment(self, assignment_id: str, slot: int = 0) -> Assignment | None:
        """Return one assignment, or None."""

    def assignments(self, ids: Sequence[str]) -> Mapping[str, tuple[Assignment, ...]]:
        """Return those of these assignments that are in the log, by id: their slots from 0 on, in order."""

    def columns(
        self, table: str, names: Sequence[str], experiment_id: str = "", *, after: int = 0, until: int | None = None
    ) -> Columns:
        """Return columns of "assignments", "exposures", "outcomes" or "erasures" in the order of seq, equally long.

        The names are those of the table's typed columns, or of what is found by matching (`engine.storage.schema`).
        Whole numbers come as int64, other numbers as float64, texts and bytes as `Coded`. With an experiment,
        "assignments" are its own, "exposures" those of its assignments, and "outcomes" those that its metrics are made
        of; erasures are of no experiment, and all of them come. With `after` and `until`, only rows with
        after < seq <= until are looked at.

        Raises:
            InvalidRequest: there is no such table or column.
        """

    def contexts(
        self, experiment_id: str, names: Sequence[str], *, after: int = 0, until: int | None = None
    ) -> Columns:
        """Return declared fields of the context of the experiment's assignments, in the order of seq, equally long.

        A number is a float64, a flag 0.0 or 1.0, and NaN where the row has none; a text is `Coded`. A forgotten unit's
        rows have none, nor has a row that holds a value of another type than is declared today. With `after` and
        `until`, only rows with after < seq <= until are looked at.

        Raises:
            InvalidRequest: a field is not declared, or is a list of texts.
        """

    def shadows(self, experiment_id: str) -> Columns:
        """Return what the shadow policy would have drawn from: `seq`, `eligible`, `distribution`, in the order of seq.

        The two latter are as in the columns of assignments, of which those are here that have any.
        """

    def voided(self) -> Ints:
        """Return the seqs of the outcomes that a later one took back, ascending."""

    def ended_at(self) -> int:
        """Return when the last entry of the log was received, in microseconds, or 0 for an empty log."""

    def outcomes_of(self, assignment_id: str, slot: int = 0) -> list[Outcome]:
        """Return the outcomes that were recorded for one assignment, in the order of seq."""

    def unit_key(self, unit: Unit) -> int | None:
        """Return the unit's key, or None where it is unknown or forgotten."""

    def state(self, experiment_id: str) -> ExperimentState | None:
        """Return an experiment with its state, or None."""

    def states(self) -> list[ExperimentState]:
        """Return all experiments with their states, by id."""

    def definition(self, experiment_id: str, revision: int) -> Experiment | None:
        """Return a revision's definition, or None."""

    def warm_start(self, experiment_id: str) -> Snapshot | None:
        """Return what the experiment began with, or None; it may have been learned for another definition."""

    def proposals(self, experiment_id: str) -> list[Proposal]:
        """Return what was proposed for an experiment, by attempt."""

    def frozen(self, experiment_id: str, hash: str) -> Snapshot | None:
        """Return what the policy of a proposal knew, or None; of several with this hash the latest's."""

    def evidence(self, experiment_id: str, hash: str) -> str:
        """Return the report of this hash that decided on a proposal, or an empty text."""

    def history(self, experiment_id: str) -> list[Change]:
        """Return the changes of an experiment, oldest first."""

    def population(self) -> PopulationState:
        """Return the population with its revision."""

    def population_at(self, revision: int) -> Population | None:
        """Return a revision of the population, or None; revision 0 is the empty one."""

    def population_history(self) -> list[PopulationChange]:
        """Return the changes of the population, oldest first."""

    def forced_units(self) -> list[ForcedUnit]:
        """Return the units that get a variant without a draw, those of forgotten units left out."""

    def kept(self, experiment_id: str, unit: Unit) -> Assignment | None:
        """Return the unit's latest remembered row in an experiment that is drawn or cached, or None."""

    def contacts(self, unit: Unit, experiments: Mapping[str, ExposureRule], since: datetime) -> list[Contact]:
        """Return the unit's exposures after `since` in these experiments, oldest first, of its remembered rows.

        Rows that are drawn, cached or forced count. Where the rule says so, an exposure is the assignment itself, else
        the first that was reported for any of its slots.
        """

    def reacted(self, unit: Unit, outcome: str, contacts: Sequence[Contact]) -> bool:
        """Whether an outcome of this name came at or after the first of the contacts: of the unit, or of one of them.

        An outcome that was taken back is none.
        """

    def catalog_revision(self) -> int:
        """Return the number of the latest change of an experiment or of the population, or 0."""

    def changed_since(self, catalog_revision: int) -> Mapping[str, int]:
        """Return each experiment that changed later, with the number of its latest change; "" is the population."""

    def close(self) -> None:
        """Release the file."""


class SnapshotStore(Protocol):
    """The learner's own file: snapshots, and how far the learner is. One process writes it, others read."""

    def add(self, snapshot: Snapshot) -> None:
        """Keep a snapshot.

        One that is there already (the same hash, experiment, epoch, and whether it is the shadow's) is left as it is,
        unless its content was damaged.
        """

    def snapshot(self, experiment_id: str, hash: str) -> Snapshot | None:
        """Return a snapshot, or None; of several epochs the latest. Its hash is not verified here."""

    def snapshots(self, experiment_id: str) -> list[Snapshot]:
        """Return all snapshots of an experiment in the order in which they were added."""

    def newest(self, experiment_id: str, *, is_shadow: bool = False) -> Iterator[Snapshot]:
        """Yield all snapshots of an experiment, or of its shadow, the newest first, each read when it is asked for."""

    def matching(self, experiment_id: str, prefix: str) -> list[str]:
        """Return the hashes of an experiment's snapshots that begin with these hex digits, ascending."""

    def set_position(self, seq: int) -> None:
        """Note that every entry up to `seq` was read, and what came of it published."""

    def position(self) -> int:
        """Return the last noted position, or 0."""

    def close(self) -> None:
        """Release the file."""
