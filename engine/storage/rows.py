"""Entry <-> record of the log, in pairs; the only file that knows the messages of the log.

A record lacks one thing, the plain unit id: it stands in the table of units alone, so that a unit can be forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Literal

from armlift.log.v1 import records_pb2 as log
from armlift.v1 import reason_pb2
from google.protobuf.message import DecodeError

from engine.clock import from_micros, to_micros
from engine.errors import StoreUnavailable
from engine.records import (
    Assignment,
    ContextValue,
    DrawKey,
    Entry,
    Erasure,
    Exposure,
    Group,
    Inclusion,
    Outcome,
    Reason,
    Source,
    Unit,
)
from engine.storage.values import candidates_of, context_of, fill

REASONS: Mapping[Reason, reason_pb2.Reason.ValueType] = {
    reason: reason_pb2.Reason.Value(f"REASON_{reason.name}") for reason in Reason
}
"""Reasons as the contract and the log number them."""
_REASON_OF = {number: reason for reason, number in REASONS.items()}
_CONTRACT_NAMES = {DrawKey.NONE: "UNSPECIFIED"}
DRAW_KEYS: Mapping[DrawKey, reason_pb2.DrawKey.ValueType] = {
    key: reason_pb2.DrawKey.Value(f"DRAW_KEY_{_CONTRACT_NAMES.get(key, key.name)}") for key in DrawKey
}
"""Keys of draws as the contract and the log number them."""
_DRAW_KEY_OF = {number: key for key, number in DRAW_KEYS.items()}
_SOURCES = {source: log.Source.Value(f"SOURCE_{source.name}") for source in Source}
_SOURCE_OF = {number: source for source, number in _SOURCES.items()}
_GROUP_WORDS = {group: group.value for group in Group}
_GROUP_OF = {word: group for group, word in _GROUP_WORDS.items()}
_NO_ENTRY = DecodeError, LookupError, ValueError, OverflowError
"""What reading a record raises that is none: it is no message, or names what there is not, or no time."""


Kind = Literal["number", "text", "flag"]
"""The kind of a value, as the contract names it."""


def from_record(table: str, record: bytes, unit_id: str) -> Entry:
    """Return the entry of a table's record; `unit_id` is empty for a forgotten unit.

    Raises:
        StoreUnavailable: the record is damaged.

    >>> from engine.clock import EPOCH
    >>> met = Exposure("00" * 16, EPOCH, EPOCH)
    >>> from_record("exposures", exposure_to_record(met).SerializeToString(), "") == met
    True
    """
    try:
        return _READERS[table](record, unit_id)
    except _NO_ENTRY as error:
        raise _damaged(table) from error


def from_found(found: tuple[int, str, bytes, str | None]) -> Entry:
    """Return the entry that a query of `schema.SELECTS` found."""
    _, table, record, unit_id = found
    return from_record(table, record, unit_id or "")


def outline_from_found(found: tuple[int, str, bytes, str | None]) -> Entry:
    """Return the entry that such a query found, of an assignment its `outline`."""
    _, table, record, unit_id = found
    if table != "assignments":
        return from_record(table, record, unit_id or "")
    try:
        return Assignment(**_outlined(log.AssignmentRecord.FromString(record), unit_id or ""))
    except _NO_ENTRY as error:
        raise _damaged(table) from error


def _damaged(table: str) -> StoreUnavailable:
    doctor = "`armlift doctor propensities` names those of assignments"
    return StoreUnavailable(f"a record in the log's {table} is damaged: restore the log from a backup; {doctor}")


def assignment_to_record(entry: Assignment) -> log.AssignmentRecord:
    """Return an assignment as a message."""
    record = log.AssignmentRecord(
        node_id=entry.node_id,
        seq=entry.seq,
        schema_version=entry.schema_version,
        assignment_id=bytes.fromhex(entry.assignment_id),
        slot=entry.slot,
        request_id=entry.request_id,
        request_digest=entry.request_digest,
        assigned_at_us=to_micros(entry.assigned_at),
        received_at_us=to_micros(entry.received_at),
        experiment_id=entry.experiment_id,
        revision=entry.revision,
        epoch=entry.epoch,
        snapshot=bytes.fromhex(entry.snapshot),
        hash_version=entry.hash_version,
        draw_version=entry.draw_version,
        draw_key=DRAW_KEYS[entry.draw_key],
        drawn=entry.drawn,
        is_draw=entry.is_draw,
        reason=REASONS[entry.reason],
        group=_GROUP_WORDS[entry.group],
        group_weight=entry.group_weight,
        eligible=entry.eligible,
        distribution=entry.distribution,
        variant=entry.variant,
        unit_type=entry.unit.type,
        unit_key=entry.unit_key,
        source=_SOURCES[entry.source],
        keep_probability=entry.keep_probability,
        population=entry.population,
        is_remembered=entry.is_remembered,
        kept_from=bytes.fromhex(entry.kept_from),
        shadow_snapshot=bytes.fromhex(entry.shadow_snapshot),
        shadow_distribution=entry.shadow_distribution,
    )
    # Filled in place: a message that is handed over would be copied, which takes three times as long.
    for passed in entry.inclusion:
        record.inclusion.add(step=passed.step, weight=passed.weight)
    fill(record.context, entry.context)
    for candidate in entry.candidates:
        fill(record.candidates[candidate.name].values, candidate.features)
    return record


def assignment_from_record(record: log.AssignmentRecord, unit_id: str) -> Assignment:
    """Return an assignment from its message."""
    return Assignment(
        **_outlined(record, unit_id),
        request_id=record.request_id,
        request_digest=record.request_digest,
        revision=record.revision,
        epoch=record.epoch,
        snapshot=record.snapshot.hex(),
        draw_key=_DRAW_KEY_OF[record.draw_key],
        drawn=record.drawn,
        group_weight=record.group_weight,
        inclusion=tuple([_inclusion(passed.step, passed.weight) for passed in record.inclusion[:]]),
        population=record.population,
        is_remembered=record.is_remembered,
        shadow_snapshot=record.shadow_snapshot.hex(),
        shadow_distribution=tuple(record.shadow_distribution[:]),
        source=_SOURCE_OF[record.source],
        keep_probability=record.keep_probability,
        hash_version=record.hash_version,
        draw_version=record.draw_version,
        schema_version=record.schema_version,
    )


def _outlined(record: log.AssignmentRecord, unit_id: str) -> dict[str, Any]:
    """Return by name what an `outline` has of a message."""
    # A slice of what repeats is one copy, where going through it is a call for each.
    eligible = tuple(record.eligible[:])
    assigned_at = from_micros(record.assigned_at_us)
    came_at_once = record.received_at_us == record.assigned_at_us
    return {
        "experiment_id": record.experiment_id,
        "variant": record.variant,
        "reason": _REASON_OF[record.reason],
        "unit": Unit(record.unit_type, unit_id),
        "assigned_at": assigned_at,
        "received_at": assigned_at if came_at_once else from_micros(record.received_at_us),
        "assignment_id": record.assignment_id.hex(),
        "slot": record.slot,
        "is_draw": record.is_draw,
        "group": _GROUP_OF[record.group],
        "eligible": eligible,
        "distribution": tuple(record.distribution[:]),
        "context": context_of(record.context),
        "candidates": candidates_of(record.candidates, eligible) if record.candidates else (),
        "kept_from": record.kept_from.hex(),
        "node_id": record.node_id,
        "seq": record.seq,
        "unit_key": record.unit_key,
    }


@lru_cache(maxsize=4096)
def _inclusion(step: str, weight: int) -> Inclusion:
    return Inclusion(step, weight)


def context_values(records: Iterable[bytes], kinds: Mapping[str, Kind]) -> dict[str, list[ContextValue | None]]:
    """Return fields of the contexts of assignments' records, equally long: None where a record has none of its kind.

    `kinds` says by name of which kind each one is.
    """
    columns: dict[str, list[ContextValue | None]] = {name: [] for name in kinds}
    wanted = [(name, kinds[name], columns[name].append) for name in kinds]
    for record in records:
        context = _message(record).context
        for name, kind, append in wanted:
            # Asking a map for what it lacks would make it, and this order of questions is the quickest one.
            append(getattr(context[name], kind) if name in context and context[name].HasField(kind) else None)
    return columns


def shadow_of(record: bytes) -> tuple[int, tuple[str, ...], tuple[int, ...]]:
    """Return seq, eligible variants and the shadow's weights of an assignment's record, empty where it has none."""
    message = _message(record)
    return message.seq, tuple(message.eligible), tuple(message.shadow_distribution)


def _message(record: bytes) -> log.AssignmentRecord:
    try:
        return log.AssignmentRecord.FromString(record)
    except DecodeError as error:
        raise _damaged("assignments") from error


def scrubbed(record: bytes) -> bytes:
    """Return an assignment's record without what tells about the unit: context, candidates and request id."""
    message = log.AssignmentRecord.FromString(record)
    message.context.clear()
    message.candidates.clear()
    message.request_id = ""
    return message.SerializeToString(deterministic=True)


def exposure_to_record(entry: Exposure) -> log.ExposureRecord:
    """Return an exposure as a message."""
    return log.ExposureRecord(
        node_id=entry.node_id,
        seq=entry.seq,
        schema_version=entry.schema_version,
        assignment_id=bytes.fromhex(entry.assignment_id),
        slot=entry.slot,
        exposed_at_us=to_micros(entry.exposed_at),
        received_at_us=to_micros(entry.received_at),
        source=_SOURCES[entry.source],
    )


def exposure_from_record(record: log.ExposureRecord) -> Exposure:
    """Return an exposure from its message."""
    return Exposure(
        assignment_id=record.assignment_id.hex(),
        exposed_at=from_micros(record.exposed_at_us),
        received_at=from_micros(record.received_at_us),
        slot=record.slot,
        source=_SOURCE_OF[record.source],
        schema_version=record.schema_version,
        node_id=record.node_id,
        seq=record.seq,
    )


def outcome_to_record(entry: Outcome) -> log.OutcomeRecord:
    """Return an outcome as a message."""
    return log.OutcomeRecord(
        node_id=entry.node_id,
        seq=entry.seq,
        schema_version=entry.schema_version,
        outcome_id=entry.outcome_id,
        metric=entry.metric,
        value=entry.value,
        occurred_at_us=to_micros(entry.occurred_at),
        received_at_us=to_micros(entry.received_at),
        void_of=entry.void_of,
        assignment_id=bytes.fromhex(entry.assignment_id),
        slot=entry.slot,
        unit_type=entry.unit.type if entry.unit else "",
        unit_key=entry.unit_key,
        source=_SOURCES[entry.source],
    )


def outcome_from_record(record: log.OutcomeRecord, unit_id: str) -> Outcome:
    """Return an outcome from its message."""
    return Outcome(
        outcome_id=record.outcome_id,
        metric=record.metric,
        value=record.value,
        occurred_at=from_micros(record.occurred_at_us),
        received_at=from_micros(record.received_at_us),
        assignment_id=record.assignment_id.hex(),
        slot=record.slot,
        unit=Unit(record.unit_type, unit_id) if record.unit_type else None,
        void_of=record.void_of,
        source=_SOURCE_OF[record.source],
        schema_version=record.schema_version,
        node_id=record.node_id,
        seq=record.seq,
        unit_key=record.unit_key,
    )


def erasure_to_record(entry: Erasure) -> log.ErasureRecord:
    """Return an erasure as a message."""
    return log.ErasureRecord(
        node_id=entry.node_id,
        seq=entry.seq,
        schema_version=entry.schema_version,
        unit_type=entry.unit.type,
        unit_key=entry.unit_key,
        erased_at_us=to_micros(entry.erased_at),
        actor=entry.actor,
        reason=entry.reason,
    )


def erasure_from_record(record: log.ErasureRecord) -> Erasure:
    """Return an erasure from its message."""
    return Erasure(
        unit=Unit(record.unit_type, ""),
        erased_at=from_micros(record.erased_at_us),
        actor=record.actor,
        reason=record.reason,
        schema_version=record.schema_version,
        node_id=record.node_id,
        seq=record.seq,
        unit_key=record.unit_key,
    )


_READERS: Mapping[str, Callable[[bytes, str], Entry]] = {
    "assignments": lambda record, unit_id: assignment_from_record(log.AssignmentRecord.FromString(record), unit_id),
    "exposures": lambda record, _: exposure_from_record(log.ExposureRecord.FromString(record)),
    "outcomes": lambda record, unit_id: outcome_from_record(log.OutcomeRecord.FromString(record), unit_id),
    "erasures": lambda record, _: erasure_from_record(log.ErasureRecord.FromString(record)),
}
