"""Entry -> row of its table: the values of its columns, in the order of `schema.COLUMNS`."""

from __future__ import annotations

import json
import struct
from functools import lru_cache
from typing import Any

from engine.clock import to_micros
from engine.records import Assignment, Entry, Erasure, Exposure, Group, Outcome, Reason, Source
from engine.storage.rows import assignment_to_record, erasure_to_record, exposure_to_record, outcome_to_record

Row = tuple[Any, ...]
"""Values in the order of `schema.COLUMNS`."""

# An enum's `.value` is slow, and these stand in every row.
_REASONS = {reason: reason.value for reason in Reason}
_GROUPS = {group: group.value for group in Group}
_SOURCES = {source: source.value for source in Source}


def to_row(entry: Entry) -> Row:
    """Return the values of an entry's row in the order of its table's columns.

    Raises:
        ValueError: an id or a hash is not hex.
    """
    match entry:
        case Assignment():
            return _assignment_row(entry)
        case Exposure():
            return _exposure_row(entry)
        case Outcome():
            return _outcome_row(entry)
        case Erasure():
            return _erasure_row(entry)


def received_at(entry: Entry) -> int:
    """Return when the log received an entry, in microseconds; an erasure bears no other time than its own."""
    return to_micros(entry.erased_at if isinstance(entry, Erasure) else entry.received_at)


def _assignment_row(entry: Assignment) -> Row:
    record = assignment_to_record(entry)
    return (
        entry.seq,
        entry.node_id,
        record.assignment_id,
        entry.slot,
        entry.request_digest,
        record.assigned_at_us,
        record.received_at_us,
        entry.experiment_id,
        entry.revision,
        entry.epoch,
        record.snapshot,
        record.draw_key,
        int(entry.is_draw),
        _REASONS[entry.reason],
        _GROUPS[entry.group],
        entry.group_weight,
        entry.variant,
        entry.weight,
        json_names(entry.eligible),
        packed(entry.distribution),
        entry.unit_key,
        _SOURCES[entry.source],
        entry.keep_probability,
        record.SerializeToString(deterministic=True),
        int(entry.is_remembered),
        record.kept_from,
    )


def _exposure_row(entry: Exposure) -> Row:
    record = exposure_to_record(entry)
    return (
        entry.seq,
        entry.node_id,
        record.assignment_id,
        entry.slot,
        record.exposed_at_us,
        record.received_at_us,
        _SOURCES[entry.source],
        record.SerializeToString(deterministic=True),
    )


def _outcome_row(entry: Outcome) -> Row:
    record = outcome_to_record(entry)
    return (
        entry.seq,
        entry.node_id,
        entry.outcome_id,
        entry.metric,
        entry.value,
        record.occurred_at_us,
        record.received_at_us,
        entry.void_of,
        record.assignment_id or None,
        entry.slot,
        entry.unit_key,
        _SOURCES[entry.source],
        record.SerializeToString(deterministic=True),
    )


def _erasure_row(entry: Erasure) -> Row:
    record = erasure_to_record(entry)
    return entry.seq, entry.node_id, entry.unit_key, record.erased_at_us, record.SerializeToString(deterministic=True)


@lru_cache(maxsize=4096)
def json_names(names: tuple[str, ...]) -> str:
    """Return names as the column `eligible` holds them."""
    return json.dumps(names, ensure_ascii=False)


def packed(weights: tuple[int, ...]) -> bytes:
    """Return weights as the column `distribution` holds them."""
    return struct.pack(f"<{len(weights)}Q", *weights)
