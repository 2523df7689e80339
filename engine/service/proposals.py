"""Proposals and what their policies knew between the contract and the engine, in pairs."""

from __future__ import annotations

from dataclasses import replace

from armlift.v1 import promotion_pb2 as contract

from engine.experiments import Experiment, ExperimentState
from engine.proposals import Proposal, Settlement
from engine.records import Snapshot
from engine.reward_rules import default_scale
from engine.service.definitions import from_experiment, to_experiment
from engine.service.snapshots import from_learned, to_learned
from engine.service.values import from_time, to_time
from engine.service.words import STANDING_OF, STANDINGS, known


def to_proposal(message: contract.Proposal) -> Proposal:
    """Return a proposal."""
    return Proposal(
        experiment=_to_complete(message),
        attempt=message.attempt,
        base_revision=message.base_revision,
        frozen_at=to_time(message.frozen_at),
        frozen_node=message.frozen_node,
        frozen_seq=message.frozen_seq,
        actor=message.actor,
        reason=message.reason,
        snapshot=message.snapshot,
        standing=known(STANDING_OF, message.standing, "standing"),
        settlement=_to_settlement(message.settlement) if message.HasField("settlement") else None,
    )


def from_proposal(proposal: Proposal) -> contract.Proposal:
    """Return the message of a proposal."""
    return contract.Proposal(
        experiment=from_experiment(proposal.experiment),
        attempt=proposal.attempt,
        base_revision=proposal.base_revision,
        frozen_at=from_time(proposal.frozen_at),
        frozen_node=proposal.frozen_node,
        frozen_seq=proposal.frozen_seq,
        actor=proposal.actor,
        reason=proposal.reason,
        snapshot=proposal.snapshot,
        standing=STANDINGS[proposal.standing],
        settlement=_from_settlement(proposal.settlement) if proposal.settlement else None,
    )


def to_frozen(message: contract.FrozenState, state: ExperimentState, proposed: Experiment) -> Snapshot:
    """Return what the policy of a proposed definition learned of the log, not verified yet."""
    return replace(
        to_learned(message.learned, replace(state, experiment=proposed)),
        watermark=(to_time(message.learned_to), message.learned_node, message.learned_seq),
        n_rewards=message.n_rewards,
        n_warm=max(0, message.learned.n_lessons - message.n_rewards),
        fold_from=message.fold_from,
    )


def from_frozen(snapshot: Snapshot) -> contract.FrozenState:
    """Return the message of what a policy learned of the log."""
    matured_at, node, seq = snapshot.watermark
    return contract.FrozenState(
        learned=from_learned(snapshot),
        n_rewards=snapshot.n_rewards,
        learned_to=from_time(matured_at),
        learned_node=node,
        learned_seq=seq,
        fold_from=snapshot.fold_from,
    )


def _to_complete(message: contract.Proposal) -> Experiment:
    """Return the definition with the scale of its reward, which a message leaves out where it follows."""
    experiment = to_experiment(message.experiment)
    return replace(experiment, reward_scale=experiment.reward_scale or default_scale(experiment))


def _to_settlement(message: contract.Settlement) -> Settlement:
    return Settlement(
        at=to_time(message.settled_at),
        actor=message.actor,
        reason=message.reason,
        revision=message.revision,
        epoch=message.epoch,
        evidence=message.evidence,
    )


def _from_settlement(settlement: Settlement) -> contract.Settlement:
    return contract.Settlement(
        settled_at=from_time(settlement.at),
        actor=settlement.actor,
        reason=settlement.reason,
        revision=settlement.revision,
        epoch=settlement.epoch,
        evidence=settlement.evidence,
    )
