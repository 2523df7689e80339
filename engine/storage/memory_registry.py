"""Experiments and the population in memory: how they are saved, and how they are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace

from engine.experiments import Change, Experiment, ExperimentState
from engine.funnel import Population, PopulationChange, PopulationState
from engine.proposals import Filed, Proposal
from engine.records import Snapshot
from engine.storage.identity import POPULATION, check_etag, check_filed, check_revision, etag_before


class MemoryRegistry:
    """What a store in memory keeps beside its log.

    >>> MemoryRegistry().catalog_revision()
    0
    """

    def __init__(self) -> None:
        self._states: dict[str, ExperimentState] = {}
        self._definitions: dict[tuple[str, int], Experiment] = {}
        self._populations = [PopulationState()]
        self._changes: list[Change | PopulationChange] = []
        self._warm_starts: dict[str, Snapshot] = {}
        self._proposals: dict[tuple[str, int], Proposal] = {}
        self._frozen: dict[tuple[str, str], Snapshot] = {}
        self._evidence: dict[tuple[str, str], str] = {}

    def save(
        self,
        state: ExperimentState,
        change: Change,
        expected_etag: str,
        moved: Sequence[tuple[ExperimentState, Change]] = (),
        filed: Filed | None = None,
    ) -> None:
        """Make `state` and `moved` the experiments' current states, and keep a proposal with them."""
        self._check(state, expected_etag)
        self._check_moved(moved)
        if filed is not None:
            self._file(filed)
        for experiment, its_change in ((state, change), *moved):
            self._save_one(experiment, its_change)

    def save_population(
        self, state: PopulationState, change: PopulationChange, moved: Sequence[tuple[ExperimentState, Change]]
    ) -> None:
        """Make `state` the population, and `moved` the experiments' current states."""
        check_revision(self._populations[-1].revision, state.revision)
        self._check_moved(moved)
        self._populations.append(deepcopy(state))
        self._changes.append(change)
        for experiment, its_change in moved:
            self._save_one(experiment, its_change)

    def point(self, experiment_id: str, epoch: int, snapshot: str, *, is_shadow: bool = False) -> None:
        """Make `snapshot` the live one, or the shadow's, if the experiment is still in `epoch`."""
        stored = self._states.get(experiment_id)
        if stored is not None and stored.epoch == epoch:
            serving, shadow = (stored.snapshot, snapshot) if is_shadow else (snapshot, stored.shadow_snapshot)
            self._states[experiment_id] = replace(stored, snapshot=serving, shadow_snapshot=shadow)

    def warm(self, snapshot: Snapshot, state: ExperimentState, change: Change, expected_etag: str) -> None:
        """Keep what a draft begins with."""
        self.save(state, change, expected_etag)
        self._warm_starts[state.experiment.experiment_id] = snapshot

    def proposals(self, experiment_id: str) -> list[Proposal]:
        """Return what was proposed for an experiment, by attempt."""
        return [deepcopy(self._proposals[key]) for key in sorted(self._proposals) if key[0] == experiment_id]

    def frozen(self, experiment_id: str, hash: str) -> Snapshot | None:
        """Return what the policy of a proposal knew, or None."""
        return deepcopy(self._frozen.get((experiment_id, hash)))

    def evidence(self, experiment_id: str, hash: str) -> str:
        """Return a report that decided, or an empty text."""
        return self._evidence.get((experiment_id, hash), "")

    def state(self, experiment_id: str) -> ExperimentState | None:
        """Return an experiment with its state, or None."""
        return deepcopy(self._states.get(experiment_id))

    def states(self) -> list[ExperimentState]:
        """Return all experiments with their states, by id."""
        return [deepcopy(self._states[experiment_id]) for experiment_id in sorted(self._states)]

    def definition(self, experiment_id: str, revision: int) -> Experiment | None:
        """Return a revision's definition, or None."""
        return deepcopy(self._definitions.get((experiment_id, revision)))

    def warm_start(self, experiment_id: str) -> Snapshot | None:
        """Return what the experiment began with, or None."""
        return deepcopy(self._warm_starts.get(experiment_id))

    def history(self, experiment_id: str) -> list[Change]:
        """Return the changes of an experiment, oldest first."""
        return [each for each in self._changes if isinstance(each, Change) and each.experiment_id == experiment_id]

    def population(self) -> PopulationState:
        """Return the population with its revision."""
        return deepcopy(self._populations[-1])

    def population_at(self, revision: int) -> Population | None:
        """Return a revision of the population, or None."""
        found = (each.population for each in self._populations if each.revision == revision)
        return deepcopy(next(found, None))

    def population_history(self) -> list[PopulationChange]:
        """Return the changes of the population, oldest first."""
        return [each for each in self._changes if isinstance(each, PopulationChange)]

    def catalog_revision(self) -> int:
        """Return the number of the latest change, or 0."""
        return len(self._changes)

    def changed_since(self, catalog_revision: int) -> Mapping[str, int]:
        """Return what changed later, with the number of its latest change."""
        later = enumerate(self._changes[catalog_revision:], catalog_revision + 1)
        return {each.experiment_id if isinstance(each, Change) else POPULATION: number for number, each in later}

    def _file(self, filed: Filed) -> None:
        proposal, key = filed.proposal, (filed.proposal.experiment_id, filed.proposal.attempt)
        stored = self._proposals.get(key)
        check_filed(proposal, stored.standing if stored else None)
        frozen = stored or deepcopy(proposal)
        self._proposals[key] = replace(frozen, standing=proposal.standing, settlement=proposal.settlement)
        if filed.learned is not None and stored is None:
            self._frozen[proposal.experiment_id, filed.learned.hash] = replace(filed.learned, probes=(), parent="")
        if filed.evidence and proposal.settlement:
            self._evidence[proposal.experiment_id, proposal.settlement.evidence] = filed.evidence

    def _check(self, state: ExperimentState, expected_etag: str) -> None:
        experiment_id = state.experiment.experiment_id
        stored = self._states.get(experiment_id)
        check_etag(experiment_id, stored.etag if stored else None, expected_etag)

    def _check_moved(self, moved: Sequence[tuple[ExperimentState, Change]]) -> None:
        for experiment, _ in moved:
            self._check(experiment, etag_before(experiment))

    def _save_one(self, state: ExperimentState, change: Change) -> None:
        definition = self._definitions.setdefault(_revision(state), deepcopy(state.experiment))
        self._states[state.experiment.experiment_id] = replace(state, experiment=definition)
        self._changes.append(change)


def _revision(state: ExperimentState) -> tuple[str, int]:
    return state.experiment.experiment_id, state.revision
