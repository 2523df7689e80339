"""What was learned between the contract and the engine, in pairs."""

from __future__ import annotations

from armlift.v1 import learning_pb2 as contract

from engine.errors import InvalidRequest
from engine.experiments import ExperimentState
from engine.learned import Summary
from engine.records import BEFORE_THE_LOG, Snapshot
from engine.service.values import from_time, to_time

_MOST_LEARNED = 4_000_000
"""Bytes of a learned state that a message holds, its frame and all else included: see Settings.max_message_bytes."""


def check_sendable(snapshot: Snapshot) -> Snapshot:
    """Return a snapshot whose learned state a message holds.

    Raises:
        InvalidRequest: it is too large.
    """
    if len(snapshot.blob) > _MOST_LEARNED:
        raise InvalidRequest(
            f"what was learned has {len(snapshot.blob) / 1e6:.1f} MB, and {_MOST_LEARNED / 1e6:g} MB are the most "
            "that can be sent to a server: give its policy fewer fields, variants or interactions"
        )
    return snapshot


def to_learned(message: contract.LearnedState, state: ExperimentState) -> Snapshot:
    """Return learned state as the snapshot with which an experiment begins, not verified yet."""
    return Snapshot(
        hash=message.hash,
        experiment_id=state.experiment.experiment_id,
        epoch=state.epoch,
        policy=state.experiment.policy.kind,
        blob=message.blob,
        parent="",
        watermark=BEFORE_THE_LOG,
        n_rewards=0,
        library=message.library,
        arguments=tuple(message.arguments),
        schema=message.schema,
        probes=(),
        n_warm=message.n_lessons,
    )


def from_learned(snapshot: Snapshot) -> contract.LearnedState:
    """Return the message of what a snapshot learned, all of it as lessons before a start."""
    return contract.LearnedState(
        blob=snapshot.blob,
        n_lessons=snapshot.n_rewards + snapshot.n_warm,
        library=snapshot.library,
        arguments=snapshot.arguments,
        schema=snapshot.schema,
        hash=snapshot.hash,
    )


def to_summary(message: contract.SnapshotSummary) -> Summary:
    """Return what a snapshot is."""
    return Summary(
        hash=message.hash,
        epoch=message.epoch,
        parent=message.parent,
        n_rewards=message.n_rewards,
        n_warm=message.n_warm,
        learned_to=to_time(message.learned_to) if message.HasField("learned_to") else None,
        library=message.library,
        arguments=tuple(message.arguments),
        is_live=message.is_live,
        n_bytes=message.n_bytes,
    )


def from_summary(summary: Summary) -> contract.SnapshotSummary:
    """Return the message of what a snapshot is."""
    return contract.SnapshotSummary(
        hash=summary.hash,
        epoch=summary.epoch,
        parent=summary.parent,
        n_rewards=summary.n_rewards,
        n_warm=summary.n_warm,
        learned_to=from_time(summary.learned_to) if summary.learned_to else None,
        library=summary.library,
        arguments=summary.arguments,
        is_live=summary.is_live,
        n_bytes=summary.n_bytes,
    )
