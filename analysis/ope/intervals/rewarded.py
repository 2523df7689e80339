"""How many draws of equal weight would say as much as the rewarded ones that there are: what gates intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats, Ints
from analysis.ope.weighed import Weighed


@dataclass(frozen=True, slots=True)
class Rewarded:
    """Sums of weights and of their squares, (m,): w |r| by kind of draw.

    Of a share, draws without a reward are a kind as well: near 1 it is as hard to know as near 0. Of a difference, what
    speaks for the one policy (w above 0) and for the other (below) is counted apart.
    """

    total: Floats
    square: Floats

    @classmethod
    def none(cls, n_kinds: int) -> Rewarded:
        """Return those of no draws."""
        return cls(np.zeros(n_kinds), np.zeros(n_kinds))

    def with_sizes(self, sizes: Floats) -> Rewarded:
        """Return those with more draws, of sizes (m, n)."""
        return Rewarded(self.total + sizes.sum(axis=1), self.square + np.einsum("mn,mn->m", sizes, sizes))

    @property
    def effective(self) -> float:
        """The effective number (sum w |r|)**2 / sum (w r)**2 (Kish 1965) of the kind that has fewest.

        >>> Rewarded.none(1).with_sizes(np.array([[2.0, 2.0, 0.0]])).effective
        2.0
        """
        return float(_effective(self.total, self.square).min())

    def reaches(self, sizes: Floats, enough: float) -> Ints:
        """Return the places among more draws, of sizes (m, n), after which all kinds have an effective `enough`."""
        total = self.total[:, None] + np.cumsum(sizes, axis=1)
        square = self.square[:, None] + np.cumsum(sizes**2, axis=1)
        return np.flatnonzero(_effective(total, square).min(axis=0) >= enough)


def n_kinds(*, is_share: bool, is_difference: bool) -> int:
    """Return how many kinds of draws are counted apart.

    >>> n_kinds(is_share=True, is_difference=True)
    4
    """
    return (1 + is_share) * (1 + is_difference)


def sizes(part: Weighed, *, is_share: bool, is_difference: bool) -> Floats:
    """Return what each draw adds to each kind, (m, n)."""
    brought = (np.abs(part.reward), np.abs(1 - part.reward)) if is_share else (np.abs(part.reward),)
    weights = (part.weight.clip(min=0), -part.weight.clip(max=0)) if is_difference else (np.abs(part.weight),)
    return np.stack([weight * each for weight in weights for each in brought])


def _effective(total: Floats, square: Floats) -> Floats:
    return np.divide(total**2, square, out=np.zeros_like(total), where=square > 0)
