"""Credit by the removal effect in a Markov chain of journeys, computed exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from analysis.arrays import Flags, Floats, Ints
from analysis.attribution.journeys import Journeys
from analysis.attribution.rules.base import COUNT_AND_VALUE, Described
from analysis.attribution.rules.chain import MAX_ORDER, Chain, keys_of
from analysis.attribution.sums import JOURNEYS, N_GROUPS, Sums
from engine.errors import InvalidRequest

_ROUNDING = 1e-12
"""Effects by value that sum to so small a share of the value that is paid, or less, leave nothing to share by."""

_NOTHING = -2
"""No touchpoint: no state ends with it."""


@dataclass(frozen=True, slots=True)
class Markov(Described):
    """Credit = total * removal effect / sum of removal effects, in the chain of the journeys' steps.

    What "Markov" means here (Anderl, Becker, von Wangenheim and Schumann 2016, International Journal of Research in
    Marketing 33(3)):

    - A state is the last up to `order` touches of a journey. All journeys begin at the start, which has none, and end
      in a conversion or in the null state: those without a conversion are kept.
    - Removing a touchpoint sends each step to it to the null state, so that those who would have met it are lost. Its
      removal effect is the share of conversions that are lost: 1 where every journey meets it.
    - Value is shared by the same chain, with each end of a journey weighed by the value it brought. Where refunds
      leave no sum of these effects above 0 to share by, value is shared as conversions are.

    Conversions are credited from 0 on; of value, refunds may leave a touchpoint less than nothing.

    Raises:
        InvalidRequest: the order is not 1, 2 or 3.

    >>> markov, journeys = Markov(), Journeys.of([["email", "search"], ["search"], ["email"]], [1, 1, 0])
    >>> sums = markov.sums(journeys)
    >>> markov.credit(sums.keys, sums.totals, 2)[:, 0].round(4).tolist()  # removal effects 1 / 2 and 1
    [0.6667, 1.3333]
    """

    order: int = 1

    def __post_init__(self) -> None:
        if self.order not in range(1, MAX_ORDER + 1):
            raise InvalidRequest(f"there is no markov of order {self.order}: give 1, 2 or 3")

    @property
    def name(self) -> str:
        """What it is called."""
        return f"markov_{self.order}"

    def sums(self, journeys: Journeys) -> Sums:
        """Return the sums of steps from state to state."""
        return Sums.of(journeys, *keys_of(journeys, self.order))

    def credit(self, keys: Ints, totals: Floats, n_touchpoints: int) -> Floats:
        """Return the conversions and the value that each touchpoint is credited with, (p, 2)."""
        if not len(keys):
            return np.zeros((n_touchpoints, 2))
        chain = Chain.of(keys, totals, self.order, n_touchpoints)
        lost = _lost(chain, n_touchpoints)
        return np.asarray(_shares(lost[:, _sharing(chain, lost)]) * chain.paid.sum(axis=0))

    def influence(self, sums: Sums, n_touchpoints: int) -> Floats:
        """Return what each group of units adds to the credit at the margin, (N_GROUPS, p, 2)."""
        if not len(sums.keys):
            return np.zeros((N_GROUPS, n_touchpoints, 2))
        chain = Chain.of(sums.keys, sums.totals, self.order, n_touchpoints)
        lost = _lost(chain, n_touchpoints)
        by = _sharing(chain, lost)
        groups = _Groups.of(chain, sums)
        lost, moved = lost[:, by], groups.lost(n_touchpoints)[:, :, by]
        # The derivative of total * lost / sum of all that is lost.
        total, all_lost, shares = chain.paid.sum(axis=0), lost.sum(axis=0), _shares(lost)
        per_lost = np.divide(total, all_lost, out=np.zeros(2), where=all_lost > 0)
        moved -= shares * moved.sum(axis=1, keepdims=True)
        return np.asarray(groups.total[:, None] * shares + moved * per_lost)

    def sampling_error(self, keys: Ints, totals: Floats, n_touchpoints: int) -> Floats:  # noqa: ARG002 (it is exact)
        """Return zeros, (p, 2)."""
        return np.zeros((n_touchpoints, 2))


def _lost(chain: Chain, n_touchpoints: int) -> Floats:
    """Return the conversions and the value per journey that go with each touchpoint, (p, 2)."""
    lost = np.zeros((n_touchpoints, 2))
    brings = chain.brings(_ending_with(chain, _NOTHING))
    for touchpoint in _touchpoints(chain):
        lost[touchpoint] = brings - chain.brings(_ending_with(chain, touchpoint))
    lost[:, 0] = np.maximum(lost[:, 0], 0)
    return lost


def _sharing(chain: Chain, lost: Floats) -> list[int]:
    """Return by which column of what is lost conversions are shared, and by which value is."""
    paid = np.abs(chain.paid[:, 1]).sum() / chain.left[0] if chain.left[0] else 0.0
    return [0, 1] if lost[:, 1].sum() > _ROUNDING * paid else [0, 0]


def _shares(lost: Floats) -> Floats:
    """Return the shares of what is lost, (p, 2), zeros where nothing is."""
    total = lost.sum(axis=0)
    return np.asarray(np.divide(lost, total, out=np.zeros_like(lost), where=total > 0))


@dataclass(frozen=True, slots=True, eq=False)
class _Groups:
    """The sums of each group of units beside the chain of all: `number` of steps, and what was `paid` at their ends."""

    chain: Chain
    number: sparse.csr_array
    paid: tuple[sparse.csr_array, ...]

    @classmethod
    def of(cls, chain: Chain, sums: Sums) -> _Groups:
        return cls(chain, sums.by_group(JOURNEYS), tuple(map(sums.by_group, COUNT_AND_VALUE)))

    @property
    def total(self) -> Floats:
        """The conversions and the value of each group, (N_GROUPS, 2)."""
        return self._paid_by(self.chain.is_end.astype(np.float64))

    def lost(self, n_touchpoints: int) -> Floats:
        """Return how what is lost moves with each group's sums, (N_GROUPS, p, 2)."""
        found = np.zeros((N_GROUPS, n_touchpoints, 2))
        whole = self._moved(_ending_with(self.chain, _NOTHING))
        for touchpoint in _touchpoints(self.chain):
            found[:, touchpoint] = whole - self._moved(_ending_with(self.chain, touchpoint))
        return found

    def _moved(self, without: Flags) -> Floats:
        """Return how what a journey brings without some states moves with each group's sums, (N_GROUPS, 2)."""
        by_number, by_paid = self.chain.gradient(without)
        return np.asarray(self.number @ by_number + self._paid_by(by_paid))

    def _paid_by(self, weights: Floats) -> Floats:
        return np.stack([each @ weights for each in self.paid], axis=1)


def _touchpoints(chain: Chain) -> Ints:
    """Return the touchpoints that occur."""
    return np.unique(chain.last[1:])


def _ending_with(chain: Chain, touchpoint: int) -> Flags:
    """Return which states end with a touch of it, (S,): none where there is no such touchpoint."""
    return np.asarray(chain.last == touchpoint)
