"""Lines that were kept with different probabilities stand for different numbers of draws, until they are thinned alike.

A line that was kept with probability q stays with kept / q: then every draw that there ever was is here with the same
probability `kept`, and means over the lines are means over the draws.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from analysis.ope.doors.leaving_out import Unusable, Why
from engine.errors import InvalidRequest

_ALIKE = 1e-6
"""Probabilities of 32 bits are the same where they differ by less."""


@dataclass(slots=True)
class Thinning:
    """Lets lines stay. Without `kept` all must have been kept alike: then nothing is thinned, and means hold."""

    kept: float | None
    generator: np.random.Generator
    first: float | None = field(default=None, init=False)

    def check(self, number: int, kept: float) -> None:
        """Let a line stay that was kept with some probability.

        Raises:
            Unusable: chance drops it.
            InvalidRequest: it was kept with another probability than lines before, or with less than `kept`.
        """
        if self.kept is None:
            self._check_alike(number, kept)
        elif kept < self.kept - _ALIKE:
            raise InvalidRequest(
                f"line {number} was kept with a probability of {kept:.6g}: `kept` must not be above it"
            )
        elif not self.generator.random() * kept < self.kept:
            raise Unusable(Why.THINNED)

    def _check_alike(self, number: int, kept: float) -> None:
        self.first = kept if self.first is None else self.first
        if abs(kept - self.first) > _ALIKE:
            raise InvalidRequest(
                f"line {number} was kept with a probability of {kept:.6g} and lines before it with {self.first:.6g}, "
                "so that they stand for different numbers of draws: give the least of them as `kept`"
            )
