"""Sample size, duration and detectable effect of a comparison with the control.

A difference of two sides has the variance v / n after n units in all, v = s_c^2 / w_c + s_t^2 / w_t, for the sides'
spreads s and shares of the traffic w. With the largest reach of the interval, r standard errors, the power at a
difference d is about P(Z > r - d / sqrt(v / n)), from which n follows (any text; e.g. Jennison and Turnbull 2000, 2.1).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from analysis.deciding import decisions
from analysis.estimate import LEVEL, error_rate
from analysis.lifts.cells import Shape
from analysis.planning.looking import design
from engine.experiments import Experiment, Plan
from engine.metrics import Better, Metric
from engine.specs import FixedSpec

_MOST = 1e12
"""More units than there are."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What is known of a metric before: the control's value, the spread of one unit's, and what covariates explain.

    `spread` is a standard deviation; of a ratio it is the one of the linearised value, so that the variance of the
    ratio is spread**2 / n. `explained` is the share of the variance that the declared covariates take away.
    """

    mean: float
    spread: float
    shape: Shape
    explained: float = 0.0

    @classmethod
    def of_share(cls, share: float, explained: float = 0.0) -> Baseline:
        """Return the baseline of a conversion.

        >>> Baseline.of_share(0.5).spread
        0.5
        """
        return cls(share, math.sqrt(share * (1 - share)), Shape.SHARE, explained)

    def spread_after(self, effect: float) -> float:
        """Return the spread of a side that differs by a relative effect: that of a share follows from its value."""
        if self.shape is not Shape.SHARE:
            return self.spread
        share = min(max(self.mean * (1 + effect), 0.0), 1.0)
        return math.sqrt(share * (1 - share))


@dataclass(frozen=True, slots=True)
class Split:
    """Shares of the traffic of the control and of the variant with the smallest share, and how many are compared."""

    control: float
    smallest: float
    n_compared: int

    @classmethod
    def of(cls, experiment: Experiment) -> Split:
        """Return the split of a test; where no weights are declared it is even."""
        shares = weights(experiment)
        others = [share for name, share in shares.items() if name != experiment.control]
        return cls(shares[experiment.control], min(others), len(others))


def weights(experiment: Experiment) -> dict[str, float]:
    """Return the declared share of each variant; where none is declared they are even."""
    names = [variant.name for variant in experiment.variants]
    declared = experiment.policy.weights if isinstance(experiment.policy, FixedSpec) else {}
    return {name: declared[name] for name in names} if declared else dict.fromkeys(names, 1 / len(names))


def variance(baseline: Baseline, effect: float, split: Split) -> float:
    """Return v, the variance of the difference times the number of units in all."""
    left = 1 - baseline.explained
    treated = baseline.spread_after(effect) ** 2
    return left * (baseline.spread**2 / split.control + treated / split.smallest)


def units(baseline: Baseline, effect: float, split: Split, plan: Plan, family: int) -> float:
    """Return how many units in all find a relative effect with the plan's power, or infinity: nothing would be enough.

    Nothing is enough for an effect that cannot be: of 0, or of a share that would leave 0 to 1.

    >>> even = Split(0.5, 0.5, 1)
    >>> from engine.experiments import Looking
    >>> round(units(Baseline.of_share(0.1), 0.1, even, Plan(Looking.ONCE), 1))
    29496
    """
    looks = design(plan, error_rate(LEVEL, family))
    v, difference = variance(baseline, effect, split), abs(effect * baseline.mean)
    if not difference or not can_be(baseline, effect):
        return math.inf
    if not v:
        return 2.0
    return _least(lambda n: looks.power(n, difference / math.sqrt(v / n)), plan.power)


def detectable(baseline: Baseline, n_units: float, split: Split, plan: Plan, family: int) -> float | None:
    """Return the least relative effect that so many units find with the plan's power, or None: not even a doubling."""
    looks = design(plan, error_rate(LEVEL, family))

    def power(effect: float) -> float:
        return looks.power(
            n_units, effect * abs(baseline.mean) / math.sqrt(variance(baseline, effect, split) / n_units)
        )

    if not baseline.mean or not baseline.spread or power(1.0) < plan.power:
        return None
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if power(middle) >= plan.power else (middle, high)
    return high


def can_be(baseline: Baseline, effect: float) -> bool:
    """Return whether a side can differ by a relative effect: a share stays in 0 to 1.

    >>> can_be(Baseline.of_share(0.95), 0.1), can_be(Baseline.of_share(0.95), -0.1)
    (False, True)
    """
    return baseline.shape is not Shape.SHARE or 0 <= baseline.mean * (1 + effect) <= 1


def toward(metric: Metric) -> float:
    """Return a metric's declared effect in the direction in which it improves; 0 where none is declared."""
    return (metric.effect or 0.0) * (1 if metric.better is Better.HIGHER else -1)


def is_in_question(baseline: Baseline, metric: Metric) -> bool:
    """Return whether luck could hide a metric's declared effect, if there is one and it can be."""
    effect = toward(metric)
    return bool(effect) and can_be(baseline, effect) and baseline.spread > 0 and baseline.explained < 1


def family(experiment: Experiment, metric: Metric) -> int:
    """Return how many intervals hold together with those of a metric: all of the goals', or its own."""
    return decisions.family(experiment, metric, Split.of(experiment).n_compared)


def _least(power: Callable[[float], float], wanted: float) -> float:
    """Return the least number of units with the wanted power, by bisection, or infinity."""
    low, high = 2.0, 4.0
    while power(high) < wanted:
        low, high = high, 4 * high
        if high > _MOST:
            return math.inf
    while high - low > 0.5:
        middle = (low + high) / 2
        low, high = (low, middle) if power(middle) >= wanted else (middle, high)
    return high
