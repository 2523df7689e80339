"""Values and lifts of a fixed design, from moments alone, each with its method named.

They are stratified by epoch and distribution, because only units that were drawn alike compare as they are.

A side of a comparison is an array of weights (n_variants,) that sum to 1: one variant, or the even mix of those that
share a factor's level. Strata are weighted by how many units they have in all, the same for both sides.

The rule: a conversion is shown with an exact interval (Clopper-Pearson) and compared by Newcomb's; an amount is shown
with Student's t and compared by Welch's. Where several cells make up a share, their intervals are combined by MOVER,
of which Newcomb's is the case of two. The relative lift is Fieller's for both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis import intervals
from analysis.arrays import Flags, Floats
from analysis.estimate import LEVEL, Estimate, Validity, error_rate, not_evaluable
from analysis.moments import Moments

MIN_EVENTS = 5
"""Below so many conversions on a side, the normal approximation behind Fieller's interval says nothing."""

MIN_IN_STRATUM = 5
"""A stratum among several counts where each variant of a side has so many units."""

NO_STRATUM = "units that were drawn from the same distribution are too few to compare: their propensities differ"

Side = Floats
"""Weights of the variants, (n_variants,), summing to 1."""


@dataclass(frozen=True, slots=True)
class Cells:
    """Moments of one metric; `is_conversion` chooses the methods, `estimand` says what a value is."""

    moments: Moments
    is_conversion: bool
    estimand: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """A side against another: the difference, and the lift relative to the other."""

    absolute: Estimate
    relative: Estimate


def side(n_variants: int, members: Sequence[int]) -> Side:
    """Return the even mix of some variants.

    >>> side(3, [0, 2]).tolist()
    [0.5, 0.0, 0.5]
    """
    weights = np.zeros(n_variants)
    weights[list(members)] = 1 / len(members)
    return weights


def value(cells: Cells, of: Side, validity: Validity = Validity.VALID) -> Estimate:
    """Return the mean of a side with its interval; not evaluable, in words, where it is empty or does not vary."""
    n = int(cells.moments.n[of > 0].sum())
    strata = _usable(cells, of)
    if not strata.any():
        return not_evaluable(_too_small(n), cells.estimand, n, _only_value(cells, of, n))
    weights = np.outer(of, _shares(cells, strata))
    if not cells.is_conversion and not _varies(cells, weights):
        return not_evaluable("every value is the same", cells.estimand, n, _dot(weights, cells.moments.mean))
    interval, method = _value_interval(cells, weights)
    return Estimate(
        _dot(weights, cells.moments.mean), *interval, n, method + _strata(weights), cells.estimand, validity
    )


def compare(cells: Cells, plus: Side, minus: Side, family: int = 1) -> Comparison:
    """Return the lift of `plus` over `minus`; `family` intervals of this kind hold together."""
    n = int(cells.moments.n[(plus > 0) | (minus > 0)].sum())
    strata = _usable(cells, plus) & _usable(cells, minus)
    reason = _incomparable(cells, plus, minus, strata)
    if reason:
        nothing = not_evaluable(reason, f"difference in {cells.estimand}", n)
        return Comparison(nothing, not_evaluable(reason, f"relative lift in {cells.estimand}", n))
    shares = _shares(cells, strata)
    n = int(cells.moments.n[(plus > 0) | (minus > 0)][:, strata].sum())
    sides = np.outer(plus, shares), np.outer(minus, shares)
    return Comparison(_absolute(cells, sides, n, family), _relative(cells, sides, n, family))


def _usable(cells: Cells, of: Side) -> Flags:
    """Strata in which every variant of the side has enough values, (n_strata,)."""
    alone = 1 if cells.is_conversion else 2
    enough = cells.moments.n[of > 0] >= (alone if cells.moments.n.shape[1] == 1 else MIN_IN_STRATUM)
    return np.asarray(enough.all(axis=0))


def _shares(cells: Cells, strata: Flags) -> Floats:
    """Weights of the strata by their units in all, (n_strata,); 0 for those that are not usable."""
    n = np.where(strata, cells.moments.n.sum(axis=0), 0)
    return np.asarray(n / n.sum())


def _too_small(n: int) -> str:
    if not n:
        return "nobody is in it"
    return "a single value has no spread" if n == 1 else NO_STRATUM


def _only_value(cells: Cells, of: Side, n: int) -> float | None:
    return _dot(cells.moments.total, np.outer(of > 0, np.ones(cells.moments.n.shape[1]))) if n == 1 else None


def _varies(cells: Cells, weights: Floats) -> bool:
    return bool(cells.moments.m2[weights != 0].sum() > 0)


def _incomparable(cells: Cells, plus: Side, minus: Side, strata: Flags) -> str:
    for of in (plus, minus):
        n = int(cells.moments.n[of > 0].sum())
        if not _usable(cells, of).any():
            return _too_small(n)
    if not strata.any():
        return NO_STRATUM
    if cells.is_conversion:
        return ""
    shares = _shares(cells, strata)
    if not all(_varies(cells, np.outer(of, shares)) for of in (plus, minus)):
        return "every value of one side is the same, so its spread is unknown"
    return ""


def _value_interval(cells: Cells, weights: Floats) -> tuple[tuple[float, float], str]:
    used = weights != 0
    n, mean = cells.moments.n[used], cells.moments.mean[used]
    if cells.is_conversion:
        exact = intervals.clopper_pearson(np.rint(n * mean).astype(np.int64), n, error_rate(LEVEL, 1))
        method = "exact (Clopper-Pearson)" if len(n) == 1 else "MOVER on exact intervals"
        return intervals.mover(weights[used], mean, exact), method
    return _student(cells, weights, error_rate(LEVEL, 1)), "Student's t"


def _absolute(cells: Cells, sides: tuple[Floats, Floats], n: int, family: int) -> Estimate:
    weights = sides[0] - sides[1]
    alpha = error_rate(LEVEL, family)
    if cells.is_conversion:
        used = weights != 0
        mean = cells.moments.mean[used]
        interval = intervals.mover(weights[used], mean, intervals.wilson(mean, cells.moments.n[used], alpha))
    else:
        interval = _student(cells, weights, alpha)
    method = _method(cells, weights) + _strata(sides[1])
    return Estimate(
        _dot(weights, cells.moments.mean), *interval, n, method, f"difference in {cells.estimand}", family=family
    )


def _method(cells: Cells, weights: Floats) -> str:
    if not cells.is_conversion:
        return "Welch"
    return "Newcomb" if (weights != 0).sum() == 2 else "MOVER on Wilson's intervals"


def _relative(cells: Cells, sides: tuple[Floats, Floats], n: int, family: int) -> Estimate:
    estimand = f"relative lift in {cells.estimand}"
    means = [_dot(weights, cells.moments.mean) for weights in sides]
    if cells.is_conversion and min(cells.moments.total[weights != 0].sum() for weights in sides) < MIN_EVENTS:
        return not_evaluable(f"a side has fewer than {MIN_EVENTS} conversions", estimand, n)
    variances = [float(_parts(cells, weights).sum()) for weights in sides]
    critical = _critical(cells, sides[0] - sides[1], error_rate(LEVEL, family))
    interval = intervals.fieller(means[0], variances[0], means[1], variances[1], critical)
    if interval is None:
        return not_evaluable("not identified: what it is relative to may be zero", estimand, n)
    return Estimate(
        (means[0] - means[1]) / abs(means[1]), *interval, n, "Fieller" + _strata(sides[1]), estimand, family=family
    )


def _parts(cells: Cells, weights: Floats) -> Floats:
    """The estimated variance that each used cell adds to a weighted sum of means."""
    used = weights != 0
    moments = cells.moments
    spread = moments.mean * (1 - moments.mean) if cells.is_conversion else moments.variance
    return np.asarray(weights[used] ** 2 * spread[used] / moments.n[used])


def _critical(cells: Cells, weights: Floats, alpha: float) -> float:
    if cells.is_conversion:
        return float(stats.norm.isf(alpha / 2))
    freedom = intervals.welch_freedom(_parts(cells, weights), cells.moments.n[weights != 0])
    return float(stats.t.isf(alpha / 2, freedom))


def _student(cells: Cells, weights: Floats, alpha: float) -> tuple[float, float]:
    value = _dot(weights, cells.moments.mean)
    half = _critical(cells, weights, alpha) * float(np.sqrt(_parts(cells, weights).sum()))
    return value - half, value + half


def _strata(weights: Floats) -> str:
    n = int((weights != 0).any(axis=0).sum())
    return f", stratified by {n} epochs or distributions" if n > 1 else ""


def _dot(weights: Floats, values: Floats) -> float:
    return float((weights * values).sum())
