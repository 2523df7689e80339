"""How heavy the tail of the weights is: whether larger ones than those that were seen are to come."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from analysis.arrays import Floats

KEPT = 4096
"""So many of the largest weights are kept, which is all that is needed of up to 1.8 million draws."""

_FEWEST = 20
"""From fewer weights than this in its tail no index is told."""

_AT_THE_END = 3
"""Where the largest weight occurred so often, weights end there, as those of a policy with a floor do."""


@dataclass(frozen=True, slots=True)
class Tail:
    """The largest of `n` weights in any order, at most KEPT of them: tails of two parts add up to that of the whole."""

    n: int = 0
    largest: Floats = field(default_factory=lambda: np.zeros(0))

    @classmethod
    def of(cls, weights: Floats) -> Tail:
        """Return the tail of weights (n,), 0 or more."""
        return cls(len(weights), _most(weights))

    def __add__(self, other: Tail) -> Tail:
        return Tail(self.n + other.n, _most(np.concatenate([self.largest, other.largest])))

    def with_weights(self, weights: Floats) -> Tail:
        """Return the tail with more weights (n,): as adding theirs, and quicker, because most are not large."""
        if len(self.largest) < KEPT:
            return self + Tail.of(weights)
        larger = weights[weights > self.largest.min()]
        return Tail(self.n + len(weights), _most(np.concatenate([self.largest, larger])))

    @property
    def index(self) -> float | None:
        """The tail index: P(w > x) falls as x**-index, so that at 2 and less there is no variance, at 1 no mean.

        It is m / sum of log(w_i / w_(m+1)) over the m largest weights (Hill 1975, Annals of Statistics 3(5), equation
        3.1), of which a fifth, and of large samples 3 sqrt(n), are taken (Vehtari, Simpson, Gelman, Yao and Gabry 2024,
        JMLR 25(72), section 3). None where that are too few, and where the weights end instead of tapering off.

        >>> falling = np.arange(1, 10_001) ** -0.5  # the quantiles of a tail of index 2
        >>> round(Tail.of(falling).index, 1)
        2.0
        >>> Tail.of(np.array([0.0, 20.0] * 500)).index is None
        True
        """
        m = min(math.ceil(self.n / 5), math.ceil(3 * math.sqrt(self.n)), KEPT - 1)
        if m < _FEWEST:
            return None
        falling = -np.sort(-self.largest)[: m + 1]
        if falling[m] <= 0 or falling[_AT_THE_END - 1] == falling[0]:
            return None
        return float(m / (np.log(falling[:m]) - math.log(falling[m])).sum())


def _most(weights: Floats) -> Floats:
    if len(weights) <= KEPT:
        return weights.copy()
    return np.partition(weights, len(weights) - KEPT)[-KEPT:]
