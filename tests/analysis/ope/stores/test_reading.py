"""From a log to draws: which are in, what each brought, what it was drawn from, and what was left out and why."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from analysis.ope.logged import Logged
from analysis.ope.stores import collecting
from analysis.ope.stores.reading import CONTROL_LOGGER, read, with_control
from analysis.reporting import report
from analysis.texts import text
from engine.clock import to_micros
from engine.errors import InvalidRequest, UnknownExperiment
from engine.experiments import ContextField, Experiment, ExposureRule, FieldType, Variant
from engine.metrics import Metric, MetricKind, RewardTerm
from engine.randomness import ONE
from engine.records import Erasure, Group, Reason, Source
from engine.specs import FixedSpec, SegmentsSpec, ThompsonSpec

DAY = timedelta(days=1)
METRICS = (
    Metric("click", window=DAY),
    Metric("spend", MetricKind.REVENUE, window=3 * DAY, cap=50.0),
    Metric("back", MetricKind.RETENTION, after=DAY, window=3 * DAY),
    Metric("amount", MetricKind.REVENUE, window=DAY, of="spend"),
    Metric("worth", MetricKind.RATIO, of="amount", per="click"),
)
FIELDS = (
    ContextField("visits", FieldType.NUMBER),
    ContextField("country", FieldType.TEXT),
    ContextField("vip", FieldType.FLAG),
)
BANDIT = Experiment(
    "hero",
    tuple(map(Variant, ("plain", "bold", "quiet"))),
    METRICS[:3],
    context=FIELDS,
    policy=ThompsonSpec(floor=0.06),
    reward=(RewardTerm("click", 0.5), RewardTerm("spend", 0.5)),
)
TEST = replace(BANDIT, policy=FixedSpec({"plain": 0.5, "bold": 0.3, "quiet": 0.2}), reward=(), metrics=METRICS)

NewLog = Callable[[Experiment], Any]


def until(log: Any, at: float) -> None:
    """Let the log go on until so many days after its start."""
    log.observe("somebody else", "click", at)


def reasons(log: Logged) -> dict[str, int]:
    return {str(count.what): count.n for count in (*log.left_out, *log.beside)}


# --- which draws, in which order, and what they brought --------------------------------------------------------------


def test_rewards_are_the_learners_in_the_order_of_the_log(new_log: NewLog) -> None:
    log = new_log(replace(BANDIT, exposure=ExposureRule.REPORTED))
    first, second, third = (log.assign(unit, 0.0) for unit in ("a", "b", "c"))
    for row, at in ((third, 0.1), (first, 0.2), (second, 0.3)):
        log.expose(row, at)
    log.observe(second, "click", 0.5)
    log.observe("c", "spend", 1.0, 25.0)
    log.observe(first, "click", 5.0)  # after its window
    log.end(10)
    found = read(log.store, "hero")
    assert found.row.tolist() == [1, 2, 3]
    assert found.reward.tolist() == [0.0, 0.5, 0.25]
    assert found.at.tolist() == [to_micros(row.assigned_at) for row in (first, second, third)]
    names = [found.variants[place] for place in found.variant]
    assert names == [row.variant for row in (first, second, third)]
    assert found.propensity.tolist() == [row.propensity for row in (first, second, third)]
    assert str(found.collection.estimand).startswith("mean reward of an assignment within 3 days")


def test_a_metric_in_place_of_the_reward(new_log: NewLog) -> None:
    log = new_log(BANDIT)
    row = log.assign("a")
    log.observe(row, "spend", 0.5, 80.0)
    log.end(10)
    found = read(log.store, "hero", metric="spend")
    assert (found.reward.tolist(), found.collection.value_range) == ([50.0], (0.0, 50.0))
    assert not found.collection.is_share
    assert read(log.store, "hero", metric="click").collection.is_share


def test_open_windows_wait(new_log: NewLog) -> None:
    log = new_log(BANDIT)
    for at in (0, 1, 6.5):
        log.assign(f"u{at}", at)
    log.end(8)
    assert (len(read(log.store, "hero")), read(log.store, "hero").n_open) == (2, 1)
    assert read(log.store, "hero", metric="click").n_open == 0


@pytest.mark.parametrize(
    ("metric", "why"),
    [
        (None, "'hero' has no reward: name a metric to evaluate by, of click, spend"),
        ("clicks", "'hero' has no metric 'clicks': there are click, spend"),
        ("worth", "'worth' is a ratio, which belongs to a unit and not to one of its draws"),
    ],
)
def test_what_no_draw_can_have_is_refused(new_log: NewLog, metric: str | None, why: str) -> None:
    log = new_log(TEST)
    log.assign("a")
    with pytest.raises(InvalidRequest, match=why):
        read(log.store, "hero", metric=metric)


def test_retention_is_a_draws_own_only_where_units_are_drawn_once(new_log: NewLog) -> None:
    for defined, is_refused in ((TEST, False), (BANDIT, True)):
        log = new_log(defined)
        log.observe(log.assign("a"), "back", 2.0)
        log.end(10)
        if is_refused:
            with pytest.raises(InvalidRequest, match="'back' is a retention"):
                read(log.store, "hero", metric="back")
        else:
            assert read(log.store, "hero", metric="back").reward.tolist() == [1.0]


def test_an_unknown_experiment_is_said(new_log: NewLog) -> None:
    with pytest.raises(UnknownExperiment, match="there is no experiment 'zero'"):
        read(new_log(TEST).store, "zero")


def test_a_unit_that_is_drawn_once_is_one_draw_with_all_that_it_brings(new_log: NewLog) -> None:
    """Against the report of a test: the mean of a variant's draws is the value of the variant."""
    log, rng = new_log(TEST), np.random.default_rng(4)
    for visit in range(400):
        row = log.assign(f"u{rng.integers(150)}", visit / 100)
        if rng.random() < 0.3:
            log.observe(row if rng.random() < 0.5 else row.unit.id, "click", visit / 100 + 0.2)
    log.end(30)
    found = read(log.store, "hero", metric="click")
    assert len(found) == len(set(found.unit.tolist())) > 100
    assert reasons(found)["later answers to units that are drawn once: they repeat the number of the first one"] == (
        400 - len(found)
    )
    (table,) = report(log.store, "hero").metrics[0].tables
    means = {found.variants[place]: found.reward[found.variant == place].mean() for place in range(3)}
    for row in table.rows:
        assert row.value.value == pytest.approx(means[row.name])


def test_what_is_left_out_is_counted_with_its_reason(new_log: NewLog) -> None:
    log = new_log(replace(BANDIT, exposure=ExposureRule.REPORTED, policy=ThompsonSpec(control_share=0.4)))
    rows = [log.assign(f"u{number}") for number in range(20)]
    for row in rows[1:]:
        log.expose(row, 0.1)
    log.default("d", reason=Reason.FORCED)
    broken = log.assign("e", eligible=("plain", "bold"), distribution=(ONE // 2, ONE // 2 - 1), variant="plain")
    log.expose(broken, 0.1)
    forgotten = next(row for row in rows[1:] if row.group is Group.POLICY)
    log.store.append([Erasure(forgotten.unit, rows[0].assigned_at, "ann", "asked")])
    log.end(10)
    found = read(log.store, "hero")
    n_control = sum(row.group is Group.CONTROL for row in rows)
    said = reasons(found)
    assert said["draws of the control group: not the policy's"] == n_control
    assert said["draws of units that were forgotten, and their context with them"] == 1
    assert said["answers that were not drawn (forced)"] == 1
    assert said["draws whose logged propensity does not hold"] == 1
    lost = {str(count.what) for count in found.left_out}
    assert "draws of the control group: not the policy's" not in lost
    assert "answers that were not drawn (forced)" not in lost
    assert "draws whose logged propensity does not hold" in lost
    is_first_policys = rows[0].group is Group.POLICY
    assert said.get("draws that were never exposed", 0) == is_first_policys
    assert len(found) == 20 - n_control - 1 - is_first_policys
    assert (found.logger == 0).all()


def test_the_control_group_can_come_in_as_a_second_logger(new_log: NewLog) -> None:
    log = new_log(replace(BANDIT, policy=ThompsonSpec(control_share=0.4)))
    rows = [log.assign(f"u{number}", shares=(0.2, 0.3, 0.5)) for number in range(20)]
    log.end(10)
    found = with_control(log.store, "hero")
    is_control = np.array([row.group is Group.CONTROL for row in rows])
    assert (found.logger == np.where(is_control, CONTROL_LOGGER, 0)).all()
    assert found.probabilities is not None
    assert (found.probabilities[is_control] == [1.0, 0.0, 0.0]).all()
    assert np.allclose(found.probabilities[~is_control], [0.2, 0.3, 0.5])
    assert found.could_be.all()
    assert {len(question.eligible) for question in found.questions()} == {3}
    alone = read(log.store, "hero")
    assert (found[~is_control].row == alone.row).all()


# --- what it was drawn from, and how it was collected ----------------------------------------------------------------


def test_epochs_are_one_log_and_variants_that_are_gone_keep_their_names(new_log: NewLog) -> None:
    log = new_log(BANDIT)
    before = [log.assign(f"a{number}", shares=(0.8, 0.1, 0.1)) for number in range(10)]
    log.update(replace(BANDIT, variants=(Variant("bold"), Variant("loud")), control="", default=""))
    after = [log.assign(f"b{number}", shares=(0.25, 0.75)) for number in range(10)]
    log.end(20)
    found = read(log.store, "hero")
    assert set(found.variants) == {"plain", "bold", "quiet", "loud"}
    assert found.variants[:2] == ("bold", "loud")
    assert [found.variants[place] for place in found.variant] == [row.variant for row in before + after]
    assert found.propensity.tolist() == [row.propensity for row in before + after]
    assert found.probabilities is not None
    assert (found.probabilities.sum(axis=1) == 1).all()
    assert [len(question.eligible) for question in found.questions()] == [3] * 10 + [2] * 10


@pytest.mark.parametrize(
    ("policy", "is_adaptive", "least"),
    [
        (FixedSpec(), False, 1 / 3),
        (FixedSpec({"plain": 0.5, "bold": 0.3, "quiet": 0.2}), False, 0.2),
        (SegmentsSpec((), {"plain": 1.0}, 0.3), False, 0.1),
        (SegmentsSpec((), {"plain": 1.0}), False, None),
        (ThompsonSpec(floor=0.06), True, 0.02),
        (ThompsonSpec(floor=0.06, shares={"bold": 0.5}), True, 0.01),
        (ThompsonSpec(floor=0.06, shares={"bold": 0.005}), True, 0.005),
        (ThompsonSpec(floor=0.0), True, None),
    ],
)
def test_what_a_policy_promises_is_known(policy: Any, is_adaptive: bool, least: float | None) -> None:
    defined = replace(BANDIT, policy=policy)
    found = collecting.least(defined)
    assert found == (None if least is None else pytest.approx(least, abs=3 / ONE))
    known = collecting.collection(defined, [defined], value_range=None, is_share=False, estimand=text("ope.reward"))
    assert (known.is_adaptive, known.least) == (is_adaptive, found)


def test_what_is_promised_is_what_all_revisions_promise_and_all_rows_keep(new_log: NewLog) -> None:
    log = new_log(BANDIT)
    log.assign("a", shares=(0.9, 0.05, 0.05))
    until(log, 10)
    assert read(log.store, "hero").collection.least == pytest.approx(0.02, abs=3 / ONE)
    log.update(replace(BANDIT, policy=ThompsonSpec(floor=0.03)))
    log.assign("b", 11, shares=(0.9, 0.05, 0.05))
    until(log, 20)
    assert read(log.store, "hero").collection.least == pytest.approx(0.01, abs=3 / ONE)
    log.assign("c", 21, shares=(0.995, 0.004, 0.001))
    until(log, 30)
    assert read(log.store, "hero").collection.least is None


def test_the_plan_and_the_kind_of_reward_are_known(new_log: NewLog) -> None:
    planned = replace(BANDIT, plan=replace(BANDIT.plan, n_units=321), reward=(RewardTerm("click", 2.0),))
    log = new_log(planned)
    log.assign("a")
    log.end(10)
    known = read(log.store, "hero").collection
    assert (known.n_planned, known.is_share, known.value_range) == (321, True, (0.0, 1.0))
    assert not read(new_log(BANDIT).store, "hero").collection.is_share


def imported(log: Any, unit: str, shares: dict[str, float], variant: str) -> None:
    weights = tuple(round(share * ONE) for share in shares.values())
    log.assign(unit, eligible=tuple(shares), distribution=weights, variant=variant, source=Source.IMPORTED)


def test_an_import_with_propensities_alone_has_no_distributions(new_log: NewLog) -> None:
    log = new_log(replace(TEST, reward=(RewardTerm("click", 1.0),)))
    imported(log, "a", {"bold": 0.25, "(not in the file)": 0.75}, "bold")
    imported(log, "b", {"plain": 0.5, "(not in the file)": 0.5}, "plain")
    log.end(10)
    found = read(log.store, "hero")
    assert found.variants == ("plain", "bold", "quiet")
    assert (found.propensity.tolist(), found.probabilities) == ([0.25, 0.5], None)
    assert (found.collection.is_adaptive, found.collection.least) == (True, None)


def test_of_an_import_one_distribution_is_a_fixed_policy_and_several_may_be_anything(new_log: NewLog) -> None:
    log = new_log(TEST)
    imported(log, "a", {"plain": 0.5, "bold": 0.25, "quiet": 0.25}, "bold")
    until(log, 10)
    assert not read(log.store, "hero", metric="click").collection.is_adaptive
    imported(log, "b", {"plain": 0.25, "bold": 0.5, "quiet": 0.25}, "bold")
    until(log, 20)
    assert read(log.store, "hero", metric="click").collection.is_adaptive
    assert math.isclose(read(log.store, "hero", metric="click").propensity[1], 0.5)


def test_an_empty_log_is_read(new_log: NewLog) -> None:
    found = read(new_log(BANDIT).store, "hero")
    assert (len(found), found.k, reasons(found), list(found.questions())) == (0, 3, {}, [])
    assert list(found.blocks()) == []
