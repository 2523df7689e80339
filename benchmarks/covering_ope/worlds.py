"""Worlds of which all is known: contexts, what each variant brings there, who draws, and who is asked about.

A world has few contexts, so that what a policy is worth in it is a finite sum.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class World:
    """Contexts with their `shares` (c,), and by context and variant, (c, k): mean rewards, the logger, the target.

    `numbers` (c, f) is what the log says of a context. `eligible` (c, k) says what could be drawn, where that varies.
    A logger that learns starts anew, so that `logged` is none of its distributions.
    """

    shares: Floats
    means: Floats
    logged: Floats
    target: Floats
    numbers: Floats
    eligible: Flags | None = None

    @classmethod
    def plain(cls, means: Floats, logged: Floats, target: Floats) -> World:
        """Return a world without contexts, by variant, (k,)."""
        return cls(np.ones(1), means[None], logged[None], target[None], np.zeros((1, 0)))

    @property
    def k(self) -> int:
        """How many variants there are at most."""
        return int(self.means.shape[1])


class Reward(Protocol):
    """What a draw brings, by its mean."""

    @property
    def value_range(self) -> tuple[float, float] | None:
        """The declared range."""

    @property
    def is_share(self) -> bool:
        """Whether it is 0 or 1."""

    def drawn(self, means: Floats, rng: np.random.Generator) -> Floats:
        """Return rewards with these means, (n,)."""

    def variance(self, means: Floats) -> Floats:
        """Return the variances of rewards with these means."""


@dataclass(frozen=True)
class Clicks:
    """1 or 0."""

    value_range: tuple[float, float] | None = (0.0, 1.0)
    is_share: bool = True

    def drawn(self, means: Floats, rng: np.random.Generator) -> Floats:
        return (rng.random(len(means)) < means).astype(np.float64)

    def variance(self, means: Floats) -> Floats:
        return means * (1 - means)


@dataclass(frozen=True)
class Amounts:
    """Some buy, for a share of `most` that is Beta(1, 4): many for little, a few for much."""

    most: float = 100.0
    is_share: bool = False

    @property
    def value_range(self) -> tuple[float, float] | None:
        return 0.0, self.most

    def drawn(self, means: Floats, rng: np.random.Generator) -> Floats:
        buys = rng.random(len(means)) < means / (self.most / 5)
        return np.asarray(buys * self.most * rng.beta(1, 4, len(means)))

    def variance(self, means: Floats) -> Floats:
        # Of Beta(1, 4) the mean is 1 / 5 and the mean square 1 / 15.
        return np.asarray(means / (self.most / 5) * self.most**2 / 15 - means**2)


@dataclass(frozen=True)
class Ratings:
    """Beta-distributed around the mean, from 0 to 1, and hardly ever at either end."""

    sharpness: float = 4.0
    value_range: tuple[float, float] | None = (0.0, 1.0)
    is_share: bool = False

    def drawn(self, means: Floats, rng: np.random.Generator) -> Floats:
        return rng.beta(means * self.sharpness, (1 - means) * self.sharpness)

    def variance(self, means: Floats) -> Floats:
        return np.asarray(means * (1 - means) / (1 + self.sharpness))


@dataclass(frozen=True)
class Spending:
    """One in five buys, for a lognormal amount of which no range is declared."""

    buyers: float = 0.2
    sigma: float = 1.0
    value_range: tuple[float, float] | None = None
    is_share: bool = False

    def drawn(self, means: Floats, rng: np.random.Generator) -> Floats:
        buys = rng.random(len(means)) < self.buyers
        return np.asarray(buys * means / self.buyers * rng.lognormal(-(self.sigma**2) / 2, self.sigma, len(means)))

    def variance(self, means: Floats) -> Floats:
        return np.asarray(means**2 * (np.exp(self.sigma**2) / self.buyers - 1))


@dataclass(frozen=True)
class Repeats:
    """Units with several draws each: they are keener or less, and each has favourites among the variants.

    Means are multiplied by two factors of mean 1, `1 - reach` or `1 + reach`: one a unit, one a unit and variant.
    """

    n_draws: int
    reach: float = 0.5

    def units(self, n: int, rng: np.random.Generator) -> Ints:
        """Return the unit of each draw, (n,)."""
        return rng.permutation(np.arange(n) // self.n_draws)

    def factors(self, n_units: int, k: int, rng: np.random.Generator) -> Floats:
        """Return what the means of each unit are multiplied by, (n_units, k)."""
        ends = (1 - self.reach, 1 + self.reach)
        return np.asarray(rng.choice(ends, (n_units, 1)) * rng.choice(ends, (n_units, k)))

    def variance(self, weights: Floats, means: Floats) -> float:
        """Return how much units differ in the sum of means times weights, (k,) each."""
        square = 1 + self.reach**2
        each = weights * means
        whole = square * (each.sum() ** 2 + self.reach**2 * (each**2).sum())
        return float(whole - each.sum() ** 2)


@dataclass(frozen=True)
class Learner:
    """Thompson sampling of clicks by context: it learns after each batch, and mixes in a floor of even draws.

    The probabilities of a batch are the shares in which each variant is best in `n_samples` draws of the posterior:
    exactly what it draws from. Means go up and down by the share `wave` in the meantime.
    """

    floor: float
    batch: int
    wave: float = 0.0
    n_samples: int = 256

    def probabilities(self, won: Floats, lost: Floats, rng: np.random.Generator) -> Floats:
        """Return the distribution in each context, (c, k), after so many draws (c, k) that won or lost."""
        best = rng.beta(1 + won, 1 + lost, (self.n_samples, *won.shape)).argmax(axis=2)
        k = won.shape[1]
        shares = (best[:, :, None] == np.arange(k)).mean(axis=0)
        return np.asarray((1 - self.floor) * shares + self.floor / k)


def leaning(k: int, place: int, share: float) -> Floats:
    """Return a distribution (k,) with a share for one place, and the rest even.

    >>> leaning(3, 1, 0.5).tolist()
    [0.25, 0.5, 0.25]
    """
    found = np.full(k, (1 - share) / (k - 1))
    found[place] = share
    return found


@dataclass(frozen=True)
class Cell:
    """A kind of log: a world, how it is drawn from, and what the log says of it."""

    name: str
    n: int
    world: World
    reward: Reward = field(default_factory=Clicks)
    learner: Learner | None = None
    repeats: Repeats | None = None
    is_whole: bool = True
    is_own: bool = False
    """Whether the logged policy itself is asked about."""
