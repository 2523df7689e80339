"""What every store promises: one suite, held against each of them. A new store adds a line to the fixture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.definition import define
from engine.errors import ExperimentExists, InvalidRequest, StaleEtag
from engine.experiments import Experiment, ExperimentState, Metric, Status, Variant
from engine.lifecycle import Author, create, transition, update
from engine.ports import Reader, SnapshotStore, Store
from engine.randomness import ONE
from engine.records import (
    Assignment,
    Candidate,
    DrawKey,
    Entry,
    Erasure,
    Exposure,
    KeptStatus,
    Outcome,
    Probe,
    Reason,
    Snapshot,
    Unit,
)
from engine.storage import find_snapshot_in, open_reader, open_snapshots, open_store
from engine.storage.memory import MemorySnapshots, MemoryStore

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
ANNA, BEN = Unit("customer", "anna"), Unit("customer", "ben")
AUTHOR = Author("kim", "a test", NOON)
RECORDED, DUPLICATE, CONFLICT, UNMATCHED = KeptStatus


@dataclass
class Both:
    """A store with a reader of it; `reopen` gives up both and opens them again."""

    store: Store
    reader: Reader
    reopen: Callable[[], Both] | None = None

    def kept(self, *entries: Entry) -> list[KeptStatus]:
        return [kept.status for kept in self.store.append(entries)]


def in_memory() -> Both:
    store = MemoryStore("n1", b"secret")
    return Both(store, store)


def in_sqlite(directory: Path) -> Both:
    store = open_store(directory, "n1", b"secret")
    both = Both(store, open_reader(directory))

    def reopen() -> Both:
        both.reader.close()
        both.store.close()
        again = in_sqlite(directory)
        both.store, both.reader = again.store, again.reader
        return both

    both.reopen = reopen
    return both


@pytest.fixture(params=["memory", "sqlite"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Both]:
    made = in_memory() if request.param == "memory" else in_sqlite(tmp_path)
    yield made
    made.reader.close()
    made.store.close()


@pytest.fixture(params=["memory", "sqlite"])
def snapshots(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SnapshotStore]:
    made = MemorySnapshots() if request.param == "memory" else open_snapshots(tmp_path, write=True)
    yield made
    made.close()


def assignment(number: int, unit: Unit = ANNA, experiment_id: str = "hero", slot: int = 0) -> Assignment:
    return Assignment(
        experiment_id,
        "bold",
        Reason.DRAWN,
        unit,
        NOON + timedelta(seconds=number),
        NOON,
        assignment_id=f"{number:032x}",
        slot=slot,
        request_id=f"request {number}",
        request_digest=b"digest",
        revision=1,
        epoch=1,
        snapshot="ab" * 32,
        draw_key=DrawKey.ASSIGNMENT,
        drawn=7,
        is_draw=True,
        eligible=("plain", "bold"),
        distribution=(ONE // 4, 3 * ONE // 4),
        context={"device": "phone", "visits": 3.0, "new": False, "tags": ("a", "b")},
        candidates=(Candidate("plain", {"price": 2.0}), Candidate("bold")),
    )


def exposure(number: int, slot: int = 0) -> Exposure:
    return Exposure(f"{number:032x}", NOON, NOON, slot)


def outcome(name: str, number: int | None = None, unit: Unit | None = None, metric: str = "click") -> Outcome:
    assignment_id = "" if number is None else f"{number:032x}"
    return Outcome(name, metric, 1.5, NOON, NOON, assignment_id, unit=unit)


def experiment(experiment_id: str = "hero", *metrics: str) -> Experiment:
    variants = Variant("plain"), Variant("bold", '{"headline": "Now"}')
    return define(Experiment(experiment_id, variants, tuple(Metric(name) for name in metrics or ("click",))))


# --- the log ---------------------------------------------------------------------------------------------------------


def test_an_empty_log(both: Both) -> None:
    assert both.store.append([]) == []
    assert (both.reader.entries(), both.reader.last_seq(), both.reader.assignment("00" * 16)) == ([], 0, None)
    assert both.reader.columns("assignments", ["seq"]) == {"seq": []}
    assert (both.reader.node_id, both.reader.secret) == ("n1", b"secret")


def test_what_was_kept_is_read_as_it_was_with_its_stamps(both: Both) -> None:
    handed_in = [assignment(1), exposure(1), outcome("o1", 1), outcome("o2", unit=BEN)]
    kept = both.store.append(handed_in)
    read = both.reader.entries()
    assert [each.entry for each in kept] == read
    stamps = [{"node_id": "n1", "seq": 1, "unit_key": 1}, {"node_id": "n1", "seq": 2}]
    stamps += [{"node_id": "n1", "seq": 3, "unit_key": 0}, {"node_id": "n1", "seq": 4, "unit_key": 2}]
    assert read == [replace(entry, **stamp) for entry, stamp in zip(handed_in, stamps, strict=True)]


def test_all_kinds_share_one_seq_without_gaps_across_calls(both: Both) -> None:
    both.kept(assignment(1), outcome("o1", 1))
    both.kept(exposure(1), assignment(2), assignment(1))
    both.kept(Erasure(BEN, NOON, "kim", "asked"), outcome("o2", 2))
    read = both.reader.entries()
    assert [entry.seq for entry in read] == [1, 2, 3, 4, 5, 6] == list(range(1, both.reader.last_seq() + 1))
    assert [type(entry) for entry in read] == [Assignment, Outcome, Exposure, Assignment, Erasure, Outcome]


def test_entries_come_in_pages(both: Both) -> None:
    both.kept(*[assignment(n) for n in range(5)], *[exposure(n) for n in range(5)])
    pages = [both.reader.entries(after, 4) for after in (0, 4, 8, 10)]
    assert [[entry.seq for entry in page] for page in pages] == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10], []]


@pytest.mark.parametrize("first", [assignment(1), outcome("o1", unit=BEN), exposure(1), outcome("o2", 1)])
def test_the_same_again_is_a_duplicate_and_the_first_stands(both: Both, first: Entry) -> None:
    standing = both.store.append([first])[0].entry
    again = both.store.append([replace(first, received_at=NOON + timedelta(days=1))])[0]  # type: ignore[arg-type]  # every kind here has it
    assert (again.status, again.entry) == (DUPLICATE, standing)
    assert both.reader.entries() == [standing]


def test_a_later_exposure_is_a_duplicate_whatever_its_time(both: Both) -> None:
    both.kept(assignment(1), exposure(1))
    assert both.kept(replace(exposure(1), exposed_at=NOON + timedelta(hours=1))) == [DUPLICATE]


def test_another_content_under_the_same_id_is_a_conflict_and_the_first_stands(both: Both) -> None:
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
def test_an_outcome_with_another_content_is_a_conflict(both: Both, change: dict[str, object]) -> None:
    both.kept(assignment(1), outcome("o1", 1))
    assert both.kept(replace(outcome("o1", 1), **change)) == [CONFLICT]


def test_the_slots_of_an_assignment_are_rows_of_their_own(both: Both) -> None:
    assert both.kept(assignment(1), assignment(1, slot=1), exposure(1, 1), exposure(1)) == [RECORDED] * 4
    assert both.reader.assignment(f"{1:032x}", 1) == both.reader.entries()[1]


def test_of_two_in_one_call_the_first_stands(both: Both) -> None:
    entries = assignment(1), assignment(1), replace(assignment(1), request_digest=b"other"), assignment(2)
    assert both.kept(*entries) == [RECORDED, DUPLICATE, CONFLICT, RECORDED]
    assert both.kept(outcome("o", 1), outcome("o", 1), exposure(1), exposure(1)) == [
        RECORDED,
        DUPLICATE,
        RECORDED,
        DUPLICATE,
    ]
    assert [entry.seq for entry in both.reader.entries()] == [1, 2, 3, 4]


def test_what_waits_for_its_assignment_is_kept_unmatched(both: Both) -> None:
    assert both.kept(exposure(1), outcome("o1", 1), assignment(1)) == [UNMATCHED, UNMATCHED, RECORDED]
    assert both.kept(exposure(1), outcome("o1", 1), outcome("o2", 1)) == [DUPLICATE, DUPLICATE, RECORDED]
    assert both.kept(assignment(2), exposure(2), exposure(2, slot=1)) == [RECORDED, RECORDED, UNMATCHED]
    assert both.kept(outcome("o3", unit=BEN)) == [RECORDED]
    assert both.reader.last_seq() == 8


def test_a_unit_keeps_its_key_and_an_empty_id_has_none(both: Both) -> None:
    both.kept(assignment(1, ANNA), assignment(2, BEN), assignment(3, ANNA), assignment(4, Unit("customer", "")))
    both.kept(assignment(5, BEN), outcome("o1", unit=Unit("session", "anna")))
    assert [entry.unit_key for entry in both.reader.entries() if not isinstance(entry, Exposure)] == [1, 2, 1, 0, 2, 3]
    assert [both.reader.unit_key(unit) for unit in (ANNA, BEN, Unit("customer", "carl"))] == [1, 2, None]


def test_a_refused_duplicate_makes_no_unit(both: Both) -> None:
    both.kept(assignment(1, ANNA))
    both.kept(assignment(1, BEN), assignment(2, ANNA))
    assert both.reader.unit_key(BEN) is None


def test_outcomes_of_an_assignment(both: Both) -> None:
    both.kept(assignment(1), outcome("o1", 1), outcome("o2", 2), outcome("o3", unit=ANNA), outcome("o4", 1))
    both.kept(replace(outcome("o5", 1), slot=1))
    assert [row.outcome_id for row in both.reader.outcomes_of(f"{1:032x}")] == ["o1", "o4"]
    assert [row.outcome_id for row in both.reader.outcomes_of(f"{1:032x}", 1)] == ["o5"]


def test_what_was_handed_in_or_out_can_be_changed_without_harm(both: Both) -> None:
    context, features = {"device": "phone"}, {"price": 1.0}
    entry = replace(assignment(1), context=context, candidates=(Candidate("plain", features),))
    kept = both.store.append([entry])[0].entry
    before = both.reader.entries()
    context["device"], features["price"] = "desk", 9.0
    for row in (kept, before[0], both.reader.assignment(entry.assignment_id)):
        assert isinstance(row, Assignment)
        assert isinstance(row.context, dict)
        if row is not entry:
            row.context["device"] = "changed"
    read = both.reader.assignment(entry.assignment_id)
    assert read is not None
    assert (read.context, read.candidates) == ({"device": "phone"}, (Candidate("plain", {"price": 1.0}),))


# --- columns ---------------------------------------------------------------------------------------------------------


def test_columns_of_assignments(both: Both) -> None:
    fallback = replace(assignment(3), reason=Reason.POLICY_FAILED, is_draw=False, eligible=(), distribution=())
    both.kept(assignment(1), exposure(1), assignment(2, experiment_id="other"), fallback)
    names = ["seq", "assignment_id", "reason", "weight", "eligible", "distribution", "is_draw", "group_name"]
    assert both.reader.columns("assignments", names, "hero") == {
        "seq": [1, 4],
        "assignment_id": [bytes(15) + b"\1", bytes(15) + b"\3"],
        "reason": ["drawn", "policy_failed"],
        "weight": [3 * ONE // 4, 0],
        "eligible": ['["plain", "bold"]', "[]"],
        "distribution": [(ONE // 4).to_bytes(8, "little") + (3 * ONE // 4).to_bytes(8, "little"), b""],
        "is_draw": [1, 0],
        "group_name": ["policy", "policy"],
    }
    assert both.reader.columns("assignments", ["experiment_id"]) == {"experiment_id": ["hero", "other", "hero"]}


def test_columns_of_exposures_are_those_of_the_experiments_assignments(both: Both) -> None:
    both.kept(
        assignment(1), assignment(2, experiment_id="other"), exposure(1), exposure(2), exposure(3), exposure(1, 1)
    )
    assert both.reader.columns("exposures", ["seq"], "hero") == {"seq": [3]}
    assert both.reader.columns("exposures", ["seq"]) == {"seq": [3, 4, 5, 6]}


def test_columns_of_outcomes_are_those_of_the_declared_metrics(both: Both) -> None:
    both.store.save(*create(experiment("hero", "click", "buy"), AUTHOR), "")
    both.kept(outcome("o1", unit=ANNA), outcome("o2", 1, metric="buy"), outcome("o3", 1, metric="stay"))
    assert both.reader.columns("outcomes", ["outcome_id", "assignment_id"], "hero") == {
        "outcome_id": ["o1", "o2"],
        "assignment_id": [None, bytes(15) + b"\1"],
    }
    assert both.reader.columns("outcomes", ["seq"], "unknown") == {"seq": []}
    assert both.reader.columns("outcomes", ["metric"]) == {"metric": ["click", "buy", "stay"]}


@pytest.mark.parametrize(("table", "name"), [("erasures", "seq"), ("assignments", "context"), ("x; DROP", "seq")])
def test_columns_that_are_not_there_are_refused(both: Both, table: str, name: str) -> None:
    with pytest.raises(InvalidRequest, match="there (is|are)|have no column"):
        both.reader.columns(table, ["seq", name])


# --- forgetting ------------------------------------------------------------------------------------------------------


def test_a_forgotten_unit_leaves_its_rows_without_what_tells_about_it(both: Both) -> None:
    both.kept(assignment(1, ANNA), assignment(2, BEN), outcome("o1", unit=ANNA), exposure(1))
    before = both.reader.entries()
    columns = both.reader.columns("assignments", ["seq", "unit_key", "weight", "variant"])
    erasure = both.store.append([Erasure(ANNA, NOON, "kim", "asked")])[0]
    nobody = Unit("customer", "")
    assert erasure.status is RECORDED
    assert erasure.entry == Erasure(nobody, NOON, "kim", "asked", node_id="n1", seq=5, unit_key=1)
    bare = replace(before[0], unit=nobody, context={}, candidates=(), request_id="")
    assert both.reader.entries() == [bare, before[1], replace(before[2], unit=nobody), before[3], erasure.entry]
    assert both.reader.columns("assignments", list(columns)) == columns
    assert both.reader.unit_key(ANNA) is None


def test_a_unit_that_comes_back_is_a_new_one_and_a_retry_brings_nobody_back(both: Both) -> None:
    both.kept(assignment(1, ANNA), assignment(2, ANNA))
    assert both.kept(Erasure(ANNA, NOON, "kim", "asked"), assignment(1, ANNA)) == [RECORDED, DUPLICATE]
    assert both.reader.unit_key(ANNA) is None
    both.kept(assignment(3, ANNA))
    assert both.reader.unit_key(ANNA) == 2


def test_an_erasure_applies_by_key_after_a_restore_and_of_nobody_does_nothing(both: Both) -> None:
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


# --- the registry ----------------------------------------------------------------------------------------------------


def created(both: Both, experiment_id: str = "hero") -> ExperimentState:
    state, change = create(experiment(experiment_id), AUTHOR)
    both.store.save(state, change, "")
    return state


def test_an_experiment_is_found_by_id_and_all_in_the_order_of_ids(both: Both) -> None:
    states = [created(both, name) for name in ("b", "a", "c")]
    assert both.reader.state("b") == states[0]
    assert both.reader.states() == [states[1], states[0], states[2]]
    assert (both.reader.state("d"), both.reader.definition("d", 1), both.reader.history("d")) == (None, None, [])


def test_a_change_needs_the_current_etag_and_an_id_is_used_once(both: Both) -> None:
    draft = created(both)
    running = transition(draft, Status.RUNNING, "", AUTHOR)
    both.store.save(*running, draft.etag)
    with pytest.raises(StaleEtag, match="changed in between"):
        both.store.save(*transition(draft, Status.ARCHIVED, "", AUTHOR), draft.etag)
    with pytest.raises(StaleEtag):
        both.store.save(*create(experiment("new"), AUTHOR), "1")
    with pytest.raises(ExperimentExists, match="another id"):
        both.store.save(*create(experiment(), AUTHOR), "")
    assert both.reader.states() == [running[0]]
    assert [change.action for change in both.reader.history("hero")] == ["create", "start"]


def test_history_and_every_revision_stay(both: Both) -> None:
    draft, first = create(experiment(), AUTHOR)
    both.store.save(draft, first, "")
    changed, second = update(draft, experiment("hero", "click", "buy"), draft.etag, AUTHOR)
    both.store.save(changed, second, draft.etag)
    assert both.reader.history("hero") == [first, second]
    assert both.reader.definition("hero", 1) == draft.experiment
    assert both.reader.definition("hero", 2) == changed.experiment
    assert both.reader.definition("hero", 3) is None
    assert both.reader.state("hero") == changed


def test_a_revision_is_never_rewritten(both: Both) -> None:
    draft = created(both)
    other, change = transition(replace(draft, experiment=experiment("hero", "buy")), Status.RUNNING, "", AUTHOR)
    both.store.save(other, change, draft.etag)
    assert both.reader.state("hero") == replace(other, experiment=draft.experiment)


def test_the_live_snapshot_is_moved_only_within_its_epoch(both: Both) -> None:
    state = created(both)
    both.store.point("hero", state.epoch, "ab" * 32)
    both.store.point("hero", state.epoch + 1, "cd" * 32)
    both.store.point("unknown", 1, "cd" * 32)
    assert both.reader.states() == [replace(state, snapshot="ab" * 32)]
    assert len(both.reader.history("hero")) == 1


def test_everything_is_there_after_reopening(both: Both) -> None:
    if both.reopen is None:
        pytest.skip("what is in memory ends with its process")
    state = created(both)
    both.kept(assignment(1), exposure(1), outcome("o1", unit=BEN))
    read = both.reader.entries()
    both.reopen()
    assert (both.reader.entries(), both.reader.states()) == (read, [state])
    assert both.kept(assignment(1), assignment(2, BEN), exposure(2)) == [DUPLICATE, RECORDED, RECORDED]
    added = both.reader.entries(after=3)
    assert [entry.seq for entry in added] == [4, 5]
    assert both.reader.columns("assignments", ["unit_key"]) == {"unit_key": [1, 2]}
    assert (both.reader.node_id, both.reader.secret) == ("n1", b"secret")


# --- snapshots -------------------------------------------------------------------------------------------------------


def snapshot(digit: str = "a", epoch: int = 1, experiment_id: str = "hero") -> Snapshot:
    return Snapshot(
        hash=digit * 64,
        experiment_id=experiment_id,
        epoch=epoch,
        policy="thompson",
        blob=b"state",
        parent="",
        watermark=(NOON, "n1", 7),
        n_rewards=3,
        library="numpy 2",
        arguments=("--floor", "0.02"),
        schema="s1",
        probes=(Probe({"device": "phone", "visits": 0.1, "new": True, "tags": ("a",)}, ("plain", "bold"), (0.1, 0.9)),),
    )


def test_snapshots_are_found_and_listed_as_they_were_added(snapshots: SnapshotStore) -> None:
    added = [snapshot("b"), snapshot("a"), snapshot("a", epoch=2)]
    for each in (*added, snapshot("c", experiment_id="other")):
        snapshots.add(each)
    assert snapshots.snapshots("hero") == added
    assert snapshots.snapshot("hero", 2, "a" * 64) == added[2]
    assert snapshots.snapshot("hero", 2, "b" * 64) is None
    assert snapshots.snapshots("unknown") == []


def test_a_snapshot_is_never_rewritten(snapshots: SnapshotStore) -> None:
    snapshots.add(snapshot())
    snapshots.add(replace(snapshot(), blob=b"other"))
    assert snapshots.snapshots("hero") == [snapshot()]


def test_the_position_is_the_last_one_noted(snapshots: SnapshotStore) -> None:
    assert snapshots.position() == 0
    snapshots.set_position(5)
    snapshots.set_position(9)
    assert snapshots.position() == 9


def test_learned_state_is_read_beside_the_learner_and_before_it_ever_ran(tmp_path: Path) -> None:
    reader, find = open_snapshots(tmp_path), find_snapshot_in(tmp_path)
    assert (reader.snapshots("hero"), reader.position(), find("hero", 1, "a" * 64)) == ([], 0, None)
    writer = open_snapshots(tmp_path, write=True)
    writer.add(snapshot())
    assert reader.snapshots("hero") == [snapshot()] == [find("hero", 1, "a" * 64)]
    writer.close()
    reader.close()
