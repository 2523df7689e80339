"""A read-only view of all experiments with their live policies; a change replaces it whole."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from engine.errors import SnapshotRefused, UnknownExperiment
from engine.experiments import Experiment, ExperimentState, Status, Variant
from engine.learning import verify
from engine.policies import Policy, build
from engine.records import Snapshot

FindSnapshot = Callable[[str, int, str], Snapshot | None]
"""Finds the snapshot of an experiment, an epoch and a hash."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Live:
    """An experiment as it answers now. Without a policy (not running, or unavailable) it answers its default."""

    state: ExperimentState
    policy: Policy | None
    by_name: Mapping[str, Variant]

    @property
    def experiment(self) -> Experiment:
        """The definition."""
        return self.state.experiment


@dataclass(frozen=True, slots=True)
class Catalog:
    """Experiments by id."""

    by_id: Mapping[str, Live]

    @classmethod
    def of(cls, states: Iterable[ExperimentState], find_snapshot: FindSnapshot) -> Self:
        """Return the catalog of these states. A policy that cannot be restored is reported, and its default served."""
        return cls({state.experiment.experiment_id: revive(state, find_snapshot) for state in states})

    def find(self, experiment_id: str) -> Live:
        """Return one experiment.

        Raises:
            UnknownExperiment: there is none of this id.
        """
        live = self.by_id.get(experiment_id)
        if live is None:
            raise UnknownExperiment(f"there is no experiment {experiment_id!r}: `armlift list` shows what there is")
        return live

    def with_(self, live: Live) -> Catalog:
        """Return the catalog with one experiment added or replaced."""
        return Catalog({**self.by_id, live.experiment.experiment_id: live})

    def experiments(self) -> Iterator[Experiment]:
        """Yield every definition."""
        return (live.experiment for live in self.by_id.values())


def live(state: ExperimentState, policy: Policy | None) -> Live:
    """Return how an experiment answers with this policy."""
    return Live(state, policy, {variant.name: variant for variant in state.experiment.variants})


def revive(state: ExperimentState, find_snapshot: FindSnapshot) -> Live:
    """Return how an experiment answers, its policy restored from the live snapshot."""
    if state.status is not Status.RUNNING:
        return live(state, None)
    try:
        return live(state, restore(state, find_snapshot))
    except SnapshotRefused as refused:
        _log.error("%s serves its default: %s", state.experiment.experiment_id, refused)
        return live(state, None)


def restore(state: ExperimentState, find_snapshot: FindSnapshot) -> Policy:
    """Return the policy of a state: untaught where no snapshot is live.

    Raises:
        SnapshotRefused: the live snapshot is missing or does not verify.
    """
    if not state.snapshot:
        return build(state.experiment)
    snapshot = find_snapshot(state.experiment.experiment_id, state.epoch, state.snapshot)
    if snapshot is None:
        raise SnapshotRefused(f"snapshot {state.snapshot[:12]} is not in the learner's file: restore learning.db")
    return verify(snapshot, state.experiment)
