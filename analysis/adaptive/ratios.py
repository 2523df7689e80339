"""The relative lift of two weighted means of scores: Fieller's idea with Hall's statistic.

A ratio r of the two values is in the interval where the mean of the scores plus - r * minus may be 0 (Fieller 1954),
tested as differences are (`means`). So the relative lift leaves 0 out where the difference does, and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

from scipy.optimize import brentq

from analysis.adaptive import means
from analysis.adaptive.means import Mean
from analysis.arrays import Floats

_DOUBLINGS = 60


@dataclass(frozen=True, slots=True)
class Pair:
    """Two weighted means, and sums of products of what each row adds to their errors.

    `sums[j][i]` is the sum of plus**(j - i) * minus**i over rows, for j of 2, 3 and 4.
    """

    plus: float
    minus: float
    sums: dict[int, tuple[float, ...]]

    @classmethod
    def of(cls, plus: Floats, minus: Floats, weights: Floats) -> Pair:
        """Return the means of two scores, (n,) each, by weights (n,) that sum to 1."""
        values = float((weights * plus).sum()), float((weights * minus).sum())
        first, second = (weights * (scores - value) for scores, value in zip((plus, minus), values, strict=True))
        a, b, ab = first**2, second**2, first * second
        products = {
            2: (a, ab, b),
            3: (a * first, a * second, b * first, b * second),
            4: (a * a, a * ab, a * b, b * ab, b * b),
        }
        return cls(*values, {power: tuple(float(each.sum()) for each in of) for power, of in products.items()})

    def less(self, ratio: float) -> Mean:
        """Return the mean of plus - ratio * minus."""
        powers = [
            sum(comb(j, i) * (-ratio) ** i * each for i, each in enumerate(of)) for j, of in sorted(self.sums.items())
        ]
        return Mean(self.plus - ratio * self.minus, *powers)

    @property
    def base(self) -> Mean:
        """The mean of minus."""
        return Mean(self.minus, *(of[-1] for _, of in sorted(self.sums.items())))


def interval(pair: Pair, alpha: float) -> tuple[float, float] | None:
    """Return the interval of (plus - minus) / |minus|, or None: not identified.

    It is not identified where minus may itself be 0: then no bounded set of ratios has the coverage.

    >>> import numpy as np
    >>> random = np.random.default_rng(0)
    >>> plus, minus, weights = random.normal(1.1, 0.1, 500), random.normal(1.0, 0.1, 500), np.full(500, 1 / 500)
    >>> low, high = interval(Pair.of(plus, minus, weights), 0.05)
    >>> round(low, 2), round(high, 2)
    (0.09, 0.12)
    """
    if pair.base.square == 0 or _excess(pair.base, alpha) <= 0:
        return None
    ends = _end(pair, -1.0, alpha), _end(pair, 1.0, alpha)
    if ends[0] is None or ends[1] is None:
        return None
    low, high = ends[0] - 1, ends[1] - 1
    return (low, high) if pair.minus > 0 else (-high, -low)


def _excess(mean: Mean, alpha: float) -> float:
    """Return by how much the statistic exceeds its critical value."""
    return abs(means.statistic(mean)) - means.critical(mean, alpha)


def _end(pair: Pair, side: float, alpha: float) -> float | None:
    """Return where, from the ratio of the means to one side, ratios are first left out; None if nowhere."""
    centre = pair.plus / pair.minus
    step = side * pair.less(centre).standard_error / abs(pair.minus)
    inside = 0.0
    for doubling in range(_DOUBLINGS):
        outside = step * 2**doubling
        if _excess(pair.less(centre + outside), alpha) > 0:
            found = brentq(lambda away: _excess(pair.less(centre + away), alpha), inside, outside, rtol=1e-12)
            return float(centre + found)
        inside = outside
    return None
