"""Management of a running server: what the commands and the demo call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Self

import grpc
from armlift.v1 import assignment_pb2 as assign
from armlift.v1 import experiment_pb2 as contract
from armlift.v1.assignment_pb2_grpc import AssignmentServiceStub
from armlift.v1.experiment_pb2_grpc import ExperimentServiceStub

from engine.definition import define
from engine.errors import UnknownExperiment
from engine.experiments import Change, Experiment, ExperimentState, Status
from engine.recompute import Explanation
from engine.service.convert import to_explanation
from engine.service.definitions import from_experiment, to_change, to_state
from engine.service.status import hearing
from engine.service.words import STATUSES

_TIMEOUT_S = 10.0


class Management:
    """Talks to one server in the name of an actor. Raises the errors that the server raised."""

    def __init__(self, address: str, actor: str) -> None:
        self._channel = grpc.insecure_channel(address)
        self._experiments = ExperimentServiceStub(self._channel)
        self._assignments = AssignmentServiceStub(self._channel)
        self._actor = actor

    def get(self, experiment_id: str) -> ExperimentState:
        """Return one experiment with its state."""
        return self.look(experiment_id)[0]

    def look(self, experiment_id: str) -> tuple[ExperimentState, Mapping[str, int]]:
        """Return one experiment with its state, and how many answers were outside it, by reason, since the start."""
        message = contract.GetExperimentRequest(experiment_id=experiment_id)
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

    def apply(self, experiment: Experiment, reason: str) -> tuple[ExperimentState, str]:
        """Make the server's experiment this one, and return its state with what was done.

        That is "created", "changed" or "unchanged".
        """
        try:
            before = self.get(experiment.experiment_id)
        except UnknownExperiment:
            return self._create(experiment, reason), "created"
        if before.experiment == define(experiment):
            return before, "unchanged"
        return self._update(experiment, before.etag, reason), "changed"

    def move(self, experiment_id: str, to: Status, reason: str) -> ExperimentState:
        """Take a step of the lifecycle and return the state after it."""
        message = contract.TransitionExperimentRequest(
            experiment_id=experiment_id, status=STATUSES[to], actor=self._actor, reason=reason
        )
        with hearing():
            return to_state(self._experiments.TransitionExperiment(message, timeout=_TIMEOUT_S).state)

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
