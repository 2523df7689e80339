"""Categories that units were in beforehand, made strata after the draw: gathered where small, and how they vary."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from analysis.arrays import Flags, Floats, Ints
from analysis.lifts.cells import Cells, Side
from analysis.lifts.linear import CellSpread, Linear
from analysis.lifts.moments import Moments
from analysis.lifts.strata import MIN_IN_STRATUM


@dataclass(frozen=True, slots=True)
class PostSpread:
    """The spread within post-strata, and that of their shares among units to come, which strata by design do not have.

    `means` is (v, s, k), `share` (s,) the weights of the post-strata, `base` (s,) the stratum by design of each, `n`
    the units. The first part is the variance given how many of each category came into each variant (Miratrix, Sekhon
    and Yu 2013), the second what an infinite population adds: the variance of the strata's differences, by n.
    """

    within: CellSpread
    means: Floats
    share: Floats
    base: Ints
    n: int

    def covariance(self, one: Linear, other: Linear) -> float:
        """Return both parts."""
        left, right = self._of_strata(one), self._of_strata(other)
        between = _over(left * right, self.share) - _over(self._of_base(left) * self._of_base(right), self._bases())
        return self.within.covariance(one, other) + between / self.n

    def freedom(self, of: Linear) -> float:
        """Return Welch's freedom of the first part: the second, from all units, is known far better."""
        return self.within.freedom(of)

    def _of_strata(self, of: Linear) -> Floats:
        """What each post-stratum adds to a value, (s,)."""
        return np.asarray(np.einsum("vsk,vsk->s", of.weights, self.means))

    def _of_base(self, values: Floats) -> Floats:
        return np.bincount(self.base, values).astype(np.float64)

    def _bases(self) -> Floats:
        return np.bincount(self.base, self.share).astype(np.float64)


def categories(stratum: Ints, category: Ints) -> tuple[Ints, Ints]:
    """Return the post-stratum of each unit, (n,), and the stratum by design of each post-stratum, (s,).

    >>> post, base = categories(np.array([0, 0, 1, 1]), np.array([7, 3, 3, 7]))
    >>> post.tolist(), base.tolist()
    ([1, 0, 2, 3], [0, 0, 1, 1])
    """
    pairs, post = np.unique(np.stack([stratum, category], axis=1), axis=0, return_inverse=True)
    return post.reshape(-1), pairs[:, 0]


def gathered(cells: Cells, plus: Side, minus: Side, base: Ints) -> tuple[Cells, Ints]:
    """Return the cells and bases with small categories of the same base put together, so that nobody is left out."""
    small = np.asarray((cells.moments.n[(plus > 0) | (minus > 0)] < MIN_IN_STRATUM).any(axis=0))
    group = _groups(cells.moments.n.sum(axis=0), small, base)
    first = np.unique(group, return_index=True)[1]
    return together(cells, group), base[first]


def together(cells: Cells, group: Ints) -> Cells:
    """Return the cells with strata of the same number, (s,), put together."""
    return replace(cells, moments=_merged(cells.moments, group))


def _groups(n: Ints, small: Flags, base: Ints) -> Ints:
    """Number the strata anew, (s,): the small ones of a base with each other and its smallest large one."""
    target = np.arange(len(n))
    for stratum in np.unique(base[small]):
        others, large = np.flatnonzero(small & (base == stratum)), np.flatnonzero(~small & (base == stratum))
        target[others] = large[np.argmin(n[large])] if len(large) else others[0]
    return np.asarray(np.unique(target, return_inverse=True)[1])


def _merged(moments: Moments, group: Ints) -> Moments:
    n_groups = int(group.max(initial=-1)) + 1
    shape, k = (len(moments.n), n_groups), moments.mean.shape[-1]
    whole = Moments(np.zeros(shape, np.int64), np.zeros((*shape, k)), np.zeros((*shape, k, k)))
    # Each round takes the next stratum of every group that still has one.
    order = np.argsort(group, kind="stable")
    place = np.arange(len(group)) - np.searchsorted(group[order], group[order])
    for turn in range(int(place.max(initial=-1)) + 1):
        taken = order[place == turn]
        whole = whole + _placed(moments, taken, group[taken], whole)
    return whole


def _placed(moments: Moments, taken: Ints, at: Ints, like: Moments) -> Moments:
    n, mean, m2 = np.zeros_like(like.n), np.zeros_like(like.mean), np.zeros_like(like.m2)
    n[:, at], mean[:, at], m2[:, at] = moments.n[:, taken], moments.mean[:, taken], moments.m2[:, taken]
    return Moments(n, mean, m2)


def _over(value: Floats, share: Floats) -> float:
    """Return sum(value / share) over what has a share."""
    used = share > 0
    return float((value[used] / share[used]).sum())
