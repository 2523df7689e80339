"""Outcomes that came after their assignment was learned from: counted as the ledger counts them, and told."""

from __future__ import annotations

from datetime import timedelta

from analysis import report
from analysis.checks import lateness
from analysis.checks.predicting import draws
from analysis.logs import frames
from engine.experiments import Experiment, Variant
from engine.ledger import RewardLedger
from engine.metrics import Metric
from engine.records import Source
from engine.specs import ThompsonSpec

DAY = timedelta(days=1)
HERO = Experiment(
    "hero",
    (Variant("plain"), Variant("bold")),
    (Metric("click", window=DAY), Metric("visit", window=30 * DAY)),
    policy=ThompsonSpec(),
    grace=DAY,
)


def counted(log):
    frame = frames.read(log.store, "hero")
    return list(lateness.late(frame, draws(frame)))


def test_late_outcomes_are_counted_as_the_ledger_counts_them(new_log):
    """Windows close after a day, rows mature after two: what happened in time and came later than that is late."""
    log = new_log(HERO)
    first, second, third = (log.assign(f"unit {number}") for number in range(3))
    log.observe(second, "click", 0.5, received=1.9)
    log.observe(first, "click", 0.5, received=2.0)
    log.observe(third, "click", 1.5, received=2.5)
    log.observe("unit 2", "click", 0.9, received=3.0)
    log.observe(third, "visit", 0.5, received=9.0)
    log.observe(first, "visit", 20.0)
    ledger = RewardLedger(log.experiment)
    for entry in log.store.entries():
        ledger.feed(entry)
    (found,) = counted(log)
    assert found.n == ledger.n_late == 2


def test_the_line_says_what_share_and_how_much_longer_grace_would_have_to_be(new_log):
    log = new_log(HERO)
    rows = [log.assign(f"unit {number}") for number in range(20)]
    for place, row in enumerate(rows):
        log.observe(row, "click", 0.5, received=2.2 if place < 5 else 0.6)
    (found,) = counted(log)
    assert found.n == 5
    assert "(25 % of those that happened in time)" in str(found.what)
    assert "longer by 5 hours" in str(found.what)
    assert found in report(log.store, "hero").health.left_out


def test_nothing_late_says_nothing_and_imports_are_not_late(new_log):
    log = new_log(HERO)
    log.observe(log.assign("unit 1"), "click", 0.5)
    old = log.assign("unit 2", source=Source.IMPORTED)
    log.observe(old, "click", 0.5, received=50.0)
    assert counted(log) == []
