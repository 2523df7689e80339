"""All that is shown of touchpoints of one kind: what each rule credits them with, and what randomisation proves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from analysis.attribution import intervals
from analysis.attribution.credits import Credits
from analysis.attribution.incremental.effect import Effect
from analysis.attribution.intervals import Method, Pair
from analysis.attribution.journeys import NONE, By
from analysis.attribution.proving import Effects
from analysis.attribution.rules.base import Rule
from analysis.estimate import Estimate, not_evaluable
from analysis.texts import Name, Text, text

CONVERSIONS, VALUE = range(2)
"""The parts of credit and of effects."""


@dataclass(frozen=True, eq=False)
class Level:
    """The credit among channels, experiments or variants, and what is `proven` of each.

    `method` is how the intervals of credit are made.
    """

    by: By
    credits: Credits
    proven: Effects
    method: Method = "delta"

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules that were asked."""
        return tuple(each.rule for each in self.credits.by_rule)

    @property
    def titles(self) -> tuple[Text, ...]:
        """What they are called."""
        return tuple(rule.title for rule in self.rules)

    @cached_property
    def amounts(self) -> tuple[tuple[Pair, ...], ...]:
        """What each rule credits each touchpoint with, and "none"; a bootstrap is drawn for it once."""
        return tuple(intervals.amounts(self.credits, rule.name, self.method) for rule in self.rules)

    @cached_property
    def shares(self) -> tuple[tuple[Pair, ...], ...]:
        """The same as shares of all."""
        return tuple(intervals.shares(self.credits, rule.name, self.method) for rule in self.rules)

    @property
    def has_conversions(self) -> bool:
        """Whether there is any credit to share."""
        return bool(self.credits.everything[:, CONVERSIONS].any())

    def total(self, part: int) -> float:
        """Return all conversions, or their value."""
        return float(self.credits.everything[:, part].sum())

    def names(self, places: Sequence[int]) -> tuple[Name, ...]:
        """Return what is at some places, the one after all touchpoints being "none"."""
        return tuple((*self.credits.touchpoints, NONE)[place] for place in places)

    def ranked(self, part: int) -> list[int]:
        """Return the places of touchpoints by the mean credit of all rules, and after them the place of "none"."""
        credit = np.mean([each.amounts[:, part] for each in self.credits.by_rule], axis=0)
        return [*np.argsort(-credit, kind="stable").tolist(), len(self.credits.touchpoints)]

    def effect(self, name: Name, part: int) -> Estimate:
        """Return what randomisation proves of a touchpoint, or that it says nothing of it, and why."""
        match self.proven.get(name):
            case Effect() as effect:
                return effect.total[part]
            case None:
                return not_evaluable(text("attribution.page.untested"), text("attribution.page.incremental"))
            case why:
                return not_evaluable(why, text("attribution.page.incremental"))
