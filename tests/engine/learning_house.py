"""Small logs of visits that are learned from, for the tests of the learner and of snapshots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from engine import lifecycle
from engine.experiments import ContextField, Experiment, ExperimentState, FieldType, Status, Variant
from engine.learning import Chain, Learner, LearnerPool
from engine.lifecycle import Author
from engine.metrics import Metric
from engine.randomness import ONE, content_hash
from engine.records import Assignment, Entry, Outcome, Reason, Snapshot, Unit
from engine.specs import ContextualSpec, FixedSpec, ThompsonSpec
from engine.storage.memory import MemorySnapshots, MemoryStore

START = datetime(2026, 1, 5, tzinfo=UTC)
ANN = Author("ann", "test", START)
N_VISITS = 60
PUBLISH_EVERY = 7
SPECS = {
    "thompson": ThompsonSpec(publish_every=PUBLISH_EVERY),
    "contextual": ContextualSpec(publish_every=PUBLISH_EVERY),
}
NAMES = ("plain", "bold", "quiet")


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def experiment(kind: str = "thompson", experiment_id: str = "hero") -> Experiment:
    return Experiment(
        experiment_id,
        tuple(map(Variant, NAMES)),
        (Metric("click", window=timedelta(minutes=5)),),
        context=(ContextField("device", FieldType.TEXT), ContextField("visits", FieldType.NUMBER)),
        policy=SPECS.get(kind, FixedSpec()),
    )


def started(defined: Experiment) -> ExperimentState:
    return lifecycle.transition(lifecycle.create(defined, ANN)[0], Status.RUNNING, "", ANN)[0]


def visit(index: int, experiment_id: str = "hero", epoch: int = 1) -> Assignment:
    assigned_at = at(index + 1000 * (epoch - 1))
    return Assignment(
        experiment_id=experiment_id,
        variant=NAMES[index % 3],
        reason=Reason.DRAWN,
        unit=Unit("customer", str(index)),
        assigned_at=assigned_at,
        received_at=assigned_at,
        assignment_id=content_hash(f"{experiment_id} {epoch} {index}".encode())[:32],
        epoch=epoch,
        is_draw=True,
        eligible=NAMES,
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


def edited(store: MemoryStore, state: ExperimentState, defined: Experiment) -> ExperimentState:
    """Change an experiment's definition, and return its state."""
    after, change = lifecycle.update(state, defined, state.etag, ANN)
    store.save(after, change, state.etag)
    return after


def learner(state: ExperimentState, resume: Snapshot | None = None) -> Learner:
    return Learner(state, [Chain(state.experiment, state.epoch, resume)])


def learned(state: ExperimentState, entries: Sequence[Entry], resume: Snapshot | None = None) -> list[Snapshot]:
    """Return the snapshots that a learner makes of a log on top of one."""
    return list(learner(state, resume).feed(entries))


def pool_run(store: MemoryStore, snapshots: MemorySnapshots | None = None, page_size: int = 10_000) -> list[Snapshot]:
    return LearnerPool(store, snapshots or MemorySnapshots(), page_size).step()


def contents(snapshots: Sequence[Snapshot]) -> list[tuple[object, ...]]:
    """Return what the log alone decides of snapshots: everything but the epoch in which each was written."""
    return [(each.hash, each.parent, each.watermark, each.n_rewards, each.probes, each.fold_from) for each in snapshots]


def without_pauses(defined: Experiment) -> Experiment:
    """Return the experiment with a snapshot due after every few rewards, however fast they come."""
    return replace(defined, policy=replace(defined.policy, publish_after=timedelta(0)))
