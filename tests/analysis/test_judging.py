"""What a ramp is to do, on logs whose truth is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from analysis.judging import Decision, judge
from analysis.logs.simple_log import START, simple_log
from engine.errors import UnknownExperiment
from engine.experiments import Experiment, ExposureRule, Looking, Plan, Variant
from engine.funnel import Funnel, RampStep
from engine.metrics import Better, Metric, Role
from engine.specs import ThompsonSpec

DAY = timedelta(days=1)
MICROS = 86_400_000_000
ERROR = Metric("error", window=DAY, role=Role.GUARDRAIL, margin=0.2, better=Better.LOWER)
RAMP = (RampStep(0.01, DAY, 1000), RampStep(0.1, DAY, 4000), RampStep(1.0))
HERO = Experiment(
    "hero",
    (Variant("a"), Variant("b")),
    (Metric("click", window=DAY), ERROR),
    funnel=Funnel(ramp=RAMP),
)
CONTROLLED = replace(HERO, policy=ThompsonSpec(control_share=0.5))


def ramped(experiment=HERO, n=6000, rates=(0.1, 0.1), lost=0.0, step=1, seed=1, epoch=1, **columns):
    """Return the log of a ramp at a step: `rates` are those of errors by variant, `lost` a share of b's rows."""
    rng = np.random.default_rng(seed)
    variant = rng.integers(0, 2, n)
    variant = variant[(variant == 0) | (rng.random(n) >= lost)]
    n = len(variant)
    at = START + np.sort(rng.integers(0, MICROS, n))
    given = {"variant": variant, "assigned_at": at, "epoch": epoch} | columns
    failed = np.flatnonzero(rng.random(n) < np.array(rates)[variant])
    log = simple_log(experiment, given, {"row": failed, "metric": ["error"] * len(failed)})
    return replace(log, experiment_state=replace(log.experiment_state, step=step, epoch=int(np.max(epoch))))


def test_a_healthy_ramp_goes_on_and_says_why():
    found = judge(ramped(n=12_000), "hero")
    assert found.decision is Decision.GO_ON
    assert found.evidence.startswith("step 2 of 3: 12,000 units, no mismatch (")
    assert "guardrail error of b: no worse than its margin (" in found.evidence
    assert "% at 95 %, margin 20 %)" in found.evidence


def test_a_guardrail_that_is_worse_rolls_back():
    found = judge(ramped(rates=(0.1, 0.2)), "hero")
    assert found.decision is Decision.ROLL_BACK
    assert "guardrail error of b: worse than its margin (+" in found.evidence


@pytest.mark.parametrize("n", [300, 3000])
def test_a_guardrail_that_is_worse_rolls_back_though_too_few_units_came_for_the_next_step(n):
    assert judge(ramped(n=n, rates=(0.1, 0.6)), "hero").decision is Decision.ROLL_BACK


@pytest.mark.parametrize(
    ("better", "rates"), [(Better.LOWER, (0.0, 0.3)), (Better.LOWER, (0.0, 1.0)), (Better.HIGHER, (0.3, 0.0))]
)
def test_what_has_no_relative_lift_because_one_side_has_nothing_is_no_less_of_a_harm(better, rates):
    guarded = replace(HERO, metrics=(HERO.metrics[0], replace(ERROR, better=better)))
    found = judge(ramped(guarded, n=3000, rates=rates), "hero")
    assert found.decision is Decision.ROLL_BACK
    assert "percentage points at 95 %, margin 20 %)" in found.evidence
    assert judge(ramped(guarded, n=3000, rates=rates[::-1]), "hero").decision is not Decision.ROLL_BACK


def test_lost_rows_hold():
    found = judge(ramped(n=12_000, lost=0.3), "hero")
    assert found.decision is Decision.HOLD
    assert "a mismatch (" in found.evidence


def test_a_guardrail_that_is_worse_comes_before_a_mismatch():
    assert judge(ramped(n=12_000, lost=0.3, rates=(0.1, 0.5)), "hero").decision is Decision.ROLL_BACK


def test_too_few_units_wait():
    found = judge(ramped(n=2000), "hero")
    assert found.decision is Decision.WAIT
    assert "2,000 of 4,000 units" in found.evidence


def test_units_are_counted_once_and_when_they_were_exposed():
    reported = replace(HERO, exposure=ExposureRule.REPORTED)
    log = ramped(replace(reported, metrics=HERO.metrics[:1]), n=6000, step=0, unit_key=np.arange(6000) % 3000 + 1)
    assert judge(log, "hero").decision is Decision.WAIT
    assert "0 of 1,000 units" in judge(log, "hero").evidence
    again = ramped(n=6000, step=1, unit_key=np.arange(6000) % 3000 + 1)
    assert "3,000 of 4,000 units" in judge(again, "hero").evidence


def test_a_guardrail_that_is_not_clear_lets_the_ramp_go_on_and_says_so():
    few = ramped(n=1500, step=0)
    assert judge(few, "hero").decision is Decision.GO_ON
    assert "guardrail error of b: not clear yet (" in judge(few, "hero").evidence
    rare = ramped(n=1500, step=0, rates=(0.0, 0.0))
    assert judge(rare, "hero").decision is Decision.GO_ON
    assert "guardrail error of b: not known yet" in judge(rare, "hero").evidence


@pytest.mark.parametrize("looking", Looking)
def test_the_plan_of_the_report_changes_nothing(looking):
    planned = replace(HERO, plan=Plan(looking, n_units=12_000))
    evidence = judge(ramped(replace(planned, plan=Plan(Looking.ANY, n_units=12_000))), "hero").evidence
    assert judge(ramped(planned), "hero").evidence == evidence


def test_only_the_current_epoch_counts():
    n = 12_000
    epoch = np.where(np.arange(n) < n // 2, 1, 2)
    log = ramped(n=n, rates=(0.1, 0.1), epoch=epoch, seed=3)
    assert judge(log, "hero").decision is Decision.GO_ON
    assert "6,000 units" in judge(log, "hero").evidence
    harmed = simple_log(
        HERO,
        {"variant": np.arange(n) % 2, "epoch": epoch, "assigned_at": START + np.arange(n)},
        {"row": np.flatnonzero((np.arange(n) < n // 2) & (np.arange(n) % 2 == 1)), "metric": "error"},
    )
    for now, decision in ((1, Decision.ROLL_BACK), (2, Decision.GO_ON)):
        state = replace(harmed.experiment_state, epoch=now)
        assert judge(replace(harmed, experiment_state=state), "hero").decision is decision


def test_a_new_epoch_without_any_row_waits():
    log = ramped(n=100)
    found = judge(replace(log, experiment_state=replace(log.experiment_state, epoch=2)), "hero")
    assert (found.decision, "0 of 4,000 units" in found.evidence) == (Decision.WAIT, True)


@pytest.mark.parametrize(("rate", "decision"), [(0.1, Decision.GO_ON), (0.3, Decision.ROLL_BACK)])
def test_a_policy_that_learns_is_judged_by_its_groups(rate, decision):
    rng = np.random.default_rng(2)
    n = 8000
    is_control = rng.random(n) < 0.5
    variant = np.where(is_control, 0, rng.integers(0, 2, n))
    rates = np.where(is_control, 0.1, rate)
    failed = np.flatnonzero(rng.random(n) < rates)
    log = simple_log(
        CONTROLLED,
        {
            "variant": variant,
            "assigned_at": START + np.arange(n),
            "distribution": np.full(2, 0.5),
            "group_name": np.where(is_control, "control", "policy"),
        },
        {"row": failed, "metric": ["error"] * len(failed)},
    )
    found = judge(log, "hero")
    assert found.decision is decision
    assert "guardrail error of the policy group" in found.evidence


def test_a_ramp_without_guardrails_goes_by_its_counts():
    found = judge(ramped(replace(HERO, metrics=HERO.metrics[:1]), rates=(0.0, 0.0)), "hero")
    assert found.decision is Decision.GO_ON
    assert "guardrail" not in found.evidence


def test_an_unknown_experiment_says_which_there_are():
    with pytest.raises(UnknownExperiment, match="there are hero"):
        judge(ramped(n=10), "none")
