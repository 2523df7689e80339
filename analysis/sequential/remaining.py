"""How long an experiment has to run yet, from what was declared and never from the difference seen so far.

The effect worth detecting is declared; the data gives what it is a share of, how much values vary, and how fast units
come. It has run long enough when its interval is narrow enough to leave out 0, with the power of the plan, if the
effect is as declared. A number of days from the current difference would move with luck, and end where luck ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from scipy import optimize, stats

from analysis.arrays import Ints
from analysis.estimate import Estimate, error_rate
from analysis.sequential import asymptotic, betting
from analysis.sequential.betting import Scores
from analysis.sequential.choice import Watched
from analysis.texts import Number, Text, count, share, text
from engine.experiments import Looking

_DAY = 86_400_000_000
_LONGEST = 3_650
"""Days beyond which the answer is that it would take too long."""


def days(watched: Watched, baseline: float | None, fixed: Estimate, found: Scores | None) -> Text:
    """Return how many days more the comparison of an experiment that runs needs, in words.

    `baseline` is the control's value, `fixed` the difference at one planned look, and `found` what is bet on
    (`choice.scores`), or None where the sequence is asymptotic.
    """
    plan, metric, n = watched.plan, watched.metric, len(watched.sample)
    error, per_day = asymptotic.standard_error(fixed), _per_day(watched.sample.since)
    if plan.n_units and plan.looking is not Looking.ANY:
        return _until(n, plan.n_units, per_day, "planned", {})
    if metric.effect is None:
        return text("remaining.undeclared")
    if error is None or not baseline:
        return text("remaining.unknown")
    needed = units_needed(n, error, abs(metric.effect * baseline), plan.power, _half_width(watched, fixed, found))
    if needed is None:
        return text("remaining.too_long")
    return _until(n, needed, per_day, "effect", {"effect": share(metric.effect), "power": share(plan.power)})


def units_needed(
    n: int, standard_error: float, effect: float, power: float, half_width: Callable[[float, float], float]
) -> int | None:
    """Return how many units in all it takes until an interval finds an effect with this power.

    `standard_error` is that of the difference after n units; `half_width(standard_error, n)` that of the interval.
    None where a thousand times n units would not do.

    >>> units_needed(1_000, 0.1, 0.05, 0.8, lambda error, n: 1.96 * error)  # 1000 * 2 ** 2 * 2.80 ** 2
    31397
    """
    quantile = float(stats.norm.ppf(power))

    def excess(log_n: float) -> float:
        units = float(np.exp(log_n))
        error = standard_error * float(np.sqrt(n / units))
        return half_width(error, units) + quantile * error - effect

    first, last = 0.0, float(np.log(1_000 * n))
    if excess(last) > 0:
        return None
    return int(np.ceil(np.exp(optimize.brentq(excess, first, last)))) if excess(first) > 0 else 1


def _half_width(watched: Watched, fixed: Estimate, found: Scores | None) -> Callable[[float, float], float]:
    alpha, n_planned = error_rate(fixed.level, fixed.family), watched.n_planned
    if watched.plan.looking is not Looking.ANY:
        return lambda error, _: float(stats.norm.isf(alpha / 2)) * error
    if found is None:
        return lambda error, n: asymptotic.factor(n, n_planned, alpha) * error
    offered, reach = betting.bets(float(found.bound.max()), found.reach, n_planned), found.reach
    return lambda error, n: betting.half_width(error, n, offered, reach, alpha)


def _per_day(since: Ints) -> float | None:
    """How many subjects came a day, over the last week that is known."""
    if not len(since) or since[-1] == since[0]:
        return None
    length = min(7 * _DAY, int(since[-1] - since[0]))
    return float((since >= since[-1] - length).sum()) * _DAY / length


def _until(n: int, needed: int, per_day: float | None, why: str, told: Mapping[str, Number]) -> Text:
    if n >= needed:
        return text(f"remaining.{why}_reached", **told)
    if per_day is None:
        return text("remaining.unknown")
    left = int(np.ceil((needed - n) / per_day))
    if left > _LONGEST:
        return text("remaining.too_long")
    return text(f"remaining.{why}", n=count(left), units=count(needed), **told)
