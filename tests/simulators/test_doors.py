"""The two doors: the same questions have the same answers, whatever they bring along with any number of slots."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from armlift import Answer, ArmliftError, Ask, Candidate, Client, Event

from engine.clock import RequestClock
from engine.experiments import ContextField, Experiment, FieldType, Status, Variant
from engine.metrics import Metric
from engine.randomness import request_id
from engine.records import Assignment, Outcome, Reason
from engine.service.management import Management
from engine.service.server import Serving, serving_beside
from engine.specs import FixedSpec, PolicySpec, ThompsonSpec
from simulators.doors import ClientDoor, EngineDoor

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
PRICE = ContextField("price", FieldType.NUMBER)
NEWS = Experiment(
    "news", (Variant("house"),), (Metric("click", window=timedelta(hours=1)),), candidates=(PRICE,), slots=3
)
BROUGHT = [Candidate(name, {"price": place}) for place, name in enumerate("abcde")]


def ask(number: int, **changes: object) -> Ask:
    at = AT + timedelta(minutes=number)
    asked = {"units": {"customer": f"u{number}"}, "request_id": request_id(at, str(number)), "at": at} | changes
    return Ask("news", **asked)  # type: ignore[arg-type]


def told(answers: list[Answer]) -> list[tuple[object, ...]]:
    return [(each.variant, each.slot, each.reason, each.propensity, each.assignment_id) for each in answers]


def test_both_doors_fill_the_same_slots_with_the_same_candidates(tmp_path: Path) -> None:
    asks = [ask(number, candidates=BROUGHT, slots=3, excluded=["b"]) for number in range(20)]
    beside = EngineDoor([NEWS], AT, seed=1)
    inside = beside.fill(asks)
    with (
        serving_beside(Serving(tmp_path, "127.0.0.1:0", RequestClock(), companions=())) as address,
        Client(address, timeout_s=10.0) as client,
        Management(address, "tests") as management,
    ):
        management.apply(NEWS, "to be asked")
        management.move("news", Status.RUNNING, "to be asked")
        served = ClientDoor(client, lambda: None).fill(asks)
    # A test of equal weights is drawn by unit, which needs no server's secret.
    assert list(map(told, inside)) == list(map(told, served))
    assert all({answer.variant for answer in slate} <= set("acde") for slate in inside)
    rows = [entry for entry in beside.store.entries() if isinstance(entry, Assignment)]
    assert [row.slot for row in rows] == [0, 1, 2] * 20


def test_a_question_with_several_slots_has_several_answers() -> None:
    door = EngineDoor([NEWS], AT, seed=1)
    (one,) = door.assign([ask(1, candidates=BROUGHT)])
    assert one.reason == Reason.DRAWN.name
    with pytest.raises(ArmliftError, match="assign_slates"):
        door.assign([ask(2, candidates=BROUGHT, slots=2)])
    assert len(door.store.entries()) == 1, "what was refused left nothing"


def test_what_is_told_of_an_answer_is_told_of_its_slot() -> None:
    door = EngineDoor([NEWS], AT, seed=1)
    (slate,) = door.fill([ask(1, candidates=BROUGHT, slots=3)])
    at = AT + timedelta(minutes=2)
    door.expose(slate, at)
    door.record([Event("click", outcome_id="o", occurred_at=at).of(slate[2])], at)
    (outcome,) = (entry for entry in door.store.entries() if isinstance(entry, Outcome))
    assert (outcome.assignment_id, outcome.slot) == (slate[2].assignment_id, 2)


@pytest.mark.parametrize("policy", [FixedSpec(), ThompsonSpec(publish_every=5, publish_after=timedelta(0))])
def test_a_shadow_learns_behind_the_door_and_serves_nobody(policy: PolicySpec) -> None:
    variants, click = (Variant("plain"), Variant("bold")), Metric("click", window=timedelta(minutes=1))
    shadow = ThompsonSpec(publish_every=5, publish_after=timedelta(0), prior_alpha=2.0)
    door = EngineDoor([Experiment("news", variants, (click,), policy=policy, shadow=shadow)], AT, seed=1)
    for number in range(40):
        door.assign([ask(number)])
    door.tick(AT + timedelta(hours=2))
    door.settle()
    state = door.engine.catalog.find("news").state
    assert state == door.store.state("news")
    assert state.shadow_snapshot
    assert bool(state.snapshot) == policy.learns
    assert state.snapshot != state.shadow_snapshot
    door.assign([ask(200)])
    (row,) = door.store.entries(after=door.store.last_seq() - 1)
    assert isinstance(row, Assignment)
    assert (row.snapshot, row.shadow_snapshot) == (state.snapshot, state.shadow_snapshot)
    assert len(row.shadow_distribution) == 2
