"""Small logs for the tests of the ledger: entries by seq and minute, of one experiment in its second epoch."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from engine.definition import define
from engine.experiments import Experiment, ExposureRule, Variant
from engine.ledger import RewardLedger
from engine.metrics import Metric, MetricKind, RewardTerm
from engine.randomness import ONE
from engine.records import Assignment, Entry, Erasure, Exposure, Group, Outcome, Reason, Reward, Unit
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
    ledger = RewardLedger(experiment)
    return [reward for entry in entries for reward in ledger.feed(entry)]


@st.composite
def logs(draw: st.DrawFn, n_most: int = 40) -> list[Entry]:
    """Return a small log in which everything may come early, late, twice a unit, or for another experiment."""
    n = draw(st.integers(5, n_most))
    now = 0.0
    entries: list[Entry] = []
    for seq in range(1, n + 1):
        now += draw(st.sampled_from((0, 0, 1, 1, 2, 7)))
        entries.append(draw(_entry(seq, n, now)))
    known = Counter((e.assignment_id, e.slot) for e in entries if isinstance(e, Exposure))
    return [e for e in entries if not isinstance(e, Exposure) or known[e.assignment_id, e.slot] == 1]


@st.composite
def _entry(draw: st.DrawFn, seq: int, n: int, now: float) -> Entry:
    # Before the watermark: an import, or two nodes' clocks. Ahead of it: a caller's clock.
    event = now - draw(st.sampled_from((0, 0, 0, 1, 4, 6, 16, 40))) + draw(st.sampled_from((0, 0, 0, 0, 2, 7)))
    received = now - draw(st.sampled_from((0, 0, 0, 3)))
    unit = draw(st.integers(1, 2))
    of = draw(st.integers(max(1, seq - 6), min(n, seq + 3)))
    kind = draw(
        st.sampled_from(
            ("assignment", "assignment", "assignment", "sticky", "exposure", "outcome", "outcome", "void", "erasure")
        )
    )
    match kind:
        case "assignment":
            is_draw = draw(st.sampled_from((True, True, True, False)))
            group = draw(st.sampled_from((Group.POLICY, Group.POLICY, Group.CONTROL)))
            experiment_id = draw(st.sampled_from(("hero", "hero", "hero", "other")))
            epoch = draw(st.sampled_from((EPOCH, EPOCH, EPOCH, EPOCH - 1)))
            return assigned(
                seq, unit, event, received, is_draw=is_draw, group=group, experiment_id=experiment_id, epoch=epoch
            )
        case "sticky":
            reason = draw(st.sampled_from((Reason.CACHED, Reason.CACHED, Reason.QA)))
            return repeated(seq, of, unit, event, received_at=at(received), reason=reason)
        case "exposure":
            return exposed(seq, of, event, received)
        case "outcome":
            target = draw(st.sampled_from(({"of": of}, {"unit": unit})))
            metric = draw(st.sampled_from(("click", "click", "basket", "visit")))
            value = 1.0 if metric == "click" else draw(st.sampled_from((-2.0, 3.0, 8.0)))
            return observed(seq, event, received=received, metric=metric, value=value, **target)
        case "void":
            return observed(seq, event, of=of, received=received, metric="", void_of=f"o{of}")
        case _:
            return Erasure(Unit("customer", ""), at(now), "ann", "asked", node_id="node", seq=seq, unit_key=unit)
