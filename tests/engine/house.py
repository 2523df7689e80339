"""An engine with its store: what a server is, without the wire."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from engine import lifecycle, randomness
from engine.clock import RequestClock
from engine.definition import define
from engine.engine import Engine
from engine.experiments import ContextField, Experiment, FieldType, Status, Variant
from engine.explanation import Explanation
from engine.funnel import ForcedUnit, Population
from engine.lifecycle import Author
from engine.metrics import Metric
from engine.recompute import Recomputer
from engine.records import Assignment, Exposure, Outcome, Request, Reward, Snapshot, Unit
from engine.settings import Settings
from engine.snapshots import Growth
from engine.storage.memory import MemorySnapshots, MemoryStore

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
AUTHOR = Author("ann", "a test", NOW)


def experiment(name: str = "hero", **fields: Any) -> Experiment:
    """Return a plain test of three variants, with these fields."""
    plain = Experiment(
        name,
        (Variant("plain"), Variant("bold"), Variant("quiet")),
        (Metric("click"),),
        context=(ContextField("country", FieldType.TEXT), ContextField("visits", FieldType.NUMBER)),
    )
    return define(replace(plain, **fields))


class House:
    """Applies, asks and reports as a server does, in this process."""

    def __init__(self, store: Any = None, clock: Any = None) -> None:
        self.store = store or MemoryStore(secret=b"0123456789abcdef")
        self.snapshots = MemorySnapshots()
        self.clock = clock or RequestClock()
        self.open()

    def open(self) -> None:
        """Start an engine on what the store holds, as a restart does."""
        self.engine = Engine(self.store, self.snapshots.snapshot, self.clock, Settings())

    def run(self, *experiments: Experiment) -> None:
        for each in experiments:
            state, change = lifecycle.create(each, AUTHOR)
            self.store.save(state, change, "")
            self.engine.adopt(state)
            self.move(each.experiment_id, Status.RUNNING)

    def move(self, experiment_id: str, to: Status) -> None:
        before = self.engine.catalog.find(experiment_id).state
        self._save(before.etag, *lifecycle.transition(before, to, "", AUTHOR))

    def change(self, experiment_id: str, **fields: Any) -> None:
        before = self.engine.catalog.find(experiment_id).state
        changed = replace(before.experiment, **fields)
        self._save(before.etag, *lifecycle.update(before, changed, before.etag, AUTHOR))

    def ramp(self, experiment_id: str, step: int) -> None:
        before = self.engine.catalog.find(experiment_id).state
        self._save(before.etag, *lifecycle.move_ramp(before, step, "", AUTHOR, early=True))

    def divide(self, population: Population) -> None:
        before = self.engine.population
        states = [live.state for live in self.engine.catalog.by_id.values()]
        state, change, moved = lifecycle.update_population(before, population, before.etag, states, AUTHOR)
        self.store.save_population(state, change, moved)
        self.engine.adopt_population(state, [each for each, _ in moved])

    def teach(self, experiment_id: str, rewards: Sequence[Reward], *, is_shadow: bool = False) -> Snapshot:
        """Publish what the policy, or its shadow, learns from some rewards."""
        state = self.engine.catalog.find(experiment_id).state
        learning = state.experiment.shadowed if is_shadow else state.experiment
        snapshot = replace(next_snapshot(learning, state.epoch, None, rewards), is_shadow=is_shadow)
        self.snapshots.add(snapshot)
        moved = {"shadow_snapshot": snapshot.hash} if is_shadow else {"snapshot": snapshot.hash}
        staged = self.engine.stage(replace(state, **moved))
        self.store.point(experiment_id, state.epoch, snapshot.hash, is_shadow=is_shadow)
        self.engine.swap_in(staged)
        return snapshot

    def force(self, experiment_id: str, unit: Unit, variant: str) -> None:
        self.engine.force(ForcedUnit(experiment_id, unit, variant))

    def decide(
        self, unit: str = "u1", *, at: datetime = NOW, name: str = "", walk: Any = None, **changes: Any
    ) -> Assignment:
        """Ask and keep nothing, as long as nobody settles."""
        return self.engine.decide(self.request(unit, at=at, name=name, **changes), walk)

    def request(self, unit: str = "u1", *, at: datetime = NOW, name: str = "", **changes: Any) -> Request:
        units = {"customer": unit} if unit else {}
        request = Request("hero", units, randomness.request_id(at, f"{name} {unit} {changes.get('experiment_id')}"), at)
        return replace(request, **changes)

    def fill(self, unit: str = "u1", n_slots: int = 1, **changes: Any) -> list[Assignment]:
        """Ask for several slots, and keep the answers where they are to be kept; they come as the log has them."""
        rows = self.engine.fill(self.request(unit, n_slots=n_slots, **changes))
        self.keep(rows)
        found = [self.store.assignment(row.assignment_id, row.slot) for row in rows if row.assignment_id]
        return [row for row in found if row is not None] or list(rows)

    def ask(self, unit: str = "u1", **changes: Any) -> Assignment:
        """Ask, and keep the answer where it is to be kept."""
        row = self.decide(unit, **changes)
        self.keep([row])
        return row

    def keep(self, rows: Iterable[Assignment]) -> None:
        rows = list(rows)
        self.store.append([row for row in rows if row.reason.is_logged])
        self.engine.settle(rows)

    def expose(self, row: Assignment, at: datetime) -> None:
        self.store.append([Exposure(row.assignment_id, at, at)])

    def react(self, unit: str, at: datetime, metric: str = "click") -> None:
        self.store.append([Outcome(f"{unit} {at}", metric, 1.0, at, at, unit=Unit("customer", unit))])

    def report(self, row: Assignment, at: datetime, metric: str = "click") -> None:
        self.store.append([Outcome(f"{row.assignment_id} {at}", metric, 1.0, at, at, row.assignment_id)])

    def explain(self, row: Assignment) -> Explanation:
        kept = self.store.assignment(row.assignment_id, row.slot)
        return Recomputer(self.store, self.snapshots.snapshot).explain(kept)

    def _save(self, etag: str, state: Any, change: Any) -> None:
        self.store.save(state, change, etag)
        self.engine.adopt(state)


def days(n: float) -> timedelta:
    return timedelta(days=n)


def next_snapshot(experiment: Experiment, epoch: int, parent: Snapshot | None, rewards: Sequence[Reward]) -> Snapshot:
    """What the policy knows after it learned these rewards on top of `parent` (None: nothing before)."""
    growth = Growth(experiment, parent)
    growth.learn(rewards)
    return growth.snapshot(epoch)
