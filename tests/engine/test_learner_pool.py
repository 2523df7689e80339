"""What a learner goes on from: after a crash, in another epoch, from a warm start, and for a shadow."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from engine import lifecycle
from engine.experiments import ContextField, FieldType
from engine.learning import LearnerPool
from engine.lifecycle import Author
from engine.records import BEFORE_THE_LOG, Assignment, Reward
from engine.snapshots import Growth
from engine.specs import FixedSpec
from engine.storage.memory import MemorySnapshots, MemoryStore
from tests.engine.learning_house import (
    ANN,
    NAMES,
    PUBLISH_EVERY,
    SPECS,
    START,
    at,
    contents,
    edited,
    experiment,
    log,
    pool_run,
    started,
    store_with,
    visit,
)

POLICIES = pytest.mark.parametrize("kind", list(SPECS))


def publish(store: MemoryStore, *snapshots):
    for snapshot in snapshots:
        store.point(snapshot.experiment_id, snapshot.epoch, snapshot.hash, is_shadow=snapshot.is_shadow)


def test_what_was_stored_and_not_published_is_due_again_after_a_crash():
    store, snapshots = store_with(log(), started(experiment())), MemorySnapshots()
    due = LearnerPool(store, snapshots).step()
    assert [snapshot.hash for snapshot in snapshots.snapshots("hero")] == [snapshot.hash for snapshot in due]
    again = LearnerPool(store, snapshots)
    assert again.step() == due[-1:]
    publish(store, due[-1])
    again.done()
    assert snapshots.position() == store.last_seq()
    assert pool_run(store, snapshots) == []


def test_a_pinned_pointer_is_left_where_it_is():
    state = started(experiment())
    store, snapshots = store_with(log()[:50], state), MemorySnapshots()
    first, *_ = LearnerPool(store, snapshots).step()
    pinned = replace(state, snapshot=first.hash, pinned=True, etag="9")
    store.save(pinned, lifecycle.create(state.experiment, ANN)[1], state.etag)
    assert pool_run(store, snapshots) == []
    store.append(log()[50:])
    assert pool_run(store, snapshots), "it goes on learning"


def test_what_was_published_is_not_due_again_and_learning_goes_on():
    entries = log()
    everything = pool_run(store_with(entries, started(experiment())))
    store, snapshots = store_with(entries[:50], started(experiment())), MemorySnapshots()
    before = pool_run(store, snapshots)
    publish(store, *before)
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
    both = pool_run(store)
    assert {snapshot.experiment_id for snapshot in both} == {"hero", "other"}
    for name in ("hero", "other"):
        assert [s for s in due if s.experiment_id == name] == [s for s in both if s.experiment_id == name]


def test_an_experiment_begins_at_its_first_row():
    """What came before is not its own, whether the learner was there or not."""
    early = [replace(row, experiment_id="another") if isinstance(row, Assignment) else row for row in log(20)]
    entries = [*early, *log(epoch=2)]
    state = started(experiment())
    store = store_with([], state)
    watching = LearnerPool(store, MemorySnapshots())
    due = []
    for entry in entries:
        store.append([entry])
        due += watching.step()
    assert due == pool_run(store)
    assert {snapshot.fold_from for snapshot in due[:3]} == {len(early)}


@POLICIES
def test_a_new_epoch_goes_on_with_what_was_learned(kind):
    state = started(experiment(kind))
    store, snapshots = store_with(log(epoch=1), state), MemorySnapshots()
    pool = LearnerPool(store, snapshots)
    first = pool.step()
    publish(store, *first)
    moved = edited(store, store.state("hero"), replace(state.experiment, seed="another"))
    assert (moved.epoch, moved.snapshot) == (2, first[-1].hash)
    store.append(log(epoch=2))
    second = pool.step()
    assert second[0].parent == first[-1].hash
    assert {snapshot.epoch for snapshot in second} == {2}
    # As if there had been no edit, in an undisturbed run over all that was drawn.
    assert contents(first + second) == contents(pool_run(store))


@POLICIES
def test_another_reward_is_learned_from_the_logs_start(kind):
    state = started(experiment(kind))
    store, snapshots = store_with(log(), state), MemorySnapshots()
    pool = LearnerPool(store, snapshots)
    publish(store, *pool.step())
    moved = edited(store, store.state("hero"), replace(state.experiment, reward_default=0.25))
    assert (moved.epoch, moved.snapshot) == (2, "")
    anew = pool.step()
    assert (anew[0].parent, anew[0].n_rewards) == ("", PUBLISH_EVERY)
    assert contents(anew) == contents(pool_run(store))
    back = edited(store, moved, state.experiment)
    (newest,) = pool.step()
    assert (newest.epoch, newest.n_rewards) == (back.epoch, anew[-1].n_rewards), "what was learned then is still there"


@POLICIES
def test_a_variant_that_is_gone_takes_its_own_draws_with_it(kind):
    state = started(experiment(kind))
    store = store_with(log(), state)
    edited(store, store.state("hero"), replace(state.experiment, variants=state.experiment.variants[:2]))
    made = pool_run(store)
    only_two = [
        replace(row, eligible=NAMES[:2], distribution=(row.distribution[:2]))
        for row in log()
        if isinstance(row, Assignment) and row.variant in NAMES[:2]
    ]
    assert 0 < len(only_two) < 60
    growth = Growth(store.state("hero").experiment, None)
    clicks = {entry.assignment_id for entry in log() if not isinstance(entry, Assignment)}
    growth.learn(
        [
            Reward(row, float(row.assignment_id in clicks), row.assigned_at + timedelta(minutes=5), 0)
            for row in only_two
            if row.assigned_at < at(7)
        ]
    )
    assert growth.snapshot(1).blob == made[0].blob


def test_a_field_that_changed_its_type_counts_as_missing():
    """A new type of a field is another schema; the old values are read as if they were not there."""
    state = started(experiment("contextual"))
    store = store_with(log(), state)
    context = (ContextField("device", FieldType.TEXT), ContextField("visits", FieldType.TEXT))
    edited(store, store.state("hero"), replace(state.experiment, context=context))
    made = pool_run(store)
    assert made
    assert all("visits" not in probe.context for snapshot in made for probe in snapshot.probes)


@POLICIES
def test_a_shadow_learns_from_the_same_draws_into_snapshots_of_its_own(kind):
    shadow = {"thompson": "contextual", "contextual": "thompson"}[kind]
    both = started(replace(experiment(kind), shadow=SPECS[shadow]))
    store, snapshots = store_with(log(), both), MemorySnapshots()
    made = LearnerPool(store, snapshots).step()
    for name, is_shadow in ((kind, False), (shadow, True)):
        alone = pool_run(store_with(log(), started(experiment(name))))
        own = [snapshot for snapshot in made if snapshot.is_shadow is is_shadow]
        assert contents(own) == contents(alone)
        assert list(snapshots.newest("hero", is_shadow=is_shadow)) == own[::-1]
    publish(store, *made)
    assert (store.state("hero").snapshot, store.state("hero").shadow_snapshot) == tuple(
        next(snapshots.newest("hero", is_shadow=is_shadow)).hash for is_shadow in (False, True)
    )
    assert pool_run(store, snapshots) == []


def test_a_shadow_that_learns_the_same_has_the_same_content_under_its_own_pointer():
    both = started(replace(experiment(), shadow=SPECS["thompson"]))
    store, snapshots = store_with(log(), both), MemorySnapshots()
    publish(store, *LearnerPool(store, snapshots).step())
    assert store.state("hero").snapshot == store.state("hero").shadow_snapshot != ""
    assert pool_run(store, snapshots) == []


def test_a_shadow_of_a_test_learns_and_a_new_one_catches_up():
    test = started(replace(experiment("fixed"), shadow=SPECS["thompson"]))
    store = store_with(log(), test)
    made = pool_run(store)
    assert made
    assert all(snapshot.is_shadow for snapshot in made)

    plain = started(replace(experiment("fixed"), reward=test.experiment.reward))
    later = store_with(log(), plain)
    pool = LearnerPool(later, MemorySnapshots())
    assert pool.step() == []
    edited(later, later.state("hero"), replace(plain.experiment, shadow=SPECS["thompson"]))
    assert contents(pool.step()) == contents(made)


def test_what_a_shadow_learned_is_gone_on_from_where_it_serves():
    shadowed = started(replace(experiment("contextual"), shadow=SPECS["thompson"]))
    store, snapshots = store_with(log()[:40], shadowed), MemorySnapshots()
    publish(store, *LearnerPool(store, snapshots).step())
    before = store.state("hero")
    edited(store, before, replace(before.experiment, policy=SPECS["thompson"], shadow=SPECS["contextual"]))
    swapped = store.state("hero")
    assert (swapped.snapshot, swapped.shadow_snapshot) == (before.shadow_snapshot, before.snapshot)
    assert pool_run(store, snapshots) == [], "nothing is learned again"
    store.append(log()[40:])
    made = pool_run(store, snapshots)
    alone = {name: pool_run(store_with(log(), started(experiment(name)))) for name in ("thompson", "contextual")}
    for name, is_shadow in (("thompson", False), ("contextual", True)):
        own = [snapshot.hash for snapshot in made if snapshot.is_shadow is is_shadow]
        assert own
        assert own == [snapshot.hash for snapshot in alone[name]][-len(own) :]


@POLICIES
def test_a_warm_start_is_what_the_chain_begins_on(kind):
    draft, created = lifecycle.create(experiment(kind), ANN)
    growth = Growth(draft.experiment, None)
    growth.learn([Reward(visit(index), float(index % 3 == 1), at(index), 1) for index in range(30)])
    lessons = growth.snapshot(1)
    root = replace(lessons, n_rewards=0, n_warm=30, watermark=BEFORE_THE_LOG)
    store = MemoryStore()
    store.save(draft, created, "")
    warm = replace(draft, snapshot=root.hash, etag="2")
    store.warm(root, warm, created, draft.etag)
    running, change = lifecycle.transition(warm, lifecycle.Status.RUNNING, "", Author("ann", "go", START))
    store.save(running, change, warm.etag)
    store.append(log())
    snapshots = MemorySnapshots()
    made = LearnerPool(store, snapshots).step()
    assert (made[0].parent, made[0].n_rewards, made[0].n_warm) == (root.hash, PUBLISH_EVERY, 30)
    assert {snapshot.n_warm for snapshot in made} == {30}
    cold = pool_run(store_with(log(), started(experiment(kind))))
    assert made[0].hash != cold[0].hash
    assert [snapshot.watermark for snapshot in made] == [snapshot.watermark for snapshot in cold]
    # A new epoch goes on with it; another reward has no use for it.
    edited(store, store.state("hero"), replace(draft.experiment, reward_default=0.5))
    assert pool_run(store, snapshots)[0].n_warm == 0


def test_only_policies_that_learn_have_snapshots():
    assert pool_run(store_with(log(), started(replace(experiment("fixed"), shadow=FixedSpec())))) == []
