"""Sets of touchpoints as bit masks, and the exact Shapley values of a game on all of them.

Touchpoint j is in a set where bit j of its mask is 1, so p touchpoints have 2**p sets, from 0 (none) on.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import special

from analysis.arrays import Flags, Floats, Ints
from analysis.attribution.journeys import Journeys
from analysis.attribution.rules.base import COUNT_AND_VALUE
from analysis.attribution.sums import JOURNEYS


def met(journeys: Journeys) -> Ints:
    """Return the set of touchpoints of each journey (n,), of which each has a touch.

    >>> met(Journeys.of([["a", "b", "a"], ["b"]], [0, 1])).tolist()
    [3, 2]
    """
    return np.bitwise_or.reduceat(np.left_shift(1, journeys.touchpoint), journeys.starts[:-1])


def members(sets: Ints, n_touchpoints: int) -> Flags:
    """Return which touchpoints are in each set (k,), as (k, n_touchpoints)."""
    return (sets[:, None] >> np.arange(n_touchpoints) & 1).astype(np.bool_)


def occurring(sets: Ints, n_touchpoints: int) -> Ints:
    """Return the touchpoints that are in any of the sets, ascending.

    >>> occurring(np.array([0b1000, 0b0010]), 5).tolist()
    [1, 3]
    """
    return np.flatnonzero(members(np.bitwise_or.reduce(sets, keepdims=True), n_touchpoints)[0])


def among(sets: Ints, touchpoints: Ints) -> Ints:
    """Return the sets (k,) as masks of some touchpoints alone, in their order.

    >>> among(np.array([0b1010, 0b1000]), np.array([1, 3])).tolist()
    [3, 2]
    """
    return (sets[:, None] >> touchpoints & 1) @ np.left_shift(1, np.arange(len(touchpoints)))


def subset_sums(of: Floats) -> Floats:
    """Return the sum over the subsets of each set, of what each set (2**p, ...) has: the zeta transform.

    >>> subset_sums(np.array([1.0, 2.0, 3.0, 4.0])).tolist()
    [1.0, 3.0, 4.0, 10.0]
    """
    found = of.copy()
    for bit in _bits(found):
        without, within = _halves(found, bit)
        within += without
    return found


def superset_sums(of: Floats) -> Floats:
    """Return the sum over the sets that hold each set, of what each set (2**p, ...) has.

    >>> superset_sums(np.array([1.0, 2.0, 3.0, 4.0])).tolist()
    [10.0, 6.0, 7.0, 4.0]
    """
    found = of.copy()
    for bit in _bits(found):
        without, within = _halves(found, bit)
        without += within
    return found


def rates(sums: Floats) -> Floats:
    """Return conversions and value per journey, (..., 2), of sums (..., 3); 0 where there is no journey.

    >>> rates(np.array([[4.0, 1.0, 8.0], [0.0, 0.0, 0.0]])).tolist()
    [[0.25, 2.0], [0.0, 0.0]]
    """
    return over(sums[..., COUNT_AND_VALUE], sums[..., [JOURNEYS]])


def over(above: Floats, below: Floats) -> Floats:
    """Return what is above the line over what is below it, 0 where that is nothing."""
    return np.divide(above, below, out=np.zeros(above.shape), where=below > 0)


@lru_cache(maxsize=4)
def shapley_weights(p: int) -> Floats:
    """Return by how much the worth of each set counts for each touchpoint's Shapley value, (2**p, p).

    A touchpoint gets the mean of what it adds to the sets without it, S, each weighed |S|! (p - |S| - 1)! / p! (Shapley
    1953): so a set that holds it counts by the weight of the set without it, and one that does not by less its own.

    >>> shapley_weights(2).tolist()
    [[-0.5, -0.5], [0.5, -0.5], [-0.5, 0.5], [0.5, 0.5]]
    """
    within = members(np.arange(1 << p), p)
    others = within.sum(axis=1, keepdims=True) - within
    # The factorials written as a binomial coefficient, which stays small.
    size = 1 / (p * special.binom(p - 1, others))
    return np.asarray(np.where(within, size, -size))


def _bits(of: Floats) -> range:
    return range(len(of).bit_length() - 1)


def _halves(of: Floats, bit: int) -> tuple[Floats, Floats]:
    """Return views of the sets without a bit, and of the same sets with it."""
    halves = of.reshape(-1, 2, 1 << bit, *of.shape[1:])
    return halves[:, 0], halves[:, 1]
