"""What a metric is worth for each subject whose window has closed, one row each, and the moments of these values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.arrays import Floats, Ints
from analysis.estimate import Scale
from analysis.lifts.cells import Cells, Shape
from analysis.lifts.moments import Moments
from analysis.logs import crediting, extremes
from analysis.logs.crediting import Counted, Subjects, micros
from analysis.logs.frames import Frame
from analysis.texts import Arg, Text, amount, count, duration, plain, text
from engine.metrics import SCORES, Metric, MetricKind

SHARES = (MetricKind.CONVERSION, MetricKind.RETENTION)
"""Kinds of which a subject's value is 0 or 1."""

PROMOTER, DETRACTOR = 9.0, 6.0
"""The lowest score of a promoter, and the highest of a detractor."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A metric's values of the subjects whose window has closed, in the order of `since`; arrays are (n,).

    `label` is a variant or a group, and compares within a `stratum` alone. `since` is when the window opened, in
    microseconds. `values` are capped or winsorised as declared, `uncapped` are not: the same array where nothing is
    declared. `per` is what is below the line of a ratio or a score (how many scores were given), else None.
    `covariates` is (n, c), missing ones filled with the mean. `unit_key` says which subjects are of one unit. `row` is
    the subject's assignment, an index into the frame's. `n_open` subjects are not here because their window was still
    open at the log's end.

    `counted` says what a subject is. `cut` is the most that one can bring, None without a limit and for a ratio.
    `uncapped_per` is `per` without its own cap. `n_filled` values of each covariate were missing.
    """

    label: Ints
    stratum: Ints
    since: Ints
    unit_key: Ints
    row: Ints
    values: Floats
    uncapped: Floats
    per: Floats | None
    covariates: Floats
    n_open: int
    counted: Counted = Counted.UNIT
    cut: float | None = None
    uncapped_per: Floats | None = None
    n_filled: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    @property
    def is_cut(self) -> bool:
        """Whether large values are cut, here or below the line."""
        return self.uncapped is not self.values or self.uncapped_per is not self.per


@dataclass(frozen=True, slots=True)
class _Column:
    """What each subject brought, (n,): as declared and uncapped, and the most that one can bring."""

    values: Floats
    uncapped: Floats
    cut: float | None = None


def sample(frame: Frame, subjects: Subjects, metric: Metric) -> Sample:
    """Return a metric's values of the subjects whose window has closed.

    A window closes when its length and the experiment's grace have passed before the log's end; a ratio's two metrics
    have the same one. A ratio has both its metrics' values by their own rules; CSAT and CES have the sum of a subject's
    scores over their number, NPS 100 for each promoter and -100 for each detractor over the number of scores.
    """
    length = micros(metric.window + frame.experiment.grace)
    n = int(np.searchsorted(subjects.since, frame.end - length, side="right"))
    of, per = _columns(frame, subjects, metric, n)
    covariates, n_filled = _covariates(frame, subjects.first[:n], metric.covariates)
    return Sample(
        label=subjects.label[:n],
        stratum=subjects.stratum[:n],
        since=subjects.since[:n],
        unit_key=subjects.unit_key[:n],
        row=subjects.row[:n],
        values=of.values,
        uncapped=of.uncapped,
        per=None if per is None else per.values,
        covariates=covariates,
        n_open=len(subjects) - n,
        counted=subjects.counted,
        cut=of.cut if per is None else None,
        uncapped_per=None if per is None else per.uncapped,
        n_filled=n_filled,
    )


def cells(sample: Sample, metric: Metric, n_labels: int, stratified: bool = True) -> Cells:
    """Return the moments of a sample, (n_labels, n_strata).

    A quantile has none (see `analysis.lifts.quantiles`): its moments, and their words, are those of the mean.
    """
    of = estimand(_with_mean(metric), sample.counted, sample.cut)
    return _cells(sample, metric, (sample.values, sample.per), of, n_labels, stratified=stratified)


def uncapped(sample: Sample, metric: Metric, n_labels: int, stratified: bool = True) -> Cells | None:
    """Return the moments as they are when nothing is cut, or None where nothing is anyway."""
    if not sample.is_cut:
        return None
    of = text("estimand.uncut", of=estimand(_with_mean(metric), sample.counted))
    return _cells(sample, metric, (sample.uncapped, sample.uncapped_per), of, n_labels, stratified=stratified)


def share_cut(sample: Sample, n_labels: int) -> Floats:
    """Return the share of each label's subjects whose value was cut, (n_labels,); 0 where there are none."""
    n_cut = np.bincount(sample.label[sample.uncapped > sample.values], minlength=n_labels)
    return np.asarray(n_cut / np.maximum(np.bincount(sample.label, minlength=n_labels), 1))


def estimand(metric: Metric, counted: Counted, cut: float | None = None) -> Text:
    """Return what a side's value is, in words; `cut` is the most that one subject can bring.

    >>> str(estimand(Metric("order"), Counted.UNIT))
    'share of units with “order” within 7 days of the first exposure'
    """
    args: dict[str, Arg] = {"metric": metric.name, "of": metric.of, "per": metric.per}
    args["when"] = _when(metric, counted)
    if metric.quantile is not None:
        args["quantile"] = plain(metric.quantile)
    value = text(f"estimand.{metric.kind.value}_{counted.value}", **args)
    if cut is None:
        return value
    if metric.winsor is not None:
        return text("estimand.winsorised", of=value, cut=amount(cut), quantile=plain(metric.winsor))
    return text("estimand.capped", of=value, cut=amount(cut))


def filled(sample: Sample, metric: Metric) -> tuple[Text, ...]:
    """Return for each covariate of which values were missing how many there were, in words."""
    return tuple(
        text(f"covariate.filled_{sample.counted.value}", field=name, n=count(n))
        for name, n in zip(metric.covariates, sample.n_filled, strict=True)
        if n
    )


def _with_mean(metric: Metric) -> Metric:
    return replace(metric, kind=MetricKind.REVENUE, quantile=None) if metric.kind is MetricKind.QUANTILE else metric


def _when(metric: Metric, counted: Counted) -> Text:
    window = duration(metric.window.total_seconds())
    if not metric.after:
        return text(f"estimand.within_{counted.value}", window=window)
    return text(f"estimand.between_{counted.value}", after=duration(metric.after.total_seconds()), window=window)


def _columns(frame: Frame, subjects: Subjects, metric: Metric, n: int) -> tuple[_Column, _Column | None]:
    """Return what the first n subjects brought, and what is below the line."""
    if metric.kind is MetricKind.RATIO:
        declared = {each.name: each for each in frame.experiment.metrics}
        above, below = declared[metric.of], declared[metric.per]
        return _brought(frame, subjects, above, n), _brought(frame, subjects, below, n)
    if metric.kind in SCORES:
        return _scores(frame, subjects, metric, n)
    return _brought(frame, subjects, metric, n), None


def _brought(frame: Frame, subjects: Subjects, metric: Metric, n: int) -> _Column:
    index = crediting.held(frame, subjects, metric)
    owner = subjects.credited[index]
    if metric.kind in SHARES:
        has_any = (np.bincount(owner, minlength=len(subjects))[:n] > 0).astype(np.float64)
        return _Column(has_any, has_any)
    total = _summed(owner, frame.outcomes.value[index], len(subjects))[:n]
    most = extremes.cut(metric, total)
    return _Column(extremes.below(total, most), total, most)


def _scores(frame: Frame, subjects: Subjects, metric: Metric, n: int) -> tuple[_Column, _Column]:
    index = crediting.held(frame, subjects, metric)
    owner, score = subjects.credited[index], frame.outcomes.value[index]
    if metric.kind is MetricKind.NPS:
        score = 100.0 * ((score >= PROMOTER).astype(np.float64) - (score <= DETRACTOR))
    total = _summed(owner, score, len(subjects))[:n]
    given = np.bincount(owner, minlength=len(subjects))[:n].astype(np.float64)
    return _Column(total, total), _Column(given, given)


def _summed(owner: Ints, value: Floats, n: int) -> Floats:
    # Without any outcome bincount gives whole numbers.
    return np.bincount(owner, value, n).astype(np.float64)


def _covariates(frame: Frame, first: Ints, names: Sequence[str]) -> tuple[Floats, tuple[int, ...]]:
    """Return declared fields at some rows, (n, c), missing ones filled with the mean of the others; how many were."""
    filled = np.empty((len(first), len(names)))
    n_filled = []
    for place, name in enumerate(names):
        declared = frame.context(name)
        assert isinstance(declared, np.ndarray), "a covariate is a number or a flag"
        column = declared[first]
        is_missing = np.isnan(column)
        known = column[~is_missing]
        filled[:, place] = np.where(is_missing, known.mean() if len(known) else 0.0, column)
        n_filled.append(int(is_missing.sum()))
    return filled, tuple(n_filled)


def _cells(
    sample: Sample,
    metric: Metric,
    value: tuple[Floats, Floats | None],
    of: Text,
    n_labels: int,
    *,
    stratified: bool,
) -> Cells:
    columns = [column for column in (*value, *sample.covariates.T) if column is not None]
    stratum = sample.stratum if stratified else np.zeros_like(sample.stratum)
    size = n_labels, int(stratum.max(initial=0)) + 1
    return Cells(
        Moments.of_columns(columns, sample.label, stratum, size),
        shape(metric),
        of,
        scale(metric),
        metric.covariates,
    )


def scale(metric: Metric) -> Scale:
    """Return how a side's value is written."""
    return Scale.SHARE if metric.kind in SHARES else Scale.AMOUNT


def shape(metric: Metric) -> Shape:
    """Return what a side's value is."""
    if metric.kind in SHARES:
        return Shape.SHARE
    return Shape.RATIO if metric.kind in (MetricKind.RATIO, *SCORES) else Shape.MEAN
