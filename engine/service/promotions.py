"""Proposals of a running server: what the commands call to propose a change, and to promote or withdraw it."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
from armlift.v1 import promotion_pb2 as contract
from armlift.v1.promotion_pb2_grpc import PromotionServiceStub

from engine.experiments import Experiment, ExperimentState
from engine.proposals import Proposal
from engine.records import Snapshot
from engine.service.definitions import from_experiment, to_state
from engine.service.proposals import from_frozen, to_proposal
from engine.service.snapshots import check_sendable
from engine.service.status import hearing

_TIMEOUT_S = 10.0


class Promotions:
    """Talks to one server over a channel, in the name of an actor. Raises the errors that the server raised."""

    def __init__(self, channel: grpc.Channel, actor: str) -> None:
        self._promotion = PromotionServiceStub(channel)
        self._actor = actor

    def propose(self, experiment: Experiment, learned: Snapshot | None, etag: str, reason: str) -> Proposal:
        """Freeze a changed definition with what its policy has `learned`, and return what was frozen.

        Raises:
            InvalidRequest: the log cannot speak about it, nothing changes, or what was learned is too large to be sent.
            InvalidTransition: the experiment is neither running nor paused.
            StaleEtag: the experiment was changed since it had this etag.
        """
        message = contract.ProposeChangeRequest(
            experiment=from_experiment(experiment),
            state=from_frozen(check_sendable(learned)) if learned else None,
            etag=etag,
            actor=self._actor,
            reason=reason,
        )
        with hearing():
            return to_proposal(self._promotion.ProposeChange(message, timeout=_TIMEOUT_S).proposal)

    def all(self, experiment_id: str) -> Iterator[Proposal]:
        """Yield what was proposed for an experiment, by attempt."""
        token = ""
        while True:
            with hearing():
                message = contract.ListProposalsRequest(experiment_id=experiment_id, page_token=token)
                page = self._promotion.ListProposals(message, timeout=_TIMEOUT_S)
            yield from map(to_proposal, page.proposals)
            token = page.next_page_token
            if not token:
                return

    def get(self, experiment_id: str, attempt: int) -> tuple[Proposal, str]:
        """Return a proposal and the report that decided as JSON text, empty where none did.

        Raises:
            UnknownProposal: there was no such attempt.
        """
        message = contract.GetProposalRequest(experiment_id=experiment_id, attempt=attempt)
        with hearing():
            response = self._promotion.GetProposal(message, timeout=_TIMEOUT_S)
        return to_proposal(response.proposal), response.evidence

    def promote(
        self, experiment_id: str, attempt: int, evidence: str, reason: str, *, forced: bool = False
    ) -> tuple[Proposal, ExperimentState]:
        """Make a new revision of what was proposed, and return it with the experiment's state.

        Raises:
            InvalidRequest: evidence is missing, and it is not forced.
            InvalidTransition: it waits no longer, or the experiment was changed since it was proposed.
        """
        message = contract.PromoteProposalRequest(
            experiment_id=experiment_id,
            attempt=attempt,
            evidence=evidence,
            forced=forced,
            actor=self._actor,
            reason=reason,
        )
        with hearing():
            response = self._promotion.PromoteProposal(message, timeout=_TIMEOUT_S)
        return to_proposal(response.proposal), to_state(response.state)

    def withdraw(self, experiment_id: str, attempt: int, reason: str) -> Proposal:
        """Let a proposal wait no longer, and return it.

        Raises:
            InvalidTransition: it waits no longer already.
        """
        message = contract.WithdrawProposalRequest(
            experiment_id=experiment_id, attempt=attempt, actor=self._actor, reason=reason
        )
        with hearing():
            return to_proposal(self._promotion.WithdrawProposal(message, timeout=_TIMEOUT_S).proposal)
