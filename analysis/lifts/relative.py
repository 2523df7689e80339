"""The relative lift of one value over another, by each method that has a name; reports use Fieller's.

All three agree where the baseline is far from 0. Near it they do not: Fieller's interval keeps its coverage and says
where there is none, the delta method pretends to be symmetric, and the log of a ratio needs two values above 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.lifts import intervals
from analysis.lifts.linear import Linear, Spread, critical, deviation, interval
from analysis.texts import Text, text


@dataclass(frozen=True, slots=True)
class Method:
    """A way to the interval of (plus - minus) / |minus|; None where it is not identified. `name` is what it is called.

    `interval(plus, minus, spread, alpha)` misses a share `alpha` of samples.
    """

    name: Text
    interval: Callable[[Linear, Linear, Spread, float], tuple[float, float] | None]


def fieller(plus: Linear, minus: Linear, spread: Spread, alpha: float) -> tuple[float, float] | None:
    """Return the interval by Fieller (1954), with Welch's freedom of the difference."""
    return intervals.fieller(
        plus.value,
        spread.covariance(plus, plus),
        minus.value,
        spread.covariance(minus, minus),
        critical(plus - minus, spread, alpha),
        covariance=spread.covariance(plus, minus),
    )


def delta(plus: Linear, minus: Linear, spread: Spread, alpha: float) -> tuple[float, float] | None:
    """Return the interval by the delta method, as gbstats has it: symmetric, and blind to a baseline near 0."""
    if not minus.value:
        return None
    lift = plus.scaled(1 / abs(minus.value)) - minus.scaled(plus.value / (minus.value * abs(minus.value)))
    half = critical(lift, spread, alpha) * deviation(lift, spread)
    value = (plus.value - minus.value) / abs(minus.value)
    return value - half, value + half


def log_delta(plus: Linear, minus: Linear, spread: Spread, alpha: float) -> tuple[float, float] | None:
    """Return the interval by the delta method on the logarithm of the ratio, as tea-tasting has it.

    Two values below 0 have a ratio as well; of two that differ in sign there is no logarithm.
    """
    if plus.value * minus.value <= 0:
        return None
    difference = plus.scaled(1 / plus.value) - minus.scaled(1 / minus.value)
    low, high = interval(difference, spread, alpha)
    ratio = plus.value / minus.value
    ends = ratio * float(np.exp(low)) - 1, ratio * float(np.exp(high)) - 1
    return ends if minus.value > 0 else (-ends[1], -ends[0])


FIELLER = Method(text("method.fieller"), fieller)
DELTA = Method(text("method.delta"), delta)
LOG_DELTA = Method(text("method.log_delta"), log_delta)
