"""How far a draw that was not seen could lie from the mean: what the logged distributions and the range allow.

A draw's score lies between expected - below and expected + above, which is known before it is drawn. Draws that carry
much of the variance matter, so that their bounds count by `noise`, the expected square of their weight: this is the
size of the next unseen event as a draw that brings something would have it. Where a log has the propensity of what was
drawn alone, it says this of the weight that was seen, for every reward that is allowed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.arrays import Flags, Floats
from analysis.ope.weighed import Weighed


@dataclass(frozen=True, slots=True)
class Unseen:
    """Sums over draws: of their `noise`, and of it times the highest and the lowest score that each could have had.

    `top` and `bottom` are the highest and the lowest of all of these, or where no range is declared, of those seen.
    They are proven (`is_proven`) where every draw's own bounds are known.
    """

    noise: float = 0.0
    high: float = 0.0
    low: float = 0.0
    top: float = -np.inf
    bottom: float = np.inf
    has_range: bool = True
    is_proven: bool = True

    @classmethod
    def of(cls, part: Weighed, value_range: tuple[float, float] | None) -> Unseen:
        """Return the sums of some draws, with rewards in a declared range or in none; one draw at least."""
        if value_range is None:
            # What has no weight, whatever is drawn, has no scores but those seen.
            nothing = float(part.noise.sum()) == 0.0
            ends = float(part.score.max()), float(part.score.min())
            return cls(top=ends[0], bottom=ends[1], has_range=nothing, is_proven=nothing)
        is_known = ~np.isnan(part.above + part.below + part.noise)
        noise = np.where(is_known, part.noise, part.weight**2)
        low, high = _bounds(part, value_range, is_known)
        sums = float(noise.sum()), float(noise @ high), float(noise @ low)
        return cls(*sums, float(high.max()), float(low.min()), is_proven=bool(is_known.all()))

    def __add__(self, other: Unseen) -> Unseen:
        return Unseen(
            self.noise + other.noise,
            self.high + other.high,
            self.low + other.low,
            max(self.top, other.top),
            min(self.bottom, other.bottom),
            self.has_range and other.has_range,
            self.is_proven and other.is_proven,
        )

    def rise(self, mean: float) -> float:
        """Return how far above the mean a draw not seen could lie."""
        return max(self._typical(self.high, self.top) - mean, 0.0)

    def fall(self, mean: float) -> float:
        """Return how far below the mean a draw not seen could lie."""
        return max(mean - self._typical(self.low, self.bottom), 0.0)

    def _typical(self, total: float, extreme: float) -> float:
        return total / self.noise if self.has_range and self.noise > 0 else extreme


def _bounds(part: Weighed, value_range: tuple[float, float], is_known: Flags) -> tuple[Floats, Floats]:
    """Return the lowest and the highest score of each draw, (n,) each: of any variant, or of the one that was drawn."""
    least, most = value_range
    ends = part.weight * (least - part.reward), part.weight * (most - part.reward)
    low = np.where(is_known, part.expected - part.below, part.score + np.minimum(*ends))
    high = np.where(is_known, part.expected + part.above, part.score + np.maximum(*ends))
    return low, high
