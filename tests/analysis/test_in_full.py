"""A report that is not in full: the same verdict on the same checks and tables, and nothing beside."""

from dataclasses import replace

import numpy as np
import pytest

from analysis import report
from analysis.logs.simple_log import START, simple_log
from engine.experiments import ContextField, Experiment, FieldType, Looking, Plan, Status, Variant
from engine.metrics import Metric, MetricKind
from engine.specs import FixedSpec, ThompsonSpec

HOUR = 3_600_000_000
METRICS = (Metric("click", effect=0.1), Metric("spend", MetricKind.REVENUE, cap=20.0))
DEVICE = (ContextField("device", FieldType.TEXT),)
POLICIES = {
    "test": FixedSpec(),
    "bandit": ThompsonSpec(floor=0.5),
    "bandit with a control group": ThompsonSpec(floor=0.5, control_share=0.5),
}


def log(policy, plan=Plan(), status=Status.RUNNING, n=1_200):  # noqa: B008 (a plan is frozen)
    rng = np.random.default_rng(1)
    experiment = Experiment("hero", (Variant("a"), Variant("b")), METRICS, context=DEVICE, policy=policy, plan=plan)
    is_control = rng.random(n) < policy.control_share
    variant = np.where(is_control, 0, rng.integers(0, 2, n))
    rows = {"variant": variant, "assigned_at": START + np.arange(n) * HOUR, "distribution": [0.5, 0.5]}
    if policy.control_share:
        rows["group_name"] = np.where(is_control, "control", "policy")
    row = np.flatnonzero(rng.random(n) < 0.3)
    outcomes = {"row": row, "metric": rng.choice(["click", "spend"], len(row)), "value": rng.lognormal(2, 1, len(row))}
    found = simple_log(experiment, rows, outcomes, context={"device": rng.choice(["phone", "desktop"], n)})
    return replace(found, experiment_state=replace(found.experiment_state, status=status))


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_it_has_the_same_verdict_checks_tables_and_decisions(policy):
    whole, part = (report(log(policy), "hero", in_full=in_full) for in_full in (True, False))
    assert part.verdict == whole.verdict
    assert part.decisions == whole.decisions
    assert (part.health.checks, part.health.grids) == (whole.health.checks, whole.health.grids)
    assert [each.tables for each in part.metrics] == [each.tables for each in whole.metrics]


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_it_leaves_out_what_explains(policy):
    whole, part = (report(log(policy), "hero", in_full=in_full) for in_full in (True, False))
    assert whole.traffic is not None
    assert all(each.grids and each.over_time for each in whole.metrics)
    assert not any((part.traffic, part.allocation, part.health.evidence))
    assert not any(each.grids or each.over_time for each in part.metrics)


@pytest.mark.parametrize(
    ("looking", "status", "is_any"),
    [
        (Looking.ANY, Status.CONCLUDED, True),
        (Looking.ONCE, Status.RUNNING, True),
        (Looking.ONCE, Status.CONCLUDED, False),
        (Looking.PLANNED, Status.RUNNING, False),
    ],
)
@pytest.mark.parametrize("name", ["test", "bandit"])
def test_an_interval_for_any_look_is_given_where_the_plan_asks_for_it(name, looking, status, is_any):
    """Of a test and of a bandit's variants alike, so that the word and the verdict are read from the same interval."""
    found = report(log(POLICIES[name], Plan(looking, n_units=1_000), status), "hero", in_full=False)
    table = next(table for table in found.metrics[0].tables if table.baseline)
    assert (table.rows[1].anytime is not None) is is_any
