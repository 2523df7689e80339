"""How the credit for what units did is shared, by every rule that was asked: gathered block by block, and added up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats, Ints
from analysis.attribution.commonest import Commonest
from analysis.attribution.journeys import Journeys
from analysis.attribution.rules import by_name
from analysis.attribution.rules.base import Rule
from analysis.attribution.sums import N_GROUPS, Sums, groups
from analysis.texts import Name, Text, amount, text
from engine.errors import InvalidRequest


@dataclass(frozen=True, eq=False)
class Credit:
    """What a rule credits p touchpoints with: `amounts` (p, 2) are conversions and value.

    `influence` (N_GROUPS, p, 2) is what each group of units adds to them at the margin, and `sampling_error` (p, 2)
    the error of a rule that samples. `sums` are what they were made of.
    """

    rule: Rule
    amounts: Floats
    influence: Floats
    sampling_error: Floats
    sums: Sums

    @classmethod
    def of(cls, rule: Rule, sums: Sums, n_touchpoints: int) -> Credit:
        """Return what a rule makes of its sums."""
        found = sums.keys, sums.totals, n_touchpoints
        return cls(rule, rule.credit(*found), rule.influence(sums, n_touchpoints), rule.sampling_error(*found), sums)

    def sampled(self, part: int) -> Text | None:
        """Return how far sampling may be off in the conversions (0) or the value (1), or None where it is exact."""
        error = float(self.sampling_error[:, part].max(initial=0))
        return text("attribution.shapley.sampled", rule=self.rule.title, error=amount(error)) if error else None


@dataclass(frozen=True, eq=False)
class Credits:
    """The credit for one outcome by several rules, of journeys among p `touchpoints`.

    `untouched` (N_GROUPS, 2) are the conversions and the value that no touch preceded, by group of units: every rule
    credits them to "none". `everything` (N_GROUPS, 2) are those of all journeys. `n_touches` (p,) counts touches.
    """

    touchpoints: tuple[Name, ...]
    by_rule: tuple[Credit, ...]
    untouched: Floats
    everything: Floats
    n_touches: Ints
    n_journeys: int
    commonest: Commonest

    @property
    def has_values(self) -> bool:
        """Whether conversions are worth anything but 1 each."""
        return bool((self.everything[:, 0] != self.everything[:, 1]).any())

    def of(self, rule: str) -> Credit:
        """Return the credit by the rule of this name.

        Raises:
            InvalidRequest: it was not asked.
        """
        for credit in self.by_rule:
            if credit.rule.name == rule:
                return credit
        raise InvalidRequest(f"{rule!r} was not asked: there are {', '.join(each.rule.name for each in self.by_rule)}")


@dataclass(frozen=True, eq=False)
class Gathered:
    """What rules need to know of journeys; what is gathered of two logs with the same touchpoints adds up."""

    touchpoints: tuple[Name, ...]
    rules: tuple[Rule, ...]
    sums: tuple[Sums, ...]
    untouched: Floats
    everything: Floats
    n_touches: Ints
    n_journeys: int
    commonest: Commonest

    @classmethod
    def of(cls, journeys: Journeys, rules: tuple[Rule, ...]) -> Gathered:
        """Return what rules need to know of some journeys."""
        is_touched = journeys.lengths > 0
        touched, n = journeys.chosen(is_touched), len(journeys.touchpoints)
        return cls(
            journeys.touchpoints,
            rules,
            tuple(rule.sums(touched) for rule in rules),
            _by_group(journeys.chosen(~is_touched)),
            _by_group(journeys),
            np.bincount(journeys.touchpoint, minlength=n),
            len(journeys),
            Commonest.of(journeys),
        )

    def __add__(self, other: Gathered) -> Gathered:
        if self.touchpoints != other.touchpoints:
            raise InvalidRequest("journeys among different touchpoints do not add up: read both by the same names")
        return Gathered(
            self.touchpoints,
            self.rules,
            tuple(own + more for own, more in zip(self.sums, other.sums, strict=True)),
            self.untouched + other.untouched,
            self.everything + other.everything,
            self.n_touches + other.n_touches,
            self.n_journeys + other.n_journeys,
            self.commonest + other.commonest,
        )

    @property
    def credits(self) -> Credits:
        """What the rules make of it."""
        made = zip(self.rules, self.sums, strict=True)
        n = len(self.touchpoints)
        return Credits(
            self.touchpoints,
            tuple(Credit.of(rule, sums, n) for rule, sums in made),
            self.untouched,
            self.everything,
            self.n_touches,
            self.n_journeys,
            self.commonest,
        )


def credit(journeys: Journeys | Iterable[Journeys], rules: Sequence[str | Rule] = by_name.DEFAULT) -> Credits:
    """Return how the credit for the conversions of journeys is shared, by each of some rules.

    Journeys come whole or in blocks among the same touchpoints, which are read once.

    Raises:
        InvalidRequest: there is no rule of a name, no block, or blocks among different touchpoints.

    >>> found = credit(Journeys.of([["email", "search"], ["search"]], [1, 1]), ["first", "last"])
    >>> [each.amounts[:, 0].tolist() for each in found.by_rule]
    [[1.0, 1.0], [0.0, 2.0]]
    """
    asked = tuple(by_name.rule(each) if isinstance(each, str) else each for each in rules)
    gathered: Gathered | None = None
    for block in [journeys] if isinstance(journeys, Journeys) else journeys:
        found = Gathered.of(block, asked)
        gathered = found if gathered is None else gathered + found
    if gathered is None:
        raise InvalidRequest("there are no journeys")
    return gathered.credits


def _by_group(journeys: Journeys) -> Floats:
    """Return the conversions and the value of journeys by group of units, (N_GROUPS, 2)."""
    group = groups(journeys.unit)
    columns = (journeys.conversions, journeys.value)
    # What is counted of nothing is whole numbers.
    return np.stack([np.bincount(group, column, N_GROUPS) for column in columns], axis=1).astype(np.float64)
