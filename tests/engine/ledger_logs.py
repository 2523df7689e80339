"""Small logs for the tests of the ledger: entries by seq and minute, of one experiment in its second epoch."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from engine.definition import define
from engine.experiments import Experiment, ExposureRule, Metric, MetricKind, RewardTerm, Variant
from engine.randomness import ONE
from engine.records import Assignment, Entry, Exposure, Outcome, Reason, Reward, Unit
from engine.rewards import RewardLedger
from engine.specs import ThompsonSpec

START = datetime(2026, 1, 5, tzinfo=UTC)
EPOCH = 2


def minutes(n: float) -> timedelta:
    return timedelta(minutes=n)


def at(n: float) -> datetime:
    return START + minutes(n)


CLICK = Metric("click", window=minutes(5))
BASKET = Metric("basket", MetricKind.REVENUE, minutes(15), cap=10.0)
HERO = define(
    Experiment(
        "hero",
        (Variant("plain"), Variant("bold")),
        (CLICK, BASKET, Metric("visit", window=minutes(60))),
        reward=(RewardTerm("click", 0.25), RewardTerm("basket", 0.75)),
        policy=ThompsonSpec(),
        grace=minutes(3),
    )
)
REPORTED = replace(HERO, exposure=ExposureRule.REPORTED)
BACK = Metric("back", MetricKind.RETENTION, minutes(12), of="click", after=minutes(4))
TIMES = Metric("times", MetricKind.COUNT, minutes(6), cap=2.0, of="click")
SHARED = define(
    replace(
        HERO,
        metrics=(CLICK, BASKET, BACK, TIMES, Metric("visit", window=minutes(60))),
        reward=tuple(RewardTerm(name, 0.25) for name in ("click", "basket", "back", "times")),
    )
)
"""Three of its metrics are made of the same outcome, and one of them only counts what comes later."""


def assigned(
    seq: int, unit: int = 1, minute: float = 0, received: float | None = None, **changes: object
) -> Assignment:
    row = Assignment(
        experiment_id="hero",
        variant="bold",
        reason=Reason.DRAWN,
        unit=Unit("customer", str(unit)),
        assigned_at=at(minute),
        received_at=at(minute if received is None else received),
        assignment_id=f"{seq:032x}",
        epoch=EPOCH,
        is_draw=True,
        eligible=("plain", "bold"),
        distribution=(ONE // 2, ONE // 2),
        context={"device": "phone"},
        node_id="node",
        seq=seq,
        unit_key=unit,
    )
    return replace(row, **changes)


def repeated(seq: int, of: int, unit: int = 1, minute: float = 0, **changes: object) -> Assignment:
    """Return a sticky answer that repeats a draw."""
    blank = {"is_draw": False, "eligible": (), "distribution": (), "reason": Reason.CACHED, "kept_from": f"{of:032x}"}
    return assigned(seq, unit, minute, **(blank | changes))


def observed(
    seq: int, minute: float, of: int = 0, unit: int = 0, received: float | None = None, **changes: object
) -> Outcome:
    row = Outcome(
        outcome_id=f"o{seq}",
        metric="click",
        value=1.0,
        occurred_at=at(minute),
        received_at=at(minute if received is None else received),
        assignment_id=f"{of:032x}" if of else "",
        unit=Unit("customer", str(unit)) if unit else None,
        node_id="node",
        seq=seq,
        unit_key=unit,
    )
    return replace(row, **changes)


def exposed(seq: int, of: int, minute: float, received: float | None = None) -> Exposure:
    received_at = at(minute if received is None else received)
    return Exposure(f"{of:032x}", at(minute), received_at, node_id="node", seq=seq)


def tick(seq: int, minute: float) -> Outcome:
    """Something that moves the watermark and nothing else."""
    return observed(seq, minute, of=10**6, metric="visit")


def rewards_of(entries: list[Entry], experiment: Experiment = HERO) -> list[Reward]:
    ledger = RewardLedger(experiment, EPOCH)
    return [reward for entry in entries for reward in ledger.feed(entry)]
