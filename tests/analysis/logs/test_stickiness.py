"""A sticky answer stands for its draw: it changes nothing in a report but the count of answers that were not drawn."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import analysis
from analysis import adaptive
from analysis.checks import balance
from analysis.designs import fixed
from analysis.logs import crediting, frames, metrics
from analysis.logs.crediting import Counted
from engine.experiments import ContextField, Experiment, ExposureRule, FieldType, Variant
from engine.funnel import Sticky
from engine.ledger import RewardLedger
from engine.metrics import Metric, MetricKind
from engine.records import Reason
from engine.specs import ThompsonSpec

DAY = timedelta(days=1)
TEST = Experiment(
    "hero",
    (Variant("a"), Variant("b")),
    (Metric("click", window=DAY), Metric("spend", MetricKind.REVENUE, 2 * DAY, cap=20.0)),
)
STICKY = replace(TEST, sticky=Sticky())
BANDIT = replace(STICKY, experiment_id="offer", policy=ThompsonSpec(), metrics=(Metric("click", window=DAY),))


def came(new_log, experiment, seed=1, n_units=120, n_visits=400):
    """Return a log of visits whose variants are known beforehand: draws, or where it is sticky each unit's first."""
    rng = np.random.default_rng(seed)
    log, drawn = new_log(experiment), {}
    variants = rng.choice(["a", "b"], n_units)
    for visit in range(n_visits):
        unit, at = int(rng.integers(n_units)), visit / 100
        name = f"unit {unit}"
        if experiment.sticky and unit in drawn:
            row = log.repeat(name, drawn[unit], at)
        else:
            row = log.assign(name, at, variant=str(variants[unit]))
            drawn.setdefault(unit, row)
        if experiment.exposure is ExposureRule.REPORTED and rng.random() < 0.6:
            log.expose(row, at + 0.01)
        if rng.random() < (0.3, 0.5)[variants[unit] == "b"]:
            of = row if rng.random() < 0.5 else name
            log.observe(of, str(rng.choice(["click", "spend"])), at + rng.random() / 10, 3.0)
    log.end(9)
    return log


@pytest.mark.parametrize("exposure", ExposureRule)
def test_a_sticky_test_says_what_the_same_test_without_stickiness_says(new_log, exposure):
    free, sticky = (came(new_log, replace(each, exposure=exposure)) for each in (TEST, STICKY))
    plain, found = (analysis.report(log.store, "hero") for log in (free, sticky))
    assert (found.metrics, found.verdict, found.decisions) == (plain.metrics, plain.verdict, plain.decisions)
    assert (found.traffic, found.design) == (plain.traffic, plain.design)
    # The ratio test reads rows in the order of the log, in which the draw is not always the row that was exposed.
    checks = ([(each.title, each.holds, each.shares) for each in of.health.checks] for of in (found, plain))
    assert next(checks) == next(checks)
    reasons = {str(each.what): each.n for each in found.health.left_out}
    n_repeated = sum(row.reason is Reason.CACHED for row in sticky.store.entries() if hasattr(row, "reason"))
    assert reasons.pop("answers that were not drawn (the unit's earlier answer)") == n_repeated > 200
    assert reasons == {str(each.what): each.n for each in plain.health.left_out}


def test_a_new_version_draws_again_and_the_unit_stays_with_its_first_draw(new_log):
    log = new_log(STICKY)
    for unit in ("one", "two"):
        log.assign(unit, 0.0, variant="a")
    log.update(replace(log.experiment, sticky=Sticky(version=2)))
    for unit in ("one", "two", "three"):
        log.assign(unit, 1.0, variant="b")
    frame = frames.read(log.store, "hero")
    arrival = fixed.arrivals(frame)
    assert arrival.subjects.counted is Counted.UNIT
    assert [frame.variants[place] for place in arrival.subjects.label] == ["a", "a", "b"]
    assert arrival.subjects.n_switched == 2
    assert len(balance.independent(frame, frame.assignments.is_usable)) == 3


def test_a_customer_is_the_unit_that_was_drawn_before_the_login(new_log):
    log = new_log(STICKY)
    draw = log.assign("device", 0.0)
    log.observe("customer", "click", 0.1)
    log.repeat("customer", draw, 0.2)
    log.observe("customer", "click", 0.3)
    log.observe("customer", "spend", 1.5, 7.0)
    log.end(9)
    frame = frames.read(log.store, "hero")
    subjects = fixed.arrivals(frame).subjects
    click, spend = (metrics.sample(frame, subjects, metric) for metric in frame.experiment.metrics)
    assert (click.values.tolist(), spend.values.tolist()) == ([1.0], [7.0])
    assert len(set(frame.assignments.unit_key)) == 1 < len(set(frame.assignments.named_key))


def test_a_customer_who_had_a_draw_before_stays_a_unit(new_log):
    log = new_log(STICKY)
    log.assign("customer", 0.0, variant="a")
    log.repeat("customer", log.assign("device", 0.1, variant="b"), 0.2)
    log.observe("customer", "click", 0.3)
    log.end(9)
    frame = frames.read(log.store, "hero")
    subjects = fixed.arrivals(frame).subjects
    assert metrics.sample(frame, subjects, frame.experiment.metrics[0]).values.tolist() == [1.0, 0.0]


def test_a_draw_that_the_log_does_not_have_is_nobodys(new_log):
    log = new_log(STICKY)
    elsewhere = replace(log.assign("one", 0.0), assignment_id="ab" * 16)
    row = log.repeat("two", elsewhere, 0.1)
    log.observe(row, "click", 0.2)
    log.observe("two", "click", 0.2)
    frame = frames.read(log.store, "hero")
    assert frame.assignments.origin.tolist() == [0, 1]
    assert fixed.arrivals(frame).subjects.credited.tolist() == [-1, -1]


def test_answers_for_quality_assurance_are_nowhere_but_in_a_count(new_log):
    log = new_log(replace(BANDIT, sticky=None, policy=ThompsonSpec(control_share=0.5)))
    draw = log.assign("one", 0.0)
    tested = [log.default(unit, 0.1, Reason.QA) for unit in ("one", "tester")]
    for of in (tested[0], "tester", "one"):
        log.observe(of, "click", 0.2)
    frame = frames.read(log.store, "offer")
    assert len(frame.assignments) == 1
    assert [str(each.what) for each in frame.left_out if each.n] == [
        "answers that were not drawn (for quality assurance)",
        "outcomes of assignments that this experiment does not have (another experiment's, unmatched, or for quality"
        " assurance)",
    ]
    subjects = crediting.assignments(frame, frame.assignments.is_draw)
    assert sorted(subjects.credited.tolist()) == [-1, 0]
    found = analysis.report(log.store, "offer")
    assert (found.health.n_assignments, found.health.n_units) == (1, 1)
    assert draw.variant in frame.variants


def test_contexts_stay_with_their_rows_where_answers_are_left_out(new_log):
    fields = ContextField("visits", FieldType.NUMBER), ContextField("where", FieldType.TEXT)
    log = new_log(replace(TEST, context=fields))
    log.default("tester", 0.0, Reason.QA)
    log.assign("one", 0.1, context={"visits": 3.0, "where": "north"})
    log.assign("two", 0.2, context={"visits": 4.0})
    frame = frames.read(log.store, "hero")
    assert frame.context("visits").tolist() == [3.0, 4.0]
    assert frame.context("where").values().tolist() == ["north", None]


@pytest.mark.parametrize("reason", [Reason.FORCED, Reason.CAPPED, Reason.POLICY_FAILED])
def test_whoever_was_served_without_a_draw_stays_in_the_contrast_of_groups(new_log, reason):
    log = new_log(replace(BANDIT, sticky=None, policy=ThompsonSpec(control_share=0.5)))
    for place in range(20):
        unit = f"unit {place}"
        _ = log.assign(unit) if place % 2 else log.default(unit, 0.0, reason)
    frame = frames.read(log.store, "offer")
    assert len(adaptive.group_subjects(frame)) == 20
    assert len(crediting.assignments(frame, adaptive.draws(frame))) <= 10


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["assign", "default", "qa", "repeat", "unit", "row", "expose"]),
        st.integers(0, 3),
        st.integers(0, 9),
        st.sampled_from([0.0, 0.1, 0.4, 1.3]),
    ),
    max_size=40,
)


@pytest.mark.parametrize("exposure", ExposureRule)
@given(EVENTS)
def test_the_learner_and_the_report_credit_alike(new_log, exposure, events):
    log = new_log(replace(BANDIT, exposure=exposure))
    time, rows, shown = 0.0, [], set()
    for what, who, which, gap in events:
        time += gap
        row = rows[which % len(rows)] if rows else None
        if what in ("assign", "default", "qa"):
            reason = {"default": Reason.FORCED, "qa": Reason.QA}
            made = (
                log.assign(f"unit {who}", time) if what == "assign" else log.default(f"unit {who}", time, reason[what])
            )
            rows.append(made)
        elif what == "unit":
            log.observe(f"unit {who}", "click", time)
        elif row is None:
            continue
        elif what == "repeat":
            if row.is_draw:
                rows.append(log.repeat(f"unit {who}", row, time))
        elif what == "row":
            log.observe(row, "click", time)
        elif row.assignment_id not in shown:
            shown.add(row.assignment_id)
            log.expose(row, time)
    log.end(time + 50)
    ledger = RewardLedger(log.experiment)
    learned = {
        reward.assignment.assignment_id: reward.value for entry in log.store.entries() for reward in ledger.feed(entry)
    }
    frame = frames.read(log.store, "offer")
    subjects = crediting.assignments(frame, frame.assignments.is_usable & frame.assignments.is_exposed)
    found = metrics.sample(frame, subjects, frame.experiment.metrics[0])
    ids = [row.assignment_id for row in rows if row.reason is not Reason.QA]
    credited = {ids[row]: value for row, value in zip(found.row, found.values, strict=True)}
    dropped = credited.keys() - learned.keys()
    assert {name: credited[name] for name in learned} == learned
    assert not dropped or exposure is ExposureRule.REPORTED
