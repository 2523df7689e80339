"""Requests and answers between the contract and the engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from armlift.v1 import assignment_pb2 as contract
from armlift.v1 import reason_pb2

from engine import randomness
from engine.errors import ArmliftError
from engine.experiments import Variant
from engine.explanation import Explanation, Step, Verdict
from engine.records import (
    Assignment,
    Candidate,
    Context,
    Exposure,
    Kept,
    KeptStatus,
    OpenFeatureReason,
    Outcome,
    Request,
    Source,
    Unit,
    Value,
)
from engine.service.values import to_time, to_values
from engine.storage.rows import REASONS

OPEN_FEATURE_REASONS: Mapping[OpenFeatureReason, reason_pb2.OpenFeatureReason.ValueType] = {
    reason: reason_pb2.OpenFeatureReason.Value(f"OPEN_FEATURE_REASON_{reason.name}") for reason in OpenFeatureReason
}
RECORD_STATUSES: Mapping[KeptStatus, contract.RecordStatus.ValueType] = {
    status: contract.RecordStatus.Value(f"RECORD_STATUS_{status.name}") for status in KeptStatus
}
VERDICTS: Mapping[Verdict, contract.Verdict.ValueType] = {
    verdict: contract.Verdict.Value(f"VERDICT_{verdict.name}") for verdict in Verdict
}

_STANDS = "it is known with another content, and the first one stands: send a new event under a new id"


@dataclass(frozen=True, slots=True)
class Shared:
    """What the requests of one call have in common."""

    units: Mapping[str, str]
    context: Mapping[str, Value]
    digest: bytes
    n_bytes: int


def to_shared(message: contract.BatchAssignRequest) -> Shared:
    """Return what the requests of a batch have in common, hashed once for all of them."""
    bare = contract.BatchAssignRequest(shared_units=message.shared_units, shared_context=message.shared_context)
    content = bare.SerializeToString(deterministic=True)
    digest = randomness.digest("shared", content)
    return Shared(dict(message.shared_units), to_values(message.shared_context), digest, len(content))


NOTHING_SHARED = to_shared(contract.BatchAssignRequest())
"""What a call with one request shares."""


def to_request(message: contract.AssignRequest, shared: Shared, received_at: datetime, source: Source) -> Request:
    """Return the engine's request. Its digest covers every byte that the client said."""
    return Request(
        experiment_id=message.experiment_id,
        units={**shared.units, **message.units} if message.units else shared.units,
        request_id=message.request_id,
        received_at=received_at,
        context={**shared.context, **to_values(message.context)} if message.context else shared.context,
        candidates=tuple([_to_candidate(item) for item in message.candidates]),
        excluded_variants=frozenset(message.excluded_variants),
        n_slots=message.n_slots or 1,
        dry_run=message.dry_run,
        qa_variant=message.qa_variant,
        digest=_digest(message, shared),
        source=source,
    )


def _to_candidate(message: contract.Candidate) -> Candidate:
    """Return a candidate as it was brought: the engine keeps what the experiment declares of its features."""
    return Candidate(message.name, cast("Context", to_values(message.features)))


def to_requests(
    common: contract.AssignRequest,
    experiment_ids: Iterable[str],
    shared: Shared,
    received_at: datetime,
    source: Source,
) -> Iterator[Request]:
    """Yield the engine's request for each experiment, as `to_request` would; `common` says no more than id and time."""
    for experiment_id in experiment_ids:
        common.experiment_id = experiment_id
        digest = _digest(common, shared)
        units, context, request_id = shared.units, shared.context, common.request_id
        yield Request(experiment_id, units, request_id, received_at, context, digest=digest, source=source)


def _digest(message: contract.AssignRequest, shared: Shared) -> bytes:
    return randomness.digest("request", message.SerializeToString(deterministic=True), shared.digest)


def fill_answer(answer: contract.AssignResponse, assignment: Assignment, variant: Variant, *, committed: bool) -> None:
    """Put the answer for a slot into a message. What was not committed has no id: nothing can be reported for it.

    It is filled in place: a message that is handed over would be copied, once for each that it is put into.
    """
    answer.assignments.add(
        assignment_id=assignment.assignment_id if committed else "",
        slot=assignment.slot,
        experiment_id=assignment.experiment_id,
        variant=assignment.variant,
        payload=variant.payload,
        reason=REASONS[assignment.reason],
        open_feature_reason=OPEN_FEATURE_REASONS[assignment.reason.open_feature],
        propensity=assignment.propensity,
        revision=assignment.revision,
        epoch=assignment.epoch,
        snapshot=assignment.snapshot,
        durability=contract.DURABILITY_COMMITTED if committed else contract.DURABILITY_NONE,
        group=assignment.group.value if assignment.reason.is_logged else "",
        kept_from=assignment.kept_from,
    )


def fill_error(result: contract.BatchAssignResult, error: ArmliftError) -> None:
    """Put an item's error into its result, in place of an answer."""
    result.error.code, result.error.message = error.code, str(error)


def to_exposure(message: contract.Exposure, received_at: datetime, source: Source) -> Exposure:
    """Return the exposure; one without a time happened now."""
    return Exposure(
        assignment_id=message.assignment_id,
        exposed_at=to_time(message.exposed_at) if message.HasField("exposed_at") else received_at,
        received_at=received_at,
        slot=message.slot,
        source=source,
    )


def to_outcome(message: contract.Outcome, received_at: datetime, source: Source) -> Outcome:
    """Return the outcome; one without a time happened now, and one without a value counts 1."""
    return Outcome(
        outcome_id=message.outcome_id,
        metric=message.metric,
        value=message.value if message.HasField("value") else 1.0,
        occurred_at=to_time(message.occurred_at) if message.HasField("occurred_at") else received_at,
        received_at=received_at,
        assignment_id=message.assignment.assignment_id,
        slot=message.assignment.slot,
        unit=Unit(message.unit.type, message.unit.id) if message.HasField("unit") else None,
        void_of=message.void_of,
        source=source,
    )


def from_kept(kept: Kept | ArmliftError) -> contract.RecordResult:
    """Return what became of an exposure or outcome."""
    if isinstance(kept, ArmliftError):
        return contract.RecordResult(status=contract.RECORD_STATUS_INVALID, message=str(kept))
    message = _STANDS if kept.status is KeptStatus.CONFLICT else ""
    return contract.RecordResult(status=RECORD_STATUSES[kept.status], message=message)


def from_explanation(explanation: Explanation) -> contract.ExplainAssignmentResponse:
    """Return an explanation."""
    steps = [_from_step(step) for step in explanation.steps]
    return contract.ExplainAssignmentResponse(verdict=VERDICTS[explanation.verdict], steps=steps)


def to_explanation(message: contract.ExplainAssignmentResponse) -> Explanation:
    """Return an explanation."""
    verdict = next(verdict for verdict, sent in VERDICTS.items() if sent == message.verdict)
    return Explanation(verdict, tuple(Step(step.name, step.finding, step.holds) for step in message.steps))


def _from_step(step: Step) -> contract.ExplanationStep:
    return contract.ExplanationStep(name=step.name, finding=step.finding, holds=step.holds)
