"""What a report says that assignments earned is what the learner learned."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from analysis.checks.predicting import draws
from analysis.logs import frames, rewards
from engine.experiments import Experiment, Variant
from engine.ledger import RewardLedger
from engine.metrics import Aggregation, Better, Metric, MetricKind, RewardTerm
from engine.specs import ThompsonSpec

DAY = timedelta(days=1)
HERO = Experiment(
    "hero",
    (Variant("plain"), Variant("bold")),
    (
        Metric("click", window=DAY),
        Metric("spend", MetricKind.REVENUE, 3 * DAY, range=(-10.0, 50.0), of="order"),
        Metric("last", MetricKind.REVENUE, 2 * DAY, cap=40.0, of="order"),
        Metric("back", MetricKind.RETENTION, 3 * DAY, of="click", after=DAY),
        Metric("call", window=DAY, better=Better.LOWER),
        Metric("happy", MetricKind.CSAT, 2 * DAY, range=(1.0, 5.0)),
    ),
    reward=(
        RewardTerm("click", 0.5),
        RewardTerm("spend", 1.0, Aggregation.MAX),
        RewardTerm("last", 0.3, Aggregation.LAST),
        RewardTerm("back", 0.2),
        RewardTerm("call", -0.7),
        RewardTerm("happy", 0.4, Aggregation.MEAN),
    ),
    reward_default=0.1,
    policy=ThompsonSpec(),
    grace=DAY,
)


@pytest.mark.parametrize("seed", range(8))
def test_rewards_of_a_report_are_those_of_the_ledger(new_log, seed):
    """Outcomes by unit and by assignment, of all kinds, in any order, some taken back and some late."""
    chance = np.random.default_rng(seed)
    log, at, rows = new_log(HERO), 0.0, []
    for _ in range(150):
        at += chance.exponential(0.1)
        rows.append(log.assign(f"unit {chance.integers(20)}", at))
        for _ in range(chance.integers(4)):
            of = rows[chance.integers(max(0, len(rows) - 10), len(rows))]
            metric = chance.choice(["click", "order", "call", "happy"])
            value = {"order": float(chance.integers(-20, 60)), "happy": float(chance.integers(1, 6))}.get(metric, 1.0)
            back = min(chance.exponential(0.5), at)
            target = of if chance.random() < 0.5 else of.unit.id
            name = log.observe(target, metric, at - back, value, received=at)
            if chance.random() < 0.1:
                log.observe(target, metric, at, void_of=name)
    log.observe(rows[0], "click", at + 9)
    ledger = RewardLedger(log.experiment)
    learned = {each.assignment.seq: each.value for entry in log.store.entries() for each in ledger.feed(entry)}
    frame = frames.read(log.store, "hero")
    subjects = draws(frame)
    found = rewards.earned(frame, subjects)
    seqs = frame.assignments.seq[subjects.row[: len(found)]].tolist()
    assert dict(zip(seqs, found.tolist(), strict=True)) == learned
    assert len(set(learned.values())) > 10
