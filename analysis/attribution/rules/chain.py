"""A Markov chain of journeys: its states are the last touches, and each journey leaves it with or without a conversion.

With Q (S, S) the probabilities of going from one state to the next, the expected visits to states from the start are
the row of N = (I - Q)**-1 for it, and what a journey brings that is at a state, its worth, is N times what states pay
on leaving (Kemeny and Snell 1960, chapter 3). Every journey ends, so there is an N.

A touchpoint is taken away by sending each step to it to the null state: by N without the states A it leads to, which
is N - N[:, A] N[A, A]**-1 N[A, :]. With few states N is computed once for all touchpoints. With many it never is: each
touchpoint is one sparse system, to be solved once for visits and once for worth.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import bicgstab, splu

from analysis.arrays import Flags, Floats, Ints, distinct
from analysis.attribution.journeys import Journeys
from analysis.attribution.rules.base import COUNT_AND_VALUE
from analysis.attribution.sums import JOURNEYS

MAX_ORDER = 3
"""A state holds up to so many touches."""

_FEW = 1 << 7
"""Up to so many states it is quicker to invert them all at once."""

_ROUNDING = 1e-14
_ROUNDS, _TRIES = 20, 500
"""A sparse system is solved in at most so many rounds of so many tries, each round of what the one before left over."""


def keys_of(journeys: Journeys, order: int) -> tuple[Ints, Ints]:
    """Return the steps of journeys: which journey each is of, and its key (m + n,).

    A key is the state that is left, the last up to `order` touches, and what comes next: a touch, or 0 for the end.
    """
    touch, bits = journeys.touchpoint + 1, _bits(len(journeys.touchpoints))
    state, before = np.zeros(len(touch), np.int64), touch
    for back in range(order):
        before = _one_before(before, journeys.starts[:-1])
        state |= before << bits * back
    onward = state << bits | touch
    end = _state_after(onward[journeys.starts[1:] - 1], order, bits) << bits
    return np.concatenate([journeys.journey, np.arange(len(journeys))]), np.concatenate([onward, end])


@dataclass(frozen=True, eq=False)
class Chain:
    """A chain of S states, of which the first is the start, with k steps that were counted.

    Step j was made `n` (k,) times, from the state `source` (k,) to the state `target` (k,), or to S where journeys end.
    `left` (S,) is how often each state was left, and `paid` (S, 2) the conversions and the value of journeys that ended
    there. `last` (S,) is the touchpoint of each state's last touch, -1 for the start.
    """

    source: Ints
    target: Ints
    n: Floats
    left: Floats
    paid: Floats
    last: Ints

    @classmethod
    def of(cls, keys: Ints, totals: Floats, order: int, n_touchpoints: int) -> Chain:
        """Return the chain of steps by their keys (k,), ascending, at least one; `totals` (k, 3) are their sums."""
        bits = _bits(n_touchpoints)
        left = keys >> bits
        states = distinct(left)
        source, is_end = np.searchsorted(states, left), _touch(keys, bits) == 0
        target = np.where(is_end, len(states), np.searchsorted(states, _state_after(keys, order, bits)))
        paid = np.zeros((len(states), 2))
        paid[source[is_end]] = totals[is_end][:, COUNT_AND_VALUE]
        n = totals[:, JOURNEYS]
        times_left = np.bincount(source, n, len(states)).astype(np.float64, copy=False)
        return cls(source, target, n, times_left, paid, _touch(states, bits) - 1)

    @property
    def is_end(self) -> Flags:
        """Which steps end a journey, (k,)."""
        return np.asarray(self.target == len(self.last))

    @cached_property
    def per_leaving(self) -> Floats:
        """One over how often each state was left, (S,); 0 where it never was, which no journey comes to then."""
        return np.divide(1.0, self.left, out=np.zeros_like(self.left), where=self.left > 0)

    @cached_property
    def pays(self) -> Floats:
        """The conversions and the value that leaving a state brings on average, (S, 2)."""
        return self.paid * self.per_leaving[:, None]

    @cached_property
    def steps(self) -> sparse.csr_array:
        """The probabilities Q of going from state to state, (S, S)."""
        goes_on = ~self.is_end
        source, target = self.source[goes_on], self.target[goes_on]
        shape = len(self.last), len(self.last)
        return sparse.csr_array((self.n[goes_on] * self.per_leaving[source], (source, target)), shape=shape)

    @cached_property
    def solver(self) -> Solver:
        """What knows the visits and the worth of states, by how many there are."""
        return Inverted.of(self) if len(self.last) <= _FEW else Sparse(self)

    def brings(self, without: Flags) -> Floats:
        """Return the conversions and the value that a journey brings without some states (S,), (2,)."""
        return np.asarray(self.solver.visits(without) @ self.pays)

    def gradient(self, without: Flags) -> tuple[Floats, Floats]:
        """Return how that moves with each step's number, (k, 2), and with what is paid at its end, (k,).

        With y the visits and x the worth of states, more steps from i to j move it by y_i (x_j - x_i) / left_i, where
        an end and a state that is taken away are worth 0, and more conversions of journeys that end at i by
        y_i / left_i (adjoint method: the derivative of an inverse between two solutions).
        """
        per_step = (self.solver.visits(without) * self.per_leaving)[self.source]
        worth = self.solver.worth(without)
        after = np.concatenate([np.where(without[:, None], 0, worth), np.zeros((1, 2))])[self.target]
        return per_step[:, None] * (after - worth[self.source]), per_step * self.is_end


class Solver(Protocol):
    """Solves a chain without some of its states (S,)."""

    def visits(self, without: Flags) -> Floats:
        """Return how often a journey comes to each state, (S,)."""

    def worth(self, without: Flags) -> Floats:
        """Return the conversions and the value that a journey brings which is at a state, (S, 2).

        Of no meaning at states that no journey comes to.
        """


@dataclass(frozen=True, slots=True, eq=False)
class Inverted:
    """The inverse N (S, S), for few states, with what the whole chain is worth (S, 2)."""

    inverse: Floats
    whole: Floats

    @classmethod
    def of(cls, chain: Chain) -> Inverted:
        """Return the inverse of a chain."""
        inverse = np.linalg.inv(np.eye(len(chain.last)) - chain.steps.toarray())
        return cls(inverse, inverse @ chain.pays)

    def visits(self, without: Flags) -> Floats:
        """Return how often a journey comes to each state, (S,)."""
        start, gone = self.inverse[0], self.inverse[without]
        found = np.asarray(start - np.linalg.solve(gone[:, without].T, start[without]) @ gone)
        found[without] = 0
        return found

    def worth(self, without: Flags) -> Floats:
        """Return what a journey brings that is at a state, (S, 2)."""
        gone = self.inverse[:, without]
        return np.asarray(self.whole - gone @ np.linalg.solve(gone[without], self.whole[without]))


@dataclass(frozen=True, slots=True, eq=False)
class Sparse:
    """One sparse system for each question, for many states."""

    chain: Chain

    def visits(self, without: Flags) -> Floats:
        """Return how often a journey comes to each state, (S,)."""
        start = np.zeros(len(without))
        start[0] = 1
        return solved(self._system(without).T.tocsr(), start)

    def worth(self, without: Flags) -> Floats:
        """Return what a journey brings that is at a state, (S, 2)."""
        system = self._system(without)
        return np.stack([solved(system, pays) for pays in self.chain.pays.T], axis=1)

    def _system(self, without: Flags) -> sparse.csr_array:
        """Return I - Q without the steps to some states."""
        kept = self.chain.steps.copy()
        kept.data[without[kept.indices]] = 0
        return sparse.csr_array(sparse.eye_array(len(without), format="csr") - kept)


def solved(system: sparse.csr_array, right: Floats) -> Floats:
    """Return the solution (S,) of a sparse system, exact but for rounding.

    Journeys are short, so that BiCGSTAB (van der Vorst 1992) is there in some twenty steps. It is started anew on what
    is left over until that is rounding, also where it breaks down, as it may at the start, which no journey comes back
    to. LU factors, which fill up where states are many, are for when it fails.
    """
    found = right
    for _ in range(_ROUNDS):
        rest = right - system @ found
        if np.abs(rest).max() <= _ROUNDING * (np.abs(right).max() + np.abs(found).max()):
            return found
        found = found + bicgstab(system, rest, rtol=1e-10, atol=0.0, maxiter=_TRIES)[0]
    return np.asarray(splu(system.tocsc()).solve(right))


def _bits(n_touchpoints: int) -> int:
    """Return how many bits of a key a touch takes: no more than needed, so that keys can be counted in a table."""
    return n_touchpoints.bit_length()


def _one_before(touch: Ints, starts: Ints) -> Ints:
    """Return what stands one place before, (m,), and 0 where a journey starts."""
    before = np.empty_like(touch)
    before[1:] = touch[:-1]
    before[starts] = 0
    return before


def _touch(keys: Ints, bits: int) -> Ints:
    """Return the last touch of states, or what comes next of steps: from 1 on, 0 where there is none."""
    return keys & ((1 << bits) - 1)


def _state_after(keys: Ints, order: int, bits: int) -> Ints:
    """Return the states that steps lead to: what was left, with the next touch, and without the oldest beyond order."""
    return keys & ((1 << bits * order) - 1)
