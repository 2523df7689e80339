"""Estimates as weighted sums of the means of cells, which is what they are to first order.

A mean, a ratio (delta method) and a value that is adjusted for covariates all move with the means of cells in this way,
so that one variance, one count of freedom and one covariance of two estimates serve all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import special

from analysis.arrays import Floats
from analysis.lifts import intervals
from analysis.lifts.cells import Cells, Shape
from analysis.lifts.moments import Moments


@dataclass(frozen=True, slots=True)
class Linear:
    """A value, and how it moves with the mean of each column of each cell: `weights`, (v, s, k).

    `slack` (v, s, k) weighs the same means a second time, independently: what guessing the slopes of covariates adds.
    """

    value: float
    weights: Floats
    slack: Floats

    def __sub__(self, other: Linear) -> Linear:
        return Linear(self.value - other.value, self.weights - other.weights, self.slack - other.slack)

    def scaled(self, factor: float) -> Linear:
        """Return this times a number."""
        return Linear(self.value * factor, self.weights * factor, self.slack * factor)


class Spread(Protocol):
    """How linear estimates vary together, and how well that is known."""

    def covariance(self, one: Linear, other: Linear) -> float:
        """Return the estimated covariance of two estimates."""

    def freedom(self, of: Linear) -> float:
        """Return the degrees of freedom of an estimate's variance; infinite where it is as good as known."""


@dataclass(frozen=True, slots=True)
class CellSpread:
    """Independent cells: `of_means` (v, s, k, k) is the covariance of each one's means, `known` (v, s) its freedom."""

    of_means: Floats
    known: Floats

    @classmethod
    def of(cls, moments: Moments) -> CellSpread:
        """Return the spread by the unbiased covariance within each cell."""
        return cls(moments.covariance / np.maximum(moments.n, 1)[..., None, None], (moments.n - 1).astype(np.float64))

    def covariance(self, one: Linear, other: Linear) -> float:
        """Return the sum of what the cells add."""
        return float(self._parts(one, other).sum())

    def freedom(self, of: Linear) -> float:
        """Return Welch's freedom."""
        return intervals.welch_freedom(self._parts(of, of), self.known)

    def _parts(self, one: Linear, other: Linear) -> Floats:
        """What each cell adds to the covariance, (v, s)."""
        pairs = ((one.weights, other.weights), (one.slack, other.slack))
        return np.asarray(sum(np.einsum("vsi,vsij,vsj->vs", left, self.of_means, right) for left, right in pairs))


def spread_of(cells: Cells) -> CellSpread:
    """Return the spread of a metric's cells; that of zeros and ones is p(1 - p) / n, and normal in the limit."""
    moments = cells.moments
    found = CellSpread.of(moments)
    if cells.shape is not Shape.SHARE:
        return found
    of_means = np.zeros_like(found.of_means)
    mean = moments.mean[..., 0]
    of_means[..., 0, 0] = mean * (1 - mean) / np.maximum(moments.n, 1)
    return CellSpread(of_means, np.full(moments.n.shape, np.inf))


def side_value(cells: Cells, weights: Floats) -> Linear:
    """Return the value of a side of which each cell is a share, `weights` (v, s): a mean, or a ratio of two means.

    A ratio needs a mean below the line that is not 0. Its weights are its derivatives by both means (delta method).
    """
    found = np.zeros(cells.moments.mean.shape)
    means = np.einsum("vs,vsk->k", weights, cells.moments.mean)
    if cells.shape is not Shape.RATIO:
        found[..., 0] = weights
        return Linear(float(means[0]), found, np.zeros_like(found))
    ratio = float(means[0] / means[1])
    found[..., 0], found[..., 1] = weights / means[1], -ratio * weights / means[1]
    return Linear(ratio, found, np.zeros_like(found))


def deviation(of: Linear, spread: Spread) -> float:
    """Return the standard error of an estimate."""
    return float(np.sqrt(max(spread.covariance(of, of), 0.0)))


def critical(of: Linear, spread: Spread, alpha: float) -> float:
    """Return how many standard errors the interval of an estimate reaches to each side."""
    return -float(special.stdtrit(spread.freedom(of), alpha / 2))


def interval(of: Linear, spread: Spread, alpha: float) -> tuple[float, float]:
    """Return Student's interval of an estimate."""
    half = critical(of, spread, alpha) * deviation(of, spread)
    return of.value - half, of.value + half


def p_value(of: Linear, spread: Spread) -> float:
    """Return the two-sided p-value of the value 0."""
    return 2 * float(special.stdtr(spread.freedom(of), -abs(of.value) / deviation(of, spread)))
