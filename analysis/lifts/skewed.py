"""Differences of means of skewed values: Hall's interval where Welch's would miss to one side.

Where few of a small variant bring anything, its mean and its spread come out small together, and an interval that is
symmetric misses from above. Hall's (`adaptive.means`) takes the skewness out. It needs every value, where Welch's needs
moments alone, so it is kept for where it matters: where the skewness of the difference is more than `MILD`. In
simulations (one in twenty buys for a lognormal amount, cut at its 95 % quantile) a split of 90/10 with twenty buyers in
the small variant has a skewness of .3: Welch covers 93 %, eight misses of nine to one side, Hall's 96 % at 1.28 of the
width. At 50/50 the skewness cancels, and both cover 95 %.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from analysis.adaptive import means, ratios
from analysis.adaptive.ratios import Pair
from analysis.arrays import Floats
from analysis.estimate import Estimate, error_rate
from analysis.lifts import plain
from analysis.lifts.cells import Cells, Shape, Side
from analysis.lifts.comparison import Comparison
from analysis.lifts.linear import side_value
from analysis.logs.metrics import Sample
from analysis.texts import text

MILD = 0.1
"""Up to this skewness of a difference Welch's interval stands as it is."""


def corrected(found: Comparison, sample: Sample, cells: Cells, plus: Side, minus: Side) -> Comparison:
    """Return a comparison at one look, corrected for skewness if it is one of means and has more than `MILD` of it.

    `found` is that of the `cells`, which are those of the `sample`. Both lifts then leave out 0 together.
    """
    if cells.shape is not Shape.MEAN or cells.covariates or found.absolute.interval is None:
        return found
    pair = _pair(sample, cells, plus, minus)
    difference, alpha = pair.less(1.0), error_rate(found.absolute.level, found.absolute.family)
    if abs(difference.skewness) <= MILD:
        return found
    absolute = _with(found.absolute, means.interval(difference, alpha))
    relative = ratios.interval(pair, alpha) if found.relative.interval else None
    return replace(
        found,
        absolute=replace(absolute, p_value=means.p_value(difference)),
        relative=_with(found.relative, relative) if relative else found.relative,
    )


def _pair(sample: Sample, cells: Cells, plus: Side, minus: Side) -> Pair:
    """Return both sides as means over all rows, of what each row adds to them."""
    n, n_rows = cells.moments.n.ravel(), len(sample)
    stratum = sample.stratum if cells.n_strata > 1 else np.zeros_like(sample.stratum)
    cell = sample.label * cells.n_strata + stratum
    deviation = sample.values - cells.moments.mean.reshape(n.size, -1)[cell, 0]
    # The variance of a cell of n is estimated with n - 1.
    own = deviation / np.sqrt(n * np.maximum(n - 1.0, 1.0))[cell]
    sides = [
        side_value(cells, weights).value + n_rows * weights.ravel()[cell] * own
        for weights in plain.weights_of(cells, plus, minus)
    ]
    uniform: Floats = np.full(n_rows, 1 / n_rows)
    return Pair.of(sides[0], sides[1], uniform)


def _with(found: Estimate, interval: tuple[float, float]) -> Estimate:
    low, high = interval
    return replace(found, low=low, high=high, method=text("method.hall", method=found.method))
