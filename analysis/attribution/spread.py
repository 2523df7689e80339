"""How uncertain a sum over units is, by what each group of them adds to it (`sums.groups`)."""

from __future__ import annotations

import numpy as np

from analysis.adaptive.means import Mean
from analysis.arrays import Floats
from analysis.texts import Text, count, text

MIN_EFFECTIVE = 10
"""With fewer groups that carry the error than this, no interval of a ratio is given."""


def deviations(influence: Floats) -> Floats:
    """Return by how much each group's influence (g,) is off their mean, as a part of the error of their sum.

    The squares add up to that of the error, g / (g - 1) * sum (influence - mean)**2.

    >>> (deviations(np.array([1.0, 2.0])) ** 2).round(9).tolist()
    [0.5, 0.5]
    """
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
