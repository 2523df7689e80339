"""What an earlier log says of a metric: the control's value and spread, what covariates explain, units a day."""

from __future__ import annotations

import math

import numpy as np

from analysis.arrays import Floats, Ints
from analysis.lifts.cells import Cells, Shape
from analysis.lifts.moments import Moments
from analysis.logs import crediting, metrics
from analysis.logs.frames import Frame
from analysis.planning.needs import Baseline
from analysis.planning.pages import Known
from engine.experiments import Experiment
from engine.metrics import MetricKind

_DAY_US = 86_400_000_000


def known(frame: Frame, experiment: Experiment) -> Known:
    """Return the baselines of an experiment's metrics from the log of an earlier one that measured the same names.

    Every exposed unit counts, whatever variant it met, with its variant's mean taken away, so that the spread is that
    within a variant; the value is the control's. A metric that the earlier experiment did not measure has none.
    """
    rows = frame.assignments
    subjects = crediting.units(frame, rows.is_exposed, rows.variant, np.zeros_like(rows.stratum), rows.exposed_at)
    wanted = {metric.name for metric in experiment.metrics}
    baselines = {}
    for metric in frame.experiment.metrics:
        if metric.name in wanted and metric.kind is not MetricKind.QUANTILE:
            found = metrics.cells(metrics.sample(frame, subjects, metric), metric, len(frame.variants))
            baselines[metric.name] = baseline(found, frame.control)
    return Known({name: base for name, base in baselines.items() if base is not None}, per_day(subjects.since))


def per_day(since: Ints) -> float:
    """Return how many units came a day, from their times in microseconds, (n,); 0 of fewer than two."""
    if len(since) < 2:
        return 0.0
    return len(since) / max((int(since.max()) - int(since.min())) / _DAY_US, 1.0)


def baseline(cells: Cells, control: int) -> Baseline | None:
    """Return the baseline from moments, or None where the control has no two values, or nothing below the line."""
    mean = cells.moments.mean[control, 0]
    if cells.moments.n[control, 0] < 2 or (cells.shape is Shape.RATIO and mean[1] == 0):
        return None
    covariance = _within(cells.moments)
    value, of_units = float(mean[0]), 1
    line = np.eye(len(mean))[0]
    if cells.shape is Shape.RATIO:
        value, of_units = float(mean[0] / mean[1]), 2
        line[:2] = np.array([1.0, -value]) / mean[1]
    if cells.shape is Shape.SHARE:
        return Baseline.of_share(value, _explained(covariance, line, of_units))
    return Baseline(
        value, math.sqrt(float(line @ covariance @ line)), cells.shape, _explained(covariance, line, of_units)
    )


def _within(moments: Moments) -> Floats:
    """The covariance within variants, pooled over them, (k, k)."""
    freedom = np.maximum(moments.n - 1, 0).sum()
    return np.asarray(moments.m2.sum(axis=(0, 1)) / freedom)


def _explained(covariance: Floats, line: Floats, first: int) -> float:
    """The share of the variance of the value `line` that the covariates, columns from `first` on, explain."""
    total = float(line @ covariance @ line)
    if first == len(line) or total <= 0:
        return 0.0
    with_them = covariance[first:] @ line
    return float(np.clip(with_them @ np.linalg.pinv(covariance[first:, first:]) @ with_them / total, 0, 1))
