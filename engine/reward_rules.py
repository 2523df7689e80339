"""The rules of a reward: what can be part of it, and between which numbers it lies."""

from __future__ import annotations

import math
from collections.abc import Iterator

from engine.experiments import Experiment
from engine.metric_rules import HAPPENS, NPS_RANGE, SUM_TOLERANCE, SUMS, bad_names
from engine.metrics import SCORES, Aggregation, Better, Metric, MetricKind

MAX_WEIGHT = 1e6
"""The heaviest weight of a reward's term, either way."""

_OF_SCORES = (Aggregation.MEAN, Aggregation.FIRST, Aggregation.LAST)


def reward_problems(experiment: Experiment) -> Iterator[str]:
    """Yield a sentence for every rule that the reward breaks."""
    for term in experiment.reward:
        metric = experiment.metric(term.metric)
        if not 0 < abs(term.weight) <= MAX_WEIGHT:
            yield (
                f"the reward's weight of {term.metric!r} is {term.weight:g} and must be a number other than 0, "
                f"{MAX_WEIGHT:g} at most either way"
            )
        elif metric is None:
            yield f"the reward names {term.metric!r}, which is no metric of it"
        elif why := why_no_reward(metric, term.weight, term.aggregation):
            yield why
    yield from bad_names("reward of metric", (term.metric for term in experiment.reward))
    yield from _scale_problems(experiment)


def _scale_problems(experiment: Experiment) -> Iterator[str]:
    scale, default = experiment.reward_scale, experiment.reward_default
    if not experiment.reward:
        if scale is not None or default:
            yield "`reward_scale` and `reward_default` are of a reward, which it has none of: add `reward`"
    elif scale is not None and all(math.isfinite(term.weight) for term in experiment.reward):
        low, high = scale
        if not -math.inf < low < high < math.inf:
            yield "`reward_scale` must be two numbers, the lower one first"
        elif not low <= default <= high:
            yield f"`reward_default` is {default:g} and must be on the reward's scale, from {low:g} to {high:g}"


def default_scale(experiment: Experiment) -> tuple[float, float] | None:
    """Return the least and the most that the weighted sum can be, with [0, 1] inside; None where there is no reward.

    None also where a weight is one that is refused.

    >>> from engine.metrics import RewardTerm
    >>> terms = RewardTerm("order", 0.8), RewardTerm("call", -0.5)
    >>> default_scale(Experiment("hero", (), (Metric("order"), Metric("call")), reward=terms))
    (-0.5, 1.0)
    """
    if not experiment.reward or not all(abs(term.weight) <= MAX_WEIGHT for term in experiment.reward):
        return None
    ends = [_ends(experiment.metric(term.metric), term.weight) for term in experiment.reward]
    low, high = math.fsum(low for low, _ in ends), math.fsum(high for _, high in ends)
    # Weights that were meant to sum to 1 scale by exactly 1.
    return low, high if high > 1.0 + SUM_TOLERANCE else 1.0


def _ends(metric: Metric | None, weight: float) -> tuple[float, float]:
    """Return the least and the most that a term adds, with 0 among them: so much it adds without any outcome."""
    low, high = worth_limits(metric) or (0.0, 1.0) if metric else (0.0, 1.0)
    size = max(abs(low), abs(high))
    if not (0.0 < size < math.inf and low <= high):
        low, high, size = 0.0, 1.0, 1.0  # refused as a cap or a range, which is said there
    ends = 0.0, weight * (low / size), weight * (high / size)
    return min(ends), max(ends)


def worth_limits(metric: Metric) -> tuple[float, float] | None:
    """Return between which values an assignment's outcomes count in a reward; None where nothing bounds them.

    A cap bounds them as it bounds the metric: from 0 on. Without one they lie in the range; an NPS has its own.

    >>> worth_limits(Metric("basket", MetricKind.REVENUE, cap=200.0, range=(-50.0, 500.0)))
    (0.0, 200.0)
    """
    if metric.kind in HAPPENS:
        return 0.0, 1.0
    if metric.cap is not None:
        return 0.0, metric.cap
    return NPS_RANGE if metric.kind is MetricKind.NPS else metric.range


def why_no_reward(metric: Metric, weight: float = 1.0, aggregation: Aggregation = Aggregation.SUM) -> str:
    """Return why a metric can be no term of a reward with such a weight, or nothing where it can.

    A term is what one assignment's outcomes come to, as a share of the most that they can. Scores are therefore
    read one by one or as their mean, which an assignment has by itself, and never added up: two answers of 3 are no 6.
    Ratios and quantiles are of many units, and no assignment has one. What is better when it is lower is a cost.

    >>> why_no_reward(Metric("click"))
    ''
    >>> why_no_reward(Metric("basket", MetricKind.REVENUE))
    "metric 'basket' is in the reward, so it needs a `cap` or a `range` that scales it"
    """
    return (
        _why_no_term(metric)
        or _why_no_aggregation(metric, aggregation)
        or (_why_no_sign(metric) if metric.better is Better.LOWER and weight > 0 else "")
    )


def _why_no_term(metric: Metric) -> str:
    if metric.kind not in (*HAPPENS, *SUMS, *SCORES):
        return (
            f"metric {metric.name!r} is of kind {metric.kind.value}, which can be no reward: it is of many units, and "
            "a reward is of one assignment"
        )
    if worth_limits(metric) is None:
        needed = "a `cap` or a `range`" if metric.kind in SUMS else "a `range`"
        return f"metric {metric.name!r} is in the reward, so it needs {needed} that scales it"
    return ""


def _why_no_aggregation(metric: Metric, aggregation: Aggregation) -> str:
    if metric.kind in HAPPENS and aggregation is not Aggregation.SUM:
        return f"metric {metric.name!r} happens or not, and has no values to take the {aggregation.value} of"
    if metric.kind in SCORES and aggregation not in _OF_SCORES:
        return f"metric {metric.name!r} is a score, so its part of the reward needs `aggregation: mean`, first or last"
    return ""


def _why_no_sign(metric: Metric) -> str:
    return (
        f"metric {metric.name!r} is better when it is lower and a policy seeks more reward, so its weight must be "
        "negative: it is a cost"
    )
