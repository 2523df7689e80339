"""Values and lifts of a fixed design without covariates, from moments alone, each with its method named.

The rule, by the shape of a metric:

- a share is shown with an exact interval (Clopper-Pearson) and compared by Newcomb's; where several cells make it up,
  their intervals are combined by MOVER, of which Newcomb's is the case of two. The p-value is the least error at which
  that interval leaves 0 out;
- a mean is shown with Student's t and compared by Welch's;
- a ratio likewise, by the delta method.

The relative lift is Fieller's for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from analysis.arrays import Floats
from analysis.estimate import LEVEL, Estimate, Scale, Validity, error_rate, not_evaluable
from analysis.lifts import comparison, intervals, linear
from analysis.lifts.cells import Cells, Shape, Side
from analysis.lifts.comparison import Comparison, Sides, difference_in, lift_in
from analysis.lifts.linear import Linear, Spread, side_value, spread_of
from analysis.lifts.relative import Method
from analysis.lifts.strata import empty, incomparable, n_used, shares, stratified, usable, without_value
from analysis.texts import Text, count, text

MIN_EVENTS = 5
"""Below so many conversions on a side, the normal approximation behind a relative lift says nothing."""


def value(cells: Cells, of: Side, validity: Validity = Validity.VALID) -> Estimate:
    """Return the value of a side with its interval; not evaluable, in words, where it is empty or does not vary."""
    n = int(cells.moments.n[of > 0].sum())
    if reason := empty(cells, of):
        return not_evaluable(reason, cells.estimand, n, _only_value(cells, of, n), cells.scale)
    weights = np.outer(of, shares(cells, usable(cells, of)))
    if reason := without_value(cells, weights):
        return not_evaluable(reason, cells.estimand, n, _same_value(cells, weights), cells.scale)
    found, spread = side_value(cells, weights), spread_of(cells)
    if cells.shape is Shape.RATIO and not is_above_zero(below_the_line(cells, weights), spread):
        return not_evaluable(text("not_evaluable.little_below"), cells.estimand, n, found.value, cells.scale)
    interval, method = value_interval(cells, weights, error_rate(LEVEL, 1))
    words = stratified(method, weights)
    return Estimate(found.value, *interval, n_used(cells, weights), words, cells.estimand, cells.scale, validity)


def compare(cells: Cells, plus: Side, minus: Side, family: int, method: Method) -> Comparison:
    """Return the lift of `plus` over `minus`; `family` intervals of this kind hold together."""
    sides = sides_of(cells, plus, minus)
    if isinstance(sides, Text):
        n = int(cells.moments.n[(plus > 0) | (minus > 0)].sum())
        return comparison.nothing(cells, sides, n, _same_difference(cells, plus, minus, sides))
    if cells.shape is Shape.SHARE:
        left, right = weights_of(cells, plus, minus)
        return Comparison(
            _share_difference(cells, left - right, sides, family), _relative(cells, sides, family, method)
        )
    return Comparison(comparison.absolute(cells, sides, family), _relative(cells, sides, family, method))


def without_covariates(cells: Cells) -> Cells:
    """Return the cells of the metric alone."""
    values = range(2 if cells.shape is Shape.RATIO else 1)
    return replace(cells, moments=cells.moments.columns(list(values)), covariates=())


def weights_of(cells: Cells, plus: Side, minus: Side) -> tuple[Floats, Floats]:
    """Return the weights of the cells of both sides, (v, s) each, over the strata that have both."""
    share = shares(cells, usable(cells, plus) & usable(cells, minus))
    return np.outer(plus, share), np.outer(minus, share)


def sides_of(cells: Cells, plus: Side, minus: Side) -> Sides | Text:
    """Return both sides without covariates, or why they cannot be compared."""
    if reason := incomparable(cells, plus, minus):
        return reason
    weights, spread = weights_of(cells, plus, minus), spread_of(cells)
    if cells.shape is Shape.RATIO and not all(is_above_zero(below_the_line(cells, one), spread) for one in weights):
        return text("not_evaluable.little_below")
    method = {Shape.MEAN: text("method.welch"), Shape.RATIO: text("method.delta_ratio")}.get(cells.shape)
    words = method or share_method(weights[0] - weights[1])
    both = weights[0] + weights[1]
    left, right = (side_value(cells, one) for one in weights)
    return Sides(left, right, spread, n_used(cells, both), stratified(words, both))


def below_the_line(cells: Cells, weights: Floats) -> Linear:
    """Return the mean of what is below the line of a ratio."""
    found = np.zeros(cells.moments.mean.shape)
    found[..., 1] = weights
    return Linear(float((found * cells.moments.mean).sum()), found, np.zeros_like(found))


def is_above_zero(of: Linear, spread: Spread) -> bool:
    """Whether what is divided by is clear of 0: else the delta method says nothing."""
    error = linear.deviation(of, spread)
    return not error or abs(of.value) > linear.critical(of, spread, error_rate(LEVEL, 1)) * error


def _only_value(cells: Cells, of: Side, n: int) -> float | None:
    """Return the value of a side's single unit."""
    if n != 1:
        return None
    total = cells.moments.total[of > 0].sum(axis=(0, 1))
    if cells.shape is not Shape.RATIO:
        return float(total[0])
    return float(total[0] / total[1]) if total[1] else None


def _same_value(cells: Cells, weights: Floats) -> float | None:
    """Return the value that all units of a side have, where it exists."""
    if cells.shape is Shape.RATIO and not below_the_line(cells, weights).value:
        return None
    return side_value(cells, weights).value


def _same_difference(cells: Cells, plus: Side, minus: Side, reason: Text) -> float | None:
    """Return the difference of two sides of which one has the same value for all, where both exist."""
    if reason.key != "not_evaluable.same_side":
        return None
    left, right = (_same_value(cells, weights) for weights in weights_of(cells, plus, minus))
    return None if left is None or right is None else left - right


def value_interval(cells: Cells, weights: Floats, alpha: float) -> tuple[tuple[float, float], Text]:
    """Return the interval of a value of which each cell is a share, (v, s), and its method."""
    if cells.shape is not Shape.SHARE:
        method = text("method.student" if cells.shape is Shape.MEAN else "method.delta_ratio")
        return linear.interval(side_value(cells, weights), spread_of(cells), alpha), method
    used = weights != 0
    n, mean = cells.moments.n[used], cells.moments.mean[used][:, 0]
    exact = intervals.clopper_pearson(np.rint(n * mean).astype(np.int64), n, alpha)
    method = text("method.clopper_pearson" if len(n) == 1 else "method.mover_exact")
    return intervals.mover(weights[used], mean, exact), method


def share_method(weights: Floats) -> Text:
    """Return the words of `share_interval`."""
    return text("method.newcomb" if (weights != 0).sum() == 2 else "method.mover")


def share_interval(cells: Cells, weights: Floats, alpha: float) -> tuple[float, float]:
    """Return Newcomb's interval (MOVER on Wilson's) of a weighted sum of shares, (v, s)."""
    used = weights != 0
    mean = cells.moments.mean[used][:, 0]
    return intervals.mover(weights[used], mean, intervals.wilson(mean, cells.moments.n[used], alpha))


def share_p_value(cells: Cells, weights: Floats) -> float:
    """Return the least error at which `share_interval` leaves 0 out."""
    used = weights != 0
    mean, n = cells.moments.mean[used][:, 0], cells.moments.n[used]
    return intervals.mover_p_value(weights[used], mean, lambda alpha: intervals.wilson(mean, n, alpha))


def _share_difference(cells: Cells, weights: Floats, sides: Sides, family: int) -> Estimate:
    return Estimate(
        sides.plus.value - sides.minus.value,
        *share_interval(cells, weights, error_rate(LEVEL, family)),
        sides.n,
        sides.method,
        difference_in(cells),
        cells.scale.difference,
        family=family,
        p_value=share_p_value(cells, weights),
    )


def few_events(cells: Cells, sides: Sequence[Linear], least: int) -> Text | None:
    """Return that a side has fewer than `least` conversions, or fewer without one, or None."""
    if cells.shape is not Shape.SHARE:
        return None
    used = [side.weights[..., 0] != 0 for side in sides]
    events = [cells.moments.total[of][:, 0].sum() for of in used]
    if min(events) < least:
        return text("not_evaluable.few_events", n=count(least))
    failures = [cells.moments.n[of].sum() - n for of, n in zip(used, events, strict=True)]
    return text("not_evaluable.few_failures", n=count(least)) if min(failures) < least else None


def _relative(cells: Cells, sides: Sides, family: int, method: Method) -> Estimate:
    if reason := few_events(cells, (sides.plus, sides.minus), MIN_EVENTS):
        return not_evaluable(reason, lift_in(cells), sides.n, scale=Scale.RELATIVE)
    return comparison.relative(cells, sides, family, method, named(sides, method))


def named(sides: Sides, method: Method) -> Text:
    """Return a relative method's words, with the strata where there are several."""
    return stratified(method.name, np.abs(sides.minus.weights).sum(axis=-1))
