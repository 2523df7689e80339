"""Values and lifts of a fixed design, from moments alone, each with its method named.

They are stratified by epoch and distribution, because only units that were drawn alike compare as they are.

A side of a comparison is an array of weights (n_variants,) that sum to 1: one variant, or the even mix of those that
share a factor's level. Strata are weighted by how many units they have in all, the same for both sides.

Which method is written down in two places: `plain` for what has no covariates, by the shape of the metric; `adjusted`
for what has some.
"""

from __future__ import annotations

from analysis.estimate import Estimate, Validity
from analysis.lifts import adjusted, plain
from analysis.lifts.cells import Cells, Side
from analysis.lifts.comparison import Comparison
from analysis.lifts.relative import FIELLER, Method

__all__ = ["Comparison", "compare", "value"]


def value(cells: Cells, side: Side, validity: Validity = Validity.VALID) -> Estimate:
    """Return the value of a side with its interval; not evaluable, in words, where it is empty or does not vary.

    It is never adjusted: covariates make differences narrower, not values.

    >>> import numpy as np
    >>> from analysis.lifts.cells import Scale, Shape
    >>> from analysis.lifts.moments import Moments
    >>> from analysis.texts import text
    >>> label, stratum = np.repeat([0, 1], 100), np.zeros(200, np.int64)
    >>> moments = Moments.of(np.r_[np.ones(20), np.zeros(80), np.ones(35), np.zeros(65)], label, stratum, (2, 1))
    >>> bought = Cells(moments, Shape.SHARE, text("method.none"), Scale.SHARE)
    >>> found = value(bought, np.array([1.0, 0.0]))
    >>> round(found.value, 3), round(found.low, 3), round(found.high, 3), str(found.method)
    (0.2, 0.127, 0.292, 'exact (Clopper-Pearson)')
    >>> found = compare(bought, np.array([0.0, 1.0]), np.array([1.0, 0.0])).absolute
    >>> round(found.value, 3), round(found.low, 3), round(found.high, 3), round(found.p_value, 3), str(found.method)
    (0.15, 0.026, 0.268, 0.018, 'Newcomb')
    """
    return plain.value(plain.without_covariates(cells), side, validity)


def compare(cells: Cells, plus: Side, minus: Side, family: int = 1, method: Method = FIELLER) -> Comparison:
    """Return the lift of `plus` over `minus`, adjusted where there are covariates.

    `family` intervals of this kind hold together; `method` is that of the relative lift.
    """
    if cells.covariates:
        return adjusted.lin(cells, plus, minus, family, method)
    return plain.compare(cells, plus, minus, family, method)
