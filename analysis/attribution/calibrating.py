"""How much of what a rule credits is incremental: one ratio for each touchpoint that an experiment speaks about.

Both are sums over the same units: whoever converted by chance is in the credit and in the effect, so that their ratio
is known better than either alone would suggest. A ratio r is in its interval where effect - r * credit may be 0
(Fieller's idea with Hall's statistic, `analysis.adaptive.ratios`), by what each group of units adds to both. The effect
takes the number of units as given and the credit does not, which makes the interval wider by the square of the
conversions per unit over their mean square: by nothing where conversions are rare.

Whoever multiplies credit by a ratio does so once. So it holds at one look, also where its effect does at any, and says
so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from analysis.adaptive import ratios as fieller
from analysis.adaptive.ratios import Pair as Sides
from analysis.arrays import Floats
from analysis.attribution.credits import Credit, Credits
from analysis.attribution.incremental.effect import Effect
from analysis.attribution.intervals import Pair
from analysis.attribution.spread import deviations, unknown
from analysis.estimate import LEVEL, Estimate, not_evaluable
from analysis.texts import Text, text

_WHAT = "conversions", "value"


def ratios(credits: Credits, rule: str, effects: Sequence[Effect], level: float = LEVEL) -> tuple[Pair, ...]:
    """Return what is incremental of each conversion, and of each unit of value, that a rule credits a touchpoint with.

    There is one pair for each touchpoint, (p,); an effect is of the touchpoint of its name. It is not evaluable where
    randomisation says nothing of the touchpoint, and where its credit may as well be 0.

    Raises:
        InvalidRequest: the rule was not asked.
    """
    credit = credits.of(rule)
    of = [next((effect for effect in effects if effect.name == name), None) for name in credits.touchpoints]
    return tuple(
        (_ratio(credit, place, 0, effect, level), _ratio(credit, place, 1, effect, level))
        for place, effect in enumerate(of)
    )


def _ratio(credit: Credit, place: int, what: int, effect: Effect | None, level: float) -> Estimate:
    estimand = text(f"attribution.shapley.ratio_of_{_WHAT[what]}", rule=credit.rule.title)
    # What may be read at any time says nothing at first, where one look that was planned would.
    effect = effect and effect.at_one_look
    if effect is None or effect.influence is None or effect.total[what].interval is None:
        reason = effect and effect.total[what].note
        return not_evaluable(reason or text("attribution.shapley.no_effect"), estimand, effect.n_units if effect else 0)
    if effect.left_out:
        reason = text("attribution.proven.partial", names=effect.left_out)
        return not_evaluable(reason, estimand, effect.n_units)
    if not credit.amounts[place, what]:
        return not_evaluable(text("attribution.shapley.no_credit"), estimand, effect.n_units)
    sides = _sides(effect, effect.influence, credit, place, what)
    ratio, found = sides.plus / sides.minus, _interval(sides, 1 - level)
    if credit.rule.seldom(credit.sums.keys, credit.sums.totals, len(credit.amounts))[place]:
        found = text("attribution.shapley.seldom")
    if isinstance(found, Text):
        return not_evaluable(found, estimand, effect.n_units)
    method = text("attribution.proven.at_one_look", method=text("attribution.shapley.fieller"))
    return Estimate(ratio, *found, effect.n_units, method, estimand, level=level)


def _sides(effect: Effect, influence: Floats, credit: Credit, place: int, what: int) -> Sides:
    """Return the effect and the credit with what each group adds to their errors, and the error of the rule's own."""
    n = len(influence)
    # Sides are means of scores: what a score is off the mean counts one n-th.
    off = n * deviations(influence[:, what]), n * deviations(credit.influence[:, place, what])
    incremental, credited = effect.total[what].value or 0.0, credit.amounts[place, what]
    sides = Sides.of(incremental + off[0], credited + off[1], np.full(n, 1 / n))
    square, product, base = sides.sums[2]
    error = float(credit.sampling_error[place, what])
    return replace(sides, sums=sides.sums | {2: (square, product, base + error**2)})


def _interval(sides: Sides, alpha: float) -> tuple[float, float] | Text:
    """Return the interval of the ratio, or why there is none."""
    if reason := unknown(sides.base) or unknown(sides.less(sides.plus / sides.minus)):
        return reason
    lift = fieller.interval(sides, alpha)
    if lift is None:
        return text("attribution.shapley.unclear_credit")
    # From (plus - minus) / |minus| to plus / minus.
    low, high = lift
    return (1 + low, 1 + high) if sides.minus > 0 else (1 - high, 1 - low)
