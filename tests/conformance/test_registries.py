"""What every store promises of experiments and of learned state (the fixtures are in conftest.py)."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.clock import EPOCH
from engine.definition import define
from engine.errors import ExperimentExists, StaleEtag
from engine.experiments import ROLLED_BACK, Change, Experiment, ExperimentState, Status, Variant
from engine.learned import name_of
from engine.lifecycle import Author, create, transition, update
from engine.metrics import Metric
from engine.ports import SnapshotStore
from engine.records import BEFORE_THE_LOG, Probe, Snapshot
from engine.storage import find_snapshot_in, open_snapshots, open_store

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
AUTHOR = Author("kim", "a test", NOON)


def experiment(experiment_id: str = "hero", *metrics: str) -> Experiment:
    variants = Variant("plain"), Variant("bold", '{"headline": "Now"}')
    return define(Experiment(experiment_id, variants, tuple(Metric(name) for name in metrics or ("click",))))


def created(both, experiment_id: str = "hero") -> ExperimentState:
    state, change = create(experiment(experiment_id), AUTHOR)
    both.store.save(state, change, "")
    return state


def test_an_experiment_is_found_by_id_and_all_in_the_order_of_ids(both) -> None:
    states = [created(both, name) for name in ("b", "a", "c")]
    assert both.reader.state("b") == states[0]
    assert both.reader.states() == [states[1], states[0], states[2]]
    assert (both.reader.state("d"), both.reader.definition("d", 1), both.reader.history("d")) == (None, None, [])


def test_a_change_needs_the_current_etag_and_an_id_is_used_once(both) -> None:
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


def test_what_a_change_moves_is_saved_with_it_or_not_at_all(both) -> None:
    one, two = created(both, "one"), created(both, "two")
    changed = update(one, experiment("one", "click", "buy"), one.etag, AUTHOR)
    moved = update(two, experiment("two", "click", "buy"), two.etag, AUTHOR)
    too_late = update(moved[0], experiment("two"), moved[0].etag, AUTHOR)
    for etag, others in (("9", [moved]), (one.etag, [too_late])):
        with pytest.raises(StaleEtag):
            both.store.save(*changed, etag, others)
        assert both.reader.states() == [one, two]
        assert len(both.reader.history("one")) == 1
    both.store.save(*changed, one.etag, [moved])
    assert both.reader.states() == [changed[0], moved[0]]
    assert both.reader.history("two")[1:] == [moved[1]]


def test_history_and_every_revision_stay(both) -> None:
    draft, first = create(experiment(), AUTHOR)
    both.store.save(draft, first, "")
    changed, second = update(draft, experiment("hero", "click", "buy"), draft.etag, AUTHOR)
    both.store.save(changed, second, draft.etag)
    assert both.reader.history("hero") == [first, second]
    assert both.reader.definition("hero", 1) == draft.experiment
    assert both.reader.definition("hero", 2) == changed.experiment
    assert both.reader.definition("hero", 3) is None
    assert both.reader.state("hero") == changed


@pytest.mark.parametrize("step_at", [None, NOON, EPOCH])
def test_where_a_ramp_is_and_what_a_change_changed_is_kept(both, step_at: datetime | None) -> None:
    draft = created(both)
    stepped = replace(draft, step=ROLLED_BACK if step_at else 3, step_at=step_at, etag="2")
    change = Change("hero", NOON, "kim", "ramp", "a guardrail", Status.RUNNING, 1, 1, ("variants.né", "seed"))
    both.store.save(stepped, change, draft.etag)
    assert both.reader.state("hero") == stepped
    assert both.reader.states() == [stepped]
    assert both.reader.history("hero")[-1] == change


def test_a_revision_is_never_rewritten(both) -> None:
    draft = created(both)
    other, change = transition(replace(draft, experiment=experiment("hero", "buy")), Status.RUNNING, "", AUTHOR)
    both.store.save(other, change, draft.etag)
    assert both.reader.state("hero") == replace(other, experiment=draft.experiment)


def test_the_live_snapshot_is_moved_only_within_its_epoch(both) -> None:
    state = created(both)
    both.store.point("hero", state.epoch, "ab" * 32)
    both.store.point("hero", state.epoch + 1, "cd" * 32)
    both.store.point("unknown", 1, "cd" * 32)
    both.store.point("hero", state.epoch, "ef" * 32, is_shadow=True)
    both.store.point("hero", state.epoch + 1, "cd" * 32, is_shadow=True)
    assert both.reader.states() == [replace(state, snapshot="ab" * 32, shadow_snapshot="ef" * 32)]
    assert len(both.reader.history("hero")) == 1


def test_a_pinned_pointer_is_kept_as_it_is(both) -> None:
    draft = created(both)
    pinned = replace(draft, snapshot="ab" * 32, pinned=True, etag="2")
    both.store.save(pinned, Change("hero", NOON, "kim", "pin", "worse", Status.RUNNING, 1, 1), draft.etag)
    assert both.reader.state("hero") == pinned


def test_experiments_are_there_after_reopening(both) -> None:
    if both.reopen is None:
        pytest.skip("what is in memory ends with its process")
    state = created(both)
    both.reopen()
    assert both.reader.states() == [state]


def test_a_definition_that_was_handed_in_can_be_changed_without_harm(both) -> None:
    levels = {"tone": "plain"}
    declared = define(Experiment("hero", (Variant("a", features=levels), Variant("b")), (Metric("click"),)))
    both.store.save(*create(declared, AUTHOR), "")
    levels["tone"] = "changed"
    assert both.reader.definition("hero", 1).variants[0].features == {"tone": "plain"}
    both.reader.state("hero").experiment.variants[0].features["tone"] = "changed"
    assert both.reader.state("hero").experiment.variants[0].features == {"tone": "plain"}


# --- snapshots -------------------------------------------------------------------------------------------------------


def snapshot(digit: str = "a", epoch: int = 1, experiment_id: str = "hero", *, is_shadow: bool = False) -> Snapshot:
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
        is_shadow=is_shadow,
        n_warm=4,
        fold_from=5,
    )


def test_snapshots_are_found_and_listed_as_they_were_added(snapshots: SnapshotStore) -> None:
    added = [snapshot("b"), snapshot("a"), snapshot("a", epoch=2)]
    for each in (*added, snapshot("c", experiment_id="other")):
        snapshots.add(each)
    assert snapshots.snapshots("hero") == added
    assert snapshots.snapshot("hero", "a" * 64) == added[2]
    assert snapshots.snapshot("hero", "b" * 64) == added[0]
    assert snapshots.snapshot("hero", "c" * 64) is None
    assert snapshots.snapshots("unknown") == []


def test_the_newest_snapshots_are_found_by_whose_they_are(snapshots: SnapshotStore) -> None:
    added = [snapshot(digit, is_shadow=digit in "bd") for digit in "abcde"]
    for each in (*added, snapshot("f", experiment_id="other")):
        snapshots.add(each)
    assert [each.hash[0] for each in snapshots.newest("hero")] == ["e", "c", "a"]
    assert list(snapshots.newest("hero", is_shadow=True)) == [added[3], added[1]]
    assert list(snapshots.newest("unknown")) == []


def test_snapshots_are_found_by_the_first_digits_of_their_hash(snapshots: SnapshotStore) -> None:
    hashes = ["abcdef" + "0" * 58, "abcdef" + "f" * 58, "abcdee" + "f" * 58, "abcdf0" + "0" * 58]
    for each in (*hashes, hashes[0]):
        snapshots.add(replace(snapshot(), hash=each))
        snapshots.add(replace(snapshot(), hash=each, epoch=2))
    assert snapshots.matching("hero", "abcdef") == hashes[:2]
    assert snapshots.matching("hero", "abcdeff") == [hashes[1]]
    assert snapshots.matching("hero", hashes[2]) == [hashes[2]]
    assert snapshots.matching("hero", "0bcdef") == snapshots.matching("other", "abcdef") == []


def named(unnamed: Snapshot) -> Snapshot:
    return replace(unnamed, hash=name_of(unnamed))


def test_a_snapshot_is_never_rewritten(snapshots: SnapshotStore) -> None:
    first = named(snapshot())
    snapshots.add(first)
    snapshots.add(replace(first, blob=b"other", n_rewards=9))
    assert snapshots.snapshots("hero") == [first]


def test_a_snapshot_that_was_damaged_is_mended_in_its_place(snapshots: SnapshotStore) -> None:
    whole = [named(replace(snapshot(), blob=blob)) for blob in (b"first", b"second")]
    for each in (replace(whole[0], blob=b"frist"), whole[1], whole[0]):
        snapshots.add(each)
    assert snapshots.snapshots("hero") == whole


def test_the_position_is_the_last_one_noted(snapshots: SnapshotStore) -> None:
    assert snapshots.position() == 0
    snapshots.set_position(5)
    snapshots.set_position(9)
    assert snapshots.position() == 9


def test_learned_state_is_read_beside_the_learner_and_before_it_ever_ran(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    reader, find = open_snapshots(tmp_path), find_snapshot_in(tmp_path)
    assert (reader.snapshots("hero"), reader.position(), find("hero", "a" * 64)) == ([], 0, None)
    writer = open_snapshots(tmp_path, write=True)
    writer.add(snapshot())
    assert reader.snapshots("hero") == [snapshot()] == [find("hero", "a" * 64)]
    writer.close()
    reader.close()


# --- warm starts -----------------------------------------------------------------------------------------------------

WARM = Snapshot(
    "e" * 64, "hero", 1, "thompson", b"state", "", BEFORE_THE_LOG, 0, "numpy 2", ("x", "y"), "s1", (), n_warm=9
)


def test_a_draft_keeps_the_last_warm_start_that_it_was_given(both) -> None:
    draft = created(both)
    assert both.reader.warm_start("hero") is None
    for number, warmed in ((1, replace(WARM, hash="d" * 64)), (2, WARM)):
        begun = replace(draft, snapshot=warmed.hash, etag=str(number + 1))
        change = Change("hero", NOON, "kim", "warm", "a test", Status.DRAFT, 1, 1, (warmed.hash,))
        both.store.warm(warmed, begun, change, str(number))
        assert both.reader.warm_start("hero") == warmed
        assert both.reader.state("hero") == begun
    assert [change.action for change in both.reader.history("hero")] == ["create", "warm", "warm"]


def test_a_warm_start_that_comes_too_late_leaves_nothing(both) -> None:
    draft = created(both)
    change = Change("hero", NOON, "kim", "warm", "a test", Status.DRAFT, 1, 1)
    with pytest.raises(StaleEtag):
        both.store.warm(WARM, replace(draft, snapshot=WARM.hash), change, "9")
    assert (both.reader.warm_start("hero"), both.reader.state("hero")) == (None, draft)
    assert len(both.reader.history("hero")) == 1


def test_a_warm_start_is_found_where_snapshots_are(tmp_path: Path) -> None:
    state, change = create(experiment(), AUTHOR)
    with closing(open_store(tmp_path)) as store:
        store.save(state, change, "")
        store.warm(WARM, replace(state, snapshot=WARM.hash), change, state.etag)
    find = find_snapshot_in(tmp_path)
    assert find("hero", WARM.hash) == WARM
    assert (find("hero", "a" * 64), find("other", WARM.hash)) == (None, None)
