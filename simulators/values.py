"""What variants and a learner were worth on a randomised log, with intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.experiments import Experiment
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
    weights = np.array([1.0 / row.propensity for row in own])
    return {name: weighted_mean(values, weights) for name, values in _columns(experiment, own).items()}


def of_logging(experiment: Experiment, rows: Sequence[Row]) -> Mapping[str, Value]:
    """Return by metric what the logging policy was worth: the mean over all rows."""
    return _means(experiment, rows)


def of_learner(experiment: Experiment, accepted: Sequence[Row]) -> Mapping[str, Value]:
    """Return by metric the mean over the accepted rows.

    Given the past, the expectation of each of them is the policy's value at that time. So the mean estimates the
    average of those values over the run, and what it is off by is a martingale, which the normal interval rests on.
    """
    return _means(experiment, accepted)


def _means(experiment: Experiment, rows: Sequence[Row]) -> Mapping[str, Value]:
    ones = np.ones(len(rows))
    return {name: weighted_mean(values, ones) for name, values in _columns(experiment, rows).items()}


def _columns(experiment: Experiment, rows: Sequence[Row]) -> Mapping[str, NDArray[np.float64]]:
    """Return the reward and each metric's values, (n,) each."""
    readers: dict[str, Callable[[Row], float]] = {REWARD: lambda row: _reward(experiment, row)}
    for metric in experiment.metrics:
        readers[metric.name] = lambda row, name=metric.name: row.outcomes[name]  # type: ignore[misc]  # a bound name
    return {name: np.array([read(row) for row in rows], np.float64) for name, read in readers.items()}


def _reward(experiment: Experiment, row: Row) -> float:
    return reward_of(experiment, {name: [value] for name, value in row.happened.items()})
