"""What the estimators of a fixed design are given of one metric: its moments, and what their columns are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from analysis.arrays import Floats
from analysis.estimate import Scale
from analysis.lifts.moments import Moments
from analysis.texts import Text


class Shape(Enum):
    """What a metric's value of a side is, which chooses the methods."""

    SHARE = "share"
    """The mean of zeros and ones."""
    MEAN = "mean"
    RATIO = "ratio"
    """The mean of the first column divided by that of the second."""


@dataclass(frozen=True, slots=True)
class Cells:
    """Moments of one metric. Columns: the value; for a ratio what is below the line; then the covariates.

    `estimand` says what a side's value is, `scale` how it is written.
    """

    moments: Moments
    shape: Shape
    estimand: Text
    scale: Scale
    covariates: tuple[str, ...] = ()

    @property
    def n_strata(self) -> int:
        """How many strata there are."""
        return int(self.moments.n.shape[1])


Side = Floats
"""Weights of the variants, (n_variants,), summing to 1: one variant, or the even mix of several."""


def side(n_variants: int, members: Sequence[int]) -> Side:
    """Return the even mix of some variants.

    >>> side(3, [0, 2]).tolist()
    [0.5, 0.0, 0.5]
    """
    weights = np.zeros(n_variants)
    weights[list(members)] = 1 / len(members)
    return weights
