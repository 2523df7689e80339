"""Differences that are adjusted for what was known of the units before: covariates, or the category that they are in.

The rule: with covariates the difference is Lin's; CUPED with one slope for both sides, and post-stratification, are
there by name. A share is then compared by Welch's method on adjusted values, which needs MIN_EVENTS on each side. Where
covariates cannot be used, the difference is the plain one and its note says why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from analysis.arrays import Floats, Ints
from analysis.estimate import Estimate
from analysis.lifts import comparison, plain, poststrata, slopes, strata
from analysis.lifts.cells import Cells, Side
from analysis.lifts.comparison import Comparison, Sides
from analysis.lifts.linear import CellSpread, Linear
from analysis.lifts.poststrata import PostSpread
from analysis.lifts.relative import FIELLER, Method
from analysis.lifts.slopes import Adjusted
from analysis.lifts.strata import shares, stratified
from analysis.texts import Text, count, share, text

MIN_EVENTS = 20
"""So many conversions, and so many units without one, a side needs for Welch's method on a share."""

MIN_PER_COVARIATE = 10
"""So many units each variant needs for each covariate, so that its slopes mean something."""

_NOTHING_LEFT = 1e-9
"""A share of the plain variance below which the covariates are taken to be the outcome itself."""

_Adjust = Callable[[Cells, Sequence[Floats]], Adjusted]


def lin(cells: Cells, plus: Side, minus: Side, family: int = 1, method: Method = FIELLER) -> Comparison:
    """Return the lift of `plus` over `minus` by Lin's interacted regression adjustment (2013); see `slopes.lin`."""
    return _compared(cells, (plus, minus), slopes.lin, text("method.lin"), family=family, method=method)


def cuped(cells: Cells, plus: Side, minus: Side, family: int = 1, method: Method = FIELLER) -> Comparison:
    """Return the lift of `plus` over `minus` by CUPED with the slopes of both sides together; see `slopes.cuped`."""
    return _compared(cells, (plus, minus), slopes.cuped, text("method.cuped"), family=family, method=method)


def _compared(
    cells: Cells, pair: tuple[Side, Side], adjust: _Adjust, words: Text, *, family: int, method: Method
) -> Comparison:
    alone = plain.without_covariates(cells)
    unadjusted = plain.compare(alone, *pair, family, method)
    before = plain.sides_of(cells, *pair)
    if isinstance(before, Text):
        return unadjusted
    weights = plain.weights_of(cells, *pair)
    if reason := unusable(cells, weights, (before.plus, before.minus)):
        return as_it_is(unadjusted, reason)
    found = adjust(cells, weights)
    after = Sides(found.sides[0], found.sides[1], found.spread, before.n, stratified(words, weights[0] + weights[1]))
    if not found.rank:
        return as_it_is(unadjusted, text("adjusted.constant", covariates=cells.covariates))
    left = _variance(after) / _variance(replace(before, spread=CellSpread.of(cells.moments)))
    if left < _NOTHING_LEFT:
        return as_it_is(unadjusted, text("adjusted.foretold", covariates=cells.covariates))
    absolute = comparison.absolute(cells, after, family, _gain(cells, found.rank, 1 - left))
    return Comparison(absolute, _relative(cells, after, family, method), unadjusted.absolute)


def _relative(cells: Cells, sides: Sides, family: int, method: Method) -> Estimate:
    words = text("method.to_adjusted", method=plain.named(sides, method))
    return comparison.relative(cells, sides, family, method, words)


def as_it_is(unadjusted: Comparison, reason: Text) -> Comparison:
    """Return the plain comparison with the reason why it is not adjusted."""
    return replace(unadjusted, absolute=replace(unadjusted.absolute, note=reason))


def _variance(sides: Sides) -> float:
    difference = sides.plus - sides.minus
    return sides.spread.covariance(difference, difference)


def unusable(cells: Cells, weights: Sequence[Floats], sides: Sequence[Linear]) -> Text | None:
    """Return why covariates cannot be used, or None."""
    if few := plain.few_events(cells, sides, MIN_EVENTS):
        return text("adjusted.few_events", n=few.args["n"])
    used = np.any([one != 0 for one in weights], axis=0)
    n = np.where(used, cells.moments.n, 0).sum(axis=1)[used.any(axis=1)]
    if n.min() < MIN_PER_COVARIATE * len(cells.covariates) + used.sum(axis=1).max():
        return text("adjusted.few_units", n=count(MIN_PER_COVARIATE))
    return None


def _gain(cells: Cells, rank: int, reduction: float) -> Text:
    """Return what the covariates brought."""
    if reduction <= 0:
        return text("adjusted.no_gain", covariates=cells.covariates)
    idle = len(cells.covariates) - rank
    if idle:
        return text("adjusted.gain_of_some", covariates=cells.covariates, n=count(idle), reduction=share(reduction))
    return text("adjusted.gain", covariates=cells.covariates, reduction=share(reduction))


def post_stratified(
    cells: Cells, plus: Side, minus: Side, base: Ints | None = None, *, family: int = 1, method: Method = FIELLER
) -> Comparison:
    """Return the lift of `plus` over `minus`, averaged over categories by their units (Miratrix, Sekhon and Yu 2013).

    The strata of the cells are categories that units were in beforehand; `base` (n_strata,) is the stratum by design
    that each lies in (`poststrata.categories` makes both), all one where None. Categories with fewer than
    MIN_IN_STRATUM units of a variant are put together. The variance is given the units of each category that each
    variant got, and that of the categories' shares among units to come is added.
    """
    alone = plain.without_covariates(cells)
    design = np.zeros(cells.n_strata, np.int64) if base is None else base
    unadjusted = plain.compare(poststrata.together(alone, design), plus, minus, family, method)
    if unadjusted.absolute.interval is None:
        return unadjusted
    merged, design = poststrata.gathered(alone, plus, minus, design)
    sides = plain.sides_of(merged, plus, minus)
    if isinstance(sides, Text):
        return as_it_is(unadjusted, sides)
    if few := plain.few_events(merged, (sides.plus, sides.minus), MIN_EVENTS):
        return as_it_is(unadjusted, text("adjusted.few_events", n=few.args["n"]))
    usable = shares(merged, strata.usable(merged, plus) & strata.usable(merged, minus))
    n = int(merged.moments.n[:, usable > 0].sum())
    spread = PostSpread(CellSpread.of(merged.moments), merged.moments.mean, usable, design, n)
    words = text("method.post_stratified", n=count(int((usable > 0).sum())))
    after = replace(sides, spread=spread, method=words)
    absolute = comparison.absolute(merged, after, family)
    return Comparison(absolute, _relative(merged, after, family, method), unadjusted.absolute)
