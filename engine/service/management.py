"""Management of a running server: what the commands and the demo call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Self

import grpc
from armlift.v1 import assignment_pb2 as assign
from armlift.v1 import experiment_pb2 as contract
from armlift.v1 import learning_pb2 as learning
from armlift.v1.assignment_pb2_grpc import AssignmentServiceStub
from armlift.v1.experiment_pb2_grpc import ExperimentServiceStub
from armlift.v1.learning_pb2_grpc import LearningServiceStub

from engine.definition import define
from engine.edits import changed_fields, changed_in_population
from engine.errors import InvalidRequest, UnknownExperiment
from engine.experiments import Change, Experiment, ExperimentState, Status
from engine.explanation import Explanation
from engine.funnel import Population, PopulationChange, PopulationState
from engine.learned import Summary
from engine.population_rules import define_population
from engine.records import Snapshot
from engine.service.catalog_changes import CatalogChange, to_catalog_change
from engine.service.convert import to_explanation
from engine.service.definitions import from_experiment, to_change, to_state
from engine.service.funnels import from_population, to_population, to_population_change
from engine.service.promotions import Promotions
from engine.service.snapshots import check_sendable, from_learned, to_summary
from engine.service.status import hearing
from engine.service.words import STATUSES

_TIMEOUT_S = 10.0


class Management:
    """Talks to one server in the name of an actor. Raises the errors that the server raised."""

    def __init__(self, address: str, actor: str) -> None:
        self._channel = grpc.insecure_channel(address)
        self._experiments = ExperimentServiceStub(self._channel)
        self._assignments = AssignmentServiceStub(self._channel)
        self._learning = LearningServiceStub(self._channel)
        self._actor = actor
        self.promotions = Promotions(self._channel, actor)
        """What is done with proposals."""

    def get(self, experiment_id: str, revision: int = 0) -> ExperimentState:
        """Return one experiment with its state; with a revision, the definition is that one's and all else is today's.

        Raises:
            UnknownExperiment: there is no such experiment or revision.
        """
        return self.look(experiment_id, revision)[0]

    def look(self, experiment_id: str, revision: int = 0) -> tuple[ExperimentState, Mapping[str, int]]:
        """Return one experiment with its state, and how many answers were outside it, by reason, since the start."""
        message = contract.GetExperimentRequest(experiment_id=experiment_id, revision=revision)
        with hearing():
            response = self._experiments.GetExperiment(message, timeout=_TIMEOUT_S)
        return to_state(response.state), dict(response.outside)

    def all(self) -> Iterator[ExperimentState]:
        """Yield every experiment, by id."""
        token = ""
        while True:
            with hearing():
                message = contract.ListExperimentsRequest(page_token=token)
                page = self._experiments.ListExperiments(message, timeout=_TIMEOUT_S)
            yield from map(to_state, page.states)
            token = page.next_page_token
            if not token:
                return

    def history(self, experiment_id: str) -> Iterator[Change]:
        """Yield the changes of an experiment, oldest first."""
        token = ""
        while True:
            with hearing():
                message = contract.GetExperimentHistoryRequest(experiment_id=experiment_id, page_token=token)
                page = self._experiments.GetExperimentHistory(message, timeout=_TIMEOUT_S)
            yield from (to_change(experiment_id, change) for change in page.changes)
            token = page.next_page_token
            if not token:
                return

    def apply(self, experiment: Experiment, reason: str, etag: str = "") -> tuple[ExperimentState, str]:
        """Make the server's experiment this one, and return its state with what was done.

        That is "created", "unchanged", or "changed" with what that led to. An empty etag changes whatever is there.

        Raises:
            StaleEtag: somebody changed it since it had this etag.
            UnknownExperiment: an etag is given, and there is no such experiment.
        """
        try:
            before = self.get(experiment.experiment_id)
        except UnknownExperiment:
            if etag:
                raise
            return self._create(experiment, reason), "created"
        if not changed_fields(before.experiment, define(experiment)):
            return before, "unchanged"
        state = self._update(experiment, etag or before.etag, reason)
        return state, _changed(before, state)

    def move(self, experiment_id: str, to: Status, reason: str) -> ExperimentState:
        """Take a step of the lifecycle and return the state after it."""
        message = contract.TransitionExperimentRequest(
            experiment_id=experiment_id, status=STATUSES[to], actor=self._actor, reason=reason
        )
        with hearing():
            return to_state(self._experiments.TransitionExperiment(message, timeout=_TIMEOUT_S).state)

    def restore(self, experiment_id: str, revision: int, reason: str) -> ExperimentState:
        """Make a new revision with the definition of an old one, and return the state after it.

        Raises:
            UnknownExperiment: there is no such experiment or revision.
            InvalidRequest: it is like that already.
        """
        now, old = self.get(experiment_id), self.get(experiment_id, revision)
        if not changed_fields(now.experiment, old.experiment):
            raise InvalidRequest(f"nothing changes: {experiment_id!r} is as it was in revision {revision} already")
        what = f"revision {revision} restored"
        return self._update(old.experiment, now.etag, f"{what}: {reason}" if reason else what)

    def kill(self, experiment_id: str, variant: str, reason: str) -> ExperimentState:
        """Let nobody get a variant any more, and return the state after it.

        Raises:
            InvalidExperiment: there is no such variant, it was killed before, or it is the control or the default.
        """
        state = self.get(experiment_id)
        killed = (*state.experiment.killed, variant)
        return self._update(replace(state.experiment, killed=killed), state.etag, reason)

    def force(self, experiment_id: str, unit: str, variant: str, reason: str) -> None:
        """Let a unit have a variant without a draw from now on; an empty variant ends that."""
        message = contract.ForceVariantRequest(
            experiment_id=experiment_id, unit_id=unit, variant=variant, actor=self._actor, reason=reason
        )
        with hearing():
            self._experiments.ForceVariant(message, timeout=_TIMEOUT_S)

    def move_ramp(
        self, experiment_id: str, step: int, etag: str, reason: str, *, early: bool = False
    ) -> ExperimentState:
        """Take a ramp to another step and return the state after it; an empty etag moves whatever is there."""
        message = contract.MoveRampRequest(
            experiment_id=experiment_id, step=step, etag=etag, actor=self._actor, reason=reason, early=early
        )
        with hearing():
            return to_state(self._experiments.MoveRamp(message, timeout=_TIMEOUT_S).state)

    def population(self, revision: int = 0) -> PopulationState:
        """Return what all experiments share, as it is now or was at a revision."""
        message = contract.GetPopulationRequest(revision=revision)
        with hearing():
            response = self._experiments.GetPopulation(message, timeout=_TIMEOUT_S)
        return PopulationState(to_population(response.population), response.revision)

    def population_history(self) -> Iterator[PopulationChange]:
        """Yield the changes of the population, oldest first."""
        token = ""
        while True:
            with hearing():
                message = contract.GetPopulationHistoryRequest(page_token=token)
                page = self._experiments.GetPopulationHistory(message, timeout=_TIMEOUT_S)
            yield from map(to_population_change, page.changes)
            token = page.next_page_token
            if not token:
                return

    def apply_population(
        self, population: Population, reason: str, etag: str = ""
    ) -> tuple[PopulationState, list[str]]:
        """Make the server's population this one, and return it with the experiments in which an epoch was opened.

        One that is the server's already makes no new revision. An empty etag changes whatever is there.

        Raises:
            StaleEtag: somebody changed it since it had this etag.
        """
        before, defined = self.population(), define_population(population)
        if not changed_in_population(before.population, defined):
            return before, []
        message = contract.UpdatePopulationRequest(
            population=from_population(defined), etag=etag or before.etag, actor=self._actor, reason=reason
        )
        with hearing():
            response = self._experiments.UpdatePopulation(message, timeout=_TIMEOUT_S)
        return PopulationState(defined, response.revision), list(response.opened_epochs)

    def watch(self, after: int = 0) -> Iterator[CatalogChange]:
        """Yield what changed after a catalog revision, and then each change as it comes, until the server stops."""
        stream = self._experiments.WatchExperiments(contract.WatchExperimentsRequest(after_revision=after))
        try:
            with hearing():
                yield from map(to_catalog_change, stream)
        finally:
            stream.cancel()

    def snapshots(self, experiment_id: str, *, is_shadow: bool = False) -> list[Summary]:
        """Return the latest snapshots of an experiment, the latest first, and the live one if it is older."""
        message = learning.ListSnapshotsRequest(experiment_id=experiment_id, is_shadow=is_shadow)
        with hearing():
            response = self._learning.ListSnapshots(message, timeout=_TIMEOUT_S)
        return [to_summary(summary) for summary in response.snapshots]

    def pin(self, experiment_id: str, snapshot: str, reason: str) -> Summary:
        """Let a snapshot, named by its hash or the first digits of it, answer from now on, and return what it is.

        Raises:
            UnknownSnapshot: there is none.
            SnapshotRefused: it does not verify.
        """
        message = learning.PinSnapshotRequest(
            experiment_id=experiment_id, snapshot=snapshot, actor=self._actor, reason=reason
        )
        with hearing():
            return to_summary(self._learning.PinSnapshot(message, timeout=_TIMEOUT_S).snapshot)

    def unpin(self, experiment_id: str, reason: str) -> Summary | None:
        """Let the newest snapshot answer, and each newer one, and return what it is; None where nothing is learned."""
        message = learning.UnpinSnapshotRequest(experiment_id=experiment_id, actor=self._actor, reason=reason)
        with hearing():
            response = self._learning.UnpinSnapshot(message, timeout=_TIMEOUT_S)
        return to_summary(response.snapshot) if response.HasField("snapshot") else None

    def warm(self, snapshot: Snapshot, etag: str, reason: str) -> Summary:
        """Let the draft that a snapshot was learned for begin with it, and return what it is.

        Raises:
            InvalidRequest: it is too large to be sent.
            SnapshotRefused: it does not verify.
            StaleEtag: the draft was changed since it had this etag.
        """
        message = learning.WarmStartRequest(
            experiment_id=snapshot.experiment_id,
            state=from_learned(check_sendable(snapshot)),
            etag=etag,
            actor=self._actor,
            reason=reason,
        )
        with hearing():
            return to_summary(self._learning.WarmStart(message, timeout=_TIMEOUT_S).snapshot)

    def explain(self, assignment_id: str, slot: int) -> Explanation:
        """Return how an assignment came about."""
        message = assign.ExplainAssignmentRequest(assignment_id=assignment_id, slot=slot)
        with hearing():
            return to_explanation(self._assignments.ExplainAssignment(message, timeout=_TIMEOUT_S))

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def _create(self, experiment: Experiment, reason: str) -> ExperimentState:
        message = contract.CreateExperimentRequest(
            experiment=from_experiment(experiment), actor=self._actor, reason=reason
        )
        with hearing():
            return to_state(self._experiments.CreateExperiment(message, timeout=_TIMEOUT_S).state)

    def _update(self, experiment: Experiment, etag: str, reason: str) -> ExperimentState:
        message = contract.UpdateExperimentRequest(
            experiment=from_experiment(experiment), etag=etag, actor=self._actor, reason=reason
        )
        with hearing():
            return to_state(self._experiments.UpdateExperiment(message, timeout=_TIMEOUT_S).state)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _changed(before: ExperimentState, after: ExperimentState) -> str:
    """Return that an experiment was changed, the epoch that this opened, and what it means for what was learned."""
    opened = f", which opened epoch {after.epoch}" if after.epoch > before.epoch else ""
    is_forgotten = before.snapshot and not after.snapshot
    learns = "has lost its warm start, which does not fit it" if after.status is Status.DRAFT else "learns anew"
    return f"changed{opened}{f', and {learns}' if is_forgotten and after.experiment.policy.learns else ''}"
