"""Who comes by in the world of channels, by hidden intent: through which channels, how often, and what they buy anyway.

Who wants to buy searches, is followed by retargeting and then comes directly; who does not is reached by social and
display. So touch counts are confounded with demand, and late touches more than early ones. One visit begets another of
the same kind, so channels are correlated.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DIRECT = "direct"
"""The channel of those who come by themselves, in which nothing is shown."""

CHANNELS = ("email", "search", "retargeting", "social", "display", DIRECT)
"""In the order of a mix."""

_KINDS = np.array([0, 1, 1, 2, 2, 3])
_SAME_KIND = 0.5
_URGE = np.array([0.3, 1.4, 1.4, 0.3, 0.3, 1.4])
"""How much likelier than by its intent alone a visit through each channel buys anyway: who was reached is less so."""


@dataclass(frozen=True)
class Intent:
    """What customers of an intent do. They are a `share` of all.

    `first` (c,) are the shares of channels among first visits: nobody is followed before. After each visit there is
    another one with probability `goes_on`: half the time of the same kind, and by the shares `then` (c,). `demand` is
    what a visit buys anyway, up to the urge of its channel. `members` is how many of them have joined the club, which a
    visit shows.
    """

    name: str
    share: float
    goes_on: float
    first: tuple[float, ...]
    then: tuple[float, ...]
    demand: float
    members: float

    def journey(self, rng: Generator) -> Sequence[int]:
        """Return the places of the channels of a customer's visits, of which there is at least one."""
        n_visits = rng.geometric(1 - self.goes_on)
        luck: list[float] = rng.random(n_visits).tolist()
        met = [_place(self._first, luck[0])]
        for each in luck[1:]:
            met.append(_place(self._next[met[-1]], each))
        return met

    @cached_property
    def visits(self) -> Floats:
        """The mean number of visits through each channel, (c,): v = first + goes_on * T' v."""
        return np.linalg.solve(np.eye(len(CHANNELS)) - self.goes_on * self._steps.T, np.array(self.first))

    @cached_property
    def buys(self) -> Floats:
        """The probability that a visit through each channel brings a purchase, whatever it is shown, (c,)."""
        return np.asarray(self.demand * _URGE)

    def meets(self, channels: Collection[str]) -> float:
        """Return the probability that a customer comes by through any of some channels.

        With the probabilities q of never, from each of the other channels: q = (1 - goes_on) + goes_on * T q.
        """
        others = [place for place, channel in enumerate(CHANNELS) if channel not in channels]
        steps = np.eye(len(others)) - self.goes_on * self._steps[np.ix_(others, others)]
        never = np.linalg.solve(steps, np.full(len(others), 1 - self.goes_on))
        return float(1 - np.array(self.first)[others] @ never)

    @cached_property
    def _steps(self) -> Floats:
        """The probabilities T of the next visit's channel by the last one's, (c, c)."""
        then, is_same = np.array(self.then), _KINDS[:, None] == _KINDS
        within = is_same * then / (is_same * then).sum(axis=1, keepdims=True)
        return np.asarray(_SAME_KIND * within + (1 - _SAME_KIND) * then)

    @cached_property
    def _first(self) -> Floats:
        return np.cumsum(self.first)

    @cached_property
    def _next(self) -> Floats:
        return np.cumsum(self._steps, axis=1)


INTENTS = (
    Intent("idle", 0.50, 0.55, (0.32, 0.10, 0, 0.28, 0.22, 0.08), (0.26, 0.08, 0.04, 0.28, 0.26, 0.08), 0.004, 0.05),
    Intent("curious", 0.35, 0.65, (0.22, 0.22, 0, 0.22, 0.16, 0.18), (0.16, 0.14, 0.20, 0.16, 0.14, 0.20), 0.03, 0.15),
    Intent("keen", 0.15, 0.75, (0.12, 0.32, 0, 0.12, 0.08, 0.36), (0.08, 0.12, 0.40, 0.04, 0.04, 0.32), 0.12, 0.50),
)
"""From those who want nothing to those who would buy without us."""


def intents(n: int, rng: Generator) -> Iterable[int]:
    """Return the places of the intents of n customers."""
    drawn: list[int] = rng.choice(len(INTENTS), n, p=[intent.share for intent in INTENTS]).tolist()
    return drawn


def _place(bounds: Floats, luck: float) -> int:
    return min(int(np.searchsorted(bounds, luck, side="right")), len(bounds) - 1)
