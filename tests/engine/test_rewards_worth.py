"""What outcomes are worth: aggregation, limits, weights, default and scale."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.definition import define
from engine.errors import InvalidExperiment
from engine.experiments import Experiment
from engine.metrics import Aggregation, Better, Metric, MetricKind, RewardTerm
from engine.outcomes import OutcomeRules
from engine.reward_rules import worth_limits
from engine.rewards import metric_value, reward_of, scaled
from tests.engine.ledger_logs import BASKET, CLICK, HERO, TIMES

MARGIN = Metric("margin", MetricKind.REVENUE, range=(-10.0, 5.0))
HAPPY = Metric("happy", MetricKind.CSAT, range=(1.0, 5.0))
PROMOTE = Metric("promote", MetricKind.NPS)
COMPLAINT = Metric("complaint", better=Better.LOWER)
amounts = st.floats(-1e308, 1e308)


def rewarded(*terms: tuple[object, ...], metrics: tuple[Metric, ...] = (), **changes: object) -> Experiment:
    every = (CLICK, BASKET, TIMES, MARGIN, HAPPY, PROMOTE, COMPLAINT)
    reward = tuple(RewardTerm(*term) for term in terms)
    return define(replace(HERO, metrics=metrics or every, reward=reward, reward_scale=None, **changes))


@given(st.lists(amounts, max_size=5), st.sampled_from(Aggregation), st.sampled_from([BASKET, MARGIN]))
def test_a_reward_lies_between_0_and_1(found, aggregation, metric):
    assert -1.0 <= metric_value(metric, found, aggregation) <= 1.0
    experiment = rewarded((metric.name, 3.0, aggregation), ("click", -0.5))
    assert 0.0 <= reward_of(experiment, {metric.name: found, "click": [1.0]}) <= 1.0


@given(st.lists(st.floats(0, 30), max_size=4), st.booleans())
def test_a_reward_as_it_always_was_is_what_it_always_was_bit_for_bit(found, clicked):
    total = 0.0
    for amount in found:
        total += amount
    before = min(1.0, max(0.0, math.fsum([0.25 * clicked, 0.75 * min(1.0, max(0.0, total / 10.0))])))
    assert reward_of(HERO, {"basket": found, "click": [1.0] * clicked}) == before


def test_whatever_numbers_a_reward_is_made_of_it_is_refused_or_has_a_scale():
    odd = (0.0, 5e-324, -1.0, 1e308, -1e308, math.inf, -math.inf, math.nan)
    scales = []
    for weight, cap, low, high in product(odd, (None, *odd), odd, odd):
        margin = Metric("margin", MetricKind.REVENUE, cap=cap, range=(low, high))
        with suppress(InvalidExperiment):
            scales.append(rewarded(("click", weight), ("margin", weight), metrics=(CLICK, margin)).reward_scale)
    assert scales
    assert all(-math.inf < low <= 0.0 < 1.0 <= high < math.inf for low, high in scales)


def test_weights_that_were_meant_to_sum_to_1_scale_by_exactly_1():
    thirds = rewarded(("click", 0.1 + 0.2), ("basket", 0.7 + 1e-12))
    assert thirds.reward_scale == (0.0, 1.0)


def test_revenue_is_capped_scaled_and_never_negative():
    assert [metric_value(BASKET, found) for found in ([], [4.0, 1.0], [50.0], [-3.0], [8.0, -3.0])] == [
        0.0,
        0.5,
        1.0,
        0.0,
        0.5,
    ]


def test_a_count_is_capped_and_scaled_like_revenue():
    assert [metric_value(TIMES, found) for found in ([], [1.0], [1.0, 3.0])] == [0.0, 0.5, 1.0]


@pytest.mark.parametrize(
    ("aggregation", "worth"),
    [
        (Aggregation.SUM, -0.7),
        (Aggregation.FIRST, -0.3),
        (Aggregation.LAST, -0.1),
        (Aggregation.MAX, -0.1),
        (Aggregation.MEAN, -0.7 / 3),
    ],
)
def test_several_values_come_to_what_the_aggregation_says(aggregation, worth):
    assert metric_value(MARGIN, [-3.0, -3.0, -1.0], aggregation) == pytest.approx(worth, abs=1e-15)


def test_the_greatest_of_negative_values_is_negative_and_nothing_is_no_0_that_wins():
    experiment = rewarded(("margin", 1.0, Aggregation.MAX))
    assert experiment.reward_scale == (-1.0, 1.0)
    assert reward_of(experiment, {"margin": [-3.0, -1.0]}) == scaled(experiment, -0.1) == 0.45
    assert reward_of(experiment, {"margin": []}) == reward_of(experiment, {}) == scaled(experiment, 0.0) == 0.5


def test_an_amount_outside_its_range_is_recorded_and_its_reward_is_cut():
    """A range bounds what an assignment's outcomes come to together: a large order may be sent back."""
    experiment = rewarded(("margin", 1.0))
    for told in (-900.0, 900.0):
        OutcomeRules([experiment]).check("margin", told)
    assert reward_of(experiment, {"margin": [900.0, -896.0]}) == scaled(experiment, 0.4)
    assert reward_of(experiment, {"margin": [900.0]}) == scaled(experiment, 0.5)
    assert reward_of(experiment, {"margin": [-900.0]}) == scaled(experiment, -1.0) == 0.0


def test_a_sum_outside_the_scale_is_cut():
    narrow = replace(rewarded(("click", 0.5), ("complaint", -2.0)), reward_scale=(-1.0, 0.25))
    assert [reward_of(narrow, found) for found in ({"click": [1.0]}, {"complaint": [1.0]}, {})] == [1.0, 0.0, 0.8]


def test_a_cost_takes_from_the_reward():
    experiment = rewarded(("click", 0.5), ("complaint", -1.5))
    assert experiment.reward_scale == (-1.5, 1.0)
    both = {"click": [1.0], "complaint": [1.0]}
    assert [scaled(experiment, each) for each in (-1.0, 0.0, 0.5)] == [
        reward_of(experiment, found) for found in (both, {}, {"click": [1.0]})
    ]
    with pytest.raises(InvalidExperiment, match="its weight must be negative: it is a cost"):
        rewarded(("complaint", 1.0))


def test_the_default_is_for_those_without_any_outcome_of_the_reward():
    experiment = rewarded(("click", 0.5), ("happy", 0.5, Aggregation.MEAN), reward_default=0.3)
    assert reward_of(experiment, {}) == reward_of(experiment, {"basket": [9.0], "click": []}) == 0.3
    assert reward_of(experiment, {"happy": [1.0, 2.0]}) == 0.5 * 1.5 / 5.0


def test_scores_are_read_one_by_one_or_as_their_mean():
    found = [2.0, 5.0, 4.0]
    told = {way: metric_value(HAPPY, found, way) for way in (Aggregation.FIRST, Aggregation.LAST, Aggregation.MEAN)}
    assert list(told.values()) == [0.4, 0.8, pytest.approx(11 / 15)]
    assert metric_value(PROMOTE, [9.0, 6.0], Aggregation.MEAN) == 0.75
    for way in (Aggregation.SUM, Aggregation.MAX):
        with pytest.raises(InvalidExperiment, match="is a score, so its part of the reward needs `aggregation: mean`"):
            metric_value(HAPPY, found, way)


def test_a_cap_bounds_before_a_range_does():
    assert worth_limits(replace(BASKET, range=(-50.0, 500.0))) == (0.0, 10.0)
    assert worth_limits(replace(BASKET, cap=None, range=(-50.0, 500.0))) == (-50.0, 500.0)
    assert worth_limits(replace(BASKET, cap=None)) is None


@pytest.mark.parametrize("kind", [MetricKind.RATIO, MetricKind.QUANTILE])
def test_what_is_of_many_units_is_no_reward(kind):
    with pytest.raises(InvalidExperiment, match="can be no reward: it is of many units"):
        metric_value(Metric("m", kind), [5.0])


def test_revenue_without_a_limit_is_no_reward():
    with pytest.raises(InvalidExperiment, match="needs a `cap` or a `range`"):
        metric_value(replace(BASKET, cap=None), [1.0])
