from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.logs import crediting, frames, metrics
from engine.errors import InvalidRequest, UnknownExperiment
from engine.experiments import ContextField, Experiment, ExposureRule, FieldType, Variant
from engine.ledger import RewardLedger
from engine.metrics import Metric, MetricKind
from engine.randomness import ONE
from engine.records import Group
from engine.specs import FixedSpec, ThompsonSpec

DAY = timedelta(days=1)
TEST = Experiment("hero", (Variant("a"), Variant("b")), (Metric("click", window=DAY),))
BANDIT = replace(TEST, experiment_id="offer", policy=ThompsonSpec(control_share=0.2))


def counts(frame):
    return {count.what.key: count.n for count in frame.left_out if count.n}


def test_columns_say_what_was_logged(new_log):
    log = new_log(replace(TEST, policy=FixedSpec({"a": 0.25, "b": 0.75})))
    made = [log.assign(f"unit {i}", i) for i in range(20)]
    frame = frames.read(log.store, "hero")
    rows = frame.assignments
    assert [frame.variants[place] for place in rows.variant] == [row.variant for row in made]
    assert rows.patterns.tolist() == [[0.25, 0.75]]
    assert rows.by_unit.all()
    assert rows.is_usable.all()
    assert not rows.is_control_group.any()
    assert len(set(rows.unit_key)) == 20


def test_the_control_group_and_draws_by_assignment_are_told_apart(new_log):
    log = new_log(BANDIT)
    made = [log.assign(f"unit {i}") for i in range(50)]
    rows = frames.read(log.store, "offer").assignments
    assert rows.is_control_group.tolist() == [row.group is Group.CONTROL for row in made]
    assert not rows.by_unit.any()
    assert 0 < rows.is_control_group.sum() < 50


@pytest.mark.parametrize(
    "changes", [{"distribution": (1, 1)}, {"distribution": (ONE, 0)}, {"eligible": ("a", "other"), "variant": "a"}]
)
def test_a_draw_whose_propensity_does_not_hold_is_left_out_and_counted(new_log, changes):
    log = new_log(TEST)
    log.assign("one")
    log.assign("two", **({"variant": "b"} | changes))
    frame = frames.read(log.store, "hero")
    broken = changes.get("eligible") is None
    assert frame.assignments.is_usable.tolist() == [True, not broken]
    assert counts(frame) == ({"left_out.broken_propensity": 1} if broken else {})


def test_an_outcome_that_was_taken_back_does_not_count(new_log):
    log = new_log(TEST)
    made = log.assign("one")
    first = log.observe(made, "click", 0.1)
    log.observe("one", "click", 0.2)
    log.observe(made, "", 0.3, void_of=first)
    frame = frames.read(log.store, "hero")
    assert len(frame.outcomes) == 1
    assert counts(frame) == {"left_out.taken_back": 1}


def test_outcomes_of_nobody_here_and_values_that_are_none_are_counted(new_log):
    log = new_log(TEST)
    made = log.assign("one")
    log.observe(replace(made, assignment_id="ab" * 16), "click", 0.1)
    log.observe(made, "click", 0.1, float("inf"))
    frame = frames.read(log.store, "hero")
    assert len(frame.outcomes) == 0
    assert counts(frame) == {"left_out.not_ours": 1, "left_out.not_finite": 1}
    assert all(str(count.what) for count in frame.left_out)


def test_an_unknown_experiment_says_which_there_are(new_log):
    with pytest.raises(UnknownExperiment, match="no experiment 'none' in this log: there are hero"):
        frames.read(new_log(TEST).store, "none")


def test_a_unit_counts_at_its_first_exposure(new_log):
    log = new_log(replace(TEST, exposure=ExposureRule.REPORTED))
    early, late = log.assign("one", 0.0), log.assign("one", 1.0)
    log.expose(early, 3.0)
    log.expose(late, 2.0)
    log.assign("two", 0.0)
    frame = frames.read(log.store, "hero")
    rows = frame.assignments
    subjects = crediting.units(frame, rows.is_usable & rows.is_exposed, rows.variant, rows.stratum, rows.exposed_at)
    assert len(subjects) == 1
    assert subjects.since[0] == rows.exposed_at[1] < rows.exposed_at[0]


def test_a_unit_in_two_variants_stays_with_its_first(new_log):
    log = new_log(TEST)
    first = log.assign("one", 0.0, variant="a")
    log.update(replace(log.experiment, policy=FixedSpec({"a": 0.1, "b": 0.9})))
    log.assign("one", 1.0, variant="b")
    log.end(9)
    frame = frames.read(log.store, "hero")
    rows = frame.assignments
    subjects = crediting.units(frame, rows.is_usable, rows.variant, rows.stratum, rows.at)
    assert frame.epochs == (1, 2)
    assert (subjects.label.tolist(), subjects.stratum.tolist(), subjects.n_switched) == ([0], [0], 1)
    assert first.variant == frame.variants[0]


@pytest.mark.parametrize(("age", "counted"), [(-0.001, 0.0), (0.0, 1.0), (1.0, 1.0), (1.001, 0.0)])
def test_the_window_runs_from_the_exposure_and_holds_both_its_ends(new_log, age, counted):
    log = new_log(TEST)
    log.assign("one", 5.0)
    log.observe("one", "click", 5.0 + age)
    log.end(9)
    frame = frames.read(log.store, "hero")
    rows = frame.assignments
    subjects = crediting.units(frame, rows.is_usable, rows.variant, rows.stratum, rows.at)
    assert metrics.sample(frame, subjects, frame.experiment.metrics[0]).values.tolist() == [counted]
    assert sum(count.n for count in crediting.not_credited(frame, subjects)) == 1 - counted


@pytest.mark.parametrize(("grace", "end", "n_open"), [(0, 1.0, 0), (0, 0.9, 1), (1, 1.9, 1), (1, 2.0, 0)])
def test_a_window_closes_at_the_logs_end(new_log, grace, end, n_open):
    log = new_log(replace(TEST, grace=grace * DAY))
    log.assign("one", 0.0)
    log.end(end)
    frame = frames.read(log.store, "hero")
    rows = frame.assignments
    subjects = crediting.units(frame, rows.is_usable, rows.variant, rows.stratum, rows.at)
    found = metrics.sample(frame, subjects, frame.experiment.metrics[0])
    assert (found.n_open, len(found.values)) == (n_open, 1 - n_open)


def test_revenue_adds_up_and_is_capped(new_log):
    log = new_log(replace(TEST, metrics=(Metric("spend", MetricKind.REVENUE, DAY, cap=10.0),)))
    made = log.assign("one")
    for value in (8.0, 7.0, -1.0):
        log.observe(made, "spend", 0.5, value)
    log.end(2)
    frame = frames.read(log.store, "hero")
    metric = frame.experiment.metrics[0]
    subjects = crediting.assignments(frame, frame.assignments.is_usable)
    found = metrics.sample(frame, subjects, metric)
    assert (found.values.tolist(), found.uncapped.tolist()) == ([10.0], [14.0])


def test_several_metrics_are_made_of_one_outcome(new_log):
    made_of = Metric("bought", of="order"), Metric("spent", MetricKind.REVENUE, of="order"), Metric("click")
    log = new_log(replace(TEST, metrics=made_of))
    log.assign("one")
    for name in ("order", "click", "bought", "order"):
        log.observe("one", name, 0.1)
    frame = frames.read(log.store, "hero")
    assert frame.outcome_names == ("click", "order")
    assert frame.outcomes.metric.tolist() == [1, 0, 1]


def test_an_outcome_belongs_to_its_own_experiments_assignment(new_log):
    log = new_log(TEST)
    elsewhere = log.assign("one", experiment_id="other")
    made = log.assign("one")
    for of in (made, elsewhere, "one"):
        log.observe(of, "click", 0.1)
    frame = frames.read(log.store, "hero")
    assert frame.outcomes.row.tolist() == [0, -1]
    assert counts(frame) == {"left_out.not_ours": 1}


def test_only_an_earlier_policy_of_another_kind_is_left_out(new_log):
    log = new_log(replace(TEST, policy=FixedSpec({"a": 0.5, "b": 0.5})))
    log.assign("one")
    log.update(replace(log.experiment, policy=ThompsonSpec()))
    log.assign("two")
    frame = frames.read(log.store, "hero")
    assert frame.assignments.is_usable.tolist() == [False, True]
    assert counts(frame) == {"left_out.other_policy": 1}


def test_distributions_are_numbered_once_and_never_mixed_within_a_stratum(new_log):
    log = new_log(TEST)
    for at, shares in enumerate([(0.5, 0.5), (0.25, 0.75), (0.5, 0.5)]):
        log.assign(f"unit {at}", at, shares)
    log.assign("reversed", 3, eligible=("b", "a"), variant="b", distribution=(ONE // 4, 3 * ONE // 4))
    log.default("nothing drawn", 4)
    rows = frames.read(log.store, "hero").assignments
    shares = [None if place < 0 else rows.patterns[place].tolist() for place in rows.pattern.tolist()]
    assert shares == [[0.5, 0.5], [0.25, 0.75], [0.5, 0.5], [0.75, 0.25], None]
    assert len(set(rows.stratum.tolist())) == 4
    assert rows.stratum[0] == rows.stratum[2]


FIELDS = (
    ContextField("device", FieldType.TEXT),
    ContextField("new", FieldType.FLAG),
    ContextField("tags", FieldType.TEXTS),
)


def test_the_context_is_read_when_it_is_asked_for(new_log):
    log = new_log(replace(TEST, context=FIELDS))
    log.assign("one", context={"device": "phone", "new": True, "tags": ("a",)})
    log.assign("two", context={"device": "desk"})
    log.assign("three", context={"device": "phone"})
    frame = frames.read(log.store, "hero")
    assert not frame.contexts.known
    log.assign("four", context={"device": "car"})
    assert frame.context("device").values().tolist() == ["phone", "desk", "phone"]
    assert frame.context("new").tolist()[0] == 1
    assert np.isnan(frame.context("new")[1:]).all()
    assert frame.context("device") is frame.context("device")
    with pytest.raises(InvalidRequest, match="tags"):
        frame.context("tags")


def test_words_that_are_all_different_are_as_many_codes(new_log):
    log = new_log(replace(TEST, context=FIELDS))
    for number in range(2000):
        log.assign(f"unit {number}", context={"device": f"device {number}"})
    device = frames.read(log.store, "hero").context("device")
    assert len(device.words) == 2000
    assert device.codes.tolist() == list(range(2000))


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["assign", "default", "by unit", "by row", "void"]), st.integers(0, 2), st.integers(0, 9)
    ),
    max_size=40,
)


@given(EVENTS)
def test_a_bandits_outcomes_are_credited_as_the_engine_credits_them(new_log, events):
    # The learner's ledger pairs each draw of the policy with its reward; the frame must find the same ones.
    # What comes at the last moment of a window is there before its row matures, because of the grace.
    clicks, grace = (Metric("click", window=timedelta(days=2)),), timedelta(hours=1)
    log = new_log(replace(BANDIT, metrics=clicks, policy=ThompsonSpec(), grace=grace))
    time, made = 0.0, []
    for what, who, gap in events:
        time += gap / 4
        if what == "assign":
            made.append(log.assign(f"unit {who}", time))
        elif what == "default":
            log.default(f"unit {who}", time)
        elif what == "by unit":
            log.observe(f"unit {who}", "click", time)
        elif what == "by row" and made:
            log.observe(made[who % len(made)], "click", time)
        elif what == "void":
            # Taken back at once: the learner forgets what comes after the row matured, and a report does not.
            log.observe(f"unit {who}", "click", time, void_of=log.observe(f"unit {who}", "click", time))
    log.end(time + 50)
    ledger = RewardLedger(log.experiment)
    rewards = {
        reward.assignment.assignment_id: reward.value for entry in log.store.entries() for reward in ledger.feed(entry)
    }
    frame = frames.read(log.store, "offer")
    subjects = crediting.assignments(frame, frame.assignments.is_usable)
    found = metrics.sample(frame, subjects, frame.experiment.metrics[0])
    assert found.n_open == 0
    assert found.values.tolist() == [rewards[row.assignment_id] for row in made]


def test_no_rows_are_no_rows(new_log):
    log = new_log(TEST)
    log.observe("stranger", "click", 1.0)
    frame = frames.read(log.store, "hero")
    rows = frame.assignments
    subjects = crediting.units(frame, rows.is_usable, rows.variant, rows.stratum, rows.at)
    assert len(subjects) == len(crediting.assignments(frame, frame.assignments.is_usable)) == 0
    assert not np.any(subjects.credited >= 0)
