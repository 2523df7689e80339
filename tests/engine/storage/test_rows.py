"""Every record survives the way to its message and back, and no field can be forgotten."""

from __future__ import annotations

import json
import struct
from dataclasses import fields, replace
from datetime import UTC, datetime

import pytest
from armlift.log.v1 import records_pb2 as log
from armlift.v1 import reason_pb2
from hypothesis import given
from hypothesis import strategies as st

from engine.clock import EPOCH, to_micros
from engine.randomness import ONE
from engine.records import (
    Assignment,
    Candidate,
    DrawKey,
    Entry,
    Erasure,
    Exposure,
    Group,
    Inclusion,
    Outcome,
    Probe,
    Reason,
    Snapshot,
    Source,
    Unit,
)
from engine.storage import rows
from engine.storage.columns import to_row
from engine.storage.schema import COLUMNS
from engine.storage.sqlite_snapshots import from_row
from engine.storage.sqlite_snapshots import to_row as snapshot_to_row

TEXTS = st.text(max_size=8)
NAMES = st.text(min_size=1, max_size=8)
TIMES = st.datetimes(datetime(1960, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
IDS = st.binary(min_size=16, max_size=16).map(bytes.hex)
HASHES = st.binary(min_size=32, max_size=32).map(bytes.hex) | st.just("")
SMALL = st.integers(0, 2**31)
SEQS = st.integers(0, 2**62)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
CONTEXTS = st.dictionaries(TEXTS, FINITE | TEXTS | st.booleans() | st.lists(TEXTS, max_size=3).map(tuple), max_size=4)
UNITS = st.builds(Unit, NAMES, NAMES)
STAMPS = {"node_id": TEXTS, "seq": SEQS, "schema_version": SMALL, "source": st.sampled_from(Source)}


@st.composite
def assignments(draw: st.DrawFn) -> Assignment:
    eligible = tuple(draw(st.lists(NAMES, unique=True, max_size=4)))
    brought = draw(st.lists(NAMES, unique=True, max_size=3))
    place = {name: index for index, name in enumerate(eligible)}
    in_order = sorted(brought, key=lambda name: (place.get(name, len(place)), name))
    is_draw = bool(eligible) and draw(st.booleans())
    return draw(
        st.builds(
            Assignment,
            experiment_id=TEXTS,
            variant=st.sampled_from(eligible) if is_draw else TEXTS,
            reason=st.sampled_from(Reason),
            unit=UNITS,
            assigned_at=TIMES,
            received_at=TIMES,
            assignment_id=IDS,
            slot=SMALL,
            request_id=TEXTS,
            request_digest=st.binary(max_size=16),
            revision=SMALL,
            epoch=SMALL,
            snapshot=HASHES,
            draw_key=st.sampled_from(DrawKey),
            drawn=st.integers(0, ONE - 1),
            is_draw=st.just(is_draw),
            group=st.sampled_from(Group),
            group_weight=st.integers(0, ONE),
            inclusion=st.lists(st.builds(Inclusion, TEXTS, st.integers(0, ONE)), max_size=3).map(tuple),
            eligible=st.just(eligible),
            distribution=st.tuples(*(st.integers(1, ONE) for _ in eligible)),
            context=CONTEXTS,
            candidates=st.tuples(*(st.builds(Candidate, st.just(name), CONTEXTS) for name in in_order)),
            population=SMALL,
            is_remembered=st.booleans(),
            kept_from=IDS | st.just(""),
            keep_probability=FINITE,
            hash_version=SMALL,
            draw_version=SMALL,
            unit_key=SEQS,
            **STAMPS,
        )
    )


EXPOSURES = st.builds(Exposure, IDS, TIMES, TIMES, SMALL, **STAMPS)
OUTCOMES = st.builds(
    Outcome,
    TEXTS,
    TEXTS,
    FINITE,
    TIMES,
    TIMES,
    IDS | st.just(""),
    SMALL,
    st.none() | UNITS,
    TEXTS,
    unit_key=SEQS,
    **STAMPS,
)
ERASURES = st.builds(
    Erasure,
    st.builds(Unit, NAMES, st.just("")),
    TIMES,
    TEXTS,
    TEXTS,
    **{name: STAMPS[name] for name in ("node_id", "seq", "schema_version")},
    unit_key=SEQS,
)
PROBES = st.builds(Probe, CONTEXTS, st.lists(TEXTS).map(tuple), st.lists(FINITE).map(tuple))
SNAPSHOTS = st.builds(
    Snapshot,
    hash=HASHES,
    experiment_id=TEXTS,
    epoch=SMALL,
    policy=TEXTS,
    blob=st.binary(),
    parent=HASHES,
    watermark=st.tuples(TIMES, TEXTS, SEQS),
    n_rewards=SMALL,
    library=TEXTS,
    arguments=st.lists(TEXTS).map(tuple),
    schema=TEXTS,
    probes=st.lists(PROBES, max_size=2).map(tuple),
)


def record_of(table: str, entry: Entry) -> bytes:
    """Return the message in the row of an entry of a table."""
    record = dict(zip(COLUMNS[table], to_row(entry), strict=True))["record"]
    assert isinstance(record, bytes)
    return record


@given(assignments())
def test_an_assignment_survives(entry: Assignment) -> None:
    assert rows.from_record("assignments", record_of("assignments", entry), entry.unit.id) == entry


@given(EXPOSURES)
def test_an_exposure_survives(entry: Exposure) -> None:
    assert rows.from_record("exposures", record_of("exposures", entry), "") == entry


@given(OUTCOMES)
def test_an_outcome_survives(entry: Outcome) -> None:
    assert rows.from_record("outcomes", record_of("outcomes", entry), entry.unit.id if entry.unit else "") == entry


@given(ERASURES)
def test_an_erasure_survives(entry: Erasure) -> None:
    assert rows.from_record("erasures", record_of("erasures", entry), "") == entry


@given(SNAPSHOTS)
def test_a_snapshot_survives(snapshot: Snapshot) -> None:
    assert from_row(snapshot_to_row(snapshot)) == snapshot


@given(assignments())
def test_a_scrubbed_record_tells_nothing_about_the_unit(entry: Assignment) -> None:
    bare = replace(entry, context={}, candidates=(), request_id="", unit=Unit(entry.unit.type, ""))
    assert rows.from_record("assignments", rows.scrubbed(record_of("assignments", entry)), "") == bare


@given(st.dictionaries(NAMES, FINITE, min_size=2, max_size=6))
def test_the_same_entry_has_the_same_bytes(context: dict[str, float]) -> None:
    entry = Assignment("hero", "plain", Reason.DRAWN, Unit("customer", "anna"), EPOCH, EPOCH, context=context)
    backwards = replace(entry, context=dict(reversed(context.items())))
    assert to_row(entry) == to_row(backwards)


# The message's field for the dataclass' one, where the names differ.
IN_MESSAGE = {
    "assigned_at": "assigned_at_us",
    "received_at": "received_at_us",
    "exposed_at": "exposed_at_us",
    "occurred_at": "occurred_at_us",
    "erased_at": "erased_at_us",
    "unit": "unit_type",
}


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (Assignment, log.AssignmentRecord),
        (Exposure, log.ExposureRecord),
        (Outcome, log.OutcomeRecord),
        (Erasure, log.ErasureRecord),
    ],
)
def test_a_new_field_cannot_be_forgotten(record: type, message: type) -> None:
    assert {IN_MESSAGE.get(each.name, each.name) for each in fields(record)} == set(message.DESCRIPTOR.fields_by_name)


def test_the_fields_of_a_snapshot_are_all_in_its_row() -> None:
    columns = {"watermark_at", "watermark_node", "watermark_seq"}
    row = snapshot_to_row(Snapshot("", "", 0, "", b"", "", (EPOCH, "", 0), 0, "", (), "", ()))
    assert set(row) - columns == {each.name for each in fields(Snapshot)} - {"watermark"}


@pytest.mark.parametrize(
    ("ours", "theirs", "prefix"),
    [
        (Reason, reason_pb2.Reason, "REASON_"),
        (DrawKey, reason_pb2.DrawKey, "DRAW_KEY_"),
        (Source, log.Source, "SOURCE_"),
    ],
)
def test_an_enum_has_the_contracts_names(ours: type, theirs: type, prefix: str) -> None:
    named = {f"{prefix}{member.name}" for member in ours if member is not DrawKey.NONE}
    assert named == set(theirs.keys()) - {f"{prefix}UNSPECIFIED"}


# What a column holds, where it is not simply the field of its name.
IN_COLUMN = {
    "assignment_id": lambda entry: bytes.fromhex(entry.assignment_id) or None,
    "snapshot": lambda entry: bytes.fromhex(entry.snapshot),
    "kept_from": lambda entry: bytes.fromhex(entry.kept_from),
    "draw_key": lambda entry: reason_pb2.DrawKey.Value(f"DRAW_KEY_{entry.draw_key.name}"),
    "reason": lambda entry: entry.reason.value,
    "group_name": lambda entry: entry.group.value,
    "source": lambda entry: entry.source.value,
    "eligible": lambda entry: json.dumps(entry.eligible),
    "distribution": lambda entry: struct.pack("<2Q", *entry.distribution),
} | {name: lambda entry, name=name: to_micros(getattr(entry, name)) for name in IN_MESSAGE if name.endswith("_at")}

DRAWN = Assignment(
    "hero",
    "bold",
    Reason.CACHED,
    Unit("customer", "anna"),
    datetime(2026, 1, 1, tzinfo=UTC),
    datetime(2026, 1, 2, tzinfo=UTC),
    "ab" * 16,
    slot=2,
    request_digest=b"digest",
    revision=3,
    epoch=4,
    snapshot="cd" * 32,
    draw_key=DrawKey.UNIT,
    is_draw=True,
    group=Group.CONTROL,
    group_weight=5,
    eligible=("plain", "bold"),
    distribution=(ONE - 6, 6),
    is_remembered=True,
    kept_from="ef" * 16,
    source=Source.IMPORTED,
    keep_probability=0.5,
    node_id="n1",
    seq=7,
    unit_key=8,
)


@pytest.mark.parametrize(
    ("table", "entry"),
    [
        ("assignments", DRAWN),
        ("exposures", Exposure("ab" * 16, EPOCH, DRAWN.received_at, 1, Source.LOCAL, 1, "n1", 9)),
        ("outcomes", Outcome("o1", "click", 1.5, EPOCH, DRAWN.received_at, "ab" * 16, 3, node_id="n1", seq=2)),
        ("outcomes", Outcome("o2", "click", 2, EPOCH, DRAWN.received_at, unit=DRAWN.unit, void_of="o1", unit_key=8)),
        ("erasures", Erasure(DRAWN.unit, DRAWN.received_at, "kim", "asked", 1, "n1", 3, 8)),
    ],
)
def test_every_column_holds_the_field_of_its_name(table: str, entry: Assignment) -> None:
    row = dict(zip(COLUMNS[table], to_row(entry), strict=True))
    row.pop("record")
    expected = {name: IN_COLUMN.get(name, lambda entry, name=name: getattr(entry, name))(entry) for name in row}
    assert row == expected
