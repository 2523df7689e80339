"""What scores say of conversions and of value, as estimates in words: or why they say nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats
from analysis.attribution.incremental.scoring import MIN_DOERS, Scores
from analysis.attribution.sums import N_GROUPS
from analysis.estimate import LEVEL, Estimate, Scale, error_rate, not_evaluable
from analysis.texts import Text, count, duration, text

WHAT = ("count", "value")
"""What is estimated of an outcome: how many there were, and what they came to."""


@dataclass(frozen=True, slots=True)
class Said:
    """What estimates are of: an outcome in a window of so many seconds (None: to the log's end), of a family.

    `of` is "unit" or "touch", which is also where the window begins.
    """

    outcome: str
    window_s: float | None
    of: str = "unit"
    family: int = 1

    def total(self, what: str) -> Text:
        """Return the estimand of a sum over all units."""
        return text(f"attribution.incremental.total_{what}", outcome=self.outcome, when=self._when)

    def each(self, what: str) -> Text:
        """Return the estimand of a mean over units or touches."""
        return text(f"attribution.incremental.each_{self.of}", of=self.total(what))

    @property
    def relative(self) -> Text:
        """The estimand of the lift in conversions."""
        return text("attribution.incremental.lift", outcome=self.outcome, when=self._when)

    @property
    def _when(self) -> Text:
        if self.window_s is None:
            return text("attribution.incremental.to_the_end")
        return text(f"attribution.incremental.within_{self.of}", window=duration(self.window_s))

    @property
    def alpha(self) -> float:
        """What an interval may miss."""
        return error_rate(LEVEL, self.family)


Both = tuple[Estimate, Estimate]
"""Estimates of conversions and of value."""


def totals(scores: Sequence[Scores], said: Said, method: str) -> Both:
    """Return the sums over all units, by the scores of conversions and of value."""
    count_, value = (_total(each, said, what, method) for each, what in zip(scores, WHAT, strict=True))
    return count_, value


def per_each(totals: Both, n: int, said: Said) -> Both:
    """Return totals divided by a number above 0, of units or of touches."""
    count_, value = (_divided(total, n, said.each(what)) for total, what in zip(totals, WHAT, strict=True))
    return count_, value


def relative(conversions: Scores, said: Said) -> Estimate:
    """Return the lift of conversions over what the control would have brought."""
    n = len(conversions.unit)
    reason = why_not(conversions)
    ends = None if reason else conversions.ratios(said.alpha)
    if ends is None:
        reason = reason or text("not_evaluable.not_identified")
        return not_evaluable(reason, said.relative, n, scale=Scale.RELATIVE)
    method = text("attribution.incremental.by_fieller")
    low, high = (end - 1 for end in ends)
    value, p = conversions.ratio - 1, conversions.p_value
    family = said.family
    return Estimate(value, low, high, n, method, said.relative, Scale.RELATIVE, family=family, p_value=p)


def nothing(reason: Text, said: Said, n: int) -> tuple[Both, Both, Estimate]:
    """Return totals, means and a lift that cannot be evaluated."""
    found = [not_evaluable(reason, said.total(what), n, scale=Scale.DIFFERENCE) for what in WHAT]
    each = [not_evaluable(reason, said.each(what), n, scale=Scale.DIFFERENCE) for what in WHAT]
    lift = not_evaluable(reason, said.relative, n, scale=Scale.RELATIVE)
    return (found[0], found[1]), (each[0], each[1]), lift


def influence(scores: Sequence[Scores], totals: Both) -> Floats | None:
    """Return what each group of units adds to the totals, (N_GROUPS, 2), zeros of one that is not known, or None."""
    if all(total.value is None for total in totals):
        return None
    known = zip(scores, totals, strict=True)
    columns = [np.zeros(N_GROUPS) if total.value is None else each.influence for each, total in known]
    return np.stack(columns, axis=1)


def why_not(scores: Scores) -> Text | None:
    """Return why scores say nothing."""
    if not scores.is_small:
        return text("ope.interval.too_large")
    few = scores.effective < MIN_DOERS
    return text("attribution.incremental.few", least=count(MIN_DOERS)) if few else None


def _total(scores: Scores, said: Said, what: str, method: str) -> Estimate:
    n, estimand, reason = len(scores.unit), said.total(what), why_not(scores)
    if reason is not None:
        return not_evaluable(reason, estimand, n, scale=Scale.DIFFERENCE)
    low, high = scores.interval(said.alpha)
    how = text(f"attribution.incremental.by_{method}")
    p, family = scores.p_value, said.family
    return Estimate(scores.total, low, high, n, how, estimand, Scale.DIFFERENCE, family=family, p_value=p)


def _divided(total: Estimate, n: int, estimand: Text) -> Estimate:
    if total.value is None or total.low is None or total.high is None:
        reason = total.note or text("not_evaluable.nobody")
        return not_evaluable(reason, estimand, total.n, scale=Scale.DIFFERENCE)
    value, low, high = total.value / n, total.low / n, total.high / n
    p, family = total.p_value, total.family
    return Estimate(value, low, high, total.n, total.method, estimand, Scale.DIFFERENCE, family=family, p_value=p)
