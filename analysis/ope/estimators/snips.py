"""Self-normalised inverse propensity scoring."""

from __future__ import annotations

import numpy as np

from analysis.arrays import Floats
from analysis.ope.estimators.base import Base, gain, ratio, weight


class Snips(Base):
    """V = sum of w_i r_i / sum of w_i (Swaminathan and Joachims 2015, NIPS 28).

    A weighted mean of what was seen: it moves with the rewards when a constant is added to them, and has no error where
    they are all alike. Its bias falls as 1 / n. It is of one target, never of a difference of two, whose weights sum
    to about 0.
    """

    name = "snips"
    columns = (weight, gain)

    def value(self, mean: Floats) -> float:
        """Return the quotient of the means."""
        return ratio(float(mean[1]), float(mean[0]))

    def gradient(self, mean: Floats) -> Floats:
        """Return the gradient of the quotient, (2,)."""
        return np.array([-self.value(mean), 1.0]) * ratio(1.0, float(mean[0]))
