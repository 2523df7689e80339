"""The self-normalised doubly robust estimator."""

from __future__ import annotations

import numpy as np

from analysis.arrays import Floats
from analysis.ope.estimators.base import Base, expected, ratio, score, weight


class Sndr(Base):
    """V = mean of sum_a pi(a | x_i) q(x_i, a) + sum of w_i (r_i - q(x_i, a_i)) / sum of w_i.

    Thomas and Brunskill (2016, ICML 33): their weighted doubly robust estimator, of one step. As SNIPS is to IPS: its
    bias falls as 1 / n, and it is of one target, never of a difference of two.
    """

    name = "sndr"
    columns = (expected, score, weight)
    is_modelled = True

    def value(self, mean: Floats) -> float:
        """Return e + (s - e) / w, with e, s and w the means."""
        return float(mean[0]) + ratio(float(mean[1] - mean[0]), float(mean[2]))

    def gradient(self, mean: Floats) -> Floats:
        """Return the gradient, (3,)."""
        slope = ratio(1.0, float(mean[2]))
        return np.array([1 - slope, slope, -(mean[1] - mean[0]) * slope**2])
