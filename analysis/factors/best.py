"""The best of several variants, with intervals that account for its having been picked by looking.

Nothing is called the best unless its distance from the best of the others stays above 0 in an interval that holds for
all of them at once (Hsu's multiple comparisons with the best; see `picking`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats
from analysis.document import Cell, Forest, Grid, Word
from analysis.estimate import LEVEL, Estimate, error_rate, not_evaluable
from analysis.factors import picking
from analysis.lifts import linear, plain
from analysis.lifts.cells import Cells, Shape, side
from analysis.lifts.comparison import difference_in
from analysis.lifts.linear import CellSpread, Linear
from analysis.lifts.strata import empty, n_used, shares, stratified, usable, without_value
from analysis.texts import Name, Text, text
from engine.metrics import Better

_WORDS = {
    Word.BETTER: "best.best",
    Word.WORSE: "best.not_best",
    Word.NOT_CLEAR: "best.may_be",
    Word.NOT_EVALUABLE: "best.unknown",
}


@dataclass(frozen=True, slots=True)
class _Field:
    """The variants that compare, by place: weights (v, s), values and variances; and why the others do not.

    `error` is what each column of intervals may miss in all.
    """

    cells: Cells
    spread: CellSpread
    weights: dict[int, Floats]
    values: dict[int, Linear]
    variances: dict[int, float]
    reasons: dict[int, Text]
    family: int

    @property
    def error(self) -> float:
        return error_rate(LEVEL, self.family)


def best(
    cells: Cells, names: Sequence[Name], baseline: int = 0, *, family: int = 1, better: Better = Better.HIGHER
) -> Grid:
    """Return each variant's value, its difference from the baseline and from the best of the others.

    Each of the three columns holds for all variants at once, with those of `family` such grids: values by the maximum
    of independent ones (Sidak 1967), differences from the baseline by Dunnett's distribution (1955), distances from
    the best by Hsu's (1984). Each single interval is the one of `plain`, at the error that this leaves for it. Nothing
    is adjusted for covariates.
    """
    field = _field(plain.without_covariates(cells), family)
    distances = _distances(field, better)
    error = _error(field, baseline, two_sided=True)
    rows = []
    for place, name in enumerate(names):
        distance = _distance(field, place, distances)
        said = text(_WORDS[_word(distance, better)])
        rows.append((name, _value(field, place), _lift(field, (place, baseline), error), distance, said))
    return _grid(rows, [_word(row[3], better) for row in rows])


def _field(cells: Cells, family: int) -> _Field:
    n_variants, spread = len(cells.moments.n), linear.spread_of(cells)
    sides = [side(n_variants, [place]) for place in range(n_variants)]
    reasons = {place: reason for place, of in enumerate(sides) if (reason := empty(cells, of))}
    members = [place for place in range(n_variants) if place not in reasons]
    common = usable(cells, side(n_variants, members)) if members else np.zeros(cells.n_strata, np.bool_)
    if not common.any():
        reasons |= {place: text("not_evaluable.no_stratum") for place in members}
        return _Field(cells, spread, {}, {}, {}, reasons, family)
    weights = {place: np.outer(sides[place], shares(cells, common)) for place in members}
    reasons |= {place: reason for place, one in weights.items() if (reason := _unclear(cells, one, spread))}
    weights = {place: one for place, one in weights.items() if place not in reasons}
    values = {place: linear.side_value(cells, one) for place, one in weights.items()}
    variances = {place: _variance(cells, weights[place], one, spread) for place, one in values.items()}
    return _Field(cells, spread, weights, values, variances, reasons, family)


def _unclear(cells: Cells, weights: Floats, spread: CellSpread) -> Text | None:
    """Return why a variant does not compare, though it has units."""
    reason = without_value(cells, weights)
    if reason or cells.shape is not Shape.RATIO:
        return reason
    is_clear = plain.is_above_zero(plain.below_the_line(cells, weights), spread)
    return None if is_clear else text("not_evaluable.little_below")


def _variance(cells: Cells, weights: Floats, of: Linear, spread: CellSpread) -> float:
    """Return the variance of a value; a share's has half a unit of each outcome added, so that it is never 0."""
    if cells.shape is not Shape.SHARE:
        return spread.covariance(of, of)
    used = weights != 0
    n = cells.moments.n[used]
    share = (cells.moments.total[used][:, 0] + 0.5) / (n + 1)
    return float((weights[used] ** 2 * share * (1 - share) / n).sum())


def _value(field: _Field, place: int) -> Estimate:
    cells = field.cells
    if place in field.reasons:
        n = int(cells.moments.n[place].sum())
        return not_evaluable(field.reasons[place], cells.estimand, n, scale=cells.scale)
    weights, m = field.weights[place], len(field.weights)
    interval, method = plain.value_interval(cells, weights, 1 - (1 - field.error) ** (1 / m))
    words, n = text("method.sidak", method=stratified(method, weights)), n_used(cells, weights)
    found = field.values[place].value
    return Estimate(found, *interval, n, words, cells.estimand, cells.scale, family=m * field.family)


def _lift(field: _Field, places: tuple[int, int], error: float) -> Estimate | None:
    """Return the difference of the first place from the second, the baseline, which itself has none."""
    place, baseline = places
    if place == baseline:
        return None
    estimand, scale = difference_in(field.cells), field.cells.scale.difference
    if reason := field.reasons.get(place) or field.reasons.get(baseline):
        return not_evaluable(reason, estimand, scale=scale)
    value = field.values[place].value - field.values[baseline].value
    n = n_used(field.cells, field.weights[place] + field.weights[baseline])
    words, family = text("method.dunnett"), field.family * (len(field.weights) - 1)
    return Estimate(value, *_pair(field, place, baseline, error), n, words, estimand, scale, family=family)


def _error(field: _Field, place: int, *, two_sided: bool) -> float:
    """Return the error that each comparison of one with the others may make; all of it where there are none."""
    others = np.array([variance for other, variance in field.variances.items() if other != place])
    if place not in field.variances or not len(others):
        return field.error
    return picking.dunnett_error(field.variances[place], others, field.error, two_sided=two_sided)


def _pair(field: _Field, plus: int, minus: int, error: float) -> tuple[float, float]:
    """Return the interval of a difference that misses a share `error`."""
    if field.cells.shape is Shape.SHARE:
        return plain.share_interval(field.cells, field.weights[plus] - field.weights[minus], error)
    return linear.interval(field.values[plus] - field.values[minus], field.spread, error)


def _distances(field: _Field, better: Better) -> dict[int, tuple[float, float, float]]:
    """Return each one's distance from the best of the others with its low and high bounds, by place."""
    places, sign = list(field.values), 1.0 if better is Better.HIGHER else -1.0
    if len(places) < 2:
        return {}
    upper = np.zeros((len(places), len(places)))
    for i, plus in enumerate(places):
        error = _error(field, plus, two_sided=False)
        for j, minus in enumerate(places):
            if i != j:
                low, high = _pair(field, plus, minus, error)
                upper[i, j] = high if better is Better.HIGHER else -low
    low_ends, high_ends, _ = picking.with_the_best(upper)
    values = np.array([sign * field.values[place].value for place in places])
    ahead = [values[i] - np.delete(values, i).max() for i in range(len(places))]
    ends = np.sort(sign * np.stack([low_ends, high_ends]), axis=0)
    return {place: (float(sign * ahead[i]), float(ends[0, i]), float(ends[1, i])) for i, place in enumerate(places)}


def _distance(field: _Field, place: int, distances: dict[int, tuple[float, float, float]]) -> Estimate:
    cells, estimand = field.cells, text("best.distance_in", of=field.cells.estimand)
    if place not in distances:
        reason = field.reasons.get(place, text("best.alone"))
        return not_evaluable(reason, estimand, scale=cells.scale.difference)
    value, low, high = distances[place]
    n = n_used(cells, np.asarray(sum(field.weights.values())))
    return Estimate(value, low, high, n, text("method.hsu"), estimand, cells.scale.difference, family=field.family)


def _word(distance: Estimate, better: Better) -> Word:
    """Return what a distance from the best of the others says: an end at 0 is one that cannot be passed."""
    if distance.low is None or distance.high is None:
        return Word.NOT_EVALUABLE
    ends = sorted((distance.low, distance.high) if better is Better.HIGHER else (-distance.low, -distance.high))
    if ends[0] == 0 < ends[1]:
        return Word.BETTER
    return Word.WORSE if ends[0] < 0 == ends[1] else Word.NOT_CLEAR


def _grid(rows: Sequence[tuple[Name, Estimate, Estimate | None, Estimate, Text]], words: Sequence[Word]) -> Grid:
    columns = tuple(text(f"best.{name}") for name in ("variant", "value", "lift", "distance", "word"))
    names, distances = tuple(row[0] for row in rows), tuple(row[3] for row in rows)
    chart = Forest(text("best.distance"), names, distances, tuple(words))
    cells: tuple[tuple[Cell, ...], ...] = tuple(rows)
    return Grid("best", text("best.title"), columns, cells, text("best.note"), chart)
