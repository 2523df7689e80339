"""The doubly robust estimator with clipped weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats
from analysis.ope.estimators.base import Shrunk, correction
from analysis.ope.weighed import Weighed


@dataclass(frozen=True)
class ClippedDr(Shrunk):
    """V = mean of sum_a pi(a | x_i) q(x_i, a) + min(w_i, M) (r_i - q(x_i, a_i)), with M the `level`.

    Su, Dimakopoulou, Krishnamurthy and Dudik (2020, ICML 37), equation 8: their pessimistic shrinkage. Level 0 is the
    direct method, an infinite one is DR.
    """

    level: float = 10.0

    name = "clipped_dr"
    is_modelled = True

    def term(self, part: Weighed) -> Floats:
        """Return the score with a clipped weight, (n,)."""
        size = np.abs(part.weight)
        kept = np.divide(self.level, size, out=np.ones_like(size), where=size > self.level)
        return part.expected + kept * correction(part)
