"""The door of changed definitions that wait for their evidence: proposed, looked up, promoted and withdrawn."""

from __future__ import annotations

from armlift.v1 import promotion_pb2 as contract
from armlift.v1.promotion_pb2_grpc import PromotionServiceServicer

from engine.engine import Engine
from engine.ports import Reader
from engine.promotion import kept
from engine.service.definitions import from_state, to_experiment
from engine.service.paging import page
from engine.service.proposals import from_proposal, to_frozen
from engine.service.registrar import Registrar
from engine.service.status import answering


class PromotionServicer(PromotionServiceServicer):
    """Reads proposals from the registry; the registrar makes the changes."""

    def __init__(self, engine: Engine, reader: Reader, registrar: Registrar) -> None:
        self._engine = engine
        self._reader = reader
        self._registrar = registrar

    @answering
    async def ProposeChange(self, message: contract.ProposeChangeRequest) -> contract.ProposeChangeResponse:
        """Freeze a changed definition."""
        experiment = to_experiment(message.experiment)
        state = self._engine.catalog.find(experiment.experiment_id).state
        learned = to_frozen(message.state, state, experiment) if message.HasField("state") else None
        proposal = await self._registrar.propose(experiment, learned, message.etag, message)
        return contract.ProposeChangeResponse(proposal=from_proposal(proposal))

    @answering
    async def ListProposals(self, message: contract.ListProposalsRequest) -> contract.ListProposalsResponse:
        """Read a page of proposals."""
        self._engine.catalog.find(message.experiment_id)
        proposals = self._reader.proposals(message.experiment_id)
        these, token = page(proposals, message.page_size, message.page_token)
        return contract.ListProposalsResponse(proposals=map(from_proposal, these), next_page_token=token)

    @answering
    async def GetProposal(self, message: contract.GetProposalRequest) -> contract.GetProposalResponse:
        """Read one proposal with the report that decided."""
        self._engine.catalog.find(message.experiment_id)
        filed = kept(self._reader, message.experiment_id, message.attempt)
        return contract.GetProposalResponse(proposal=from_proposal(filed.proposal), evidence=filed.evidence)

    @answering
    async def PromoteProposal(self, message: contract.PromoteProposalRequest) -> contract.PromoteProposalResponse:
        """Make a new revision of the definition that was proposed."""
        proposal, state = await self._registrar.promote(
            message.experiment_id, message.attempt, message.evidence, message.etag, message, forced=message.forced
        )
        return contract.PromoteProposalResponse(proposal=from_proposal(proposal), state=from_state(state))

    @answering
    async def WithdrawProposal(self, message: contract.WithdrawProposalRequest) -> contract.WithdrawProposalResponse:
        """Let a proposal wait no longer."""
        proposal = await self._registrar.withdraw(message.experiment_id, message.attempt, message.etag, message)
        return contract.WithdrawProposalResponse(proposal=from_proposal(proposal))
