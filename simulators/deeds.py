"""What customers do in an experiment: a deed is one outcome, which every metric that is made of it sees alike."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from engine.experiments import Experiment
from engine.metrics import SCORES, Better, Metric, MetricKind, by_outcome

_AMOUNTS = (MetricKind.REVENUE, MetricKind.QUANTILE)
_SCALES: Mapping[MetricKind, tuple[float, float]] = {
    MetricKind.CSAT: (1.0, 5.0),
    MetricKind.CES: (1.0, 7.0),
    MetricKind.NPS: (0.0, 10.0),
}
_MORE_TIMES = 0.7
_HIGH_SCORES = 0.5


@dataclass(frozen=True, slots=True)
class Wait:
    """When something happens after a visit: `hold`, and then an exponential time with this mean."""

    hold: timedelta
    mean: timedelta

    def at(self, luck: float) -> timedelta:
        """Return how long after the visit it happens, by a luck in [0, 1)."""
        return self.hold + self.mean * _exponential(luck, 1.0)

    def by(self, age: timedelta) -> float:
        """Return the probability that it has happened at an age.

        >>> hour = timedelta(hours=1)
        >>> Wait(hour, hour).by(hour), round(Wait(hour, hour).by(2 * hour), 4)
        (0.0, 0.6321)
        """
        return 1.0 - math.exp(-max(age - self.hold, timedelta(0)) / self.mean)


@dataclass(frozen=True, slots=True)
class Deed:
    """An outcome as customers bring it about, no sooner after their visit than `after`, the longest of its metrics.

    `span` is the time from there to the first end of a window. `reader` is the metric that says what its value is;
    None where its metrics only ask whether it happened. `amount` is the mean of an exponential amount. It `is_cost`
    where less of it is better.
    """

    outcome: str
    after: timedelta
    span: timedelta
    reader: Metric | None
    amount: float = 0.0
    is_cost: bool = False

    @classmethod
    def of(cls, outcome: str, metrics: tuple[Metric, ...], amount: float = 0.0, is_cost: bool = False) -> Deed:
        """Return what the metrics of an experiment that are made of an outcome are about.

        An `amount` of 0 is a quarter of the cap, or 25 where there is none.
        """
        after = max(metric.after for metric in metrics)
        readers = [metric for metric in metrics if metric.kind in (MetricKind.COUNT, *_AMOUNTS, *SCORES)]
        # What a quantile is of, another metric says better.
        reader = min(readers, key=lambda metric: metric.kind is MetricKind.QUANTILE, default=None)
        span = min(metric.window - after for metric in metrics if metric.window > after)
        if reader is not None and reader.kind in _AMOUNTS and not amount:
            amount = (reader.cap or 100.0) / 4
        return cls(outcome, after, span, reader, amount, is_cost)

    def value(self, luck: float, lift: float) -> float | None:
        """Return its value by a luck in [0, 1): an amount, a number of times, a score, or None where it has none.

        Scores are the higher the better the variant, which multiplies rates by `lift`.
        """
        if self.reader is None:
            return None
        if self.is_amount:
            return round(_exponential(luck, self.amount), 2)
        if self.reader.kind is MetricKind.COUNT:
            return 1.0 + math.floor(_exponential(luck, _MORE_TIMES))
        low, high = self._scores
        place = math.pow(luck, _HIGH_SCORES / lift)
        return min(high, low + math.floor(place * (high - low + 1.0)))

    @property
    def is_amount(self) -> bool:
        """Whether its value is an amount, so that there is no end to its sizes."""
        return self.reader is not None and self.reader.kind in _AMOUNTS

    @property
    def is_score(self) -> bool:
        """Whether its value is a score, which depends on the variant."""
        return self.reader is not None and self.reader.kind in SCORES

    def edges(self, caps: Sequence[float], n_steps: int, lift: float) -> list[float]:
        """Return the lucks at which its value changes, or for an amount `n_steps` even ones and those of the caps.

        Larger numbers of times than the caps are not told apart.
        """
        if self.reader is None:
            return []
        if self.is_amount:
            return [*(step / n_steps for step in range(n_steps)), *(-math.expm1(-cap / self.amount) for cap in caps)]
        if self.reader.kind is MetricKind.COUNT:
            n_times = range(1, math.ceil(max(caps, default=1.0)) + 1)
            return [-math.expm1(-times / _MORE_TIMES) for times in n_times]
        n_scores = self._scores[1] - self._scores[0] + 1.0
        return [(place / n_scores) ** (lift / _HIGH_SCORES) for place in range(1, math.floor(n_scores) + 1)]

    def mean_value(self, low: float, high: float, lift: float) -> float:
        """Return the mean of its values between two neighbouring edges; 1 where it has none.

        An amount is -m log w with w = 1 - u, whose integral over w is -m (w log w - w).
        """
        if self.is_amount:
            return self.amount * (_integral(1.0 - high) - _integral(1.0 - low)) / (high - low)
        value = self.value((low + high) / 2, lift)
        return 1.0 if value is None else value

    @property
    def _scores(self) -> tuple[float, float]:
        assert self.reader is not None, "a score has a metric that reads it"
        return self.reader.range or _SCALES[self.reader.kind]


def deeds_of(experiment: Experiment, amounts: Mapping[str, float] | None = None) -> Mapping[str, Deed]:
    """Return the deeds of an experiment by outcome, in the order of its metrics, with known mean amounts."""
    costs = {term.metric for term in experiment.reward if term.weight < 0}
    return {
        outcome: Deed.of(outcome, metrics, (amounts or {}).get(outcome, 0.0), _is_cost(metrics, costs))
        for outcome, metrics in by_outcome(experiment.metrics).items()
    }


def _is_cost(metrics: tuple[Metric, ...], costs: set[str]) -> bool:
    return all(metric.better is Better.LOWER or metric.name in costs for metric in metrics)


def _exponential(luck: float, mean: float) -> float:
    return -mean * math.log1p(-luck)


def _integral(w: float) -> float:
    return w * math.log(w) - w if w > 0 else 0.0
