"""The empirical Bernstein interval: it holds for any number of independent draws with bounded scores, and is wide."""

from __future__ import annotations

import math


def interval(mean: float, variance: float, n: int, width: float, alpha: float) -> tuple[float, float]:
    """Return low and high, which together miss at most a share `alpha` of samples, however few draws there are.

    With probability 1 - d the expectation is below mean + sqrt(2 variance log(2 / d) / n) + 7 width log(2 / d) /
    (3 (n - 1)) (Maurer and Pontil 2009, COLT, theorem 4), and d = alpha / 2 for each end. `variance` is the unbiased
    one of n >= 2 scores, which lie within `width` of each other whatever happens.

    >>> [round(end, 3) for end in interval(0.5, 0.25, 1001, 1.0, 0.05)]
    [0.443, 0.557]
    """
    log = math.log(4 / alpha)
    reach = math.sqrt(2 * variance * log / n) + 7 * width * log / (3 * (n - 1))
    return mean - reach, mean + reach
