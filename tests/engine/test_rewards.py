"""The ledger against a quadratic oracle, against itself, and against the bias that a fixed age is there to avoid."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.definition import define
from engine.errors import InvalidExperiment
from engine.experiments import (
    Experiment,
    ExposureRule,
    Metric,
    MetricKind,
    RewardTerm,
    ThompsonSpec,
    Variant,
)
from engine.randomness import ONE
from engine.records import Assignment, Entry, Erasure, Exposure, Group, Outcome, Reason, Reward, Unit
from engine.rewards import RewardLedger, metric_value, reward_of

START = datetime(2026, 1, 5, tzinfo=UTC)
BEFORE = START - timedelta(days=1)
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
AGE = minutes(18)


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


def values(entries: list[Entry], experiment: Experiment = HERO) -> list[float]:
    return [reward.value for reward in rewards_of(entries, experiment)]


@dataclass
class Oracle:
    """The rules of the ledger, read aloud: every list is searched from end to end and nothing is indexed."""

    experiment: Experiment
    watermark: datetime = BEFORE
    rows: list[Assignment] = field(default_factory=list)
    exposed_at: dict[int, datetime] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    matured: set[int] = field(default_factory=set)
    early: list[Exposure] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    voids: list[tuple[datetime, str]] = field(default_factory=list)
    forgotten: set[int] = field(default_factory=set)
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

    def holds(self, row: Assignment, outcome: Outcome) -> bool:
        if row.seq not in self.exposed_at:
            return False
        window = {"click": minutes(5), "basket": minutes(15)}[outcome.metric]
        return self.exposed_at[row.seq] <= outcome.occurred_at <= self.exposed_at[row.seq] + window

    def owner(self, outcome: Outcome) -> Assignment | None:
        if outcome.assignment_id:
            key = outcome.assignment_id, outcome.slot
            own = [row for row in self.rows if (row.assignment_id, row.slot) == key]
        else:
            own = [row for row in self.rows if row.unit_key == outcome.unit_key]
        holding = [row for row in own if self.holds(row, outcome)]
        return max(holding, key=lambda row: (self.exposed_at[row.seq], row.seq), default=None)

    def mature(self, row: Assignment) -> list[tuple[object, ...]]:
        own = [outcome for outcome in self.outcomes if self.owner(outcome) is row]
        self.outcomes = [outcome for outcome in self.outcomes if outcome not in own]
        self.matured.add(row.seq)
        standing = [outcome for outcome in own if outcome.outcome_id not in {name for _, name in self.voids}]
        if not (row.is_draw and row.group is Group.POLICY and row.epoch == EPOCH):
            return []
        click = 0.25 * any(outcome.metric == "click" for outcome in standing)
        spent = sum(outcome.value for outcome in standing if outcome.metric == "basket")
        value = click + 0.75 * min(10.0, max(0.0, spent)) / 10.0
        is_known = row.unit_key not in self.forgotten
        return [(row.seq, pytest.approx(value), self.matures_at(row), len(standing), is_known)]

    def drop_old(self) -> None:
        oldest = self.watermark - AGE
        self.gone |= {row.seq for row in self.rows if row.seq not in self.exposed_at and row.assigned_at <= oldest}
        self.early = [exposure for exposure in self.early if exposure.exposed_at > oldest]
        self.outcomes = [outcome for outcome in self.outcomes if outcome.occurred_at > oldest]
        self.voids = [(until, name) for until, name in self.voids if until > self.watermark]

    def apply(self, entry: Entry) -> None:
        match entry:
            case Assignment(experiment_id="hero"):
                self.rows.append(entry)
                self.expose(entry)
            case Exposure():
                self.early.append(entry)
                for row in self.rows:
                    self.expose(row)
            case Outcome():
                self.observe(entry)
            case Erasure():
                self.forgotten.add(entry.unit_key)

    def expose(self, row: Assignment) -> None:
        own = [e for e in self.early if (e.assignment_id, e.slot) == (row.assignment_id, row.slot)]
        if self.experiment.exposure is ExposureRule.ASSIGNED:
            self.exposed_at.setdefault(row.seq, row.assigned_at)
        elif own and row.seq not in self.gone:
            self.exposed_at.setdefault(row.seq, own[0].exposed_at)

    def observe(self, outcome: Outcome) -> None:
        if outcome.void_of:
            self.voids.append((self.watermark + AGE, outcome.void_of))
        elif outcome.metric in ("click", "basket"):
            owner = self.owner(outcome)
            if owner is not None and owner.seq in self.matured:
                self.n_late += self.matures_at(owner) + AGE > self.watermark
            else:
                self.outcomes.append(outcome)


@st.composite
def logs(draw: st.DrawFn) -> list[Entry]:
    """Return a small log in which everything may come early, late, twice a unit, or for another experiment."""
    n = draw(st.integers(5, 40))
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
    event = now - draw(st.sampled_from((0, 0, 0, 1, 4, 6, 16, 40))) + draw(st.sampled_from((0, 0, 0, 2)))
    received = now - draw(st.sampled_from((0, 0, 0, 3)))
    unit = draw(st.integers(1, 2))
    of = draw(st.integers(max(1, seq - 6), min(n, seq + 3)))
    kind = draw(
        st.sampled_from(("assignment", "assignment", "assignment", "exposure", "outcome", "outcome", "void", "erasure"))
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
        case "exposure":
            return exposed(seq, of, event, received)
        case "outcome":
            target = draw(st.sampled_from(({"of": of}, {"unit": unit})))
            metric = draw(st.sampled_from(("click", "basket", "visit")))
            value = 1.0 if metric == "click" else draw(st.sampled_from((-2.0, 3.0, 8.0)))
            return observed(seq, event, received=received, metric=metric, value=value, **target)
        case "void":
            return observed(seq, event, of=of, received=received, metric="", void_of=f"o{of}")
        case _:
            return Erasure(Unit("customer", ""), at(now), "ann", "asked", node_id="node", seq=seq, unit_key=unit)


def seen(reward: Reward) -> tuple[object, ...]:
    row = reward.assignment
    return row.seq, reward.value, reward.matures_at, reward.n_outcomes, bool(row.unit.id)


@pytest.mark.parametrize("experiment", [HERO, REPORTED], ids=["assigned", "reported"])
@settings(max_examples=100)
@given(log=logs())
def test_equals_the_oracle_entry_by_entry(experiment, log):
    ledger, oracle = RewardLedger(experiment, EPOCH), Oracle(experiment)
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
def test_rewards_come_in_the_order_of_their_keys_where_nothing_is_imported(log):
    punctual = [replace(e, assigned_at=e.received_at) if isinstance(e, Assignment) else e for e in log]
    now = START
    for index, entry in enumerate(punctual):
        if isinstance(entry, Assignment):
            now = max(now, entry.received_at)
            punctual[index] = replace(entry, assigned_at=now, received_at=now)
    keys = [reward.key for reward in rewards_of([*punctual, tick(10**5, 500)])]
    assert keys == sorted(keys)


@settings(max_examples=30)
@given(log=logs())
def test_memory_holds_nothing_once_all_is_old(log):
    ledger = RewardLedger(REPORTED, EPOCH)
    for entry in [*log, tick(10**5, 500), tick(10**5 + 1, 600)]:
        ledger.feed(entry)
    for container in ("_rows", "_timelines", "_held", "_early", "_voided", "_maturing", "_expiring"):
        assert not getattr(ledger, container), container


def test_a_row_matures_at_a_fixed_age_whatever_it_earned():
    log = [assigned(1), assigned(2, unit=2), observed(3, 1, of=2), tick(4, 17.9), tick(5, 18)]
    assert rewards_of(log[:4]) == []
    assert [(r.assignment.seq, r.value, r.matures_at) for r in rewards_of(log)] == [(1, 0.0, at(18)), (2, 0.25, at(18))]


def test_watermark_moves_before_the_entry_is_applied():
    """An outcome that arrives when its row is mature is late, though it happened within the window."""
    ledger = RewardLedger(HERO, EPOCH)
    log = [assigned(1), observed(2, 5, of=1, received=18)]
    assert [r.value for entry in log for r in ledger.feed(entry)] == [0.0]
    assert ledger.n_late == 1


def test_window_is_closed_on_both_sides():
    assert values([assigned(1), observed(2, 0, of=1), tick(3, 18)]) == [0.25]
    assert values([assigned(1), observed(2, 5, of=1), tick(3, 18)]) == [0.25]
    assert values([assigned(1), observed(2, 5.001, of=1), tick(3, 18)]) == [0.0]
    assert values([assigned(1), observed(2, -0.001, of=1, received=1), tick(3, 18)]) == [0.0]


def test_an_outcome_by_unit_goes_to_the_latest_row_and_counts_once():
    log = [assigned(1), assigned(2, minute=2), assigned(3, unit=2), observed(4, 3, unit=1), tick(5, 30)]
    assert [(r.assignment.seq, r.value) for r in rewards_of(log)] == [(1, 0.0), (3, 0.0), (2, 0.25)]


@pytest.mark.parametrize("change", [{"is_draw": False}, {"group": Group.CONTROL}, {"epoch": EPOCH - 1}])
def test_only_draws_of_the_policy_in_this_epoch_come_out_but_the_others_take_their_outcomes(change):
    log = [assigned(1), assigned(2, minute=2, **change), observed(3, 3, unit=1), observed(4, 3, of=2), tick(5, 30)]
    assert [(r.assignment.seq, r.value) for r in rewards_of(log)] == [(1, 0.0)]


def test_another_slot_is_another_row():
    log = [assigned(1), assigned(2, assignment_id=f"{1:032x}", slot=1), observed(3, 1, of=1, slot=1), tick(4, 18)]
    assert values(log) == [0.0, 0.25]


def test_outcomes_may_come_before_their_assignment_and_exposure():
    log = [observed(1, 1, of=4), observed(2, 1, unit=1, metric="basket", value=5.0), exposed(3, 4, 1), assigned(4)]
    assert values([*log, tick(5, 19)]) == [0.625]
    assert values([*log, tick(5, 19)], REPORTED) == [0.625]


def test_what_was_never_exposed_never_matures_and_a_late_report_does_not_train():
    assert rewards_of([assigned(1), tick(2, 500)], REPORTED) == []
    assert len(rewards_of([assigned(1), exposed(2, 1, 1, received=17.9), tick(3, 50)], REPORTED)) == 1
    assert rewards_of([assigned(1), exposed(2, 1, 1, received=18), tick(3, 50)], REPORTED) == []


def test_the_first_report_of_an_exposure_counts():
    log = [assigned(1), exposed(2, 1, 10), exposed(3, 1, 11), tick(4, 28), tick(5, 29)]
    assert [r.matures_at for r in rewards_of(log, REPORTED)] == [at(28)]


def test_window_and_age_run_from_the_exposure():
    log = [assigned(1), exposed(2, 1, 10), observed(3, 14, of=1), tick(4, 27.9), tick(5, 28)]
    assert [(r.value, r.matures_at) for r in rewards_of(log, REPORTED)] == [(0.25, at(28))]


def test_a_void_takes_back_while_pending_and_not_later():
    taken_back = observed(3, 2, of=1, void_of="o2", metric="")
    assert values([assigned(1), observed(2, 1, of=1), taken_back, tick(4, 18)]) == [0.0]
    assert values([assigned(1), taken_back, observed(2, 1, of=1), tick(4, 18)]) == [0.0]
    assert values([assigned(1), observed(2, 1, of=1), replace(taken_back, received_at=at(18))]) == [0.25]
    assert [r.n_outcomes for r in rewards_of([assigned(1), observed(2, 1, of=1), taken_back, tick(4, 18)])] == [0]


def test_a_row_that_comes_when_it_is_old_matures_at_the_next_entry():
    ledger = RewardLedger(HERO, EPOCH)
    came = [len(ledger.feed(entry)) for entry in (assigned(1, minute=-500, received=0), tick(2, 0), tick(3, 0))]
    assert came == [0, 1, 0]


def test_a_forgotten_unit_still_counts_and_has_lost_its_context():
    erasure = Erasure(Unit("customer", ""), at(2), "ann", "asked", node_id="node", seq=2, unit_key=1)
    before, after = rewards_of([assigned(1), assigned(3, unit=2), erasure, tick(4, 18)])
    assert (before.assignment.unit.id, before.assignment.context, before.value) == ("", {}, 0.0)
    assert (after.assignment.unit.id, after.assignment.context) == ("2", {"device": "phone"})


def test_training_data_has_no_successes_before_their_failures():
    """A worse variant that converts at once, and a better one that converts late, each at its true rate at any time.

    z = 4 standard errors of a proportion, from n >= 300 rewards of the variant on; learning successes as they come
    would show the slow variant near 0 and the fast one's successes twice as often as its failures.
    """
    rng = np.random.default_rng(7)
    true, n_seen, total = {"plain": 0.1, "bold": 0.2}, Counter[str](), Counter[str]()
    events: list[tuple[float, Entry]] = []
    for index in range(6_000):
        seq, minute = index + 1, index * 0.05
        variant = ("plain", "bold")[index % 2]
        events.append((minute, assigned(seq, unit=seq, minute=minute, variant=variant)))
        delay = 0.0 if variant == "plain" else 4.9
        if rng.random() < true[variant]:
            events.append((minute + delay, observed(10**5 + seq, minute + delay, of=seq)))
    events.sort(key=lambda event: event[0])
    ledger = RewardLedger(HERO, EPOCH)
    for _, entry in events:
        for reward in ledger.feed(entry):
            variant = reward.assignment.variant
            n_seen[variant] += 1
            total[variant] += reward.value / 0.25
            if n_seen[variant] >= 300:
                p, n = true[variant], n_seen[variant]
                assert abs(total[variant] / n - p) < 4 * math.sqrt(p * (1 - p) / n)
        assert abs(n_seen["plain"] - n_seen["bold"]) <= 1
    assert min(n_seen.values()) > 2_500


@given(st.lists(st.floats(-1e308, 1e308), max_size=5))
def test_a_reward_lies_between_0_and_1(amounts):
    assert 0.0 <= metric_value(BASKET, amounts) <= 1.0
    assert 0.0 <= reward_of(HERO, {"basket": amounts, "click": [1.0]}) <= 1.0


def test_revenue_is_capped_scaled_and_never_negative():
    assert [metric_value(BASKET, amounts) for amounts in ([], [4.0, 1.0], [50.0], [-3.0], [8.0, -3.0])] == [
        0.0,
        0.5,
        1.0,
        0.0,
        0.5,
    ]


def test_revenue_without_a_cap_is_no_reward():
    with pytest.raises(InvalidExperiment, match="needs a `cap`"):
        metric_value(replace(BASKET, cap=None), [1.0])
