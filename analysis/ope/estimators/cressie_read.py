"""The value by the Cressie-Read divergence: the likeliest one, as weights are known to have a mean of 1."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from analysis.arrays import Floats
from analysis.ope.estimators.base import Base, gain, ratio, reward, weight
from analysis.ope.weighed import Weighed

_ROUNDING = 1e-14


def square(part: Weighed) -> Floats:
    """Return w**2, (n,)."""
    return part.weight**2


def square_gain(part: Weighed) -> Floats:
    """Return w**2 r, (n,)."""
    return part.weight**2 * part.reward


@dataclass(frozen=True)
class CressieRead(Base):
    """V = mean of t_i w_i r_i, with t_i = alpha + beta w_i such that the mean of the t_i is 1, and that of t_i w_i too.

    Of all ways to count draws for which the mean weight is 1, as it must be, this is the closest to counting them alike
    by the Cressie-Read divergence of power -2: it is IPS with the weight as a control variate (Karampatziakis, Langford
    and Mineiro 2020, Empirical likelihood for contextual bandits, NeurIPS 33; the estimator of their vw-estimators).

    One draw more is counted, with a weight that was not seen: the `largest` possible one where the mean weight is below
    1, and else 0. What it would have brought is taken to be the mean reward. Without `n` draws to add it to, it is left
    out. Its bias falls as 1 / n, and it is of one target, never of a difference of two.
    """

    largest: float = math.inf
    n: int | None = None

    name = "cressie_read"
    columns = (weight, square, gain, square_gain, reward)

    def told(self, n: int, largest: float) -> Self:
        """Return the estimator of so many draws with the largest possible weight, NaN where that is not known."""
        return replace(self, n=n, largest=math.inf if math.isnan(largest) else largest)

    def value(self, mean: Floats) -> float:
        """Return the value from the means of w, w**2, w r, w**2 r and r."""
        tilt, (w, square_w, gained, square_gained, brought) = self._tilt(mean), mean.tolist()
        k = brought * tilt.adds
        return float(k + tilt.alpha * (gained - k * w) + tilt.beta * (square_gained - k * square_w))

    def gradient(self, mean: Floats) -> Floats:
        """Return the gradient, (5,)."""
        tilt, (w, square_w, gained, square_gained, brought) = self._tilt(mean), mean.tolist()
        k = brought * tilt.adds
        above = np.array([gained - k * w, square_gained - k * square_w])
        by_w, by_square = tilt.slopes @ above - k * np.array([tilt.alpha, tilt.beta])
        missing = 1 - tilt.alpha * w - tilt.beta * square_w
        return np.array([by_w, by_square, tilt.alpha, tilt.beta, tilt.adds * missing])

    def _tilt(self, mean: Floats) -> Tilt:
        return Tilt.of(self.n, float(mean[0]), float(mean[1]), self.largest)


@dataclass(frozen=True)
class Tilt:
    """How much draws count, alpha + beta w; `slopes` (2, 2) say how the mean and mean square of w move the two.

    `adds` is whether a draw that was not seen is counted with the largest weight.
    """

    alpha: float
    beta: float
    slopes: Floats
    adds: bool

    @classmethod
    def of(cls, n: int | None, mean: float, square_mean: float, largest: float) -> Tilt:
        """Return the tilt of n draws, None for very many, whose weights have this mean and mean square."""
        adds = n is not None and mean < 1
        if adds and math.isinf(largest):
            return cls(1.0, 0.0, np.zeros((2, 2)), adds)
        unseen = largest if adds else 0.0
        seen = 1.0 if n is None else n / (n + 1)
        a, b = seen * mean + (1 - seen) * unseen, seen * square_mean + (1 - seen) * unseen**2
        spread = b - a * a
        if spread <= _ROUNDING * b:  # All weights are the same one.
            return cls(ratio(1.0, mean), 0.0, np.array([[-ratio(1.0, mean**2), 0.0], [0.0, 0.0]]), adds)
        alpha, beta = (b - a) / spread, (1 - a) / spread
        by_a = np.array([2 * a * alpha - 1, 2 * a * beta - 1])
        by_b = np.array([1 - alpha, -beta])
        return cls(seen * alpha, seen * beta, seen**2 / spread * np.stack([by_a, by_b]), adds)
