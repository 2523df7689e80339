"""What variants and a learner were worth on a randomised log, with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.experiments import Experiment
from engine.metrics import SCORES, Metric, MetricKind
from engine.rewards import reward_of
from simulators.rows import Row

REWARD = "reward"
"""The name of the reward beside the metrics' names."""

_Z = 1.959964


@dataclass(frozen=True, slots=True)
class Value:
    """A mean over n rows, with half the width of its normal 95 % interval (NaN for fewer than two rows)."""

    mean: float
    half_width: float
    n: int


def weighted_mean(values: NDArray[np.float64], weights: NDArray[np.float64]) -> Value:
    """Return the weighted mean of values (n,), with its linearised standard error.

    >>> weighted_mean(np.array([0.0, 1.0, 1.0, 0.0]), np.ones(4)).mean
    0.5
    """
    n = len(values)
    if n < 2:
        return Value(math.nan, math.nan, n)
    total = weights.sum()
    mean = float((weights * values).sum() / total)
    error = math.sqrt(n / (n - 1) * float((weights**2 * (values - mean) ** 2).sum())) / float(total)
    return Value(mean, _Z * error, n)


def of_variant(experiment: Experiment, rows: Sequence[Row], variant: str) -> Mapping[str, Value]:
    """Return by metric what a variant was worth: its rows weighted by 1 / propensity, which matters where it varies."""
    own = [row for row in rows if row.variant == variant]
    return _means(experiment, own, np.array([1.0 / row.propensity for row in own]))


def of_logging(experiment: Experiment, rows: Sequence[Row]) -> Mapping[str, Value]:
    """Return by metric what the logging policy was worth: the mean over all rows."""
    return _means(experiment, rows, np.ones(len(rows)))


def of_learner(experiment: Experiment, accepted: Sequence[Row]) -> Mapping[str, Value]:
    """Return by metric the mean over the accepted rows.

    Given the past, the expectation of each of them is the policy's value at that time. So the mean estimates the
    average of those values over the run, and what it is off by is a martingale, which the normal interval rests on.
    """
    return _means(experiment, accepted, np.ones(len(accepted)))


def with_means(experiment: Experiment) -> tuple[Metric, ...]:
    """Return the metrics that are means over rows: a ratio and a quantile are not."""
    without = (MetricKind.RATIO, MetricKind.QUANTILE)
    return tuple(metric for metric in experiment.metrics if metric.kind not in without)


def _means(experiment: Experiment, rows: Sequence[Row], weights: NDArray[np.float64]) -> Mapping[str, Value]:
    """Return the mean of the reward and of each metric over rows with weights (n,)."""
    found = {REWARD: _mean([_reward(experiment, row) for row in rows], weights)}
    for metric in with_means(experiment):
        found[metric.name] = _mean([_worth(metric, row.outcomes.get(metric.outcome)) for row in rows], weights)
    return found


def _mean(values: Sequence[float | None], weights: NDArray[np.float64]) -> Value:
    is_given = np.array([value is not None for value in values], np.bool_)
    return weighted_mean(np.array([value for value in values if value is not None], np.float64), weights[is_given])


def _worth(metric: Metric, value: float | None) -> float | None:
    """Return what a row's outcome is worth in a metric; None for a score that was not given."""
    if metric.kind is MetricKind.CONVERSION:
        return float(value is not None)
    if metric.kind is MetricKind.NPS and value is not None:
        return float(value >= 9) - float(value <= 6)
    return value if value is not None or metric.kind in SCORES else 0.0


def _reward(experiment: Experiment, row: Row) -> float:
    metrics = (metric for metric in experiment.metrics if metric.outcome in row.outcomes)
    return reward_of(experiment, {metric.name: [row.outcomes[metric.outcome]] for metric in metrics})
