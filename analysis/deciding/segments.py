"""The lift by segments of the context: where does it differ, by how much, and is that more than luck?

Segments are looked through after the fact, so there is one test of whether they differ at all (Cochran's Q), and every
segment's effect is also shown shrunk towards the mean effect. No segment gets a word of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.arrays import Floats, Ints
from analysis.deciding.heterogeneity import interaction, shrunk
from analysis.document import Cell, Forest, Grid, Word
from analysis.estimate import Estimate, Scale
from analysis.lifts import lift, strata
from analysis.lifts.cells import Cells, Shape, side
from analysis.lifts.linear import CellSpread, side_value, spread_of
from analysis.lifts.moments import Moments
from analysis.logs import metrics
from analysis.logs.metrics import Sample
from analysis.texts import Name, Number, Style, Text, amount, count, probability, text
from engine.columns import Coded
from engine.experiments import Experiment, FieldType
from engine.metrics import Metric, MetricKind

MOST = 12
"""So many of the largest segments are shown by themselves."""

ALARM = 0.05
"""Segments differ, in words, below this p-value."""

_MIN_UNITS = 30
"""The test's variances are as good as known in a segment in which each variant has so many units."""

_MIN_EXPECTED = 5.0
"""And, of a share, in which each is expected to have so many that converted and so many that did not."""

_CHANNEL = "channel"
_COLUMNS = ("segment", "variant", "n", "lift", "shrunk")


@dataclass(frozen=True, slots=True)
class Cut:
    """The segment of each subject, (n,), an index into `names`; the last of them may hold `n_merged` smaller ones."""

    code: Ints
    names: tuple[Name, ...]
    n_merged: int


@dataclass(frozen=True, slots=True)
class _Effects:
    """Differences from the control within a segment, (c,), and their covariance, (c, c)."""

    differences: Floats
    covariance: Floats


@dataclass(frozen=True, slots=True)
class _Part:
    """A segment. `effects` is None where it is too small for their variances to be known."""

    name: Name
    cells: Cells
    effects: _Effects | None


def fields(experiment: Experiment) -> tuple[str, ...]:
    """Return the fields of the context by which a report is cut: the declared ones, or every text and flag.

    A field named channel comes first.
    """
    cuttable = {field.name for field in experiment.context if field.type in (FieldType.TEXT, FieldType.FLAG)}
    named = experiment.segments or tuple(field.name for field in experiment.context)
    return tuple(sorted((name for name in named if name in cuttable), key=lambda name: name != _CHANNEL))


def of_field(context: Coded | Floats, rows: Ints) -> Cut:
    """Return the segments of some rows, by a text (coded) or a flag (0, 1 or NaN) of the context.

    >>> [str(name) for name in of_field(np.array([1.0, 0.0, np.nan, 1.0]), np.array([0, 1, 2, 3])).names]
    ['yes', 'no', 'not known']
    """
    if isinstance(context, Coded):
        return cut(context.codes[rows], context.words)
    flags = context[rows]
    return cut(np.where(np.isnan(flags), -1, flags > 0).astype(np.int64), (text("segment.no"), text("segment.yes")))


def cut(value: Ints, names: Sequence[Name]) -> Cut:
    """Return segments, the largest first, of values (n,) that are indices into `names`, or -1 where missing.

    Beyond the twelve largest they are merged; missing ones are a segment of their own.

    >>> found = cut(np.array([1, 1, 0, -1]), ["desktop", "phone"])
    >>> [str(name) for name in found.names], found.code.tolist()
    (['phone', 'desktop', 'not known'], [0, 0, 1, 2])
    """
    # Missing ones are counted in a place of their own, after all names.
    n = np.bincount(np.where(value < 0, len(names), value), minlength=len(names) + 1)
    order = np.argsort(-n[:-1], kind="stable")
    order = order[n[order] > 0]
    place = np.full(len(n), MOST)
    shown = order[:MOST]
    place[shown] = np.arange(len(shown))
    n_merged = len(order) - len(shown)
    named = [names[which] for which in shown]
    if n_merged:
        named.append(text("segment.others", n=count(n_merged)))
    if n[-1]:
        place[-1] = len(named)
        named.append(text("segment.missing"))
    return Cut(place[value], tuple(named), n_merged)


def grid(
    found: Cut, sample: Sample, metric: Metric, field: str, *, names: Sequence[Name], control: int, n_fields: int = 1
) -> Grid | None:
    """Return the lift of each label over the control in each segment, the test of whether they differ, and a forest.

    `names` are those of the sample's labels. The p-value is adjusted for the `n_fields` that are looked through. None
    where there is nothing to compare, as for a quantile, which has no moments. Covariates are not used.
    """
    present = np.bincount(sample.label, minlength=len(names)) > 0
    others = [place for place in np.flatnonzero(present).tolist() if place != control]
    if metric.kind is MetricKind.QUANTILE or not others or not present[control]:
        return None
    cells = _cells(found, sample, metric, len(names))
    parts = [_Part(name, each, _effects(each, control, others)) for name, each in zip(found.names, cells, strict=True)]
    rows = _rows(parts, names, control, others)
    title = text("segment.title", metric=metric.name, field=field, baseline=names[control])
    columns = tuple(text(f"segment.{column}") for column in _COLUMNS)
    note = _note([part.effects for part in parts if part.effects is not None], len(parts), n_fields)
    return Grid(f"segments_{field}", title, columns, rows, note, _forest(title, rows, len(others)))


def _cells(found: Cut, sample: Sample, metric: Metric, n_labels: int) -> list[Cells]:
    """Return the cells of each segment, over the strata that it has."""
    n_strata = int(sample.stratum.max(initial=0)) + 1
    pair = found.code * n_strata + sample.stratum
    used = np.bincount(pair, minlength=len(found.names) * n_strata) > 0
    place = np.cumsum(used) - 1
    bare = replace(sample, stratum=place[pair], covariates=np.empty((len(sample), 0)), n_filled=())
    whole = metrics.cells(bare, replace(metric, covariates=()), n_labels)
    segment = np.flatnonzero(used) // n_strata
    return [_of_strata(whole, np.flatnonzero(segment == code)) for code in range(len(found.names))]


def _of_strata(cells: Cells, chosen: Ints) -> Cells:
    moments = cells.moments
    return replace(cells, moments=Moments(moments.n[:, chosen], moments.mean[:, chosen], moments.m2[:, chosen]))


def _effects(cells: Cells, control: int, others: Sequence[int]) -> _Effects | None:
    """Return the effects of a segment, or None where it is too small for their variances to be known."""
    sides = [side(len(cells.moments.n), [place]) for place in (control, *others)]
    usable = np.all([strata.usable(cells, of) for of in sides], axis=0)
    if not usable.any():
        return None
    weights = [np.outer(of, strata.shares(cells, usable)) for of in sides]
    if not _is_large(cells, weights) or any(strata.without_value(cells, each) for each in weights):
        return None
    base, *values = (side_value(cells, each) for each in weights)
    differences = [value - base for value in values]
    spread = _spread(cells)
    covariance = [[spread.covariance(one, other) for other in differences] for one in differences]
    return _Effects(np.array([each.value for each in differences]), np.array(covariance))


def _is_large(cells: Cells, weights: Sequence[Floats]) -> bool:
    n = np.array([strata.n_used(cells, each) for each in weights])
    if n.min() < _MIN_UNITS:
        return False
    if cells.shape is not Shape.SHARE:
        return True
    used = np.sum(weights, axis=0) != 0
    rate = cells.moments.total[used].sum() / n.sum()
    return bool(n.min() * min(rate, 1 - rate) >= _MIN_EXPECTED)


def _spread(cells: Cells) -> CellSpread:
    """Return the spread of a segment's cells; that of shares with one more of each kind (Agresti and Caffo 2000).

    Otherwise a variant of which nobody happened to convert would be known for certain.
    """
    found = spread_of(cells)
    if cells.shape is not Shape.SHARE:
        return found
    n = cells.moments.n + 2
    rate = (cells.moments.total[..., 0] + 1) / n
    return replace(found, of_means=(rate * (1 - rate) / n)[..., None, None])


def _rows(
    parts: Sequence[_Part], names: Sequence[Name], control: int, others: Sequence[int]
) -> tuple[tuple[Cell, ...], ...]:
    base, family = side(len(names), [control]), len(parts) * len(others)
    drawn = _shrunk([part.effects for part in parts], len(others))
    rows: list[tuple[Cell, ...]] = []
    for part, pulled in zip(parts, drawn, strict=True):
        for other, number in zip(others, pulled, strict=True):
            compared = lift.compare(part.cells, side(len(names), [other]), base, family).absolute
            rows.append((part.name, names[other], count(compared.n), compared, _number(number, compared.scale)))
    return tuple(rows)


def _shrunk(effects: Sequence[_Effects | None], n_compared: int) -> list[list[float | None]]:
    """Return the shrunk effect of each comparison in each segment, None where it is too small or the only one."""
    tested = [effect for effect in effects if effect is not None]
    drawn: list[list[float | None]] = [[None] * n_compared for _ in effects]
    places = [place for place, effect in enumerate(effects) if effect is not None]
    for which in range(n_compared if len(tested) > 1 else 0):
        differences = np.array([effect.differences[which] for effect in tested])
        variances = np.array([effect.covariance[which, which] for effect in tested])
        for place, number in zip(places, shrunk(differences, variances).tolist(), strict=True):
            drawn[place][which] = number
    return drawn


def _number(value: float | None, scale: Scale) -> Number | None:
    if value is None:
        return None
    return Number(value, Style.POINTS if scale is Scale.POINTS else Style.SIGNED)


def _forest(title: Text, rows: Sequence[Sequence[Cell]], n_compared: int) -> Forest:
    """Return the forest of a grid's lifts; a segment alone has no word, so that all of them are drawn alike."""
    found = [(row[0], row[1], row[3]) for row in rows if isinstance(row[3], Estimate)]
    named = [
        (segment if n_compared == 1 else text("segment.of", variant=variant, segment=segment), estimate)
        for segment, variant, estimate in found
        if isinstance(segment, (str, Text)) and isinstance(variant, (str, Text))
    ]
    return Forest(
        title,
        tuple(name for name, _ in named),
        tuple(estimate for _, estimate in named),
        (Word.NOT_COMPARED,) * len(named),
    )


def _note(tested: Sequence[_Effects], n_segments: int, n_fields: int) -> Text:
    n_small = n_segments - len(tested)
    small = text("segment.small", n=count(n_small)) if n_small else text("segment.none_small")
    if len(tested) < 2:
        return text("segment.untested", small=small)
    test = interaction(np.array([each.differences for each in tested]), np.array([each.covariance for each in tested]))
    p = min(1.0, test.p_value * n_fields)
    return text(
        "segment.differ" if p < ALARM else "segment.alike",
        segments=count(len(tested)),
        p=probability(p),
        statistic=amount(test.statistic),
        freedom=count(test.freedom),
        fields=count(n_fields),
        small=small,
    )
