"""Which of several is the best, and by how much, where it was picked by looking.

Hsu's multiple comparisons with the best (1984; 1996, chapter 4) bound each one's distance from the best of the others,
all at once, so that it does not matter which is looked at. They rest on one-sided comparisons of each with all others,
whose joint distribution (Dunnett's) is a single integral: such differences share one mean and nothing else.
"""

from __future__ import annotations

import numpy as np
from scipy import special, stats
from scipy.optimize import brentq

from analysis.arrays import Flags, Floats

_GRID = np.linspace(-8.0, 8.0, 1001)
_WEIGHTS = stats.norm.pdf(_GRID) * (_GRID[1] - _GRID[0])
_LEAST = 1e-8
"""A share of a difference's variance that its second mean has at least, so that nothing is divided by 0."""


def dunnett_error(variance: float, others: Floats, alpha: float, *, two_sided: bool) -> float:
    """Return the error that each comparison of one mean with the `others` may make, so that all make `alpha`.

    `variance` is that of the one's mean, `others` (m,) are theirs; means are normal (Dunnett 1955, and for unequal
    variances its product correlations). The error is two-sided in both cases: that of an interval of which one side or
    both are used.

    >>> z = stats.norm.isf(dunnett_error(1.0, np.ones(3), 0.05, two_sided=True) / 2)
    >>> round(float(z), 2)
    2.35
    """
    own = np.clip(others / (variance + others), _LEAST, 1.0)
    shared, rest = np.sqrt(1 - own), np.sqrt(own)

    def missed(z: float) -> float:
        centre = _GRID[:, None] * shared
        inside = special.ndtr((z - centre) / rest)
        if two_sided:
            inside = inside - special.ndtr((-z - centre) / rest)
        return 1 - float(_WEIGHTS @ inside.prod(axis=1)) - alpha

    # Between no correction and Bonferroni's.
    sides = 2 if two_sided else 1
    low, high = stats.norm.isf(alpha / sides), stats.norm.isf(alpha / sides / len(others))
    z = low if len(others) == 1 else brentq(missed, low - 1e-6, high + 1e-6, xtol=1e-10)
    return float(2 * stats.norm.sf(z))


def with_the_best(upper: Floats) -> tuple[Floats, Floats, Flags]:
    """Return low and high, (m,) each, of each mean's distance from the best of the others, and which may be the best.

    `upper[i, j]` is the upper bound of mean i less mean j, by the error of `dunnett_error` for i against the others,
    one-sided; the diagonal counts for nothing. The bounds are constrained: they hold 0, or end there.

    >>> low, high, may_be = with_the_best(np.array([[0.0, 4.0], [-1.0, 0.0]]))
    >>> low.tolist(), high.tolist(), may_be.tolist()
    ([0.0, -4.0], [4.0, 0.0], [True, False])
    """
    others = ~np.eye(len(upper), dtype=np.bool_)
    high = np.maximum(np.where(others, upper, np.inf).min(axis=1), 0.0)
    may_be = high > 0
    rivals = others & may_be[:, None]
    # Row i of the transpose holds what the others' bounds against i say.
    worst = np.where(rivals, -upper, np.inf).min(axis=0)
    low = np.where(rivals.any(axis=0), np.minimum(worst, 0.0), 0.0)
    return low, high, may_be
