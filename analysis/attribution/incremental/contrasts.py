"""Weights of draws that say what one side did beyond the other, by the probabilities with which each was drawn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from analysis.arrays import Flags, Floats


@dataclass(frozen=True, eq=False)
class Contrast:
    """Draws (r,) of what is looked at, beside those of the control weighed so that they stand for them.

    `chosen` says which draws are of what is looked at, which had the probability `share`; `is_control` those of the
    control, which had `chance` (never 0 where `share` is above 0). Over draws the weight chosen has the mean `share`,
    and so has is_control * share / chance. `is_of_all` says whether what is looked at are all draws, of which those of
    the control add nothing on top, or the chosen ones alone.
    """

    chosen: Flags
    share: Floats
    is_control: Flags
    chance: Floats
    is_of_all: bool = False

    @classmethod
    def of_all(cls, is_control: Flags, chance: Floats) -> Contrast:
        """Return that of all draws with the control.

        The weight of a draw is then 1 - is_control / chance: what all did, less what they would have done under the
        control (Horvitz and Thompson 1952).
        """
        return cls(~is_control, 1 - chance, is_control, chance, is_of_all=True)

    @property
    def against(self) -> Floats:
        """The weight of the control's draws, (r,): 0 of all others."""
        return np.where(self.is_control, self._ratio, 0.0)

    @cached_property
    def weight(self) -> Floats:
        """What each draw adds per unit of what it did, (r,): the mean is 0 where nothing has an effect."""
        return self.chosen - self.against

    @cached_property
    def kept(self) -> Floats:
        """1 for what is looked at, (r,), else 0."""
        return np.ones(len(self.share)) if self.is_of_all else self.chosen.astype(np.float64)

    @property
    def without_control(self) -> Flags:
        """Which draws could have been what is looked at and not the control, (r,): they compare with nothing."""
        return (self.share > 0) & (self.chance <= 0)

    def effective(self, did: Floats) -> float:
        """Return how many equally weighted doers say as much, of the side that has fewer, from what was `did` (r,).

        That is (sum w |did|)**2 / sum (w did)**2 (Kish 1965) in expectation: each draw counts for both sides, by their
        probabilities. The weights that were met would not do. If it is rare that a heavy draw of the control does
        anything, it mostly did not happen, and all looks well.
        """
        total = float(self.share @ np.abs(did))
        squares = [float(noise @ did**2) for noise in self._noises]
        return min(total**2 / square if square else 0.0 for square in squares)

    def steps(self, residual: Floats) -> tuple[float, float, float]:
        """Return how far one doer more would move a sum, from what was done beyond what was expected, (r,).

        These are a chosen one's step up, a control's step down, and what the control's keeps. Draws count by the
        variance that they add, as in `ope.intervals.unseen`.
        """
        size = np.abs(residual)
        up, down = (noise * size**2 for noise in self._noises)
        held = _mean(size, down) if self.is_of_all else 0.0
        return _mean(size, up), _mean(size * self._ratio, down), held

    @cached_property
    def _noises(self) -> tuple[Floats, Floats]:
        """The expected squares of the weights of either side, (r,) each."""
        return self.share, self.share * self._ratio

    @cached_property
    def _ratio(self) -> Floats:
        """For how many draws one of the control would stand, (r,)."""
        return np.divide(self.share, self.chance, out=np.zeros(len(self.share)), where=self.chance > 0)


def _mean(values: Floats, weights: Floats) -> float:
    total = float(weights.sum())
    return float(weights @ values) / total if total > 0 else 0.0
