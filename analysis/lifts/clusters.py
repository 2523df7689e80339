"""Values and lifts where a unit has several rows, which are no independent ones: errors are summed by unit first.

The variance is the sandwich with what each row adds to the estimate (its influence) summed within units: CR1 of the
regression on cells, with its factor g / (g - 1) * (n - 1) / (n - p) for g units, n rows and p parameters, and g - 1
degrees of freedom (Liang and Zeger 1986; Cameron and Miller 2015, section II). A unit may be on both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.arrays import Flags, Floats, Ints, distinct
from analysis.estimate import LEVEL, Estimate, Validity, error_rate, not_evaluable
from analysis.lifts import adjusted, comparison, linear, plain, slopes
from analysis.lifts.cells import Cells, Shape, Side
from analysis.lifts.comparison import Comparison, Sides
from analysis.lifts.linear import Linear, side_value
from analysis.lifts.relative import FIELLER, Method
from analysis.lifts.strata import ROUNDING, empty, n_used, shares, stratified, usable, without_value
from analysis.logs.metrics import Sample
from analysis.texts import Text, count, text

MIN_CLUSTERS = 10
"""Below so many units on a side nothing is said: the sandwich is too small, and by how much is not known."""

FEW_CLUSTERS = 40
"""Below so many units on a side the interval is given, with the warning that it may be too narrow."""


@dataclass(frozen=True, slots=True)
class ClusterSpread:
    """The spread by unit. `rows` (n, k) are deviations from the mean of the row's `cell` (n,), divided by its n.

    `unit` (n,) numbers the units, `factor` is CR1's for few of them.
    """

    rows: Floats
    cell: Ints
    unit: Ints
    n_units: int
    factor: float

    @classmethod
    def of(cls, sample: Sample, cells: Cells, used: Flags, n_slopes: int = 0) -> ClusterSpread:
        """Return the spread of the sample's rows in the `used` cells, (v, s), for estimates with so many slopes.

        Raises:
            ValueError: the cells are not of this sample.
        """
        cell = sample.label * cells.n_strata + _stratum(sample, cells.n_strata)
        moments = cells.moments
        n = np.bincount(cell, minlength=moments.n.size)
        if not np.array_equal(n, moments.n.ravel()):
            raise ValueError("the cells were made from another sample")
        chosen = used.ravel()[cell]
        cell, columns = cell[chosen], _columns(sample)[chosen]
        rows = (columns - moments.mean.reshape(n.size, -1)[cell]) / n[cell][:, None]
        names, unit = np.unique(sample.unit_key[chosen], return_inverse=True)
        g, rest = len(names), max(len(cell) - int(used.sum()) - n_slopes, 1)
        return cls(rows, cell, unit, g, g / max(g - 1, 1) * (len(cell) - 1) / rest)

    def covariance(self, one: Linear, other: Linear) -> float:
        """Return the sum over units of the products of what they add to both."""
        pairs = ((one.weights, other.weights), (one.slack, other.slack))
        return self.factor * float(sum(self._by_unit(left) @ self._by_unit(right) for left, right in pairs))

    def freedom(self, of: Linear) -> float:  # noqa: ARG002 (it is the same for all that these units estimate)
        """Return the units less one."""
        return float(self.n_units - 1)

    def _by_unit(self, weights: Floats) -> Floats:
        """What each unit adds to an estimate, (n_units,)."""
        influence = np.einsum("nk,nk->n", self.rows, weights.reshape(-1, self.rows.shape[1])[self.cell])
        return np.bincount(self.unit, influence, self.n_units).astype(np.float64)


def value(sample: Sample, cells: Cells, of: Side, validity: Validity = Validity.VALID) -> Estimate:
    """Return the value of a side with its interval by unit; `cells` are those of the `sample`."""
    n = int(cells.moments.n[of > 0].sum())
    if reason := empty(cells, of):
        return not_evaluable(reason, cells.estimand, n, scale=cells.scale)
    weights = np.outer(of, shares(cells, usable(cells, of)))
    if reason := without_value(cells, weights):
        return not_evaluable(reason, cells.estimand, n, scale=cells.scale)
    found, spread = side_value(cells, weights), ClusterSpread.of(sample, cells, weights != 0)
    if reason := _unknown(sample, cells, [weights], [found], spread):
        return not_evaluable(reason, cells.estimand, n, found.value, cells.scale)
    interval = linear.interval(found, spread, error_rate(LEVEL, 1))
    if cells.shape is Shape.SHARE:
        interval = max(interval[0], 0.0), min(interval[1], 1.0)
    words = _words(cells, weights, spread)
    return Estimate(found.value, *interval, n_used(cells, weights), words, cells.estimand, cells.scale, validity)


def compare(
    sample: Sample, cells: Cells, plus: Side, minus: Side, *, family: int = 1, method: Method = FIELLER
) -> Comparison:
    """Return the lift of `plus` over `minus` by unit, adjusted (Lin) where the cells have covariates.

    `cells` are those of the `sample`; `family` intervals of this kind hold together.

    Raises:
        ValueError: the cells are of another sample.
    """
    sides = plain.sides_of(cells, plus, minus)
    if isinstance(sides, Text):
        return comparison.nothing(cells, sides, int(cells.moments.n[(plus > 0) | (minus > 0)].sum()))
    weights = plain.weights_of(cells, plus, minus)
    both = weights[0] + weights[1]
    spread = ClusterSpread.of(sample, cells, both != 0)
    if reason := _unknown(sample, cells, weights, [sides.plus, sides.minus], spread):
        return comparison.nothing(cells, reason, sides.n)
    sides = replace(sides, spread=spread, method=_words(cells, both, spread))
    unadjusted = _written(cells, sides, family, method, _few(sample, weights))
    if not cells.covariates:
        return unadjusted
    if reason := adjusted.unusable(cells, weights, (sides.plus, sides.minus)):
        return adjusted.as_it_is(unadjusted, reason)
    return _adjusted(sample, cells, weights, unadjusted, family=family, method=method)


def _adjusted(
    sample: Sample, cells: Cells, weights: Sequence[Floats], unadjusted: Comparison, *, family: int, method: Method
) -> Comparison:
    both = weights[0] + weights[1]
    found = slopes.lin(cells, weights)
    if not found.rank:
        return adjusted.as_it_is(unadjusted, text("adjusted.constant", covariates=cells.covariates))
    n_slopes = found.rank * int(both.any(axis=1).sum())
    spread = ClusterSpread.of(sample, cells, both != 0, n_slopes)
    lin = text("method.clustered", method=text("method.lin"), n=count(spread.n_units))
    sides = Sides(found.sides[0], found.sides[1], spread, n_used(cells, both), stratified(lin, both))
    note = _few(sample, weights)
    return replace(_written(cells, sides, family, method, note), plain=unadjusted.absolute)


def _written(cells: Cells, sides: Sides, family: int, method: Method, note: Text | None) -> Comparison:
    words = text("method.by_unit", method=plain.named(sides, method))
    return Comparison(
        comparison.absolute(cells, sides, family, note), comparison.relative(cells, sides, family, method, words)
    )


def _words(cells: Cells, weights: Floats, spread: ClusterSpread) -> Text:
    of = text("method.delta_ratio" if cells.shape is Shape.RATIO else "method.means")
    return stratified(text("method.clustered", method=of, n=count(spread.n_units)), weights)


def _columns(sample: Sample) -> Floats:
    """Return the columns that the cells' moments are of, (n, k)."""
    per = [] if sample.per is None else [sample.per[:, None]]
    return np.hstack([sample.values[:, None], *per, sample.covariates.reshape(len(sample), -1)])


def _stratum(sample: Sample, n_strata: int) -> Ints:
    """Return the stratum of each row, (n,): the same one where the cells are not stratified."""
    return sample.stratum if n_strata > 1 else np.zeros_like(sample.stratum)


def _units(sample: Sample, weights: Floats) -> int:
    """Return how many units a side has."""
    return len(distinct(sample.unit_key[(weights != 0)[sample.label, _stratum(sample, weights.shape[1])]]))


def _few(sample: Sample, weights: Sequence[Floats]) -> Text | None:
    n = min(_units(sample, one) for one in weights)
    return text("clusters.few", n=count(n)) if n < FEW_CLUSTERS else None


def _unknown(
    sample: Sample, cells: Cells, weights: Sequence[Floats], sides: Sequence[Linear], spread: ClusterSpread
) -> Text | None:
    """Return why the units do not tell how much the sides vary, or None."""
    if min(_units(sample, one) for one in weights) < MIN_CLUSTERS:
        return text("not_evaluable.few_clusters", n=count(MIN_CLUSTERS))
    if few := plain.few_events(cells, sides, plain.MIN_EVENTS):
        return few
    below = [plain.below_the_line(cells, one) for one in weights] if cells.shape is Shape.RATIO else []
    if not all(plain.is_above_zero(one, spread) for one in below):
        return text("not_evaluable.little_below")
    # Rows may differ where units do not: then the sandwich is 0, but for rounding.
    is_known = all(spread.covariance(one, one) > (ROUNDING * one.value) ** 2 for one in sides)
    return None if is_known else text("not_evaluable.same_units")
