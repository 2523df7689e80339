"""The doubly robust estimator that goes over to the model where weights are large."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats
from analysis.ope.estimators.base import Shrunk, correction
from analysis.ope.weighed import Weighed


@dataclass(frozen=True)
class SwitchDr(Shrunk):
    """V = mean of sum_a pi(a | x_i) q(x_i, a) + 1{w_i <= t} w_i (r_i - q(x_i, a_i)), with t the `level`.

    Switch-DR of Wang, Agarwal and Dudik (2017, ICML 34). Level 0 is the direct method, an infinite one is DR; between
    them it is as biased as the model is for the variants whose weights are above t.
    """

    level: float = 10.0

    name = "switch_dr"
    is_modelled = True

    def term(self, part: Weighed) -> Floats:
        """Return the doubly robust score where |w| <= t, and the model's elsewhere, (n,)."""
        return part.expected + (np.abs(part.weight) <= self.level) * correction(part)
