"""The doubly robust estimator with optimistic shrinkage."""

from __future__ import annotations

import math
from dataclasses import dataclass

from analysis.arrays import Floats
from analysis.ope.estimators.base import Shrunk, correction
from analysis.ope.weighed import Weighed


@dataclass(frozen=True)
class DrOs(Shrunk):
    """V = mean of sum_a pi(a | x_i) q(x_i, a) + s(w_i) (r_i - q(x_i, a_i)), with s(w) = l w / (w**2 + l).

    Su, Dimakopoulou, Krishnamurthy and Dudik (2020, ICML 37), equation 9, with l the `level`. A weight of sqrt(l)
    counts half. Level 0 is the direct method, an infinite one is DR.
    """

    level: float = 100.0

    name = "dros"
    is_modelled = True

    def term(self, part: Weighed) -> Floats:
        """Return the score with a shrunk weight, (n,)."""
        if not self.level:
            return part.expected
        # Multiplied out by the level, which may be infinite.
        return part.expected + correction(part) / (1 + (part.weight / math.sqrt(self.level)) ** 2)
