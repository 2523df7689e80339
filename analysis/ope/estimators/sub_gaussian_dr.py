"""The doubly robust estimator with weights whose tails are sub-Gaussian."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats
from analysis.ope.estimators.base import Shrunk, correction
from analysis.ope.weighed import Weighed


@dataclass(frozen=True)
class SubGaussianDr(Shrunk):
    """V = mean of sum_a pi(a | x_i) q(x_i, a) + w_i / (1 - l + l w_i) (r_i - q(x_i, a_i)), with l the `level`.

    Metelli, Russo and Restelli (2021, Subgaussian and differentiable importance sampling, NeurIPS 34), with l in
    [0, 1): level 0 is DR, and no weight is above 1 / l. Of a difference of two targets the weight's size is shrunk.
    """

    level: float = 0.05

    name = "sub_gaussian_dr"
    is_modelled = True

    def term(self, part: Weighed) -> Floats:
        """Return the score with a shrunk weight, (n,)."""
        below = 1 - self.level + self.level * np.abs(part.weight)
        kept = np.divide(1.0, below, out=np.zeros_like(below), where=below > 0)
        return part.expected + kept * correction(part)
