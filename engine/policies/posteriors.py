"""The posteriors of Thompson sampling, each on the scale on which it is smooth, and which of several is the best."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import (
    betainc,
    betaincc,
    betaincinv,
    gammainc,
    gammaincc,
    gammainccinv,
    gammaincinv,
    polygamma,
    stdtr,
    stdtrit,
)

from engine.errors import PolicyFailed
from engine.policies.quadrature import TAIL, Array, Posteriors, integrals

Shape = tuple[float, ...]
"""What tells a posterior from others of its family."""

_TOLERANCE = 1e-6
_LARGEST = 1e14
"""Beyond it a posterior is narrower than the floats around it."""


class Beta:
    """Beta(alpha, beta) on the scale t = logit(x), where the integrand is analytic up to its ends.

    Raises:
        PolicyFailed: an alpha or beta lies outside [1, 1e14].
    """

    growth = 0.0

    def __init__(self, shapes: Array) -> None:
        _within(shapes, 1.0, "an alpha or beta")
        self._shapes = shapes
        self._alpha, self._beta = alpha, beta = shapes[:, 0], shapes[:, 1]
        self.centres = np.log(alpha / beta)
        self.widths: Array = np.sqrt(polygamma(1, alpha) + polygamma(1, beta))

    def ends(self) -> tuple[Array, Array]:
        """Return where each posterior begins and ends, but for its tails, shape (k,) each."""
        x, y = betaincinv(self._alpha, self._beta, TAIL), betaincinv(self._beta, self._alpha, TAIL)
        return np.log(x) - np.log1p(-x), np.log1p(-y) - np.log(y)

    def densities(self, t: Array) -> Array:
        """Return the densities over t, shape (k, panels, nodes), each as a multiple of its peak.

        Measured from the peak at logit(alpha / (alpha + beta)) nothing large cancels, so a billion rewards do no harm.
        """
        a, b = self._alpha[:, None, None], self._beta[:, None, None]
        away = t - self.centres[:, None, None]
        return np.exp(-a * np.log1p(b / (a + b) * np.expm1(-away)) - b * np.log1p(a / (a + b) * np.expm1(away)))

    def split(self, t: float) -> Array:
        """Return each posterior's mass below and above t, shape (2, k), by whichever of x and 1 - x is exact."""
        smaller, a, b = 1.0 / (1.0 + math.exp(abs(t))), self._alpha, self._beta
        if t < 0:
            return np.array((betainc(a, b, smaller), betaincc(a, b, smaller)), dtype=np.float64)
        return np.array((betaincc(b, a, smaller), betainc(b, a, smaller)), dtype=np.float64)

    def only(self, chosen: NDArray[np.bool_]) -> Beta:
        """Return some of the posteriors."""
        return Beta(self._shapes[chosen])


class Gamma:
    """Gamma(shape, rate) on the scale t = log(x).

    Raises:
        PolicyFailed: a shape lies outside [1, 1e14], or a rate is not positive and finite.
    """

    growth = 0.0

    def __init__(self, shapes: Array) -> None:
        _within(shapes[:, 0], 1.0, "a shape")
        _within(shapes[:, 1], 1.0 / _LARGEST, "a rate")
        self._shapes = shapes
        self._shape, self._rate = shape, rate = shapes[:, 0], shapes[:, 1]
        self.centres = np.log(shape / rate)
        # Half a standard deviation: to the right, e to the minus e to the t falls faster than any exponential.
        self.widths: Array = np.sqrt(polygamma(1, shape)) / 2

    def ends(self) -> tuple[Array, Array]:
        """Return where each posterior begins and ends, but for its tails, shape (k,) each."""
        shape, offset = self._shape, np.log(self._rate)
        return np.log(gammaincinv(shape, TAIL)) - offset, np.log(gammainccinv(shape, TAIL)) - offset

    def densities(self, t: Array) -> Array:
        """Return the densities over t, shape (k, panels, nodes), each as a multiple of its peak."""
        away = t - self.centres[:, None, None]
        return np.exp(-self._shape[:, None, None] * (np.expm1(away) - away))

    def split(self, t: float) -> Array:
        """Return each posterior's mass below and above t, shape (2, k)."""
        x = self._shape * np.exp(t - self.centres)
        return np.array((gammainc(self._shape, x), gammaincc(self._shape, x)), dtype=np.float64)

    def only(self, chosen: NDArray[np.bool_]) -> Gamma:
        """Return some of the posteriors."""
        return Gamma(self._shapes[chosen])


class StudentT:
    """Student's t with a mean, a scale and degrees of freedom, on the scale of x itself.

    Its tails are heavy, so that the panels have to widen with the distance. Measure the means from a narrow posterior's
    (`from_narrowest`): then they may differ by less than a float near 1 can.

    Raises:
        PolicyFailed: a scale is not positive, or a value not finite.
    """

    growth = 0.5

    def __init__(self, shapes: Array) -> None:
        if not (np.isfinite(shapes).all() and shapes[:, 1:].min() > 0.0):
            raise PolicyFailed("a posterior has no width: declare a smaller prior weight")
        self._shapes = shapes
        self.centres, self.widths, self._freedom = shapes.T

    def ends(self) -> tuple[Array, Array]:
        """Return where each posterior begins and ends, but for its tails, shape (k,) each."""
        reach = -self.widths * stdtrit(self._freedom, TAIL)
        return self.centres - reach, self.centres + reach

    def densities(self, t: Array) -> Array:
        """Return the densities over t, shape (k, panels, nodes), each as a multiple of its peak."""
        freedom = self._freedom[:, None, None]
        z = (t - self.centres[:, None, None]) / self.widths[:, None, None]
        densities: Array = np.exp(-(freedom + 1.0) / 2.0 * np.log1p(z * z / freedom))
        return densities

    def split(self, t: float) -> Array:
        """Return each posterior's mass below and above t, shape (2, k)."""
        z = (t - self.centres) / self.widths
        return np.array((stdtr(self._freedom, z), stdtr(self._freedom, -z)), dtype=np.float64)

    def only(self, chosen: NDArray[np.bool_]) -> StudentT:
        """Return some of the posteriors."""
        return StudentT(self._shapes[chosen])


def from_narrowest(shapes: Sequence[Shape]) -> Sequence[Shape]:
    """Return Student's posteriors with their means measured from that of the narrowest one.

    >>> from_narrowest([(0.5, 1e-9, 30.0), (0.25, 0.1, 5.0)])
    [(0.0, 1e-09, 30.0), (-0.25, 0.1, 5.0)]
    """
    origin = min((scale, mean) for mean, scale, _ in shapes)[1]
    return [(mean - origin, scale, freedom) for mean, scale, freedom in shapes]


def probability_of_best(posteriors: Sequence[Shape], family: Callable[[Array], Posteriors] = Beta) -> tuple[float, ...]:
    """Return for each posterior of a family the probability that it exceeds all others, shape (k,), summing to 1.

    The error is below 1e-6; equal posteriors get equal probabilities. See `quadrature.integrals`.

    Raises:
        PolicyFailed: the family cannot have such a posterior, or the quadrature misses 1e-6 of the total.

    >>> [round(p, 6) for p in probability_of_best([(2, 1), (1, 1)])]  # the integral of 2x times x is 2/3
    [0.666667, 0.333333]
    """
    shapes = np.asarray(posteriors, dtype=np.float64)
    distinct, positions, counts = np.unique(shapes, axis=0, return_inverse=True, return_counts=True)
    each = integrals(family(distinct), counts.astype(np.float64))
    total = float(each @ counts)
    if not abs(total - 1.0) < _TOLERANCE:
        raise PolicyFailed(f"the probabilities of being best sum to {total!r}")
    return tuple((each[positions] / total).tolist())


def _within(values: Array, least: float, what: str) -> None:
    if not (values.min() >= least and values.max() <= _LARGEST):
        raise PolicyFailed(f"{what} lies outside [{least:g}, 1e14]: declare a smaller prior")
