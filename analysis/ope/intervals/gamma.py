"""The interval of a mean of skewed scores: a gamma distribution, and at each end one draw more that was not seen.

Rare clicks times weights are nearly a weighted sum of Poisson counts. Fay and Feuer (1997, Statistics in Medicine 16)
take a gamma distribution with the mean and the variance of that sum for where its expectation may lie, and for the
upper end they count one event more, of the largest weight: for equal weights that is Garwood's exact interval. Here it
is so for any score. Write e_i for what a unit's scores differ from the mean, V for sum e_i**2, K for sum e_i**3, and J
for how far one draw that was not seen may lie above the mean. The upper end of n * mean is the quantile of a
distribution of Pearson's third type (a shifted gamma one) with

    mean n * mean + J,   variance V + J**2,   skewness 2 (K + J**3) / (V + J**2)**1.5,

and the lower end is the same of the scores' negatives. The skewness is twice that of the mean, because this is where
the expectation may lie given the scores, not the other way round. With J = K / (2 V) it would agree with Hall's
interval (1992) up to 1 / n: that is the Poisson interval in its mid-P form. A bounded J says what those scores cannot,
namely what is possible where nothing of it was seen, and it vanishes beside the spread as n grows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from analysis.arrays import Floats

_NO_SKEW = 1e-3
"""Below this the expansion by Cornish and Fisher is exact to the last digit, and the gamma distribution is not."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A mean, the second and third central moments of its error, and how far one draw not seen could move it.

    `variance` is V / n**2 with the correction for the estimated mean, `cube` K / n**3; `rise` and `fall` are J / n on
    either side. `blind` is how far the expectation may lie from that of the scores, whatever is drawn.
    """

    mean: float
    variance: float
    cube: float
    rise: float
    fall: float
    blind: float = 0.0

    @property
    def is_certain(self) -> bool:
        """Whether all scores are alike and none could have been another."""
        return self.variance == self.rise == self.fall == self.blind == 0

    @property
    def negative(self) -> Spread:
        """The spread of the scores' negatives."""
        return Spread(-self.mean, self.variance, -self.cube, self.fall, self.rise, self.blind)


def interval(spread: Spread, alpha: float) -> tuple[float, float]:
    """Return low and high, which together miss a share `alpha` of samples.

    Three hits of weight 1 among 10,000 draws: Garwood's interval of the count is 0.619 to 8.767.

    >>> three = Spread(3e-4, 3e-8, 3e-12, rise=1e-4, fall=0.0)
    >>> [round(1e4 * end, 3) for end in interval(three, 0.05)]
    [0.619, 8.767]
    """
    return -_upper(spread.negative, alpha), _upper(spread, alpha)


def p_value(spread: Spread) -> float:
    """Return the least `alpha` at which the interval leaves 0 out, 1 where it never does."""
    return min(1.0, 2 * _beyond(spread), 2 * _beyond(spread.negative))


def quantile(tail: float, skewness: float) -> float:
    """Return what a standardised Pearson type III variable exceeds with a probability of `tail`.

    >>> round(quantile(0.025, 0.0), 3), round(quantile(0.025, 2.0), 3)  # an exponential one: 1 less than -log(0.025)
    (1.96, 2.689)
    """
    z = -float(special.ndtri(tail))
    if abs(skewness) < _NO_SKEW:
        return z + skewness * (z * z - 1) / 6
    shape = 4 / skewness**2
    if skewness > 0:
        return float((special.gammainccinv(shape, tail) - shape) / math.sqrt(shape))
    return float((shape - special.gammaincinv(shape, tail)) / math.sqrt(shape))


def exceedance(value: float, skewness: float) -> float:
    """Return the probability that a standardised Pearson type III variable exceeds a value: `quantile` undone."""
    if abs(skewness) < _NO_SKEW:
        return float(special.ndtr(-value + skewness * (value * value - 1) / 6))
    shape = 4 / skewness**2
    if skewness > 0:
        return float(special.gammaincc(shape, max(shape + value * math.sqrt(shape), 0.0)))
    return float(special.gammainc(shape, max(shape - value * math.sqrt(shape), 0.0)))


def _upper(spread: Spread, alpha: float) -> float:
    centre, error, skewness = _fitted(spread)
    return centre + error * quantile(alpha / 2, skewness)


def _beyond(spread: Spread) -> float:
    """Return in what share the expectation lies above 0 as the upper end has it: 0 is above that end below it."""
    centre, error, skewness = _fitted(spread)
    return exceedance(-centre / error, skewness) if error else float(centre >= 0)


def _fitted(spread: Spread) -> tuple[float, float, float]:
    """Return the mean, the standard deviation and the skewness of where the expectation may lie, for the upper end."""
    jump = spread.rise
    variance = spread.variance + jump**2
    centre = spread.mean + jump + spread.blind
    if variance == 0:
        return centre, 0.0, 0.0
    # No sum has a third moment beyond its second one's power; what rounding leaves of one may.
    cube = float(np.clip(spread.cube, -(spread.variance**1.5), spread.variance**1.5)) + jump**3
    return centre, math.sqrt(variance), 2 * cube / variance**1.5


def moments(errors: Floats) -> tuple[float, float, float]:
    """Return the sums of e**2, e**3 and abs(e)**3 of errors, (u,)."""
    square = errors**2
    return float(square.sum()), float((square * errors).sum()), float((square * np.abs(errors)).sum())
