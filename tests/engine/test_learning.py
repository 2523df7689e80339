"""A killed learner and an undisturbed one write the same bytes."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import lifecycle
from engine.experiments import Status
from engine.learned import name_of
from engine.learning import LearnerPool
from engine.randomness import content_hash
from engine.records import Assignment, Erasure, Reward, Unit
from engine.snapshots import verify
from engine.specs import SegmentsSpec
from engine.storage.memory import MemorySnapshots
from engine.storage.sqlite import SqliteStore
from engine.storage.sqlite_reader import SqliteReader
from engine.storage.sqlite_snapshots import SqliteSnapshots
from tests.engine.house import next_snapshot
from tests.engine.learning_house import (
    ANN,
    N_VISITS,
    PUBLISH_EVERY,
    SPECS,
    at,
    experiment,
    learned,
    learner,
    log,
    pool_run,
    started,
    store_with,
    visit,
)

POLICIES = pytest.mark.parametrize("kind", list(SPECS))


@POLICIES
def test_a_snapshot_comes_after_every_few_rewards_and_names_its_parent(kind):
    state = started(experiment(kind))
    made = learned(state, store_with(log()).entries())
    n_matured = N_VISITS - 6  # the last entry is the last visit, or its click
    assert [snapshot.n_rewards for snapshot in made] == list(range(PUBLISH_EVERY, n_matured + 1, PUBLISH_EVERY))
    assert [snapshot.parent for snapshot in made] == ["", *(snapshot.hash for snapshot in made[:-1])]
    assert [snapshot.watermark[0] for snapshot in made] == [at(snapshot.n_rewards - 1 + 5) for snapshot in made]
    assert {(snapshot.policy, snapshot.epoch, snapshot.is_shadow, snapshot.n_warm) for snapshot in made} == {
        (kind, 1, False, 0)
    }
    assert made[-1].hash == name_of(made[-1])


@pytest.mark.parametrize(("pause", "counts"), [(7.0, [7, 14, 21]), (7.5, [7, 15, 23]), (20.0, [7, 27, 47])])
def test_a_snapshot_waits_until_enough_time_of_the_log_has_passed(pause, counts):
    spec = replace(SPECS["thompson"], publish_after=timedelta(minutes=pause))
    state = started(replace(experiment(), policy=spec))
    made = learned(state, store_with(log()).entries())
    assert [snapshot.n_rewards for snapshot in made][:3] == counts


@POLICIES
@settings(max_examples=8)
@given(kills=st.lists(st.integers(0, 130), max_size=3).map(sorted))
def test_a_learner_killed_anywhere_writes_what_an_undisturbed_one_writes(kind, kills):
    """Each new one reads the log from where the snapshot says, up to where it is killed."""
    state = started(experiment(kind))
    entries = store_with(log(n=90)).entries()
    undisturbed = learned(state, entries)
    stored = []
    for stop in [*kills, len(entries)]:
        resume = stored[-1] if stored else None
        stored += learned(state, entries[resume.fold_from if resume else 0 : stop], resume)
    assert stored == undisturbed


def test_a_resumed_learner_reads_the_recent_log_alone():
    state = started(experiment())
    made = learned(state, store_with(log(n=120)).entries())
    places = [learner(state, snapshot).read_to for snapshot in made]
    assert places == sorted(places) == [snapshot.fold_from for snapshot in made]
    # What is pending is 5 minutes old at most; the rest is what a pending row can depend on.
    horizon = made[-1].watermark[0] - timedelta(minutes=4 * 5 + 3 * 5)
    read = [entry.received_at for entry in store_with(log(n=120)).entries(places[-1])]
    assert horizon - timedelta(minutes=1) <= read[0] <= horizon


@settings(max_examples=25)
@given(page_size=st.integers(1, 60), steps=st.lists(st.integers(0, 170), max_size=4).map(sorted))
def test_pages_and_steps_change_nothing(page_size, steps):
    states = [started(experiment(experiment_id=name)) for name in ("hero", "other")]
    entries = log(experiment_ids=("hero", "other"))
    at_once = pool_run(store_with(entries, *states))
    store = store_with([], *states)
    pool = LearnerPool(store, MemorySnapshots(), page_size)
    due = []
    for start, stop in zip([0, *steps], [*steps, len(entries)], strict=True):
        store.append(entries[start:stop])
        due += pool.step()
    for name in ("hero", "other"):
        assert [s for s in due if s.experiment_id == name] == [s for s in at_once if s.experiment_id == name]


@POLICIES
def test_the_log_on_disk_teaches_the_same_as_in_memory(kind, tmp_path):
    state = started(experiment(kind))
    with closing(SqliteStore(tmp_path)) as store, closing(SqliteSnapshots(tmp_path, write=True)) as snapshots:
        store.save(state, lifecycle.create(state.experiment, ANN)[1], "")
        store.append(log())
        with closing(SqliteReader(tmp_path)) as reader:
            made = LearnerPool(reader, snapshots).step()
        in_memory = pool_run(store_with(log(), state))
        assert [snapshot.hash for snapshot in made] == [snapshot.hash for snapshot in in_memory]
        assert snapshots.snapshots("hero") == made


@pytest.mark.parametrize("status", [Status.DRAFT, Status.CONCLUDED, Status.ARCHIVED])
def test_only_what_runs_or_pauses_learns(status):
    running = started(experiment())
    assert pool_run(store_with(log(), replace(running, status=status))) == []
    assert pool_run(store_with(log(), replace(running, status=Status.PAUSED))) == pool_run(store_with(log(), running))


def test_a_fixed_policy_does_not_learn():
    assert pool_run(store_with(log(), started(experiment("fixed")))) == []


@POLICIES
def test_a_damaged_snapshot_is_learned_again_from_the_one_before(kind, caplog):
    store = store_with(log(n=120), started(experiment(kind)))
    whole = pool_run(store)
    blob = bytearray(whole[-1].blob)
    blob[len(blob) // 2] ^= 1
    for bad in (whole[-1].blob[:-1], bytes(blob), b""):
        damaged = MemorySnapshots()
        for snapshot in whole[:-1]:
            damaged.add(snapshot)
        damaged.add(replace(whole[-1], blob=bad))
        again = pool_run(store, damaged)
        assert again == whole[-2:], "what it goes on from is not live, so it is published too"
        assert "goes back to an earlier snapshot" in caplog.text


def test_a_forgotten_unit_is_counted_and_not_learned_from():
    state = started(experiment())
    erasure = Erasure(Unit("customer", "3"), at(4), "ann", "asked")
    entries = log()
    cut = next(index for index, entry in enumerate(entries) if entry.received_at > at(4))
    store = store_with(entries[:cut], state)
    live = LearnerPool(store, MemorySnapshots())
    live.step()
    store.append([erasure, *entries[cut:]])
    due = live.step()
    rewards = [Reward(visit(index), 0.0, at(index + 5), 0) for index in range(PUBLISH_EVERY) if index != 3]
    blank = next_snapshot(state.experiment, 1, None, rewards)
    assert _n_learned(due[0].blob) == _n_learned(blank.blob)
    assert due[0].n_rewards == PUBLISH_EVERY
    # Read again from the scrubbed log, it is the same.
    assert pool_run(store) == due


def _n_learned(blob: bytes) -> float:
    return sum(map(sum, json.loads(blob).values()))


@POLICIES
def test_a_snapshot_outlives_the_killing_of_a_variant(kind):
    state = started(experiment(kind))
    entries = store_with(log(), state).entries()
    snapshots = learned(state, entries)
    killed = replace(state, revision=2, experiment=replace(state.experiment, killed=("bold",)))
    policy = verify(snapshots[-1], killed.experiment)
    left = [variant for variant in killed.experiment.variants if variant.name != "bold"]
    assert sum(policy.distribution({"device": "phone"}, left)) == pytest.approx(1.0)
    assert learned(killed, entries, snapshots[3]) == snapshots[4:]


@POLICIES
def test_a_prior_changes_nothing_of_what_is_learned(kind):
    state = started(experiment(kind))
    spec = replace(SPECS[kind], prior=SegmentsSpec(otherwise={"quiet": 1.0}))
    with_prior = replace(state, experiment=replace(state.experiment, policy=spec))
    entries = store_with(log()).entries()
    snapshots = learned(with_prior, entries)
    assert snapshots == learned(state, entries)
    assert max(verify(snapshots[0], with_prior.experiment).distribution({}, state.experiment.variants)) < 1.0


def test_a_clock_that_is_set_back_costs_what_came_of_age_before_it_came_and_nothing_else():
    """At the 30th minute the clock is set back by ten: those ten minutes come twice, and time goes on with the 31st."""
    state = started(experiment())
    visits = [visit(index) for index in range(60)]
    set_back = [
        replace(row, assignment_id=content_hash(row.assignment_id.encode())[:32], unit=Unit("customer", f"b{index}"))
        for index, row in enumerate(visits[20:30])
    ]
    entries = store_with([*visits[:30], *set_back, *visits[30:]]).entries()
    made = learned(state, entries)
    assert [snapshot.watermark for snapshot in made] == sorted(snapshot.watermark for snapshot in made)
    # The watermark is at minute 29, so what is assigned at 24 or before is of age; four of the ten were not.
    n_of_age = sum(isinstance(row, Assignment) and row.assigned_at <= at(24) for row in set_back)
    assert n_of_age == 5
    assert made[-1].n_rewards == (60 - 5 + len(set_back) - n_of_age) // PUBLISH_EVERY * PUBLISH_EVERY
    for snapshot in made:
        later = [each for each in made if each.watermark > snapshot.watermark]
        assert learned(state, entries[snapshot.fold_from :], snapshot) == later
