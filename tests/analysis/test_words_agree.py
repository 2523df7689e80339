"""What the tables, the decisions and the verdict say of one comparison never contradicts, whatever came and when."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import analysis
from analysis.document import Report, Word
from analysis.estimate import Holds
from analysis.logs.simple_log import simple_log
from engine.experiments import ContextField, Experiment, FieldType, Looking, Plan, Status, Variant
from engine.metrics import Better, Metric, MetricKind, Role
from engine.specs import Rule, SegmentsSpec, ThompsonSpec

DAY = timedelta(days=1)
START, LENGTH = 20_000 * 86_400_000_000, 10 * 86_400_000_000
CLEAR = (Word.BETTER, Word.WORSE)
METRICS = (
    Metric("click", window=DAY, role=Role.GOAL),
    Metric("buy", window=DAY, role=Role.GOAL, better=Better.LOWER),
    Metric("spend", MetricKind.REVENUE, DAY),
    Metric("slow", MetricKind.QUANTILE, DAY, of="spend", quantile=0.5),
    Metric("rate", MetricKind.RATIO, DAY, of="spend", per="click"),
    Metric("error", window=DAY, role=Role.GUARDRAIL, margin=0.2, better=Better.LOWER),
)
POLICIES = (None, ThompsonSpec(), ThompsonSpec(control_share=0.4), SegmentsSpec((Rule({"vip": True}, {"a": 1.0}),)))


@st.composite
def reports(draw):
    """Return the report of a small log: any plan, running or over, fixed or learned, with effects or without."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    n, k = draw(st.sampled_from([0, 3, 40, 400])), draw(st.integers(2, 4))
    looking, policy = draw(st.sampled_from(Looking)), draw(st.sampled_from(POLICIES))
    plan = Plan(looking, looks=draw(st.integers(2, 4)), n_units=draw(st.sampled_from([100, 350])))
    status = draw(st.sampled_from([Status.RUNNING, Status.PAUSED, Status.CONCLUDED]))
    strength, lost = draw(st.sampled_from([0.0, 0.1, 0.3])), draw(st.sampled_from([0.0, 0.0, 0.5]))
    experiment = Experiment("any", tuple(Variant(name) for name in "abcd"[:k]), METRICS[: draw(st.integers(1, 6))])
    fields = (ContextField("vip", FieldType.FLAG),) if isinstance(policy, SegmentsSpec) else ()
    experiment = replace(experiment, plan=plan, policy=policy or experiment.policy, context=fields)
    log = _log(experiment, rng, n, strength, lost)
    log = replace(log, experiment_state=replace(log.experiment_state, status=status))
    return analysis.report(log, "any", in_full=False)


def _log(experiment, rng, n, strength, lost):
    k = len(experiment.variants)
    variant = rng.integers(0, k, n)
    variant[rng.random(n) < lost] = 0
    columns = {"variant": variant, "assigned_at": START + np.sort(rng.integers(0, LENGTH, n))}
    if experiment.policy.learns:
        columns["distribution"] = np.full(k, 1 / k)
    if isinstance(experiment.policy, SegmentsSpec):
        columns |= _by_rule(rng, n, k)
    if experiment.policy.control_share:
        is_control = rng.random(n) < experiment.policy.control_share
        columns |= {
            "variant": np.where(is_control, 0, variant),
            "group_name": np.where(is_control, "control", "policy"),
        }
    rate = 0.1 + strength * columns["variant"]
    happened = {name: np.flatnonzero(rng.random(n) < rate) for name in sorted(experiment.outcomes)}
    return simple_log(
        experiment,
        columns,
        {
            "row": np.concatenate([np.zeros(0, np.int64), *happened.values()]),
            "metric": [name for name, row in happened.items() for _ in row],
            "value": [1 + (i % 3 if name == "spend" else 0) for name, row in happened.items() for i in range(len(row))],
        },
        context={field.name: rng.integers(0, 2, n).astype(float) for field in experiment.context},
    )


def _by_rule(rng, n, k):
    """Return variants of two rules, of which one leaves out the last variant, and another the first."""
    shares = (np.ones((2, k)) - np.eye(k)[[-1, 0]]) / (k - 1)
    rule = rng.integers(0, 2, n)
    variant = (rng.random(n)[:, None] > shares[rule].cumsum(axis=1)).sum(axis=1).clip(max=k - 1)
    return {"variant": np.where(shares[rule, variant] > 0, variant, 1 % k), "distribution": shares[rule]}


def compared(found):
    """Yield each decision with the row of the table that it is about; guardrails answer another question."""
    if found.decisions is None:
        return
    metrics = {metric.name: metric for metric in found.metrics}
    for metric, name, role, estimate, *_, word in found.decisions.rows:
        if not role.key.startswith("decision.guardrail"):
            table = metrics[metric].compared
            yield next(row for row in table.rows if row.name == name), estimate, word


@settings(max_examples=60, deadline=None)
@given(reports())
def test_no_word_contradicts_another(found):
    primary = next(metric for metric in found.metrics if metric.name == found.primary)
    if any(check.holds is False for check in found.health.checks):
        said = [row.word for metric in found.metrics for table in metric.tables for row in table.rows]
        said += [] if found.decisions is None else [row[-1] for row in found.decisions.rows]
        assert found.verdict.word is Word.NOT_EVALUABLE
        assert set(said) <= {Word.NOT_EVALUABLE, Word.BASELINE, Word.NOT_COMPARED}
        return
    for row, estimate, word in compared(found):
        read = row.anytime or row.absolute
        assert (row.word is Word.NOT_EVALUABLE) == (word is Word.NOT_EVALUABLE)
        assert row.word not in CLEAR or word is row.word
        assert word not in CLEAR or row.word in (word, Word.NOT_CLEAR)
        assert (estimate.value, estimate.low, estimate.high) == (read.value, read.low, read.high)
    table = next((table for table in primary.tables if table.baseline), None)
    words = {row.word for row in table.rows} if table else set()
    ranked = (Word.BETTER, Word.WORSE, Word.NOT_CLEAR, Word.NOT_EVALUABLE)
    assert found.verdict.word is next((word for word in ranked if word in words), Word.NOT_EVALUABLE)


@settings(max_examples=40, deadline=None)
@given(reports())
def test_the_verdict_calls_nothing_best_and_reads_back_as_the_same_bytes(found):
    sentence = str(found.verdict.sentence)
    assert "best" not in sentence
    assert ("so far" in sentence) == (found.status != "concluded") or sentence.startswith("Do not decide")
    assert Report.from_json(found.to_json()).to_json() == found.to_json()


@settings(max_examples=40, deadline=None)
@given(reports())
def test_what_runs_is_never_read_as_if_it_had_ended(found):
    if found.status == "concluded":
        return
    for row, estimate, word in compared(found):
        if word is not Word.NOT_EVALUABLE:
            assert estimate.holds is not Holds.ONCE
            assert (row.anytime or row.absolute).holds is not Holds.ONCE
