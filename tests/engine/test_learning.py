"""A killed learner and an undisturbed one write the same bytes; what does not verify does not serve."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import lifecycle
from engine.errors import SnapshotRefused
from engine.experiments import ContextField, Experiment, ExperimentState, FieldType, Metric, Status, Variant
from engine.learning import Learner, LearnerPool, next_snapshot, verify
from engine.lifecycle import Author
from engine.randomness import ONE, content_hash
from engine.records import Assignment, Entry, Erasure, Outcome, Probe, Reason, Reward, Unit
from engine.specs import ContextualSpec, FixedSpec, SegmentsSpec, ThompsonSpec
from engine.storage.memory import MemorySnapshots, MemoryStore
from engine.storage.sqlite import SqliteStore
from engine.storage.sqlite_reader import SqliteReader
from engine.storage.sqlite_snapshots import SqliteSnapshots

START = datetime(2026, 1, 5, tzinfo=UTC)
ANN = Author("ann", "test", START)
N_VISITS = 60
PUBLISH_EVERY = 7
SPECS = {
    "thompson": ThompsonSpec(publish_every=PUBLISH_EVERY),
    "contextual": ContextualSpec(publish_every=PUBLISH_EVERY),
}
POLICIES = pytest.mark.parametrize("kind", list(SPECS))


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def experiment(kind: str = "thompson", experiment_id: str = "hero") -> Experiment:
    return Experiment(
        experiment_id,
        (Variant("plain"), Variant("bold"), Variant("quiet")),
        (Metric("click", window=timedelta(minutes=5)),),
        context=(ContextField("device", FieldType.TEXT), ContextField("visits", FieldType.NUMBER)),
        policy=SPECS.get(kind, FixedSpec()),
    )


def started(defined: Experiment) -> ExperimentState:
    return lifecycle.transition(lifecycle.create(defined, ANN)[0], Status.RUNNING, "", ANN)[0]


def visit(index: int, experiment_id: str = "hero", epoch: int = 1) -> Assignment:
    variants = ("plain", "bold", "quiet")
    assigned_at = at(index + 1000 * (epoch - 1))
    return Assignment(
        experiment_id=experiment_id,
        variant=variants[index % 3],
        reason=Reason.DRAWN,
        unit=Unit("customer", str(index)),
        assigned_at=assigned_at,
        received_at=assigned_at,
        assignment_id=content_hash(f"{experiment_id} {epoch} {index}".encode())[:32],
        epoch=epoch,
        is_draw=True,
        eligible=variants,
        distribution=(ONE // 2, ONE // 4, ONE // 4),
        context={"device": ("phone", "desk")[index % 2], "visits": float(index % 5)},
    )


def log(n: int = N_VISITS, experiment_ids: tuple[str, ...] = ("hero",), epoch: int = 1) -> list[Assignment | Outcome]:
    """Return the entries of `n` visits, one a minute, of which every second to fourth clicks two minutes later."""
    rng = np.random.default_rng(5)
    entries: list[Assignment | Outcome] = []
    for index in range(n):
        for experiment_id in experiment_ids:
            row = visit(index, experiment_id, epoch)
            entries.append(row)
            if rng.random() < (0.3, 0.5, 0.2)[index % 3]:
                clicked_at = row.assigned_at + timedelta(minutes=2)
                of = row.assignment_id
                entries.append(Outcome(f"click {of}", "click", 1.0, clicked_at, clicked_at, assignment_id=of))
    return sorted(entries, key=lambda entry: entry.received_at)


def store_with(entries: Sequence[Entry], *states: ExperimentState) -> MemoryStore:
    store = MemoryStore()
    for state in states:
        _, change = lifecycle.create(state.experiment, ANN)
        store.save(state, change, "")
    store.append(entries)
    return store


def pool_run(store: MemoryStore, snapshots: MemorySnapshots | None = None, page_size: int = 10_000) -> list[str]:
    return [snapshot.hash for snapshot in LearnerPool(store, snapshots or MemorySnapshots(), page_size).step()]


@POLICIES
def test_a_snapshot_comes_after_every_few_rewards_and_names_its_parent(kind):
    state = started(experiment(kind))
    entries = store_with(log()).entries()
    made = Learner(state).feed(entries)
    n_matured = N_VISITS - 6  # the last entry is the last visit, or its click
    assert [snapshot.n_rewards for snapshot in made] == list(range(PUBLISH_EVERY, n_matured + 1, PUBLISH_EVERY))
    assert [snapshot.parent for snapshot in made] == ["", *(snapshot.hash for snapshot in made[:-1])]
    assert [snapshot.watermark[0] for snapshot in made] == [at(snapshot.n_rewards - 1 + 5) for snapshot in made]
    assert {(snapshot.policy, snapshot.epoch) for snapshot in made} == {(kind, 1)}
    assert len(made[-1].probes) == 3
    assert made[-1].hash == content_hash(made[-1].blob)


@POLICIES
@settings(max_examples=25)
@given(kills=st.lists(st.integers(0, 80), max_size=3).map(sorted))
def test_a_learner_killed_anywhere_writes_what_an_undisturbed_one_writes(kind, kills):
    state = started(experiment(kind))
    entries = store_with(log()).entries()
    undisturbed = Learner(state).feed(entries)
    stored = []
    for stop in [*kills, len(entries)]:
        resumed = Learner(state, stored[-1] if stored else None)
        stored += [snapshot for snapshot in resumed.feed(entries[:stop]) if snapshot is not resumed.resume]
    assert stored == undisturbed


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
        due += [snapshot.hash for snapshot in pool.step()]
    assert due == at_once


@POLICIES
def test_the_log_on_disk_teaches_the_same_as_in_memory(kind, tmp_path):
    state = started(experiment(kind))
    with closing(SqliteStore(tmp_path)) as store, closing(SqliteSnapshots(tmp_path, write=True)) as snapshots:
        store.save(state, lifecycle.create(state.experiment, ANN)[1], "")
        store.append(log())
        with closing(SqliteReader(tmp_path)) as reader:
            made = LearnerPool(reader, snapshots).step()
        assert [snapshot.hash for snapshot in made] == pool_run(store_with(log(), state))
        assert snapshots.snapshots("hero") == made


def test_resumed_from_another_log_is_refused():
    state = started(experiment())
    first = Learner(state).feed(store_with(log()).entries())[0]
    shifted = store_with(log()[1:]).entries()
    with pytest.raises(SnapshotRefused, match="another log"):
        Learner(state, first).feed(shifted)


def test_what_was_stored_and_not_published_is_due_again_after_a_crash():
    store, snapshots = store_with(log(), started(experiment())), MemorySnapshots()
    crashed = LearnerPool(store, snapshots)
    due = crashed.step()
    assert [snapshot.hash for snapshot in snapshots.snapshots("hero")] == [snapshot.hash for snapshot in due]
    again = LearnerPool(store, snapshots)
    assert again.step() == due[-1:]
    again.done()
    assert snapshots.position() == store.last_seq()
    assert LearnerPool(store, snapshots).step() == []


def test_what_was_published_is_not_due_again_and_learning_goes_on():
    entries = log()
    everything = pool_run(store_with(entries, started(experiment())))
    store, snapshots = store_with(entries[:50], started(experiment())), MemorySnapshots()
    first = LearnerPool(store, snapshots)
    before = [snapshot.hash for snapshot in first.step()]
    first.done()
    store.append(entries[50:])
    assert 0 < len(before) < len(everything)
    assert before + pool_run(store, snapshots) == everything


def test_a_newcomer_catches_up_alone():
    entries = log(experiment_ids=("hero", "other"))
    store = store_with(entries[:60], started(experiment()))
    pool = LearnerPool(store, MemorySnapshots())
    due = pool.step()
    other = started(experiment(experiment_id="other"))
    store.save(other, lifecycle.create(other.experiment, ANN)[1], "")
    store.append(entries[60:])
    due += pool.step()
    both = LearnerPool(store, MemorySnapshots()).step()
    assert {snapshot.experiment_id for snapshot in both} == {"hero", "other"}
    for name in ("hero", "other"):
        assert [s for s in due if s.experiment_id == name] == [s for s in both if s.experiment_id == name]


def test_a_new_epoch_starts_untaught_and_learns_from_its_own_draws_alone():
    state = started(experiment())
    store = store_with(log(epoch=1), state)
    pool = LearnerPool(store, MemorySnapshots())
    first = pool.step()
    moved, change = lifecycle.update(state, replace(state.experiment, seed="another"), state.etag, ANN)
    store.save(moved, change, store.state("hero").etag)
    store.append(log(epoch=2))
    second = pool.step()
    assert [s.n_rewards for s in second] == [s.n_rewards for s in first]
    assert second[0].parent == ""
    assert {(s.epoch) for s in second} == {2}
    # The same visits with the same clicks, counted from the prior again.
    assert [s.blob for s in second] == [s.blob for s in first]


@pytest.mark.parametrize("status", [Status.DRAFT, Status.CONCLUDED, Status.ARCHIVED])
def test_only_what_runs_or_pauses_learns(status):
    running = started(experiment())
    assert pool_run(store_with(log(), replace(running, status=status))) == []
    assert pool_run(store_with(log(), replace(running, status=Status.PAUSED))) == pool_run(store_with(log(), running))


def test_a_fixed_policy_does_not_learn():
    assert pool_run(store_with(log(), started(experiment("fixed")))) == []


def test_a_damaged_snapshot_is_learned_again_from_the_one_before(caplog):
    store = store_with(log(), started(experiment()))
    whole = LearnerPool(store, MemorySnapshots()).step()
    damaged = MemorySnapshots()
    damaged.add(whole[0])
    damaged.add(replace(whole[1], blob=whole[1].blob[:-1]))
    damaged.set_position(store.last_seq())
    assert LearnerPool(store, damaged).step() == whole[1:]
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
    assert sum(map(sum, _posteriors(due[0].blob))) == sum(map(sum, _posteriors(blank.blob)))
    assert due[0].n_rewards == PUBLISH_EVERY
    # Read again from the scrubbed log, it is the same.
    assert LearnerPool(store, MemorySnapshots()).step() == due


def _posteriors(blob: bytes) -> list[list[float]]:
    return list(json.loads(blob).values())


@POLICIES
def test_verify_returns_a_policy_that_answers_as_its_learner_did(kind):
    state = started(experiment(kind))
    snapshot = Learner(state).feed(store_with(log()).entries())[-1]
    policy = verify(snapshot, state.experiment)
    for probe in snapshot.probes:
        answer = policy.distribution(probe.context, state.experiment.variants)
        assert answer == pytest.approx(probe.probabilities, abs=1e-9)
        assert max(answer) > 0.34


@POLICIES
def test_verify_refuses_what_is_not_as_it_was_written(kind):
    state = started(experiment(kind))
    snapshot = Learner(state).feed(store_with(log()).entries())[-1]
    flipped = bytearray(snapshot.blob)
    flipped[len(flipped) // 2] ^= 1
    probe = snapshot.probes[0]
    wrong = Probe(probe.context, probe.eligible, (probe.probabilities[0] + 1e-5, *probe.probabilities[1:]))
    short = Probe(probe.context, probe.eligible[:2], probe.probabilities)
    unknown = Probe(probe.context, ("plain", "bold", "none"), probe.probabilities)
    other_schema = replace(state.experiment, variants=state.experiment.variants[:2])
    refusals = {
        "content": [replace(snapshot, blob=snapshot.blob[:-5]), replace(snapshot, blob=bytes(flipped))],
        "wrote it": [replace(snapshot, library="another 1.0")],
        "configured": [replace(snapshot, arguments=("--other",)), replace(snapshot, policy="other")],
        "fields or variants": [replace(snapshot, schema="another")],
        "does not answer": [replace(snapshot, probes=(bad,)) for bad in (wrong, short, unknown)],
    }
    for why, damaged in refusals.items():
        for bad in damaged:
            with pytest.raises(SnapshotRefused, match=why):
                verify(bad, state.experiment)
    with pytest.raises(SnapshotRefused):
        verify(snapshot, other_schema)


def test_verify_refuses_an_experiment_that_does_not_learn():
    state = started(experiment())
    snapshot = Learner(state).feed(store_with(log()).entries())[-1]
    with pytest.raises(SnapshotRefused, match="does not learn"):
        verify(snapshot, experiment("fixed"))


@POLICIES
def test_a_blob_that_is_rehashed_after_damage_does_not_verify(kind):
    """The probe catches what the hash cannot: a snapshot whose content was replaced together with its name."""
    state = started(experiment(kind))
    first, *_, last = Learner(state).feed(store_with(log()).entries())
    with pytest.raises(SnapshotRefused, match="does not answer"):
        verify(replace(last, blob=first.blob, hash=first.hash), state.experiment)


@POLICIES
def test_a_snapshot_outlives_the_killing_of_a_variant(kind):
    state = started(experiment(kind))
    store = store_with(log(), state)
    snapshots = Learner(state).feed(store.entries())
    killed = replace(state, revision=2, experiment=replace(state.experiment, killed=("bold",)))
    policy = verify(snapshots[-1], killed.experiment)
    left = [variant for variant in killed.experiment.variants if variant.name != "bold"]
    assert sum(policy.distribution({"device": "phone"}, left)) == pytest.approx(1.0)
    resumed = Learner(killed, snapshots[3])
    assert resumed.feed(store.entries()) == snapshots[3:]


@POLICIES
def test_a_prior_changes_nothing_of_what_is_learned(kind):
    state = started(experiment(kind))
    spec = replace(SPECS[kind], prior=SegmentsSpec(otherwise={"quiet": 1.0}))
    with_prior = replace(state, experiment=replace(state.experiment, policy=spec))
    entries = store_with(log()).entries()
    snapshots = Learner(with_prior).feed(entries)
    assert snapshots == Learner(state).feed(entries)
    assert max(verify(snapshots[0], with_prior.experiment).distribution({}, state.experiment.variants)) < 1.0
