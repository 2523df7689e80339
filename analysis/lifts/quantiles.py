"""Quantiles of a sample without resampling: values of sides with intervals of ranks, and their differences.

The value is the least observed one that at least the wanted share does not exceed. Its interval lies between two order
statistics; their ranks are those between which a binomial number falls (Thompson 1936), so that nothing is assumed of
the distribution: with ties and gaps it covers more than it says, never less. Where strata make up a side, or units
repeat, the ranks are those of as many independent values as would know the share below the quantile equally well
(after Woodruff 1952, and Korn and Graubard 1998).

The difference combines the two intervals by MOVER (Zou and Donner 2008), which asks for no density at the quantile: an
estimate of that density fails just where values are rare or tied. Where units are on both sides, their correlation
enters (Zou 2007). The relative lift is the same on logarithms, which keep the order and so the ranks; it needs a
positive baseline.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Flags, Floats, Ints
from analysis.estimate import LEVEL, Estimate, Scale, Validity, error_rate, not_evaluable
from analysis.lifts import ranks
from analysis.lifts.cells import Side
from analysis.lifts.comparison import Comparison
from analysis.lifts.ranks import Ranked
from analysis.lifts.strata import MIN_IN_STRATUM, stratified
from analysis.logs import metrics
from analysis.logs.crediting import Counted
from analysis.logs.metrics import Sample
from analysis.texts import Text, count, text
from engine.metrics import Metric

MIN_P_VALUE = 1e-9
"""P-values are not followed below this."""

_Ends = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Quantiles:
    """A sample in the order of its values, (n,) each, for the quantile `q`; `unit` numbers its `n_units` units.

    `n_by_cell` is how many values each label and stratum has, (n_labels, n_strata).
    """

    q: float
    values: Floats
    label: Ints
    stratum: Ints
    unit: Ints
    n_units: int
    n_by_cell: Ints
    estimand: Text


def prepared(sample: Sample, metric: Metric, n_labels: int) -> Quantiles:
    """Return a sample of a quantile metric, sorted once for all its values and comparisons.

    Raises:
        ValueError: the metric is no quantile.
    """
    if metric.quantile is None:
        raise ValueError(f"metric {metric.name!r} is no quantile")
    order = np.argsort(sample.values, kind="stable")
    unit = np.arange(len(sample))
    if sample.counted is Counted.ASSIGNMENT:
        unit = np.unique(sample.unit_key, return_inverse=True)[1]
    n_strata = int(sample.stratum.max(initial=0)) + 1
    n = np.bincount(sample.label * n_strata + sample.stratum, minlength=n_labels * n_strata)
    return Quantiles(
        metric.quantile,
        sample.values[order],
        sample.label[order],
        sample.stratum[order],
        unit[order],
        int(unit.max(initial=-1)) + 1,
        n.reshape(n_labels, n_strata),
        metrics.estimand(metric, sample.counted, sample.cut),
    )


def value(found: Quantiles, of: Side, validity: Validity = Validity.VALID) -> Estimate:
    """Return the quantile of a side with its interval; not evaluable, in words, where there are too few values."""
    strata = _usable(found, of)
    if not strata.any():
        return _nothing(found, [of], found.estimand, Scale.AMOUNT)
    weights = np.outer(of, _shares(found, strata))
    side = _ranked(found, weights)
    low, high = side.interval(error_rate(LEVEL, 1))
    if not math.isfinite(high - low):
        return not_evaluable(text("quantile.few"), found.estimand, len(side), side.value)
    is_exact = side.n_effective == len(side)
    method = text("quantile.exact") if is_exact else text("quantile.effective", n=count(side.n_effective))
    words = stratified(method, weights)
    return Estimate(side.value, low, high, len(side), words, found.estimand, Scale.AMOUNT, validity)


def compare(found: Quantiles, plus: Side, minus: Side, family: int = 1) -> Comparison:
    """Return the lift of `plus` over `minus`; `family` intervals of this kind hold together."""
    absolute, relative = (text(f"estimand.{word}", of=found.estimand) for word in ("difference", "relative"))
    strata = _usable(found, plus) & _usable(found, minus)
    if not strata.any():
        return Comparison(
            _nothing(found, [plus, minus], absolute, Scale.DIFFERENCE),
            _nothing(found, [plus, minus], relative, Scale.RELATIVE),
        )
    weights = [np.outer(of, _shares(found, strata)) for of in (plus, minus)]
    sides = [_ranked(found, of) for of in weights]
    pair = _Pair(sides[0], sides[1], ranks.correlation(sides[0], sides[1]))
    return Comparison(_absolute(pair, absolute, weights[1], family), _relative(pair, relative, weights[1], family))


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two sides that are compared, and the correlation of their quantiles."""

    plus: Ranked
    minus: Ranked
    correlation: float

    def __len__(self) -> int:
        return len(self.plus) + len(self.minus)

    def difference(self, alpha: float) -> _Ends:
        """Return the interval of the difference; an end is infinite where there are too few values."""
        values = self.plus.value, self.minus.value
        return _mover(values, (self.plus.interval(alpha), self.minus.interval(alpha)), self.correlation)

    def log_ratio(self, alpha: float) -> _Ends:
        """Return the interval of the logarithm of the ratio; both values are positive."""
        values = math.log(self.plus.value), math.log(self.minus.value)
        ends = _logs(self.plus.interval(alpha)), _logs(self.minus.interval(alpha))
        return _mover(values, ends, self.correlation)

    def p_value(self) -> float:
        """Return the least error at which the interval of the difference excludes 0, by halving its logarithm."""
        low, high = math.log(MIN_P_VALUE), 0.0
        for _ in range(20):
            middle = (low + high) / 2
            ends = self.difference(math.exp(middle))
            low, high = (middle, high) if ends[0] <= 0 <= ends[1] else (low, middle)
        return math.exp(high)


def _absolute(pair: _Pair, words: Text, weights: Floats, family: int) -> Estimate:
    low, high = pair.difference(error_rate(LEVEL, family))
    difference = pair.plus.value - pair.minus.value
    if not math.isfinite(high - low):
        return not_evaluable(text("quantile.few"), words, len(pair), difference, Scale.DIFFERENCE)
    method, p_value = stratified(text("quantile.mover"), weights), pair.p_value()
    return Estimate(difference, low, high, len(pair), method, words, Scale.DIFFERENCE, family=family, p_value=p_value)


def _relative(pair: _Pair, words: Text, weights: Floats, family: int) -> Estimate:
    alpha = error_rate(LEVEL, family)
    if not math.isfinite(sum(pair.difference(alpha))):
        return not_evaluable(text("quantile.few"), words, len(pair), scale=Scale.RELATIVE)
    if pair.plus.value <= 0 or pair.minus.interval(alpha)[0] <= 0:
        return not_evaluable(text("quantile.not_positive"), words, len(pair), scale=Scale.RELATIVE)
    low, high = pair.log_ratio(alpha)
    lift = pair.plus.value / pair.minus.value - 1
    method = stratified(text("quantile.log_mover"), weights)
    return Estimate(lift, math.expm1(low), math.expm1(high), len(pair), method, words, Scale.RELATIVE, family=family)


def _mover(values: _Ends, ends: tuple[_Ends, _Ends], correlation: float) -> _Ends:
    """Return the interval of the difference of two values from their intervals."""
    (low, high), (other_low, other_high) = ends
    difference = values[0] - values[1]
    return (
        difference - _reach(values[0] - low, other_high - values[1], correlation),
        difference + _reach(high - values[0], values[1] - other_low, correlation),
    )


def _reach(one: float, other: float, correlation: float) -> float:
    if math.isinf(one) or math.isinf(other):
        return math.inf
    return math.sqrt(max(one**2 + other**2 - 2 * correlation * one * other, 0.0))


def _logs(ends: _Ends) -> _Ends:
    low, high = ends
    return (math.log(low) if low > 0 else -math.inf), math.log(high)


def _ranked(found: Quantiles, weights: Floats) -> Ranked:
    """Return the quantile of the side in which each cell has a share, `weights` (v, s)."""
    own = weights[found.label, found.stratum] > 0
    label, stratum = found.label[own], found.stratum[own]
    weight = (weights / np.maximum(found.n_by_cell, 1))[label, stratum]
    cell = label * weights.shape[1] + stratum
    return ranks.ranked(found.q, found.values[own], weight, cell, found.unit[own], n_units=found.n_units)


def _usable(found: Quantiles, of: Side) -> Flags:
    """Return the strata in which every label of the side has enough values, (n_strata,)."""
    n = found.n_by_cell
    return np.asarray((n[of > 0] >= (1 if n.shape[1] == 1 else MIN_IN_STRATUM)).all(axis=0))


def _shares(found: Quantiles, strata: Flags) -> Floats:
    """Return the weights of the strata by their values in all, (n_strata,)."""
    n = np.where(strata, found.n_by_cell.sum(axis=0), 0)
    return np.asarray(n / n.sum())


def _nothing(found: Quantiles, sides: list[Side], words: Text, scale: Scale) -> Estimate:
    n = [int(found.n_by_cell[of > 0].sum()) for of in sides]
    reason = text("quantile.nobody" if min(n) == 0 else "quantile.no_stratum")
    return not_evaluable(reason, words, sum(n), scale=scale)
