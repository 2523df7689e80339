"""What is kept of a variant's rewards: a few numbers, to which rewards are added, which fade, and which are merged."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

Tally = tuple[float, ...]
"""The numbers of one variant."""


class Statistic(Protocol):
    """Which numbers are kept, and what they say."""

    @property
    def start(self) -> Tally:
        """What every variant has before its first reward: the prior, which is never forgotten."""

    @property
    def empty(self) -> Tally:
        """What no reward at all comes to."""

    def added(self, tally: Tally, reward: float, weight: float) -> Tally:
        """Return the tally with a reward in [0, 1] more, which counts `weight` times."""

    def faded(self, tally: Tally, factor: float) -> Tally:
        """Return the tally of the same rewards with their weights multiplied by a factor in [0, 1]."""

    def merged(self, one: Tally, other: Tally) -> Tally:
        """Return the tally of the rewards of both."""

    def mean(self, tally: Tally) -> float:
        """Return the mean reward in [0, 1], the prior's part included; a half where there is nothing."""

    def reaches(self, tally: Tally, least: Tally) -> bool:
        """Whether rewards can have made the tally out of the one they began with."""


@dataclass(frozen=True)
class _Sums:
    """Numbers that add up."""

    start: Tally = (0.0, 0.0)

    @property
    def empty(self) -> Tally:
        return 0.0, 0.0

    def faded(self, tally: Tally, factor: float) -> Tally:
        return tally[0] * factor, tally[1] * factor

    def merged(self, one: Tally, other: Tally) -> Tally:
        return one[0] + other[0], one[1] + other[1]

    def reaches(self, tally: Tally, least: Tally) -> bool:
        return least[0] <= tally[0] < math.inf and least[1] <= tally[1] < math.inf


@dataclass(frozen=True)
class Successes(_Sums):
    """Rewards as parts of successes: a reward r adds r to the first number and 1 - r to the second.

    >>> Successes((1.0, 1.0)).added((1.0, 1.0), 0.25, 1.0)
    (1.25, 1.75)
    """

    def added(self, tally: Tally, reward: float, weight: float) -> Tally:
        """Return the tally with a reward in [0, 1] more, which counts `weight` times."""
        return tally[0] + weight * reward, tally[1] + weight * (1.0 - reward)

    def mean(self, tally: Tally) -> float:
        """Return the share of successes."""
        return tally[0] / (tally[0] + tally[1])


@dataclass(frozen=True)
class Totals(_Sums):
    """The sum of the rewards, each times `unit`, and their number.

    >>> counts = Totals((1.0, 1.0), unit=20.0)
    >>> counts.added((1.0, 1.0), 0.25, 1.0), counts.mean((6.0, 2.0))
    ((6.0, 2.0), 0.15)
    """

    unit: float = 1.0

    def added(self, tally: Tally, reward: float, weight: float) -> Tally:
        """Return the tally with a reward in [0, 1] more, which counts `weight` times."""
        return tally[0] + weight * (reward * self.unit), tally[1] + weight

    def mean(self, tally: Tally) -> float:
        """Return the mean reward in [0, 1]; a half where there is nothing."""
        return min(tally[0] / tally[1] / self.unit, 1.0) if tally[1] else 0.5


@dataclass(frozen=True)
class Moments:
    """The number of the rewards, their mean, and the sum of squares around it.

    Updated as in Welford, "Note on a method for calculating corrected sums of squares and products", 1962, and merged
    as in Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979:
    equal rewards have exactly no variance, however many they are.

    >>> Moments().added((1.0, 0.0, 0.0), 1.0, 1.0)
    (2.0, 0.5, 0.5)
    """

    start: Tally = (0.0, 0.0, 0.0)

    @property
    def empty(self) -> Tally:
        """What no reward at all comes to."""
        return 0.0, 0.0, 0.0

    def added(self, tally: Tally, reward: float, weight: float) -> Tally:
        """Return the tally with a reward in [0, 1] more, which counts `weight` times."""
        return self.merged(tally, (weight, reward, 0.0))

    def faded(self, tally: Tally, factor: float) -> Tally:
        """Return the tally of the same rewards with their weights multiplied by a factor in [0, 1]."""
        return tally[0] * factor, tally[1], tally[2] * factor

    def merged(self, one: Tally, other: Tally) -> Tally:
        """Return the tally of the rewards of both."""
        n = one[0] + other[0]
        if not n:
            return one
        away = other[1] - one[1]
        return n, one[1] + away * (other[0] / n), one[2] + other[2] + away * away * (one[0] * (other[0] / n))

    def mean(self, tally: Tally) -> float:
        """Return the mean."""
        return tally[1] if tally[0] else 0.5

    def reaches(self, tally: Tally, least: Tally) -> bool:
        """Whether rewards can have made the tally out of the one they began with."""
        n, mean, squares = tally
        return least[0] <= n < math.inf and 0.0 <= mean <= 1.0 and least[2] <= squares < math.inf
