"""The sentence on a page about credit: where a rule is furthest from what randomisation proves, and what it cannot say.

Rules credit. That a touch brought anything is said of the incremental effect alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from analysis.attribution.levels import CONVERSIONS, Level
from analysis.attribution.rules.base import Rule
from analysis.estimate import Estimate, Scale
from analysis.pages import wording
from analysis.texts import Arg, Name, Text, amount, count, text

_MOST_NAMED, _LONGEST = 5, 40

_FAMILIAR = ("last", "linear", "first")
"""Most people have heard of these rules, in this order: the sentence is about the first of them that was asked."""


def sentence(level: Level) -> Text:
    """Return where a rule's credit is furthest from what randomisation proves; and what cannot be said.

    It is of a familiar rule, if any was asked: what is said of one that nobody uses is no news. Credit outside of the
    interval of the effect comes before all that lies inside.
    """
    if not level.has_conversions:
        return text("attribution.page.nothing")
    found = list(_held_against(level))
    if not found:
        return text("attribution.page.unproven", total=amount(level.total(CONVERSIONS)))
    names = level.credits.touchpoints
    said = max(_familiar(found), key=lambda each: each.gap).said
    if len(names) == 1 < len(level.rules):
        return text("attribution.page.alone", said=said)
    return _and_unproven(said, [name for name in names if level.effect(name, CONVERSIONS).interval is None])


@dataclass(frozen=True, slots=True)
class _Held:
    """What a rule credits a touchpoint with, and what randomisation proves of it: that has an interval."""

    rule: Rule
    name: Name
    credit: Estimate
    effect: Estimate

    @property
    def finding(self) -> str:
        low, high = self.effect.interval or (0.0, 0.0)
        value = self.credit.value or 0.0
        if low <= value <= high:
            return "within"
        if value < low:
            return "below"
        return "lost" if high < 0 else "none" if low <= 0 else "above"

    @property
    def gap(self) -> tuple[bool, float]:
        """Whether the credit lies outside of what randomisation leaves open, and how far it is from the effect."""
        return self.finding != "within", abs((self.credit.value or 0.0) - (self.effect.value or 0.0))

    @property
    def said(self) -> Text:
        return text(
            f"attribution.page.{self.finding}",
            rule=self.rule.title,
            name=wording.shortened(self.name, _LONGEST),
            credit=wording.value(self.credit),
            total=wording.whole(replace(self.effect, scale=Scale.AMOUNT)),
        )


def _familiar(found: Sequence[_Held]) -> Sequence[_Held]:
    """Return what is held against an effect of the most familiar rule, or all of it where no rule is."""
    of = ([each for each in found if each.rule.name == name] for name in _FAMILIAR)
    return next((each for each in of if each), found)


def _held_against(level: Level) -> Iterator[_Held]:
    """Yield all credit that can be held against an effect."""
    for rule, amounts in zip(level.rules, level.amounts, strict=True):
        for name, pair in zip(level.credits.touchpoints, amounts[:-1], strict=True):
            credit, effect = pair[CONVERSIONS], level.effect(name, CONVERSIONS)
            if credit.value is not None and effect.value is not None and effect.interval is not None:
                yield _Held(rule, name, credit, effect)


def _and_unproven(said: Text, names: Sequence[Name]) -> Text:
    """Return a sentence, and of what nothing is proven."""
    if not names:
        return said
    named: tuple[Arg, ...] = tuple(wording.shortened(name, _LONGEST) for name in names[:_MOST_NAMED])
    rest = len(names) - len(named)
    if rest:
        return text("attribution.page.unproven_more", said=said, names=named, n=count(rest))
    return text("attribution.page.unproven_of", said=said, names=named)
