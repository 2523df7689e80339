"""The ledger against its rules read aloud, on random small logs in which everything may come early, late or twice."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.clock import CLOCK_SKEW
from engine.experiments import Experiment, ExposureRule
from engine.ledger import RewardLedger
from engine.metrics import Metric
from engine.records import Assignment, Entry, Erasure, Exposure, Group, Outcome, Reason, Reward
from tests.engine.ledger_logs import (
    HERO,
    REPORTED,
    SHARED,
    START,
    logs,
    minutes,
    rewards_of,
    tick,
)

BEFORE = START - timedelta(days=1)
AGE = minutes(18)


@dataclass
class Oracle:
    """The rules of the ledger, read aloud: every list is searched from end to end and nothing is indexed."""

    experiment: Experiment
    watermark: datetime = BEFORE
    rows: list[Assignment] = field(default_factory=list)
    draws: dict[int, Assignment] = field(default_factory=dict)
    exposed_at: dict[int, datetime] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    matured: set[int] = field(default_factory=set)
    came_of_age: set[int] = field(default_factory=set)
    early: list[Exposure] = field(default_factory=list)
    outcomes: list[tuple[Metric, Outcome]] = field(default_factory=list)
    voids: list[tuple[datetime, str]] = field(default_factory=list)
    forgotten: dict[int, int] = field(default_factory=dict)
    n_late: int = 0

    def feed(self, entry: Entry) -> list[tuple[object, ...]]:
        if not isinstance(entry, Erasure):
            self.watermark = max(self.watermark, entry.received_at)
        came = []
        while due := [row for row in self.rows if self.is_pending(row) and self.matures_at(row) <= self.watermark]:
            came += self.mature(min(due, key=lambda row: (self.matures_at(row), row.node_id, row.seq)))
        self.drop_old()
        self.apply(entry)
        return came

    def is_pending(self, row: Assignment) -> bool:
        return row.seq in self.exposed_at and row.seq not in self.matured

    def matures_at(self, row: Assignment) -> datetime:
        return self.exposed_at[row.seq] + AGE

    @property
    def metrics(self) -> list[Metric]:
        rewarded = {term.metric for term in self.experiment.reward}
        return [metric for metric in self.experiment.metrics if metric.name in rewarded]

    def holds(self, row: Assignment, metric: Metric, outcome: Outcome) -> bool:
        if row.seq not in self.exposed_at:
            return False
        age = outcome.occurred_at - self.exposed_at[row.seq]
        return metric.after <= age <= metric.window

    def owner(self, metric: Metric, outcome: Outcome) -> Assignment | None:
        if outcome.assignment_id:
            key = outcome.assignment_id, outcome.slot
            found = next((row for row in self.rows if (row.assignment_id, row.slot) == key), None)
        else:
            opened = outcome.occurred_at - metric.after
            met = [row for row in self.rows if row.unit_key == outcome.unit_key and row.seq in self.exposed_at]
            own = [row for row in met if self.exposed_at[row.seq] <= opened]
            found = max(own, key=lambda row: (self.exposed_at[row.seq], row.seq), default=None)
        draw = found and self.drawn(found)
        return draw if draw and self.holds(draw, metric, outcome) else None

    def mature(self, row: Assignment) -> list[tuple[object, ...]]:
        own = [(metric, outcome) for metric, outcome in self.outcomes if self.owner(metric, outcome) is row]
        self.outcomes = [each for each in self.outcomes if each not in own]
        self.matured.add(row.seq)
        taken_back = {name for _, name in self.voids}
        standing = [(metric, outcome) for metric, outcome in own if outcome.outcome_id not in taken_back]
        if row.seq in self.came_of_age or not (row.is_draw and row.group is Group.POLICY):
            return []
        value = sum(term.weight * self.worth(term.metric, standing) for term in self.experiment.reward)
        n_outcomes = len({outcome.outcome_id for _, outcome in standing})
        return [
            (
                row.seq,
                pytest.approx(value),
                self.matures_at(row),
                n_outcomes,
                row.seq > self.forgotten.get(row.unit_key, 0),
            )
        ]

    def worth(self, name: str, standing: list[tuple[Metric, Outcome]]) -> float:
        values = [outcome.value for metric, outcome in standing if metric.name == name]
        cap = {"basket": 10.0, "times": 2.0}.get(name)
        return float(bool(values)) if cap is None else min(cap, max(0.0, sum(values))) / cap

    def drop_old(self) -> None:
        oldest = self.watermark - AGE
        self.gone |= {row.seq for row in self.rows if row.seq not in self.exposed_at and row.assigned_at <= oldest}
        self.early = [exposure for exposure in self.early if exposure.exposed_at > oldest]
        self.outcomes = [(metric, each) for metric, each in self.outcomes if each.occurred_at - metric.after > oldest]
        over = {name for until, name in self.voids if until <= self.watermark}
        self.voids = [(until, name) for until, name in self.voids if name not in over]

    def apply(self, entry: Entry) -> None:
        if dated(entry) > self.watermark + CLOCK_SKEW:
            return
        match entry:
            case Assignment(experiment_id="hero") if entry.reason is not Reason.QA:
                self.rows.append(entry)
                self.repeat(entry)
                self.expose(entry)
            case Exposure():
                self.early.append(entry)
                for row in self.rows:
                    self.expose(row)
            case Outcome():
                self.observe(entry)
            case Erasure():
                self.forgotten[entry.unit_key] = entry.seq

    def repeat(self, row: Assignment) -> None:
        for each in self.rows:
            draw = self.drawn(each)
            if each.assignment_id == row.kept_from and self.is_remembered(each) and draw and self.is_remembered(draw):
                self.draws[row.seq] = draw

    def drawn(self, row: Assignment) -> Assignment | None:
        return self.draws.get(row.seq) if row.kept_from else row

    def is_remembered(self, row: Assignment) -> bool:
        is_old = row.seq in self.matured and self.matures_at(row) + AGE <= self.watermark
        return row.seq not in self.gone and not is_old

    def expose(self, row: Assignment) -> None:
        if row.seq in self.exposed_at:
            return
        own = [e for e in self.early if (e.assignment_id, e.slot) == (row.assignment_id, row.slot)]
        if self.experiment.exposure is ExposureRule.ASSIGNED:
            self.exposed_at.setdefault(row.seq, row.assigned_at)
        elif own and row.seq not in self.gone:
            self.exposed_at.setdefault(row.seq, own[0].exposed_at)
        draw = self.draws.get(row.seq)
        if row.seq in self.exposed_at and draw and draw.seq not in self.gone:
            self.exposed_at.setdefault(draw.seq, self.exposed_at[row.seq])
            self.note_age(draw)
        self.note_age(row)

    def note_age(self, row: Assignment) -> None:
        is_new = row.seq in self.exposed_at and row.seq not in self.matured
        if is_new and self.matures_at(row) <= self.watermark:
            self.came_of_age.add(row.seq)

    def observe(self, outcome: Outcome) -> None:
        if outcome.void_of:
            self.voids.append((self.watermark + AGE, outcome.void_of))
            return
        is_late = False
        for metric in self.metrics:
            owner = self.owner(metric, outcome) if metric.outcome == outcome.metric else None
            if owner is not None and owner.seq in self.matured:
                is_late |= self.matures_at(owner) + AGE > self.watermark
            elif metric.outcome == outcome.metric:
                self.outcomes.append((metric, outcome))
        self.n_late += is_late


def dated(entry: Entry) -> datetime:
    match entry:
        case Assignment():
            return entry.assigned_at
        case Exposure():
            return entry.exposed_at
        case Outcome():
            return entry.occurred_at
        case Erasure():
            return BEFORE


def seen(reward: Reward) -> tuple[object, ...]:
    row = reward.assignment
    return row.seq, reward.value, reward.matures_at, reward.n_outcomes, bool(row.unit.id)


@pytest.mark.parametrize(
    "experiment",
    [HERO, REPORTED, SHARED, replace(SHARED, exposure=ExposureRule.REPORTED)],
    ids=["assigned", "reported", "shared", "shared and reported"],
)
@settings(max_examples=100)
@given(log=logs())
def test_equals_the_oracle_entry_by_entry(experiment, log):
    ledger, oracle = RewardLedger(experiment), Oracle(experiment)
    for entry in [*log, tick(10**5, 500), tick(10**5 + 1, 501)]:
        assert [seen(reward) for reward in ledger.feed(entry)] == oracle.feed(entry)
    assert ledger.n_late == oracle.n_late


@pytest.mark.parametrize("experiment", [HERO, REPORTED], ids=["assigned", "reported"])
@settings(max_examples=30)
@given(log=logs(), cut=st.integers(0, 40))
def test_what_came_out_of_a_part_of_the_log_comes_out_of_the_whole_first(experiment, log, cut):
    part, whole = rewards_of(log[:cut], experiment), rewards_of(log, experiment)
    assert whole[: len(part)] == part


@settings(max_examples=30)
@given(log=logs())
def test_memory_holds_nothing_once_all_is_old(log):
    ledger = RewardLedger(replace(SHARED, exposure=ExposureRule.REPORTED))
    for entry in [*log, tick(10**5, 500), tick(10**5 + 1, 600)]:
        ledger.feed(entry)
    for container in ("_rows", "_timelines", "_held", "_early", "_voided", "_forgotten", "_maturing", "_expiring"):
        assert not getattr(ledger, container), container
