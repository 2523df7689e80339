"""What scores say of conversions and of value, as estimates in words: or why they say nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from analysis.arrays import Floats
from analysis.attribution.incremental.looking import ONCE, Look
from analysis.attribution.incremental.scoring import MIN_DOERS, Scores
from analysis.attribution.sums import N_GROUPS
from analysis.estimate import Estimate, Scale, not_evaluable
from analysis.texts import Text, count, duration, text

WHAT = ("count", "value")
"""What is estimated of an outcome: how many there were, and what they came to."""


@dataclass(frozen=True, slots=True)
class Said:
    """What estimates are of: an outcome in a window of so many seconds (None: to the log's end), and how they are read.

    `of` is "unit" or "touch", which is also where the window begins. `is_sum` says whether it is a sum of experiments'
    own effects, `left_out` which experiments are not in it, with why, and `n_without` how many units of others are not.
    """

    outcome: str
    window_s: float | None
    look: Look = ONCE
    of: str = "unit"
    is_sum: bool = False
    left_out: Mapping[str, Text] = field(default_factory=dict)
    n_without: Mapping[str, int] = field(default_factory=dict)

    @property
    def at_one_look(self) -> Said:
        """The same as if it were read once."""
        return replace(self, look=Look(self.look.family))

    def total(self, what: str) -> Text:
        """Return the estimand of a sum over all units."""
        return self._summed(text(f"attribution.incremental.total_{what}", outcome=self.outcome, when=self._when))

    def each(self, what: str) -> Text:
        """Return the estimand of a mean over units or touches."""
        return text(f"attribution.incremental.each_{self.of}", of=self.total(what))

    @property
    def relative(self) -> Text:
        """The estimand of the lift in conversions."""
        return self._summed(text("attribution.incremental.lift", outcome=self.outcome, when=self._when))

    def read(self, found: Estimate) -> Estimate:
        """Return an estimate with when it holds, and what a reader must know of it."""
        return replace(self.look.read(found), note=self._note)

    @property
    def _when(self) -> Text:
        if self.window_s is None:
            return text("attribution.incremental.to_the_end")
        return text(f"attribution.incremental.within_{self.of}", window=duration(self.window_s))

    @property
    def _note(self) -> Text | None:
        said = None
        for each in self._notes:
            said = each if said is None else text("attribution.incremental.and", note=said, more=each)
        return said

    @property
    def _notes(self) -> Iterator[Text]:
        if self.is_sum:
            yield text("attribution.incremental.sum_note")
        for experiment, why in self.left_out.items():
            yield text("attribution.incremental.without", experiment=experiment, why=why)
        for experiment, n in self.n_without.items():
            yield text("attribution.incremental.without_units", experiment=experiment, n=count(n))

    def _summed(self, of: Text) -> Text:
        return text("attribution.incremental.summed", of=of) if self.is_sum else of


Both = tuple[Estimate, Estimate]
"""Estimates of conversions and of value."""


def totals(scores: Sequence[Scores], said: Said, how: str) -> Both:
    """Return the sums over all units, by the scores of conversions and of value."""
    count_, value = (_total(each, said, what, how) for each, what in zip(scores, WHAT, strict=True))
    return count_, value


def per_each(totals: Both, n: int, said: Said) -> Both:
    """Return totals divided by a number above 0, of units or of touches."""
    count_, value = (_divided(total, n, said.each(what)) for total, what in zip(totals, WHAT, strict=True))
    return count_, value


def relative(conversions: Scores, said: Said) -> Estimate:
    """Return the lift of conversions over what the control would have brought."""
    reason = why_not(conversions) or said.look.why_silent(conversions.effective)
    ends = None if reason else conversions.ratios(said.look.alpha(conversions.n))
    if ends is None:
        reason = reason or text("not_evaluable.not_identified")
        return not_evaluable(reason, said.relative, conversions.n, scale=Scale.RELATIVE)
    value, low, high = (each - 1 for each in (conversions.ratio, *ends))
    method, p = text("attribution.incremental.by_fieller"), conversions.p_value
    return said.read(Estimate(value, low, high, conversions.n, method, said.relative, Scale.RELATIVE, p_value=p))


def nothing(reason: Text, said: Said, n: int) -> tuple[Both, Both, Estimate]:
    """Return totals, means and a lift that cannot be evaluated."""
    found = [not_evaluable(reason, said.total(what), n, scale=Scale.DIFFERENCE) for what in WHAT]
    each = [not_evaluable(reason, said.each(what), n, scale=Scale.DIFFERENCE) for what in WHAT]
    lift = not_evaluable(reason, said.relative, n, scale=Scale.RELATIVE)
    return (found[0], found[1]), (each[0], each[1]), lift


def influence(scores: Sequence[Scores]) -> Floats | None:
    """Return what each group of units adds to the totals, (N_GROUPS, 2), zeros of one that is not known, or None."""
    known = [why_not(each) is None for each in scores]
    columns = [each.influence if is_known else np.zeros(N_GROUPS) for each, is_known in zip(scores, known, strict=True)]
    return np.stack(columns, axis=1) if any(known) else None


def why_not(scores: Scores) -> Text | None:
    """Return why scores say nothing, however they are read."""
    if not scores.is_small:
        return text("ope.interval.too_large")
    few = scores.effective < MIN_DOERS
    return text("attribution.incremental.few", least=count(MIN_DOERS)) if few else None


def _total(scores: Scores, said: Said, what: str, how: str) -> Estimate:
    estimand, n, reason = said.total(what), scores.n, why_not(scores)
    if reason is not None:
        return not_evaluable(reason, estimand, n, scale=Scale.DIFFERENCE)
    silent = said.look.why_silent(scores.effective)
    if silent is not None:
        return not_evaluable(silent, estimand, n, scores.total, Scale.DIFFERENCE)
    low, high = scores.interval(said.look.alpha(n))
    method, p = text(f"attribution.incremental.by_{how}"), scores.p_value
    return said.read(Estimate(scores.total, low, high, n, method, estimand, Scale.DIFFERENCE, p_value=p))


def _divided(total: Estimate, n: int, estimand: Text) -> Estimate:
    value, low, high = (None if each is None else each / n for each in (total.value, total.low, total.high))
    return replace(total, value=value, low=low, high=high, estimand=estimand)
