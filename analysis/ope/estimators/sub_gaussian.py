"""Inverse propensity scoring with weights whose tails are sub-Gaussian."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats
from analysis.ope.estimators.base import Shrunk
from analysis.ope.weighed import Weighed


@dataclass(frozen=True)
class SubGaussian(Shrunk):
    """V = mean of w_i / (1 - l + l w_i) r_i, with l in [0, 1] the `level`.

    Metelli, Russo and Restelli (2021, Subgaussian and differentiable importance sampling, NeurIPS 34). Level 0 is IPS,
    1 the mean over all draws of the rewards that the target could have had. No weight is above 1 / l. Of a difference
    of two targets the weight's size is shrunk.
    """

    level: float = 0.05

    name = "sub_gaussian"

    def term(self, part: Weighed) -> Floats:
        """Return w / (1 - l + l |w|) r, (n,); 0 where w is."""
        below = 1 - self.level + self.level * np.abs(part.weight)
        return np.divide(part.weight, below, out=np.zeros_like(part.weight), where=below > 0) * part.reward
