"""What draws brought: the reward, or the value of a metric, of those whose windows have closed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from analysis.adaptive import is_by_assignment
from analysis.arrays import Flags, Floats, Ints
from analysis.logs import crediting, metrics, rewards
from analysis.logs.crediting import Counted, Subjects
from analysis.logs.frames import Frame
from analysis.logs.labels import Answers
from analysis.ope.logged import Collection
from analysis.ope.stores.collecting import collection, is_zero_or_one
from analysis.sequential import choice
from analysis.texts import duration, text
from engine.errors import InvalidRequest
from engine.experiments import Experiment
from engine.metrics import Metric, MetricKind


@dataclass(frozen=True, slots=True)
class Earned:
    """What draws brought: `row` (n,) are places among the frame's rows, ascending, and `values` (n,) what of them."""

    row: Ints
    values: Floats
    n_open: int
    collection: Collection


def earned(frame: Frame, chosen: Flags, metric: str | None, revisions: Iterable[Experiment]) -> Earned:
    """Return what the chosen draws (n_assignments,) brought, made under some revisions.

    Raises:
        InvalidRequest: the experiment has no reward and no metric is named, or none that a draw by itself can have.
    """
    subjects = _subjects(frame, chosen)
    if metric is None:
        return _rewarded(frame, subjects, revisions)
    return _measured(frame, subjects, _metric(frame.experiment, metric, subjects.counted), revisions)


def _subjects(frame: Frame, chosen: Flags) -> Subjects:
    """Return the draws: where a unit is drawn once and gets one variant, with all that the unit brings."""
    rows = frame.assignments
    if frame.answers is Answers.VARIANT and chosen.any() and rows.by_unit[chosen].all():
        return crediting.units(frame, chosen, rows.variant, rows.stratum, rows.exposed_at)
    return crediting.assignments(frame, chosen)


def _rewarded(frame: Frame, subjects: Subjects, revisions: Iterable[Experiment]) -> Earned:
    experiment = frame.experiment
    if not experiment.reward:
        names = ", ".join(metric.name for metric in experiment.metrics)
        raise InvalidRequest(f"{experiment.experiment_id!r} has no reward: name a metric to evaluate by, of {names}")
    values = rewards.earned(frame, subjects)
    known = collection(
        experiment,
        revisions,
        value_range=(0.0, 1.0),
        is_share=is_zero_or_one(experiment),
        estimand=text(
            f"ope.target.reward_{subjects.counted.value}", window=duration(experiment.reward_window.total_seconds())
        ),
    )
    return _in_order(subjects.row[: len(values)], values, len(subjects) - len(values), known)


def _measured(frame: Frame, subjects: Subjects, metric: Metric, revisions: Iterable[Experiment]) -> Earned:
    sample = metrics.sample(frame, subjects, metric)
    known = collection(
        frame.experiment,
        revisions,
        value_range=_value_range(metric, sample.values),
        is_share=metric.kind in metrics.SHARES,
        estimand=metrics.estimand(metric, subjects.counted, sample.cut),
    )
    return _in_order(sample.row, sample.values, sample.n_open, known)


def _in_order(row: Ints, values: Floats, n_open: int, known: Collection) -> Earned:
    order = np.argsort(row, kind="stable")
    return Earned(row[order], values[order], n_open, known)


def _value_range(metric: Metric, values: Floats) -> tuple[float, float] | None:
    """Return the declared range, None where values leave it or are cut by what all of them are."""
    bounds = choice.value_range(metric)
    if bounds is None or metric.winsor is not None:
        return None
    return None if ((values < bounds[0]) | (values > bounds[1])).any() else bounds


def _metric(experiment: Experiment, name: str, counted: Counted) -> Metric:
    metric = experiment.metric(name)
    if metric is None:
        names = ", ".join(each.name for each in experiment.metrics)
        raise InvalidRequest(f"{experiment.experiment_id!r} has no metric {name!r}: there are {names}")
    is_of_one_draw = counted is Counted.UNIT and metric.kind is MetricKind.RETENTION
    if not is_by_assignment(metric) and not is_of_one_draw:
        what = f"{name!r} is a {metric.kind.value}, which belongs to a unit and not to one of its draws"
        raise InvalidRequest(f"{what}: evaluate by a conversion, a count or a revenue")
    return metric
