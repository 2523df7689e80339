"""Shapley values of two games on the sets of touchpoints that journeys met, whatever the order.

"Shapley" names no rule until the worth v(S) of a set of touchpoints is said, and libraries differ in it. Here are two:

- `shapley_conversions`: v(S) is how many conversions (how much value) come from journeys that met nothing outside S;
- `shapley_rate`: v(S) is that per journey, of those that met nothing outside S.

A third one is marketing_attribution_models': it plays a game for each set that converted among the members of that set
alone, in which S is worth what journeys did that met exactly S, and scales what comes out to the set's value.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from analysis.arrays import Flags, Floats, Ints
from analysis.attribution.journeys import Journeys
from analysis.attribution.rules import sampled
from analysis.attribution.rules.base import COUNT_AND_VALUE, Described
from analysis.attribution.rules.coalitions import (
    among,
    members,
    met,
    occurring,
    over,
    rates,
    shapley_weights,
    subset_sums,
    superset_sums,
)
from analysis.attribution.sums import JOURNEYS, N_GROUPS, Sums

MAX_EXACT = 15
"""Up to so many touchpoints that occur, all 2**p sets of them are gone through."""

MIN_ROUNDS, MAX_ROUNDS = 32, 512
"""So many rounds of 2 * p orders are drawn where there are more, at least and at most (`rounds_of`)."""

_JOURNEYS_A_ROUND, _MEMBERS = 30_000, 10_000_000
"""There is a round for so many journeys, and so many members of sets are gone through, which takes about a second."""

_FEW_ROUNDS = 4
"""So many are enough to tell how far the credit moves from one sample of units to the next."""

MIN_ALONE = 8
"""So many conversions are to be expected of journeys that met a touchpoint alone, for an interval of its rate."""

_SEED = 0x5368_6170


def _by_set(journeys: Journeys) -> Sums:
    return Sums.of(journeys, np.arange(len(journeys)), met(journeys))


@dataclass(frozen=True, slots=True)
class ShapleyConversions(Described):
    """The Shapley value where a set is worth the conversions of journeys that met nothing outside it.

    It is an equal share to each touchpoint that a journey met: the game is the sum over journeys of a game that is
    worth the journey's conversions to every set that holds all it met and 0 to others, in which by symmetry those it
    met get equal shares and all others nothing, and Shapley values of games add up.
    """

    name: str = "shapley_conversions"

    def sums(self, journeys: Journeys) -> Sums:
        """Return the sums by set of touchpoints."""
        return _by_set(journeys)

    def credit(self, keys: Ints, totals: Floats, n_touchpoints: int) -> Floats:
        """Return the equal shares of conversions and of value, (p, 2)."""
        return _equal_shares(keys, n_touchpoints).T @ totals[:, COUNT_AND_VALUE]

    def influence(self, sums: Sums, n_touchpoints: int) -> Floats:
        """Return each group's own credit, (N_GROUPS, p, 2)."""
        shares = _equal_shares(sums.keys, n_touchpoints)
        return np.stack([sums.by_group(column) @ shares for column in COUNT_AND_VALUE], axis=2)

    def sampling_error(self, keys: Ints, totals: Floats, n_touchpoints: int) -> Floats:  # noqa: ARG002 (it is exact)
        """Return zeros, (p, 2)."""
        return np.zeros((n_touchpoints, 2))


def _equal_shares(keys: Ints, n_touchpoints: int) -> Floats:
    within = members(keys, n_touchpoints)
    return np.asarray(within / within.sum(axis=1, keepdims=True))


@dataclass(frozen=True, slots=True)
class ShapleyRate(Described):
    """The Shapley value where a set is worth the conversion rate of journeys that met nothing outside it.

    The rate is 0 where there is no such journey. Of value it is the value per journey. It is multiplied by the number
    of journeys, so that the credit sums to the total. A touchpoint with which journeys convert less often than without
    it has a negative credit. Beyond `max_exact` touchpoints it is sampled, by `n_rounds` rounds of orders (`sampled`)
    that `seed` draws; by as many as `rounds_of` says where that is None.
    """

    name: str = "shapley_rate"
    max_exact: int = MAX_EXACT
    n_rounds: int | None = None
    seed: int = _SEED

    is_signed = True

    @property
    def quick(self) -> Self:
        """The same by few rounds."""
        return replace(self, n_rounds=_FEW_ROUNDS)

    def sums(self, journeys: Journeys) -> Sums:
        """Return the sums by set of touchpoints."""
        return _by_set(journeys)

    def credit(self, keys: Ints, totals: Floats, n_touchpoints: int) -> Floats:
        """Return the Shapley values of conversions and of value, (p, 2)."""
        touchpoints = occurring(keys, n_touchpoints)
        sets, credit = among(keys, touchpoints), np.zeros((n_touchpoints, 2))
        if self._is_exact(touchpoints):
            credit[touchpoints] = _Game.of(sets, totals, len(touchpoints)).credit
        else:
            credit[touchpoints] = sampled.credit(sets, totals, self._rounds(sets, totals, len(touchpoints)))
        return credit

    def influence(self, sums: Sums, n_touchpoints: int) -> Floats:
        """Return what each group of units adds to the credit at the margin, (N_GROUPS, p, 2)."""
        touchpoints = occurring(sums.keys, n_touchpoints)
        sets, influence = among(sums.keys, touchpoints), np.zeros((N_GROUPS, n_touchpoints, 2))
        if self._is_exact(touchpoints):
            influence[:, touchpoints] = _Game.of(sets, sums.totals, len(touchpoints)).influence(sets, sums)
        else:
            influence[:, touchpoints] = sampled.influence(sets, sums, self._rounds(sets, sums.totals, len(touchpoints)))
        return influence

    def sampling_error(self, keys: Ints, totals: Floats, n_touchpoints: int) -> Floats:
        """Return the standard error across rounds of orders, (p, 2); zeros where the credit is exact."""
        touchpoints, error = occurring(keys, n_touchpoints), np.zeros((n_touchpoints, 2))
        if not self._is_exact(touchpoints):
            sets = among(keys, touchpoints)
            error[touchpoints] = sampled.error(sets, totals, self._rounds(sets, totals, len(touchpoints)))
        return error

    def seldom(self, keys: Ints, totals: Floats, n_touchpoints: int) -> Flags:
        """Return which touchpoints journeys seldom met alone, (p,).

        Their rate counts most, and where by chance none of a few converted, its error seems to be 0: with fewer than
        MIN_ALONE conversions to be expected of them, at the rate of all journeys, intervals covered down to 72 % in
        simulations. Where there are none at all, their rate is 0 by definition.
        """
        within = members(keys, n_touchpoints)
        is_alone = within.sum(axis=1) == 1
        n_alone = totals[is_alone, JOURNEYS] @ within[is_alone]
        expected = n_alone * rates(totals.sum(axis=0))[0]
        return np.asarray((expected > 0) & (expected < MIN_ALONE))

    def _is_exact(self, touchpoints: Ints) -> bool:
        return len(touchpoints) <= self.max_exact

    def _rounds(self, sets: Ints, totals: Floats, p: int) -> Ints:
        n_journeys, n_members = float(totals[:, JOURNEYS].sum()), int(members(sets, p).sum())
        return sampled.circles(p, self.n_rounds or rounds_of(n_journeys, n_members), self.seed)


def rounds_of(n_journeys: float, n_members: int) -> int:
    """Return how many rounds are drawn where none are asked, for sets with so many members in all.

    About as many as a second has time for, and more where many journeys make the units' error small: of 20,000 to
    1,000,000 journeys among 41 touchpoints the sampling error is 2 to 5 % of it in the median and 11 % at most.
    """
    return round(min(max(MIN_ROUNDS, n_journeys / _JOURNEYS_A_ROUND, _MEMBERS / n_members), MAX_ROUNDS))


@dataclass(frozen=True, slots=True, eq=False)
class _Game:
    """The rates (2**p, 2) of journeys within each set, and how many journeys (2**p,) there are."""

    rates: Floats
    n_within: Floats
    n: float

    @classmethod
    def of(cls, sets: Ints, totals: Floats, p: int) -> _Game:
        by_set = np.zeros((1 << p, 3))
        by_set[sets] = totals
        within = subset_sums(by_set)
        return cls(rates(within), within[:, JOURNEYS], float(within[-1, JOURNEYS]))

    @property
    def weights(self) -> Floats:
        return shapley_weights(len(self.n_within).bit_length() - 1)

    @property
    def credit(self) -> Floats:
        return self.n * (self.weights.T @ self.rates)

    def influence(self, sets: Ints, sums: Sums) -> Floats:
        """Return the gradient of the credit by the sums of each set, times each group's sums.

        A conversion of a journey with the set T adds 1 / n(S) to the rate of every S that holds T, and such a journey
        takes rate(S) / n(S) from it; the factor n grows by one with each journey.
        """
        per_journey = self.weights * over(np.ones((len(self.n_within), 1)), self.n_within[:, None])
        more = superset_sums(per_journey)[sets]
        own = sums.by_group(JOURNEYS)
        found = np.empty((N_GROUPS, more.shape[1], 2))
        for place, column in enumerate(COUNT_AND_VALUE):
            less = superset_sums(per_journey * self.rates[:, [place]])[sets]
            scale = self.credit[:, place] / self.n if self.n else 0.0
            found[..., place] = self.n * (sums.by_group(column) @ more - own @ less) + own.sum(axis=1)[:, None] * scale
        return found
