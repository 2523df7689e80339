"""What outcomes are worth: aggregation, default, weights and scale.

Which outcomes are an assignment's, and when it is of age, is the ledger's business.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from functools import reduce

from engine.errors import InvalidExperiment
from engine.experiments import Experiment
from engine.metrics import Aggregation, Metric, MetricKind
from engine.reward_rules import default_scale, why_no_reward, worth_limits


def metric_value(metric: Metric, values: Sequence[float], aggregation: Aggregation = Aggregation.SUM) -> float:
    """Return in [-1, 1] what the standing outcomes of one assignment are worth in one metric; without any, 0.

    `values` are in the order in which they occurred. A conversion or retention is 1 if there is any. The others are
    aggregated, cut to [0, cap] or to the metric's range (an NPS: 0 to 10), and divided by the limit further from 0:
    below 0 only where the range says that it can be.

    Raises:
        InvalidExperiment: it has no such scale, or no such aggregation.

    >>> metric_value(Metric("click"), [1.0, 1.0])
    1.0
    >>> basket = Metric("basket", MetricKind.REVENUE, cap=200.0)
    >>> metric_value(basket, [80.0, -30.0]), metric_value(basket, [80.0, -30.0], Aggregation.MAX)
    (0.25, 0.4)
    >>> metric_value(Metric("margin", MetricKind.REVENUE, range=(-10.0, 10.0)), [-3.0, -1.0], Aggregation.MAX)
    -0.1
    """
    if metric.kind in (MetricKind.CONVERSION, MetricKind.RETENTION):
        return 1.0 if values else 0.0
    # Whether the metric is a gain or a cost is the weight's business.
    if why := why_no_reward(metric, -1.0, aggregation):
        raise InvalidExperiment(why)
    low, high = worth_limits(metric) or (0.0, 1.0)
    if not values:
        return 0.0
    return min(high, max(low, _aggregated(values, aggregation))) / max(abs(low), abs(high))


def _aggregated(values: Sequence[float], aggregation: Aggregation) -> float:
    match aggregation:
        case Aggregation.FIRST:
            return values[0]
        case Aggregation.LAST:
            return values[-1]
        case Aggregation.MAX:
            return max(values)
        case Aggregation.MEAN:
            return _sum(values) / len(values)
        case Aggregation.SUM:
            return _sum(values)


def _sum(values: Sequence[float]) -> float:
    # Not sum(), which rounds differently from Python 3.12 on; not fsum(), which raises where a sum is too large.
    return reduce(operator.add, values, 0.0)


def reward_of(experiment: Experiment, values_by_metric: Mapping[str, Sequence[float]]) -> float:
    """Return the reward in [0, 1] of one assignment: the sum of weight times `metric_value` over its terms, scaled.

    The values of a metric are in the order in which they occurred. A metric that is not among them adds nothing; an
    assignment without an outcome in any term has `reward_default` in place of the sum.

    >>> from engine.experiments import Variant
    >>> from engine.metrics import RewardTerm
    >>> metrics = (Metric("click"), Metric("purchase"), Metric("complaint"))
    >>> terms = (RewardTerm("click", 0.2), RewardTerm("purchase", 0.8), RewardTerm("complaint", -1.0))
    >>> hero = Experiment("hero", (Variant("plain"), Variant("bold")), metrics, reward=terms)
    >>> reward_of(hero, {"click": [1.0, 1.0]}), reward_of(hero, {}), reward_of(hero, {"complaint": [1.0]})
    (0.6, 0.5, 0.0)
    """
    if not any(values_by_metric.get(term.metric) for term in experiment.reward):
        return scaled(experiment, experiment.reward_default)
    declared = {metric.name: metric for metric in experiment.metrics}
    return scaled(
        experiment,
        math.fsum(
            term.weight * metric_value(declared[term.metric], values_by_metric.get(term.metric, ()), term.aggregation)
            for term in experiment.reward
        ),
    )


def scaled(experiment: Experiment, weighted_sum: float) -> float:
    """Return a weighted sum as a reward: from the reward's scale to [0, 1], and cut there.

    The expected reward is the scaled expectation of the weighted sum, as long as the scale cuts nothing.

    >>> scaled(Experiment("hero", (), (Metric("click"),), reward_scale=(-0.5, 1.5)), 0.5)
    0.5
    """
    low, high = experiment.reward_scale or default_scale(experiment) or (0.0, 1.0)
    return min(1.0, max(0.0, (weighted_sum - low) / (high - low)))
