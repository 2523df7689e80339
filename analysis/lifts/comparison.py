"""A comparison of two sides as estimates, from how both move with the data."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.estimate import LEVEL, Estimate, Scale, error_rate, not_evaluable
from analysis.lifts import linear
from analysis.lifts.cells import Cells
from analysis.lifts.linear import Linear, Spread
from analysis.lifts.relative import Method
from analysis.texts import Text, text


@dataclass(frozen=True, slots=True)
class Comparison:
    """A side against another: the difference, and the lift relative to the other.

    `plain` is the difference without covariates, where `absolute` is adjusted for some.
    """

    absolute: Estimate
    relative: Estimate
    plain: Estimate | None = None


@dataclass(frozen=True, slots=True)
class Sides:
    """Two sides of `n` units or assignments in all, how they vary, and the words of the method behind them."""

    plus: Linear
    minus: Linear
    spread: Spread
    n: int
    method: Text


def difference_in(cells: Cells) -> Text:
    """Return the words of the estimand of a difference."""
    return text("estimand.difference", of=cells.estimand)


def lift_in(cells: Cells) -> Text:
    """Return the words of the estimand of a relative lift."""
    return text("estimand.relative", of=cells.estimand)


def nothing(cells: Cells, reason: Text, n: int, difference: float | None = None) -> Comparison:
    """Return a comparison that cannot be made, with the reason and, where it exists, the difference that was seen."""
    return Comparison(
        not_evaluable(reason, difference_in(cells), n, difference, cells.scale.difference),
        not_evaluable(reason, lift_in(cells), n, scale=Scale.RELATIVE),
    )


def absolute(cells: Cells, sides: Sides, family: int, note: Text | None = None) -> Estimate:
    """Return the difference of the sides with Student's interval and p-value, by Welch's freedom."""
    difference = sides.plus - sides.minus
    return Estimate(
        difference.value,
        *linear.interval(difference, sides.spread, error_rate(LEVEL, family)),
        sides.n,
        sides.method,
        difference_in(cells),
        cells.scale.difference,
        note=note,
        family=family,
        p_value=linear.p_value(difference, sides.spread),
    )


def relative(cells: Cells, sides: Sides, family: int, method: Method, words: Text) -> Estimate:
    """Return the relative lift by a method, of which `words` say more."""
    interval = method.interval(sides.plus, sides.minus, sides.spread, error_rate(LEVEL, family))
    if interval is None:
        return not_evaluable(text("not_evaluable.not_identified"), lift_in(cells), sides.n, scale=Scale.RELATIVE)
    value = (sides.plus.value - sides.minus.value) / abs(sides.minus.value)
    return Estimate(value, *interval, sides.n, words, lift_in(cells), Scale.RELATIVE, family=family)
