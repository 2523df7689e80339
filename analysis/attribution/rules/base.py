"""What a rule of attribution is."""

from __future__ import annotations

from typing import Protocol, Self

import numpy as np

from analysis.arrays import Flags, Floats, Ints
from analysis.attribution.journeys import Journeys
from analysis.attribution.sums import CONVERSIONS, N_GROUPS, VALUE, Sums
from analysis.texts import Text, text

COUNT_AND_VALUE = (CONVERSIONS, VALUE)
"""The columns of sums that are credited, in the order of a credit's."""


class Described(Protocol):
    """What a rule says of itself, by its name."""

    needs_times: bool = False
    """Whether journeys must say how old their touches are."""

    is_signed: bool = False
    """Whether its credit may be negative where no value is."""

    @property
    def name(self) -> str:
        """What it is called: the key of its words, and how it is asked for.

        A rule with other parameters than the usual ones has them in its name, so that both can stand side by side.
        """

    @property
    def title(self) -> Text:
        """Its name in words, with its parameters where they are not the usual ones."""
        return text(f"attribution.rules.{self.name}")

    @property
    def assumes(self) -> Text:
        """When its credit is the truth, and when it misleads."""
        return text(f"attribution.rules.{self.name}_assumes")

    @property
    def quick(self) -> Self:
        """The same, sampled less if it is a rule that samples: for what is asked often, and how far it moves alone."""
        return self

    def seldom(self, keys: Ints, totals: Floats, n_touchpoints: int) -> Flags:  # noqa: ARG002 (most rules need no more)
        """Return for which touchpoints too little was seen for an interval, (p,), though many units may be in it."""
        return np.zeros(n_touchpoints, np.bool_)


class Rule(Described, Protocol):
    """Shares the conversions and the value of journeys among p touchpoints.

    A rule sees journeys through sums alone, which add up, and is given no journey without a touch. Its credit adds up
    to the conversions and to the value of all journeys. It may be negative where a rule allows it.
    """

    def sums(self, journeys: Journeys) -> Sums:
        """Return what it needs to know of journeys that have a touch each."""

    def credit(self, keys: Ints, totals: Floats, n_touchpoints: int) -> Floats:
        """Return the conversions and the value that each touchpoint is credited with, (p, 2).

        `keys` (k,) and `totals` (k, 3) are those of sums; totals need not be whole numbers. Zeros where nothing
        converted.
        """

    def influence(self, sums: Sums, n_touchpoints: int) -> Floats:
        """Return what each group of units adds to the credit at the margin, (N_GROUPS, p, 2).

        That is the gradient of the credit by the totals times the group's sums. As twice the journeys earn twice the
        credit, the groups' parts add up to it (Euler), and their spread gives the error (the delta method).
        """

    def sampling_error(self, keys: Ints, totals: Floats, n_touchpoints: int) -> Floats:
        """Return the standard error that the rule's own sampling adds to its credit, (p, 2): 0 for an exact rule."""


class ByTouch(Described, Protocol):
    """What rules have in common that share each journey among its touches: their sums are the credit."""

    def shares(self, journeys: Journeys) -> Floats:
        """Return the share of each touch in what its journey brought, (m,); those of a journey add up to 1."""

    def sums(self, journeys: Journeys) -> Sums:
        """Return the sums of shares of the journeys that brought anything."""
        paid = journeys.chosen(journeys.pays)
        return Sums.of(paid, paid.journey, paid.touchpoint, self.shares(paid))

    def credit(self, keys: Ints, totals: Floats, n_touchpoints: int) -> Floats:
        """Return the sums of each touchpoint's shares, (p, 2)."""
        credit = np.zeros((n_touchpoints, 2))
        credit[keys] = totals[:, COUNT_AND_VALUE]
        return credit

    def influence(self, sums: Sums, n_touchpoints: int) -> Floats:
        """Return each group's own credit, (N_GROUPS, p, 2)."""
        own = np.zeros((N_GROUPS, n_touchpoints, 2))
        own[sums.group, sums.key] = sums.columns[:, COUNT_AND_VALUE]
        return own

    def sampling_error(self, keys: Ints, totals: Floats, n_touchpoints: int) -> Floats:  # noqa: ARG002 (it is exact)
        """Return zeros, (p, 2)."""
        return np.zeros((n_touchpoints, 2))
