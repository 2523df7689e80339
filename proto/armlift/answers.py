"""What a client says and hears, in plain Python; the only reader of the contract's messages on this side."""

from __future__ import annotations

import json
import secrets
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from armlift.errors import ArmliftError
from armlift.v1 import assignment_pb2 as contract
from armlift.v1 import reason_pb2
from armlift.values import Value, refusing_what_no_message_holds, values

DEFAULT_UNIT = "customer"
"""The type of a unit that is given by its id alone."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A variant that a request brings along, with what a policy may know of it, such as {"price": 3}."""

    name: str
    features: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ask:
    """One question of a batch. `request_id` is minted where it is empty.

    `qa_variant` is what somebody who tests the product wants to see: it is served and left out of every estimate.
    `candidates` come in the order in which the product would show them; `slots` is how many positions are to be filled.
    """

    experiment: str
    unit: str = ""
    units: Mapping[str, str] = field(default_factory=dict)
    context: Mapping[str, Value] = field(default_factory=dict)
    excluded: Sequence[str] = ()
    request_id: str = ""
    dry_run: bool = False
    at: datetime | None = None
    qa_variant: str = ""
    candidates: Sequence[Candidate] = ()
    slots: int = 1


@dataclass(frozen=True, slots=True)
class Answer:
    """The variant to show, with its payload (parsed JSON), and why it is this one.

    `propensity` is the probability of this draw, or None where nothing was drawn; `assignment_id` is empty where
    nothing was kept, and then there is nothing to report for it. `kept_from` is the draw that a sticky answer repeats.
    `message` says what went wrong where the default content is answered in place of an error.
    """

    experiment: str
    variant: str
    payload: Any
    reason: str
    open_feature_reason: str
    propensity: float | None = None
    assignment_id: str = ""
    slot: int = 0
    revision: int = 0
    epoch: int = 0
    snapshot: str = ""
    group: str = ""
    kept_from: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """An outcome: of an assignment (`assignment_id`), or of a unit. `outcome_id` is minted where it is empty.

    `value` is left out for a conversion. `void_of` takes an earlier outcome back.
    """

    metric: str
    value: float | None = None
    assignment_id: str = ""
    slot: int = 0
    unit: str = ""
    unit_type: str = DEFAULT_UNIT
    outcome_id: str = ""
    occurred_at: datetime | None = None
    void_of: str = ""

    def of(self, answer: Answer | None) -> Event:
        """Return the event as one of this answer's assignment; of None, as it is."""
        return replace(self, assignment_id=answer.assignment_id, slot=answer.slot) if answer else self


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of an exposure or outcome: RECORDED, DUPLICATE, CONFLICT, UNMATCHED or INVALID, and what to mend."""

    status: str
    message: str = ""


def new_id() -> str:
    """Return a UUIDv7: ids in the order of time keep the server's index fast.

    >>> len(new_id()), new_id() < new_id()[:8] + "g"
    (36, True)
    """
    raw = bytearray(int(time.time() * 1000).to_bytes(6, "big") + secrets.token_bytes(10))
    raw[6] = raw[6] & 0x0F | 0x70
    raw[8] = raw[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(raw)))


def to_message(ask: Ask) -> contract.AssignRequest:
    """Return the message of a question."""
    with refusing_what_no_message_holds():
        return contract.AssignRequest(
            experiment_id=ask.experiment,
            request_id=ask.request_id or new_id(),
            units=units_by_type(ask.unit, ask.units),
            context=values(ask.context),
            excluded_variants=ask.excluded,
            dry_run=ask.dry_run,
            at=_timestamp(ask.at),
            qa_variant=ask.qa_variant,
            candidates=[contract.Candidate(name=each.name, features=values(each.features)) for each in ask.candidates],
            n_slots=ask.slots,
        )


def only_one_slot(asks: Sequence[Ask]) -> Sequence[Ask]:
    """Return questions that have one answer each.

    Raises:
        ArmliftError: one of them has several slots.
    """
    for ask in asks:
        if ask.slots > 1:
            told = f"{ask.experiment!r} is asked for {ask.slots} slots, which have several answers: ask `assign_slates`"
            raise ArmliftError("INVALID_REQUEST", told)
    return asks


def units_by_type(unit: str, units: Mapping[str, str]) -> Mapping[str, str]:
    """Return all units; the one that is given by its id alone is a customer."""
    return {DEFAULT_UNIT: unit, **units} if unit else units


def to_answer(message: contract.AssignResponse) -> Answer:
    """Return the answer to a request for one slot."""
    (answer,) = to_slate(message)
    return answer


def to_slate(message: contract.AssignResponse) -> list[Answer]:
    """Return the answer of each slot, in their order."""
    return [_to_answer(slot) for slot in message.assignments]


def _to_answer(slot: contract.Assignment) -> Answer:
    return Answer(
        experiment=slot.experiment_id,
        variant=slot.variant,
        payload=json.loads(slot.payload),
        reason=_word(reason_pb2.Reason.Name(slot.reason), "REASON_"),
        open_feature_reason=_word(reason_pb2.OpenFeatureReason.Name(slot.open_feature_reason), "OPEN_FEATURE_REASON_"),
        propensity=slot.propensity if slot.HasField("propensity") else None,
        assignment_id=slot.assignment_id,
        slot=slot.slot,
        revision=slot.revision,
        epoch=slot.epoch,
        snapshot=slot.snapshot,
        group=slot.group,
        kept_from=slot.kept_from,
    )


def default_answer(experiment: str, variant: str, error: ArmliftError) -> Answer:
    """Return the default content in place of an error, with the error's code as its reason."""
    return Answer(experiment, variant, {}, error.code, "ERROR", message=str(error))


def default_slate(ask: Ask, defaults: Sequence[str], error: ArmliftError) -> list[Answer]:
    """Return in place of an error what the product would have shown: its candidates in their order, then `defaults`."""
    names = [name for name in (*(each.name for each in ask.candidates), *defaults) if name not in ask.excluded]
    shown = list(dict.fromkeys(names))[: ask.slots]
    return [replace(default_answer(ask.experiment, name, error), slot=slot) for slot, name in enumerate(shown)]


def default_answers(defaults: Mapping[str, str] | None, error: ArmliftError) -> dict[str, Answer]:
    """Return the default content of each experiment in place of an error, which is raised where there is none."""
    if defaults is None:
        raise error
    return {experiment: default_answer(experiment, variant, error) for experiment, variant in defaults.items()}


def to_result(message: contract.BatchAssignResult) -> list[Answer] | ArmliftError:
    """Return one item of a batch."""
    if message.HasField("error"):
        return ArmliftError(message.error.code, message.error.message)
    return to_slate(message.answer)


def to_batch(
    asks: Sequence[Ask], units: Mapping[str, str], context: Mapping[str, Value]
) -> contract.BatchAssignRequest:
    """Return the message of several questions."""
    with refusing_what_no_message_holds():
        return contract.BatchAssignRequest(
            requests=[to_message(ask) for ask in asks], shared_units=units, shared_context=values(context)
        )


def to_all(ask: Ask, also: Iterable[str]) -> contract.BatchAssignRequest:
    """Return the message of a question about every running experiment; those in `also` are asked in any case."""
    request_id = ask.request_id or new_id()
    with refusing_what_no_message_holds():
        return contract.BatchAssignRequest(
            requests=[to_message(Ask(experiment, request_id=request_id, at=ask.at)) for experiment in also],
            shared_units=units_by_type(ask.unit, ask.units),
            shared_context=values(ask.context),
            all_running=True,
            request_id=request_id,
            at=_timestamp(ask.at),
        )


def to_answers(message: contract.BatchAssignResponse, defaults: Mapping[str, str] | None) -> dict[str, Answer]:
    """Return the answers by experiment; one of `defaults` that has none has its default content.

    Raises:
        ArmliftError: an experiment could not be answered, and there are no `defaults`.
    """
    results = map(_first, map(to_result, message.results))
    named = {
        experiment: default_answer(experiment, variant, result) if isinstance(result, ArmliftError) else result
        for (experiment, variant), result in zip((defaults or {}).items(), results, strict=False)
    }
    return named | {answer.experiment: answer for answer in _others(results, strict=defaults is None)}


def to_exposures(
    answers: Sequence[Answer], exposed_at: datetime | None, at: datetime | None
) -> contract.RecordExposuresRequest:
    """Return the message of exposures."""
    exposures = [
        contract.Exposure(assignment_id=answer.assignment_id, slot=answer.slot, exposed_at=_timestamp(exposed_at))
        for answer in answers
    ]
    return contract.RecordExposuresRequest(exposures=exposures, at=_timestamp(at))


def to_outcomes(events: Sequence[Event], at: datetime | None) -> contract.RecordOutcomesRequest:
    """Return the message of outcomes."""
    with refusing_what_no_message_holds():
        return contract.RecordOutcomesRequest(outcomes=[_to_outcome(event) for event in events], at=_timestamp(at))


def to_recorded(message: contract.RecordResult) -> Recorded:
    """Return what became of one exposure or outcome."""
    return Recorded(_word(contract.RecordStatus.Name(message.status), "RECORD_STATUS_"), message.message)


def _first(result: list[Answer] | ArmliftError) -> Answer | ArmliftError:
    return result if isinstance(result, ArmliftError) else result[0]


def _others(results: Iterator[Answer | ArmliftError], strict: bool) -> Iterator[Answer]:
    for result in results:
        if isinstance(result, Answer):
            yield result
        elif strict:
            raise result


def _to_outcome(event: Event) -> contract.Outcome:
    outcome = contract.Outcome(
        outcome_id=event.outcome_id or new_id(),
        metric=event.metric,
        value=event.value,
        occurred_at=_timestamp(event.occurred_at),
        void_of=event.void_of,
    )
    if event.assignment_id:
        outcome.assignment.assignment_id, outcome.assignment.slot = event.assignment_id, event.slot
    elif event.unit:
        outcome.unit.type, outcome.unit.id = event.unit_type, event.unit
    return outcome


def _timestamp(moment: datetime | None) -> Timestamp | None:
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise ArmliftError("INVALID_REQUEST", f"{moment.isoformat()} has no time zone: pass datetime(..., tzinfo=UTC)")
    stamp = Timestamp()
    stamp.FromDatetime(moment.astimezone(UTC))
    return stamp


def _word(name: str, prefix: str) -> str:
    return name.removeprefix(prefix)
