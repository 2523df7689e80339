"""Exposures and outcomes: what is accepted, what is refused with which words, and what counts once."""

from __future__ import annotations

import math
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from armlift import Answer, Event, Recorded

from engine.experiments import Experiment, Status
from engine.ledger import RewardLedger
from engine.randomness import assignment_id
from engine.records import Exposure, Outcome
from engine.specs import ThompsonSpec
from engine.storage import open_reader

UNKNOWN = Answer("hero", "bold", {}, "DRAWN", "SPLIT", assignment_id="ab" * 16)


def outcomes(service: Any) -> list[Outcome]:
    return [entry for entry in service.log() if isinstance(entry, Outcome)]


def test_an_outcome_counts_once(service: Any, at: datetime) -> None:
    answer = service.client.assign("hero", unit="ann", at=at)

    def report(value: float) -> str:
        event = Event("spend", value, outcome_id="order-1", occurred_at=at).of(answer)
        (recorded,) = service.client.record_many([event], at=at)
        assert bool(recorded.message) == (recorded.status == "CONFLICT")
        return recorded.status

    assert [report(5.0), report(5.0), report(6.0), report(5.0)] == ["RECORDED", "DUPLICATE", "CONFLICT", "DUPLICATE"]
    assert [outcome.value for outcome in outcomes(service)] == [5.0]


def test_an_outcome_of_an_unknown_assignment_is_kept_and_matched_later(service: Any, at: datetime) -> None:
    coming = Answer("hero", "", {}, "", "", assignment_id=assignment_id("r1", "hero"))
    assert service.client.record("click", answer=coming, outcome_id="c1", at=at).status == "UNMATCHED"
    assert service.client.expose(coming, at=at) == [Recorded("UNMATCHED")]
    answer = service.client.assign("hero", unit="ann", request_id="r1", at=at)
    assert answer.assignment_id == coming.assignment_id
    with closing(open_reader(service.directory)) as reader:
        assert [outcome.outcome_id for outcome in reader.outcomes_of(answer.assignment_id)] == ["c1"]
    assert service.client.expose(answer, at=at) == [Recorded("DUPLICATE")]


def test_an_outcome_that_is_too_late_is_recorded_and_not_credited(service: Any, hero: Experiment, at: datetime) -> None:
    service.start(replace(hero, experiment_id="learns", policy=ThompsonSpec()))
    early, late = (service.client.assign("learns", unit=f"u{number}", at=at) for number in range(2))
    for answer, minutes in ((early, 59), (late, 61)):
        moment = at + timedelta(minutes=minutes)
        assert service.client.record("click", answer=answer, at=moment).status == "RECORDED"
    service.client.assign("learns", unit="time passes", at=at + timedelta(days=1))
    state = service.management.get("learns")
    ledger = RewardLedger(state.experiment)
    rewards = [reward for entry in service.log() for reward in ledger.feed(entry)]
    credited = {reward.assignment.assignment_id: reward.value for reward in rewards}
    assert credited == {early.assignment_id: 1.0, late.assignment_id: 0.0}


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (Event("clik", unit="ann"), "no experiment declares a metric 'clik': there are click, spend"),
        (Event("spend", math.nan, unit="ann"), "must be a finite number"),
        (Event("spend", math.inf, unit="ann"), "must be a finite number"),
        (Event("click", 3.0, unit="ann"), "leave the value out"),
        (Event("click", unit="ann", occurred_at=datetime.fromisoformat("2024-01-02T00:00:00+00:00")), "lies ahead"),
        (Event("click"), "send one of the two"),
        (Event("click", unit="ann", unit_type=""), "send one of the two"),
        (Event("click", assignment_id="not an id"), "is no assignment id"),
        (Event("click", unit="ann", outcome_id="x" * 300), "1 to 200 characters"),
    ],
)
def test_an_outcome_that_cannot_be_right_is_refused_with_what_to_mend(
    service: Any, at: datetime, event: Event, words: str
) -> None:
    good = Event("click", unit="bob", outcome_id="good")
    refused, kept = service.client.record_many([event, good], at=at)
    assert (refused.status, kept.status) == ("INVALID", "RECORDED")
    assert words in refused.message
    assert [outcome.outcome_id for outcome in outcomes(service)] == ["good"]


def test_an_exposure_counts_once_and_must_lie_behind(service: Any, at: datetime) -> None:
    answer = service.client.assign("hero", unit="ann", at=at)
    ahead = service.client.expose(answer, exposed_at=at + timedelta(hours=1), at=at)
    assert (ahead[0].status, "lies ahead" in ahead[0].message) == ("INVALID", True)
    assert service.client.expose(answer, UNKNOWN, at=at) == [Recorded("RECORDED"), Recorded("UNMATCHED")]
    assert service.client.expose(answer, at=at + timedelta(hours=1)) == [Recorded("DUPLICATE")]
    assert [entry.exposed_at for entry in service.log() if isinstance(entry, Exposure)] == [at, at]


def test_outcomes_are_taken_after_the_experiment_stopped(service: Any, at: datetime) -> None:
    answer = service.client.assign("hero", unit="ann", at=at)
    service.management.move("hero", Status.CONCLUDED, "enough")
    assert service.client.record("click", answer=answer, at=at).status == "RECORDED"


def test_an_outcome_is_taken_back_by_a_later_one(service: Any, at: datetime) -> None:
    service.client.record("spend", 5.0, unit="ann", outcome_id="order", at=at)
    (recorded,) = service.client.record_many([Event("", outcome_id="refund", void_of="order")], at=at)
    assert recorded.status == "RECORDED"
    assert [(outcome.outcome_id, outcome.void_of) for outcome in outcomes(service)] == [
        ("order", ""),
        ("refund", "order"),
    ]
