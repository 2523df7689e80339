"""Inverse propensity scoring with clipped weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats
from analysis.ope.estimators.base import Shrunk
from analysis.ope.weighed import Weighed


@dataclass(frozen=True)
class Clipped(Shrunk):
    """V = mean of min(w_i, M) r_i (Ionides 2008, JCGS 17(2); Bottou et al. 2013, JMLR 14), with M the `level`.

    Biased towards 0 by what the weights above M would have added, where rewards are not negative. Weights of a
    difference of two targets are clipped on both sides.
    """

    level: float = 10.0

    name = "clipped"

    def term(self, part: Weighed) -> Floats:
        """Return min(w, M) r, (n,)."""
        return np.clip(part.weight, -self.level, self.level) * part.reward
