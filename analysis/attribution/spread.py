"""How uncertain a sum over units is, by what each group of them adds to it (`sums.groups`)."""

from __future__ import annotations

import numpy as np

from analysis.adaptive.means import Mean
from analysis.arrays import Floats
from analysis.texts import Text, count, text

MIN_EFFECTIVE = 10
"""With fewer groups that carry the error than this, no interval is given."""


def spread(value: float, influence: Floats, error: float = 0.0) -> Mean:
    """Return a value with the spread that groups' influence (g,) gives it, and with an error of its own.

    The square of its error is g / (g - 1) * sum (influence - mean)**2, and that of its own.

    >>> round(spread(3.0, np.array([1.0, 2.0])).square, 9)
    1.0
    """
    moved = deviations(influence)
    square = moved**2
    return Mean(value, float(square.sum()) + error**2, float((square * moved).sum()), float((square**2).sum()))


def deviations(influence: Floats) -> Floats:
    """Return by how much each group's influence (g,) is off their mean, as a part of the error of their sum."""
    n = len(influence)
    return np.asarray((influence - influence.mean()) * np.sqrt(n / (n - 1)))


def n_effective(mean: Mean) -> float:
    """Return how many equal groups would carry the error as well: (sum e**2)**2 / sum e**4; 0 without an error."""
    return mean.freedom / 2 if mean.fourth else 0.0


def unknown(mean: Mean) -> Text | None:
    """Return why a spread does not tell the error, or None."""
    if n_effective(mean) >= MIN_EFFECTIVE:
        return None
    if not mean.fourth:
        return text("attribution.shapley.alike")
    return text("attribution.shapley.few", units=count(round(n_effective(mean))), least=count(MIN_EFFECTIVE))
