"""What may be recorded follows from the metrics that are made of it, in one experiment and in several."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidRequest
from engine.experiments import Experiment, Variant
from engine.metrics import Metric, MetricKind
from engine.outcomes import OutcomeRules, why_refused

DAY = timedelta(days=1)
CLICK = Metric("click")
SPEND = Metric("spend", MetricKind.REVENUE, of="order")
ORDERS = Metric("orders", of="order")
VALUE = Metric("value", MetricKind.RATIO, of="spend", per="orders")
VISITS = Metric("visits", MetricKind.COUNT)
BACK = Metric("back", MetricKind.RETENTION, of="visits", after=DAY)
HAPPY = Metric("happy", MetricKind.CSAT, range=(1.0, 5.0))
EFFORT = Metric("effort", MetricKind.CES)
PROMOTE = Metric("promote", MetricKind.NPS)
SLOW = Metric("slow", MetricKind.QUANTILE, quantile=0.9)


def experiment(*metrics: Metric, name: str = "hero") -> Experiment:
    return Experiment(name, (Variant("plain"), Variant("bold")), metrics)


def allowed(values: list[float], *experiments: Experiment, outcome: str) -> list[float]:
    rules = OutcomeRules(experiments)
    found = []
    for value in values:
        with suppress(InvalidRequest):
            rules.check(outcome, value)
            found.append(value)
    return found


VALUES = [-1.0, 0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 11.0, float("inf"), float("nan")]
FINITE = VALUES[:-2]


@pytest.mark.parametrize(
    ("metrics", "outcome", "these"),
    [
        ([CLICK], "click", [1.0]),
        ([BACK], "visits", [1.0]),
        ([VISITS], "visits", [0.0, 1.0, 2.0, 5.0, 10.0, 11.0]),
        ([VISITS, BACK], "visits", [0.0, 1.0, 2.0, 5.0, 10.0, 11.0]),
        ([SPEND], "order", FINITE),
        ([SPEND, ORDERS, VALUE], "order", FINITE),
        ([SLOW], "slow", FINITE),
        ([SLOW, Metric("n", MetricKind.COUNT, of="slow")], "slow", [0.0, 1.0, 2.0, 5.0, 10.0, 11.0]),
        ([HAPPY], "happy", [1.0, 2.0, 5.0]),
        ([EFFORT], "effort", FINITE),
        ([PROMOTE], "promote", [0.0, 1.0, 2.0, 5.0, 10.0]),
        ([HAPPY, Metric("nps", MetricKind.NPS, of="happy"), Metric("any", of="happy")], "happy", [1.0, 2.0, 5.0]),
    ],
    ids=lambda each: None if isinstance(each, str) else ",".join(str(getattr(one, "name", one)) for one in each),
)
def test_the_metrics_of_one_experiment_must_all_agree(metrics: list[Metric], outcome: str, these: list[float]) -> None:
    assert allowed(VALUES, experiment(*metrics), outcome=outcome) == these


def test_of_several_experiments_one_that_agrees_is_enough() -> None:
    first, second = experiment(Metric("order")), experiment(SPEND, name="second")
    assert allowed(VALUES, first, outcome="order") == [1.0]
    assert allowed(VALUES, first, second, outcome="order") == FINITE
    assert allowed(VALUES, second, first, outcome="order") == FINITE
    counted = experiment(Metric("order", MetricKind.COUNT), name="third")
    assert allowed(VALUES, counted, second, outcome="order") == FINITE, "it does not close the door to the second's"


@given(
    st.floats(), st.lists(st.sampled_from([SPEND, Metric("order"), VISITS, HAPPY, PROMOTE]), min_size=1, unique=True)
)
def test_another_experiment_never_closes_the_door(value: float, metrics: list[Metric]) -> None:
    rules = [experiment(metric, name=metric.name) for metric in metrics]
    for metric in metrics:
        alone = allowed([value], experiment(metric), outcome=metric.outcome)
        assert set(alone) <= set(allowed([value], *rules, outcome=metric.outcome))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("value", "metric 'value' is computed from order: record that"),
        ("spend", "metric 'spend' is computed from order: record that"),
        ("clik", "no experiment declares a metric 'clik': there are click, order"),
    ],
)
def test_what_is_no_outcome_says_what_to_record(name: str, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        OutcomeRules([experiment(CLICK, SPEND, ORDERS, VALUE)]).check(name, 1.0)
    with pytest.raises(InvalidRequest, match="there are none yet"):
        OutcomeRules([]).check(name, 1.0)


@pytest.mark.parametrize(
    ("metric", "value", "says"),
    [
        (CLICK, 2.0, "'click' is a conversion, which happens or not: leave the value out"),
        (VISITS, 1.5, "the value of 'visits' must be a whole number, 0 or more"),
        (HAPPY, 6.0, "the value of 'happy' must be a score from 1 to 5"),
        (PROMOTE, 9.5, "the value of 'promote' must be a whole number from 0 to 10"),
    ],
)
def test_a_refusal_says_what_the_value_must_be(metric: Metric, value: float, says: str) -> None:
    assert why_refused([metric], value) == says
