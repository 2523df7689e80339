"""The Cressie-Read interval of a target's value from six sums, for a fixed number of independent draws.

All ways Q to count the draws, and one more that was not seen, are considered under which the mean weight is 1, as it
must be. The interval holds the values that those have which are not much further from counting all alike than the
closest: by the Cressie-Read divergence of power -2, sum (N q_i - 1)**2, which the quantile of F(1, n) limits. The draw
that was not seen has the least or the largest weight that is possible, and the worst reward in the range
(Karampatziakis, Langford and Mineiro 2020, Empirical likelihood for contextual bandits, NeurIPS 33, section 4; as the
interval of their vw-estimators).

For a given unseen draw that is a linear function under two linear constraints and a quadratic one. With v = w r, means
and the variance over the N = n + 1 draws, and beta and e the slope and the residual of v on w, its least value is

    mean(v) + beta (1 - mean(w)) - sqrt(mean(e**2) (limit - cost) / N),   cost = N (1 - mean(w))**2 / var(w).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import special

_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Sums:
    """How many draws there are, and their sums of w, w**2, w r, w**2 r and w**2 r**2."""

    n: int = 0
    weight: float = 0.0
    square: float = 0.0
    gain: float = 0.0
    square_gain: float = 0.0
    gain_square: float = 0.0

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.n + other.n,
            self.weight + other.weight,
            self.square + other.square,
            self.gain + other.gain,
            self.square_gain + other.square_gain,
            self.gain_square + other.gain_square,
        )

    def with_one(self, weight: float, reward: float) -> Sums:
        """Return the sums with one draw more."""
        gain = weight * reward
        return self + Sums(1, weight, weight**2, gain, weight * gain, gain**2)

    @property
    def negative(self) -> Sums:
        """The sums with rewards of the other sign."""
        return Sums(self.n, self.weight, self.square, -self.gain, -self.square_gain, self.gain_square)


def interval(sums: Sums, largest: float, value_range: tuple[float, float], alpha: float) -> tuple[float, float]:
    """Return low and high, which together miss a share `alpha` of large samples.

    `largest`, above 1, is the largest weight that any draw could have had, and rewards lie in `value_range`.

    >>> nothing_drawn = interval(Sums(), 10.0, (0.0, 1.0), 0.05)
    >>> ten_in_a_hundred = interval(Sums(100, 100.0, 100.0, 10.0, 10.0, 10.0), 1.5, (0.0, 1.0), 0.05)
    >>> nothing_drawn, [round(end, 3) for end in ten_in_a_hundred]
    ((0.0, 1.0), [0.041, 0.159])
    """
    least, most = value_range
    if not sums.n:
        return least, most
    limit = _limit(sums, largest, alpha)
    low = _least(sums, largest, least, limit)
    high = -_least(sums.negative, largest, -most, limit)
    return min(max(low, least), most), max(min(high, most), least)


def _limit(sums: Sums, largest: float, alpha: float) -> float:
    """Return how far the counting may be from all alike: the least that is needed, and the quantile of F(1, n)."""
    needed = min(_cost(sums.with_one(fake, 0.0)) for fake in (0.0, largest))
    return needed + float(special.fdtri(1, sums.n, 1 - alpha))


def _cost(sums: Sums) -> float:
    """Return the divergence of the closest counting under which the mean weight is 1; infinite where none has it."""
    mean, variance = _weights(sums)
    if variance <= _ROUNDING * sums.square / sums.n:
        return 0.0 if abs(mean - 1) <= _ROUNDING else math.inf
    return sums.n * (1 - mean) ** 2 / variance


def _least(sums: Sums, largest: float, reward: float, limit: float) -> float:
    """Return the least value, whichever weight the unseen draw has; what it brings is the least reward."""
    found = [_least_with(sums.with_one(fake, reward), limit) for fake in (0.0, largest)]
    return min(each for each in found if each is not None)


def _least_with(sums: Sums, limit: float) -> float | None:
    """Return the least value of some draws within the limit, None where no counting is."""
    left = limit - _cost(sums)
    if left < -_ROUNDING * limit:
        return None
    n, (mean, variance) = sums.n, _weights(sums)
    value = sums.gain / n
    slope = (sums.square_gain / n - mean * value) / variance if variance > 0 else 0.0
    spread = max(sums.gain_square / n - value**2 - slope**2 * variance, 0.0)
    return value + slope * (1 - mean) - math.sqrt(spread * max(left, 0.0) / n)


def _weights(sums: Sums) -> tuple[float, float]:
    """Return the mean and the variance of the weights."""
    mean = sums.weight / sums.n
    return mean, max(sums.square / sums.n - mean**2, 0.0)
