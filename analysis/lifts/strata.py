"""Which strata of a metric's cells have both sides of a comparison, and why none has, in words.

Only units that were drawn alike compare as they are, so sides compare within strata. A stratum weighs as many units as
it has in all, the same for both sides.
"""

from __future__ import annotations

import numpy as np

from analysis.arrays import Flags, Floats
from analysis.lifts.cells import Cells, Shape, Side
from analysis.lifts.linear import side_value
from analysis.texts import Text, count, text

MIN_IN_STRATUM = 5
"""A stratum among several counts where each variant of a side has so many units."""

ROUNDING = 1e-11
"""A standard deviation of so small a share of the mean is what rounding leaves of equal values."""

_CANCELLED = 1e-13
"""A variance of so small a share of its terms is what rounding leaves of 0."""


def usable(cells: Cells, of: Side) -> Flags:
    """Return the strata in which every variant of the side has enough values, (n_strata,)."""
    alone = 1 if cells.shape is Shape.SHARE else 2
    enough = cells.moments.n[of > 0] >= (alone if cells.n_strata == 1 else MIN_IN_STRATUM)
    return np.asarray(enough.all(axis=0))


def shares(cells: Cells, strata: Flags) -> Floats:
    """Return the weights of the strata by their units in all, (n_strata,); 0 for those that are not usable."""
    n = np.where(strata, cells.moments.n.sum(axis=0), 0)
    return np.asarray(n / n.sum())


def n_used(cells: Cells, weights: Floats) -> int:
    """Return the units in the cells that have a weight, (v, s)."""
    return int(cells.moments.n[weights != 0].sum())


def empty(cells: Cells, of: Side) -> Text | None:
    """Return why a side has too little for any value, or None."""
    if usable(cells, of).any():
        return None
    n = cells.moments.n[of > 0].sum(axis=1)
    if not n.all():
        return text("not_evaluable.some_empty" if n.any() else "not_evaluable.nobody")
    return text("not_evaluable.single" if n.min() == 1 else "not_evaluable.no_stratum")


def without_value(cells: Cells, weights: Floats) -> Text | None:
    """Return why cells of these weights, (v, s), have no value with an interval, or None."""
    if cells.shape is Shape.SHARE:
        return None
    if cells.shape is Shape.RATIO and not np.einsum("vs,vs->", weights, cells.moments.mean[..., 1]):
        return text("not_evaluable.nothing_below")
    return None if varies(cells, weights) else text("not_evaluable.same")


def incomparable(cells: Cells, plus: Side, minus: Side) -> Text | None:
    """Return why two sides cannot be compared, or None."""
    for of in (plus, minus):
        if reason := empty(cells, of):
            return reason
    strata = usable(cells, plus) & usable(cells, minus)
    if not strata.any():
        return text("not_evaluable.no_stratum")
    for of in (plus, minus):
        if reason := without_value(cells, np.outer(of, shares(cells, strata))):
            return text("not_evaluable.same_side") if reason.key == "not_evaluable.same" else reason
    return None


def varies(cells: Cells, weights: Floats) -> bool:
    """Whether the values behind a weighted sum of cells, (v, s), differ in any cell by more than their rounding."""
    by_mean = side_value(cells, weights).weights
    covariance = cells.moments.covariance
    variance = np.einsum("vsi,vsij,vsj->vs", by_mean, covariance, by_mean)
    size = np.abs(by_mean * cells.moments.mean).sum(axis=-1)
    # A ratio that is the same for everybody is a difference of large terms, of which rounding leaves something too.
    terms = np.einsum("vsi,vsij,vsj->vs", np.abs(by_mean), np.abs(covariance), np.abs(by_mean))
    return bool((variance > np.maximum((ROUNDING * size) ** 2, _CANCELLED * terms)).any())


def stratified(method: Text, weights: Floats) -> Text:
    """Return a method's words with how many strata have a weight, (v, s), where they are several."""
    n = int((weights != 0).any(axis=0).sum())
    return text("method.stratified", method=method, n=count(n)) if n > 1 else method
