"""The effect by days since the exposure: does it fade as the new wears off, or grow as people learn?

What units brought on each stretch of days, per day, is compared between the variants. The same units are in every
stretch, all those whose window has closed, so that a trend is never one of who is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.arrays import Flags, Floats, Ints
from analysis.deciding import multiplicity
from analysis.document import Cell, Forest, Grid, Word
from analysis.estimate import LEVEL, Estimate, Scale
from analysis.lifts import lift, strata
from analysis.lifts.cells import Cells, Shape, side
from analysis.lifts.comparison import Comparison
from analysis.lifts.linear import CellSpread, Linear
from analysis.lifts.moments import Moments
from analysis.logs import crediting
from analysis.logs.crediting import Subjects, micros
from analysis.logs.frames import Frame
from analysis.texts import Name, Text, plain, text
from engine.metrics import Metric, MetricKind

ALARM = 0.05
"""A trend is one, in words, below this adjusted p-value."""

KINDS = (MetricKind.CONVERSION, MetricKind.COUNT, MetricKind.REVENUE)
"""Kinds of metrics that come day by day."""

_MIN_UNITS = 10
"""A stretch is part of the trend where so many units of each side brought anything on it."""

_ROUNDING = 1e-9
"""A standard error of a slope that is smaller comes from stretches that are the same for everybody."""

_DAY = 86_400_000_000
_COLUMNS = ("days", "variant", "difference", "lift", "word")


@dataclass(frozen=True, slots=True)
class Days:
    """What each subject brought per day in each of b stretches of days, which begin at `edges` (b + 1,).

    `values` is (n, b): an amount, or the share of the days on which there was anything.
    """

    edges: Ints
    values: Floats
    label: Ints
    stratum: Ints


@dataclass(frozen=True, slots=True)
class Trend:
    """By what factor the ratio to the control changes from one stretch to the next, as a log, and at the first one."""

    slope: float
    slope_error: float
    first: float
    first_error: float

    @property
    def p_value(self) -> float:
        """The two-sided p-value of no change."""
        return float(2 * stats.norm.sf(abs(self.slope) / self.slope_error))


def edges(window_days: int) -> Ints:
    """Return where stretches of days begin, each as long as all before it, and where the last one ends.

    >>> edges(7).tolist(), edges(8).tolist(), edges(1).tolist()
    ([0, 1, 2, 4, 7], [0, 1, 2, 4, 8], [0, 1])
    """
    doubled = [0, 1]
    while doubled[-1] < window_days:
        doubled.append(min(2 * doubled[-1], window_days))
    return np.array(doubled)


def days(frame: Frame, subjects: Subjects, metric: Metric) -> Days | None:
    """Return what each subject with a closed window brought by days, or None for a metric that has no two days.

    Only whole days of the window count. A cap bounds what one brings in each stretch.
    """
    n_days = micros(metric.window) // _DAY
    if metric.kind not in KINDS or n_days < 2:
        return None
    n = int(np.searchsorted(subjects.since, frame.end - micros(metric.window + frame.experiment.grace), side="right"))
    index = crediting.held(frame, subjects, metric)
    owner, day = subjects.credited[index], subjects.age[index] // _DAY
    counts = (owner < n) & (day < n_days)
    place, value = owner[counts] * n_days + day[counts], frame.outcomes.value[index[counts]]
    if metric.kind is MetricKind.CONVERSION:
        place = np.unique(place)
        value = np.ones(len(place))
    begins = edges(n_days)
    stretch = np.searchsorted(begins, place % n_days, side="right") - 1
    b = len(begins) - 1
    total = np.bincount(place // n_days * b + stretch, value, n * b).reshape(n, b)
    if metric.cap is not None:
        total = np.minimum(total, metric.cap)
    return Days(begins, total / np.diff(begins), subjects.label[:n], subjects.stratum[:n])


def grid(found: Days, metric: Metric, names: Sequence[Name], control: int) -> Grid | None:
    """Return the difference of each label from the control by stretch, the trend with a word, and a forest.

    `names` are those of the labels. None where there is nothing to compare.
    """
    present = np.bincount(found.label, minlength=len(names)) > 0
    others = [place for place in np.flatnonzero(present).tolist() if place != control]
    if not others or not present[control]:
        return None
    moments = _moments(found, len(names))
    cells = [_cells(found, moments, metric, place) for place in range(len(found.edges) - 1)]
    trends = [trend(found, moments, other, control) for other in others]
    rows = (
        *_rows(found, cells, names, control, others),
        *_trend_rows(trends, metric, [names[other] for other in others], len(found.label)),
    )
    title = text("novelty.title", metric=metric.name, baseline=names[control])
    columns = tuple(text(f"novelty.{column}") for column in _COLUMNS)
    return Grid("novelty", title, columns, rows, text("novelty.note", alarm=plain(ALARM)), _forest(title, rows))


def trend(found: Days, moments: Moments, plus: int, minus: int) -> Trend | None:
    """Return the trend of the log of the ratio of two labels over the stretches, or None where there is too little.

    Stretches double, so it is a trend in the log of the days. By weighted least squares with the covariance of the
    stretches, which the same units make (a sandwich); that of the logs is by the delta method.
    """
    weights = _weights(moments, [side(len(moments.n), [place]) for place in (plus, minus)])
    if weights is None:
        return None
    means = np.array([np.einsum("vs,vsb->b", each, moments.mean) for each in weights])
    stretches = np.flatnonzero(_is_known(found, (plus, minus)) & (means > 0).all(axis=0))
    logs = [_log(moments, weights[0], at) - _log(moments, weights[1], at) for at in stretches.tolist()]
    spread = CellSpread.of(moments)
    covariance = np.array([[spread.covariance(one, other) for other in logs] for one in logs])
    if len(logs) < 2 or np.diag(covariance).min() <= 0:
        return None
    design = np.column_stack([np.ones(len(logs)), stretches])
    weighted = (design / np.diag(covariance)[:, None]).T
    solved = np.linalg.solve(weighted @ design, weighted)
    first, slope = solved @ np.array([log.value for log in logs])
    errors = np.sqrt(np.maximum(np.diag(solved @ covariance @ solved.T), 0))
    return Trend(float(slope), float(errors[1]), float(first), float(errors[0])) if errors[1] > _ROUNDING else None


def word(found: Trend | None, adjusted: float, metric: Metric) -> Text:
    """Return what a trend says: that an effect fades or grows only where there is an effect to begin with."""
    if found is None:
        return text("novelty.few", metric=metric.name)
    if adjusted >= ALARM:
        return text("novelty.steady")
    if abs(found.first) < stats.norm.isf((1 - LEVEL) / 2) * found.first_error:
        return text("novelty.changes")
    return text("novelty.fades" if found.first * found.slope < 0 else "novelty.grows")


def _moments(found: Days, n_labels: int) -> Moments:
    shape = n_labels, int(found.stratum.max(initial=0)) + 1
    return Moments.of_columns(list(np.ascontiguousarray(found.values.T)), found.label, found.stratum, shape)


def _cells(found: Days, moments: Moments, metric: Metric, place: int) -> Cells:
    is_share = metric.kind is MetricKind.CONVERSION
    is_one_day = found.edges[place + 1] - found.edges[place] == 1
    return Cells(
        moments.columns([place]),
        Shape.SHARE if is_share and is_one_day else Shape.MEAN,
        text("novelty.share" if is_share else "novelty.mean", metric=metric.name),
        Scale.SHARE if is_share else Scale.AMOUNT,
    )


def _rows(
    found: Days, cells: Sequence[Cells], names: Sequence[Name], control: int, others: Sequence[int]
) -> list[tuple[Cell, ...]]:
    base, family = side(len(names), [control]), len(cells) * len(others)
    rows: list[tuple[Cell, ...]] = []
    for place, each in enumerate(cells):
        for other in others:
            compared: Comparison = lift.compare(each, side(len(names), [other]), base, family)
            rows.append((_days(found, place), names[other], compared.absolute, compared.relative, None))
    return rows


def _days(found: Days, place: int) -> Text:
    first, last = int(found.edges[place]), int(found.edges[place + 1]) - 1
    if first == last:
        return text("novelty.day", first=plain(first))
    return text("novelty.stretch", first=plain(first), last=plain(last))


def _trend_rows(
    trends: Sequence[Trend | None], metric: Metric, names: Sequence[Name], n: int
) -> list[tuple[Cell, ...]]:
    p_values = multiplicity.holm(np.array([1.0 if found is None else found.p_value for found in trends]))
    return [
        (text("novelty.trend"), name, None, _change(found, n), word(found, float(p), metric))
        for name, found, p in zip(names, trends, p_values, strict=True)
    ]


def _change(found: Trend | None, n: int) -> Estimate | None:
    """Return by how much the ratio to the control changes from one stretch to the next."""
    if found is None:
        return None
    half = float(stats.norm.isf((1 - LEVEL) / 2)) * found.slope_error
    value, low, high = (float(np.expm1(found.slope + step)) for step in (0.0, -half, half))
    method, what = text("novelty.method"), text("novelty.trend")
    return Estimate(value, low, high, n, method, what, Scale.RELATIVE, p_value=found.p_value)


def _is_known(found: Days, labels: Sequence[int]) -> Flags:
    """Whether enough units of all the labels brought anything in each stretch, (b,)."""
    n = np.array([np.count_nonzero(found.values[found.label == label], axis=0) for label in labels])
    return np.asarray((n >= _MIN_UNITS).all(axis=0))


def _weights(moments: Moments, sides: Sequence[Floats]) -> list[Floats] | None:
    """Return the weights of the cells of both sides, (v, s) each, over the strata that have both."""
    whole = Cells(moments, Shape.MEAN, text("novelty.trend"), Scale.AMOUNT)
    usable = np.all([strata.usable(whole, of) for of in sides], axis=0)
    if not usable.any():
        return None
    return [np.outer(of, strata.shares(whole, usable)) for of in sides]


def _log(moments: Moments, weights: Floats, column: int) -> Linear:
    """Return the log of a side's mean in one stretch, by the delta method; the mean is above 0."""
    mean = float((weights * moments.mean[..., column]).sum())
    found = np.zeros(moments.mean.shape)
    found[..., column] = weights / mean
    return Linear(float(np.log(mean)), found, np.zeros_like(found))


def _forest(title: Text, rows: Sequence[Sequence[Cell]]) -> Forest:
    """Return the forest of the relative lifts, or of the differences where no lift is identified."""
    found = [row for row in rows if isinstance(row[2], Estimate)]
    place = 3 if any(isinstance(row[3], Estimate) and row[3].interval for row in found) else 2
    drawn = [(row[0], row[1], row[place]) for row in found]
    named = [
        (text("novelty.of", variant=name, days=stretch), estimate)
        for stretch, name, estimate in drawn
        if isinstance(stretch, Text) and isinstance(name, (str, Text)) and isinstance(estimate, Estimate)
    ]
    words = (Word.NOT_COMPARED,) * len(named)
    return Forest(title, tuple(name for name, _ in named), tuple(estimate for _, estimate in named), words)
