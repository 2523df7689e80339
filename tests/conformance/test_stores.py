"""What every store promises of the log: one suite, held against each of them (the fixture is in conftest.py)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import chain

import pytest

from engine.records import (
    Assignment,
    Candidate,
    Entry,
    Erasure,
    Exposure,
    KeptStatus,
    Outcome,
    Unit,
)
from tests.conformance.entries import ANNA, BEN, NOON, assignment, exposure, outcome, plain

RECORDED, DUPLICATE, CONFLICT, UNMATCHED = KeptStatus


# --- the log ---------------------------------------------------------------------------------------------------------


def test_an_empty_log(both) -> None:
    assert both.store.append([]) == []
    assert (both.reader.entries(), both.reader.last_seq(), both.reader.assignment("00" * 16)) == ([], 0, None)
    assert plain(both.reader.columns("assignments", ["seq", "variant"])) == {"seq": [], "variant": []}
    assert both.reader.columns("assignments", []) == {}
    assert (both.reader.voided().tolist(), both.reader.ended_at()) == ([], 0)
    assert (both.reader.node_id, both.reader.secret) == ("n1", b"secret")


def test_what_was_kept_is_read_as_it_was_with_its_stamps(both) -> None:
    handed_in = [assignment(1), exposure(1), outcome("o1", 1), outcome("o2", unit=BEN)]
    kept = both.store.append(handed_in)
    read = both.reader.entries()
    assert [each.entry for each in kept] == read
    stamps = [{"node_id": "n1", "seq": 1, "unit_key": 1}, {"node_id": "n1", "seq": 2}]
    stamps += [{"node_id": "n1", "seq": 3, "unit_key": 0}, {"node_id": "n1", "seq": 4, "unit_key": 2}]
    assert read == [replace(entry, **stamp) for entry, stamp in zip(handed_in, stamps, strict=True)]


def test_all_kinds_share_one_seq_without_gaps_across_calls(both) -> None:
    both.kept(assignment(1), outcome("o1", 1))
    both.kept(exposure(1), assignment(2), assignment(1))
    both.kept(Erasure(BEN, NOON, "kim", "asked"), outcome("o2", 2))
    read = both.reader.entries()
    assert [entry.seq for entry in read] == [1, 2, 3, 4, 5, 6] == list(range(1, both.reader.last_seq() + 1))
    assert [type(entry) for entry in read] == [Assignment, Outcome, Exposure, Assignment, Erasure, Outcome]


def test_entries_come_in_pages(both) -> None:
    both.kept(*[assignment(n) for n in range(5)], *[exposure(n) for n in range(5)])
    pages = [both.reader.entries(after, 4) for after in (0, 4, 8, 10)]
    assert [[entry.seq for entry in page] for page in pages] == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10], []]


@pytest.mark.parametrize("first", [assignment(1), outcome("o1", unit=BEN), exposure(1), outcome("o2", 1)])
def test_the_same_again_is_a_duplicate_and_the_first_stands(both, first: Entry) -> None:
    standing = both.store.append([first])[0].entry
    again = both.store.append([replace(first, received_at=NOON + timedelta(days=1))])[0]  # type: ignore[arg-type]  # every kind here has it
    assert (again.status, again.entry) == (DUPLICATE, standing)
    assert both.reader.entries() == [standing]


def test_a_later_exposure_is_a_duplicate_whatever_its_time(both) -> None:
    both.kept(assignment(1), exposure(1))
    assert both.kept(replace(exposure(1), exposed_at=NOON + timedelta(hours=1))) == [DUPLICATE]


def test_another_content_under_the_same_id_is_a_conflict_and_the_first_stands(both) -> None:
    first = both.store.append([assignment(1)])[0].entry
    other = both.store.append([replace(assignment(1), request_digest=b"other")])[0]
    assert (other.status, other.entry) == (CONFLICT, first)


@pytest.mark.parametrize(
    "change",
    [
        {"metric": "buy"},
        {"value": 2.0},
        {"occurred_at": NOON + timedelta(seconds=1)},
        {"slot": 1},
        {"assignment_id": "ff" * 16},
        {"assignment_id": "", "unit": ANNA},
        {"void_of": "o0"},
    ],
)
def test_an_outcome_with_another_content_is_a_conflict(both, change: dict[str, object]) -> None:
    both.kept(assignment(1), outcome("o1", 1))
    assert both.kept(replace(outcome("o1", 1), **change)) == [CONFLICT]


def test_the_slots_of_an_assignment_are_rows_of_their_own(both) -> None:
    assert both.kept(assignment(1), assignment(1, slot=1), exposure(1, 1), exposure(1)) == [RECORDED] * 4
    assert both.reader.assignment(f"{1:032x}", 1) == both.reader.entries()[1]


def slots(number: int, n_slots: int, digest: bytes = b"") -> list[Assignment]:
    made = [assignment(number, slot=slot) for slot in range(n_slots)]
    return [replace(each, request_digest=digest) for each in made] if digest else made


@pytest.mark.parametrize("at_once", [False, True])
def test_of_two_answers_under_one_id_the_first_stands_with_its_slots_alone(both, at_once: bool) -> None:
    first, other, longer, new = slots(1, 2), slots(1, 4, b"other"), slots(1, 4), slots(2, 3)
    calls = [first, other, longer, new]
    found = both.kept(*chain(*calls)) if at_once else [status for call in calls for status in both.kept(*call)]
    assert found == [RECORDED] * 2 + [CONFLICT] * 4 + [DUPLICATE] * 4 + [RECORDED] * 3
    assert [len(rows) for rows in both.reader.assignments([f"{n:032x}" for n in (1, 2)]).values()] == [2, 3]
    assert both.reader.last_seq() == 5


def test_a_single_answer_that_came_first_leaves_no_slots_to_another(both) -> None:
    both.kept(*slots(1, 1))
    refused = both.store.append(slots(1, 3, b"other"))
    assert [(kept.status, kept.entry) for kept in refused] == [(CONFLICT, both.reader.assignment(f"{1:032x}"))] * 3
    assert both.reader.last_seq() == 1


def test_of_two_in_one_call_the_first_stands(both) -> None:
    entries = assignment(1), assignment(1), replace(assignment(1), request_digest=b"other"), assignment(2)
    assert both.kept(*entries) == [RECORDED, DUPLICATE, CONFLICT, RECORDED]
    assert both.kept(outcome("o", 1), outcome("o", 1), exposure(1), exposure(1)) == [
        RECORDED,
        DUPLICATE,
        RECORDED,
        DUPLICATE,
    ]
    assert [entry.seq for entry in both.reader.entries()] == [1, 2, 3, 4]


def test_many_assignments_are_found_at_once(both) -> None:
    third = [assignment(3, slot=slot) for slot in (2, 1)]
    kept = [each.entry for each in both.store.append([*(assignment(n) for n in range(1, 1200)), *third])]
    rows = {row.assignment_id: (row,) for row in kept[:-2]}
    rows[kept[2].assignment_id] = (kept[2], kept[-1], kept[-2])
    assert both.reader.assignments([*rows, "ff" * 16]) == rows
    assert both.reader.assignments([]) == {}


def test_what_waits_for_its_assignment_is_kept_unmatched(both) -> None:
    assert both.kept(exposure(1), outcome("o1", 1), assignment(1)) == [UNMATCHED, UNMATCHED, RECORDED]
    assert both.kept(exposure(1), outcome("o1", 1), outcome("o2", 1)) == [DUPLICATE, DUPLICATE, RECORDED]
    assert both.kept(assignment(2), exposure(2), exposure(2, slot=1)) == [RECORDED, RECORDED, UNMATCHED]
    assert both.kept(outcome("o3", unit=BEN)) == [RECORDED]
    assert both.reader.last_seq() == 8


def test_a_unit_keeps_its_key_and_an_empty_id_has_none(both) -> None:
    both.kept(assignment(1, ANNA), assignment(2, BEN), assignment(3, ANNA), assignment(4, Unit("customer", "")))
    both.kept(assignment(5, BEN), outcome("o1", unit=Unit("session", "anna")))
    assert [entry.unit_key for entry in both.reader.entries() if not isinstance(entry, Exposure)] == [1, 2, 1, 0, 2, 3]
    assert [both.reader.unit_key(unit) for unit in (ANNA, BEN, Unit("customer", "carl"))] == [1, 2, None]


def test_a_refused_duplicate_makes_no_unit(both) -> None:
    both.kept(assignment(1, ANNA))
    both.kept(assignment(1, BEN), assignment(2, ANNA))
    assert both.reader.unit_key(BEN) is None


def test_outcomes_of_an_assignment(both) -> None:
    both.kept(assignment(1), outcome("o1", 1), outcome("o2", 2), outcome("o3", unit=ANNA), outcome("o4", 1))
    both.kept(replace(outcome("o5", 1), slot=1))
    assert [row.outcome_id for row in both.reader.outcomes_of(f"{1:032x}")] == ["o1", "o4"]
    assert [row.outcome_id for row in both.reader.outcomes_of(f"{1:032x}", 1)] == ["o5"]


def test_what_was_handed_in_or_out_can_be_changed_without_harm(both) -> None:
    context, features = {"device": "phone"}, {"price": 1.0}
    entry = replace(assignment(1), context=context, candidates=(Candidate("plain", features),))
    kept = both.store.append([entry])[0].entry
    before = both.reader.entries()
    context["device"], features["price"] = "desk", 9.0
    for row in (kept, before[0], both.reader.assignment(entry.assignment_id)):
        assert isinstance(row, Assignment)
        assert isinstance(row.context, dict)
        row.context["device"] = "changed"
    read = both.reader.assignment(entry.assignment_id)
    assert read is not None
    assert (read.context, read.candidates) == ({"device": "phone"}, (Candidate("plain", {"price": 1.0}),))


def test_everything_is_there_after_reopening(both) -> None:
    if both.reopen is None:
        pytest.skip("what is in memory ends with its process")
    both.kept(assignment(1), exposure(1), outcome("o1", unit=BEN))
    read = both.reader.entries()
    both.reopen()
    assert both.reader.entries() == read
    assert both.kept(assignment(1), assignment(2, BEN), exposure(2)) == [DUPLICATE, RECORDED, RECORDED]
    added = both.reader.entries(after=3)
    assert [entry.seq for entry in added] == [4, 5]
    assert plain(both.reader.columns("assignments", ["unit_key"])) == {"unit_key": [1, 2]}
    assert (both.reader.node_id, both.reader.secret) == ("n1", b"secret")


# --- forgetting ------------------------------------------------------------------------------------------------------


def test_a_forgotten_unit_leaves_its_rows_without_what_tells_about_it(both) -> None:
    both.kept(assignment(1, ANNA), assignment(2, BEN), outcome("o1", unit=ANNA), exposure(1))
    before = both.reader.entries()
    columns = plain(both.reader.columns("assignments", ["seq", "unit_key", "weight", "variant"]))
    erasure = both.store.append([Erasure(ANNA, NOON, "kim", "asked")])[0]
    nobody = Unit("customer", "")
    assert erasure.status is RECORDED
    assert erasure.entry == Erasure(nobody, NOON, "kim", "asked", node_id="n1", seq=5, unit_key=1)
    bare = replace(before[0], unit=nobody, context={}, candidates=(), request_id="")
    assert both.reader.entries() == [bare, before[1], replace(before[2], unit=nobody), before[3], erasure.entry]
    assert plain(both.reader.columns("assignments", list(columns))) == columns
    assert both.reader.unit_key(ANNA) is None


def test_a_unit_that_comes_back_is_a_new_one_and_a_retry_brings_nobody_back(both) -> None:
    both.kept(assignment(1, ANNA), assignment(2, ANNA))
    assert both.kept(Erasure(ANNA, NOON, "kim", "asked"), assignment(1, ANNA)) == [RECORDED, DUPLICATE]
    assert both.reader.unit_key(ANNA) is None
    both.kept(assignment(3, ANNA))
    assert both.reader.unit_key(ANNA) == 2


def test_an_erasure_applies_by_key_after_a_restore_and_of_nobody_does_nothing(both) -> None:
    both.kept(assignment(1, ANNA), assignment(2, Unit("customer", "")))
    shipped = Erasure(Unit("customer", ""), NOON, "kim", "asked", node_id="n0", seq=9, unit_key=1)
    unknown = Erasure(BEN, NOON, "kim", "asked")
    assert [kept.entry for kept in both.store.append([shipped, unknown])] == [
        replace(shipped, node_id="n1", seq=3),
        replace(unknown, unit=Unit("customer", ""), node_id="n1", seq=4),
    ]
    assert both.reader.unit_key(ANNA) is None
    untouched = both.reader.assignment(f"{2:032x}")
    assert untouched is not None
    assert untouched.request_id == "request 2"
