"""What customers do in an experiment: a deed is one outcome, which every metric that is made of it sees alike."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from engine.experiments import SCORES, Experiment, Metric, MetricKind, Variant, by_outcome
from engine.randomness import ONE, integer
from simulators.habits import HABITS, HIGHEST_RATE, LIFTS, LOST, SEGMENTS, Habit

_AMOUNTS = (MetricKind.REVENUE, MetricKind.QUANTILE)
_SCALES: Mapping[MetricKind, tuple[float, float]] = {
    MetricKind.CSAT: (1.0, 5.0),
    MetricKind.CES: (1.0, 7.0),
    MetricKind.NPS: (0.0, 10.0),
}
_MORE_TIMES = 0.7
_HIGH_SCORES = 0.5


@dataclass(frozen=True, slots=True)
class Deed:
    """An outcome as customers bring it about, no sooner after their visit than the longest `after` of its metrics.

    `reader` is the metric that says what its value is; None where its metrics only ask whether it happened.
    """

    outcome: str
    habit: Habit
    after: timedelta
    reader: Metric | None

    @classmethod
    def of(cls, outcome: str, metrics: tuple[Metric, ...]) -> Deed:
        """Return what the metrics of an experiment that are made of an outcome are about."""
        after = max(metric.after for metric in metrics)
        readers = [metric for metric in metrics if metric.kind in (MetricKind.COUNT, *_AMOUNTS, *SCORES)]
        # What a quantile is of, another metric says better.
        reader = min(readers, key=lambda metric: metric.kind is MetricKind.QUANTILE, default=None)
        span = min(metric.window - after for metric in metrics if metric.window > after)
        habit = HABITS.get(outcome) or Habit(outcome, _made_up_rates(outcome), span / 10)
        if reader is not None and reader.kind in _AMOUNTS and not habit.amount:
            habit = replace(habit, amount=(reader.cap or 100.0) / 4)
        return cls(outcome, habit, after, reader)

    def rate(self, variant: Variant, segment: str) -> float:
        """Return the probability that a visit of a segment brings it, told or not.

        >>> click = Deed.of("click", (Metric("click"),))
        >>> click.rate(Variant("recently-viewed"), "member") == HABITS["click"].rates["member"] * 1.4
        True
        """
        return min(HIGHEST_RATE, self.habit.rates[segment] * lift(variant, segment))

    def wait(self, luck: float) -> timedelta:
        """Return how long after the visit it happens, by a luck in [0, 1)."""
        return self.after + self.habit.delay * _exponential(luck, 1.0)

    def value(self, variant: Variant, segment: str, luck: float) -> float | None:
        """Return its value by a luck in [0, 1): an amount, a number of times, a score, or None where it has none.

        Scores are the higher the better the variant.
        """
        if self.reader is None:
            return None
        if self.reader.kind in _AMOUNTS:
            return round(_exponential(luck, self.habit.amount), 2)
        if self.reader.kind is MetricKind.COUNT:
            return 1.0 + math.floor(_exponential(luck, _MORE_TIMES))
        low, high = self.reader.range or _SCALES[self.reader.kind]
        place = math.pow(luck, _HIGH_SCORES / lift(variant, segment))
        return min(high, low + math.floor(place * (high - low + 1.0)))

    def expected(self, metric: Metric, variant: Variant, segment: str) -> float:
        """Return what a visit is expected to bring of it in a metric of the reward: told, within the window."""
        in_time = 1.0 - math.exp(-max(metric.window - self.after, timedelta(0)) / self.habit.delay)
        return self.rate(variant, segment) * (1.0 - LOST) * in_time * self._expected_worth(metric)

    def _expected_worth(self, metric: Metric) -> float:
        """Return the expectation of min(value, cap) / cap; 1 where it only has to happen."""
        if metric.cap is None:
            return 1.0
        if metric.kind is MetricKind.COUNT:
            # More than n times happens with probability exp(-n/m): its sum over n below the cap.
            whole, rest = divmod(metric.cap, 1.0)
            below = math.expm1(-whole / _MORE_TIMES) / math.expm1(-1.0 / _MORE_TIMES)
            return (below + rest * math.exp(-whole / _MORE_TIMES)) / metric.cap
        # The mean of an exponential amount with mean m, cut at the cap c, is m (1 - exp(-c/m)).
        return -self.habit.amount * math.expm1(-metric.cap / self.habit.amount) / metric.cap


def deeds_of(experiment: Experiment) -> Mapping[str, Deed]:
    """Return the deeds of an experiment by outcome, in the order of its metrics."""
    return {outcome: Deed.of(outcome, metrics) for outcome, metrics in by_outcome(experiment.metrics).items()}


def lift(variant: Variant, segment: str) -> float:
    """Return what a variant multiplies a segment's rates by: the product over its levels."""
    names = [f"{factor}={level}" for factor, level in variant.levels.items()] or [variant.name]
    return math.prod(_lift(name, segment) for name in names)


def share(*parts: str) -> float:
    """Return a number in [0, 1) that the same words always make."""
    return integer("storefront", *parts) / ONE


def _made_up_rates(outcome: str) -> Mapping[str, float]:
    return {segment: 0.03 + 0.12 * share("rate", outcome, segment) for segment in SEGMENTS}


def _lift(name: str, segment: str) -> float:
    known = LIFTS.get(name)
    return 0.6 + share("lift", name, segment) if known is None else known[segment]


def _exponential(luck: float, mean: float) -> float:
    return -mean * math.log1p(-luck)
