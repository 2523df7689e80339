"""A product's traffic, decided, logged and learned from in this process: the service without its wire."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from engine import lifecycle, randomness
from engine.catalog import FindSnapshot
from engine.clock import RequestClock
from engine.engine import Engine
from engine.experiments import ContextField, Experiment, FieldType, Status, Variant
from engine.learning import LearnerPool
from engine.lifecycle import Author
from engine.metrics import Metric
from engine.ports import Reader, SnapshotStore, Store
from engine.records import Assignment, Kept, Outcome, Request
from engine.settings import Settings
from engine.specs import ContextualSpec, FixedSpec, PolicySpec, Rule, SegmentsSpec, ThompsonSpec

START = datetime(2024, 1, 1, tzinfo=UTC)
VARIANTS = (Variant("plain"), Variant("bold"), Variant("loud"), Variant("rare"))
RULES = SegmentsSpec(
    (Rule({"device": "phone"}, {"bold": 0.7, "rare": 0.3}), Rule({"visits": {"$gte": 5}}, {"loud": 1.0})),
    otherwise={"plain": 0.9, "loud": 0.1},
)
SPECS: dict[str, PolicySpec] = {
    "fixed": FixedSpec(),
    "fixed-unequal": FixedSpec({"plain": 0.6, "bold": 0.25, "loud": 0.14, "rare": 0.01}),
    "segments": RULES,
    "segments-floor": replace(RULES, floor=0.1),
    "thompson": ThompsonSpec(publish_every=100),
    "thompson-prior": ThompsonSpec(publish_every=100, prior=RULES),
    "thompson-control": ThompsonSpec(publish_every=100, control_share=0.2),
    "contextual": ContextualSpec(publish_every=100),
    "contextual-control": ContextualSpec(publish_every=100, control_share=0.1, floor=0.1),
}
DEVICES = ("phone", "tablet", "desktop")


@dataclass
class Local:
    """A store with its reader, a learner beside it, and an engine that decides from them."""

    store: Store
    reader: Reader
    snapshots: SnapshotStore
    find_snapshot: FindSnapshot

    def __post_init__(self) -> None:
        self.engine = Engine(self.reader, self.find_snapshot, RequestClock(), Settings(policy_budget_s=10.0))
        self.pool = LearnerPool(self.reader, self.snapshots)

    def start(self, spec: PolicySpec) -> None:
        context = (ContextField("device", FieldType.TEXT), ContextField("visits", FieldType.NUMBER))
        experiment = Experiment(
            "hero", VARIANTS, (Metric("click", window=timedelta(hours=1)),), context=context, policy=spec
        )
        author = Author("tests", "", START)
        draft, created = lifecycle.create(experiment, author)
        self.store.save(draft, created, "")
        running, started = lifecycle.transition(draft, Status.RUNNING, draft.etag, author)
        self.store.save(running, started, draft.etag)
        self.engine.adopt(running)

    def edit(self, **changes: Any) -> None:
        """Change fields of the definition."""
        state = self.engine.catalog.find("hero").state
        author = Author("tests", "an edit", START)
        after, change = lifecycle.update(state, replace(state.experiment, **changes), state.etag, author)
        self.store.save(after, change, state.etag)
        self.engine.adopt(after)

    def visit(self, number: int, chance: np.random.Generator) -> Assignment:
        """Let one customer come, and perhaps click; no customer comes twice."""
        at = START + timedelta(minutes=number)
        device = DEVICES[chance.integers(len(DEVICES))]
        request = Request(
            experiment_id="hero",
            units={"customer": f"unit-{number}"},
            request_id=randomness.request_id(at, f"visit-{number}"),
            received_at=at,
            context={"device": device, "visits": float(chance.integers(10))},
            excluded_variants=frozenset({"loud"}) if number % 7 == 0 else frozenset(),
        )
        (kept,) = self.store.append([self.engine.decide(request)])
        row = _assignment(kept)
        if chance.random() < _click_rate(row.variant, device):
            self.store.append([Outcome(f"click-{number}", "click", 1.0, at, at, row.assignment_id)])
        return row

    def learn(self) -> int:
        """Publish what is due, as the server does, and return how many snapshots that was."""
        due = self.pool.step()
        for snapshot in due:
            state = self.engine.catalog.find(snapshot.experiment_id).state
            moved = {"shadow_snapshot" if snapshot.is_shadow else "snapshot": snapshot.hash}
            staged = self.engine.stage(replace(state, **moved))
            self.store.point(snapshot.experiment_id, snapshot.epoch, snapshot.hash, is_shadow=snapshot.is_shadow)
            self.engine.swap_in(staged)
        self.pool.done()
        return len(due)

    def traffic(self, n_visits: int, seed: int, first: int = 0) -> list[Assignment]:
        """Let customers come, and learn after each hundred; return the rows of the log."""
        chance = np.random.default_rng(seed)
        rows = []
        for number in range(first, first + n_visits):
            rows.append(self.visit(number, chance))
            if number % 100 == 99:
                self.learn()
        return rows


def _assignment(kept: Kept) -> Assignment:
    assert isinstance(kept.entry, Assignment)
    return kept.entry


def _click_rate(variant: str, device: str) -> float:
    return {"bold": 0.2, "loud": 0.15}.get(variant, 0.1) + 0.2 * (variant == "loud") * (device == "phone")


@pytest.fixture(scope="session")
def local() -> Callable[..., Local]:
    """Make a Local of stores."""
    return Local


@pytest.fixture(params=SPECS, scope="session")
def spec(request: pytest.FixtureRequest) -> PolicySpec:
    """Every policy."""
    return SPECS[request.param]


@pytest.fixture(scope="session")
def specs() -> dict[str, PolicySpec]:
    """Every policy by a name."""
    return SPECS
