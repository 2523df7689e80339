"""SLOPE: how far weights may be shrunk before the bias shows, as a diagnostic.

Su, Srinath and Krishnamurthy (2020, Adaptive estimator selection for off-policy evaluation, ICML 37), algorithm 1:
candidates are in the order of their bias, each narrower than the one before. With c_i the half-width of a confidence
interval of candidate i around what it estimates, bias and all, it takes the last i for which all intervals
value_j +- 2 c_j up to j = i have a point in common.

That says little where all errors are large: then the last candidate is taken, whatever it says. With the smallest level
a clipped value is nearly the mean of what the logged policy earned, and Switch nearly the model's. So it is said when
this happens, and nothing is taken in its place. A chosen value is biased and selected: it has no interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from analysis.arrays import Floats
from analysis.estimate import LEVEL
from analysis.ope.estimators.base import Shrunk
from analysis.ope.estimators.clipped import Clipped
from analysis.ope.estimators.dros import DrOs
from analysis.ope.estimators.switch_dr import SwitchDr
from analysis.ope.totals import Totals
from analysis.texts import Text, plain, text

LEVELS = (math.inf, 200.0, 100.0, 50.0, 20.0, 10.0, 5.0, 2.0, 1.0)
"""The largest weight that counts in full, from all of them down; fixed before the log is read."""

CLIPPED = tuple(Clipped(level) for level in LEVELS)
SWITCH = tuple(SwitchDr(level) for level in LEVELS)
SHRUNK = tuple(DrOs(level**2) for level in LEVELS)
"""The candidates, in the order of their bias. `Layout.of(*CLIPPED)` gathers them."""


@dataclass(frozen=True, slots=True)
class Slope:
    """What SLOPE takes of some `candidates`, with their `values` and the half-widths of their intervals, (c,) each.

    `is_degenerate` is whether nothing stopped it before the last one, although the values differ.
    """

    candidates: tuple[Shrunk, ...]
    values: Floats
    widths: Floats
    place: int
    is_degenerate: bool

    @property
    def chosen(self) -> Shrunk:
        """The candidate that it took."""
        return self.candidates[self.place]

    @property
    def note(self) -> Text:
        """What is to be said of it."""
        if self.is_degenerate:
            return text("ope.slope.degenerate", level=plain(self.candidates[-1].level))
        if _is_one(self.values, self.widths):
            return text("ope.slope.same")
        return text("ope.slope.chosen", method=self.chosen.method) if self.place else text("ope.slope.nothing")


def slope(candidates: Sequence[Shrunk], totals: Totals, level: float = LEVEL) -> Slope | None:
    """Return what SLOPE takes of candidates, least biased first, or None where fewer than two units were drawn.

    `totals` are those of their terms, one column each, in their order. All confidence intervals together hold at the
    `level` (normal, Bonferroni), in large samples.

    >>> from analysis.ope.estimators.layout import Layout
    >>> from analysis.ope.logged import Logged
    >>> from analysis.ope.weighed import weighed
    >>> even = Logged.of(("a", "b"), np.arange(1000) % 2, np.arange(1000) % 2 * 1.0, np.full(1000, 0.5))
    >>> part = weighed(even, np.tile([0.0, 1.0], (1000, 1)))
    >>> found = slope(CLIPPED, Layout.of(*CLIPPED).totals(part))
    >>> found.chosen.level, found.values.tolist()[-2:], found.is_degenerate
    (inf, [1.0, 0.5], False)
    """
    if totals.n_units < 2:
        return None
    values, error = totals.mean, np.sqrt(np.maximum(np.diagonal(totals.covariance), 0.0))
    widths = -float(special.ndtri((1 - level) / len(candidates) / 2)) * error
    last = _last_in_common(values, widths)
    # Levels above all weights shrink nothing, and are one candidate.
    place = int(np.flatnonzero((values == values[last]) & (widths == widths[last]))[0])
    is_degenerate = last == len(candidates) - 1 and not _is_one(values, widths)
    return Slope(tuple(candidates), values, widths, place, is_degenerate)


def _is_one(values: Floats, widths: Floats) -> bool:
    """Whether no level changes anything, so that all candidates are one."""
    return bool((values == values[0]).all() and (widths == widths[0]).all())


def _last_in_common(values: Floats, widths: Floats) -> int:
    """Return the last place up to which all intervals have a point in common."""
    low = np.maximum.accumulate(values - 2 * widths)
    high = np.minimum.accumulate(values + 2 * widths)
    return int(np.argmin(low <= high)) - 1 if (low > high).any() else len(values) - 1
