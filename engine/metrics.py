"""What is to be achieved: metrics, and the reward that is made of them; `metric_rules.py` has the rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum


class MetricKind(Enum):
    """The kind of a metric: what the outcomes of a unit (or assignment) within the window are worth."""

    CONVERSION = "conversion"
    """1 where there is any, else 0."""
    COUNT = "count"
    """The sum of their values, whole numbers of times."""
    REVENUE = "revenue"
    """The sum of their values, an amount."""
    RETENTION = "retention"
    """1 where there is any at `after` or later, else 0."""
    RATIO = "ratio"
    """The sum of one declared metric divided by the sum of another, over all units."""
    CSAT = "csat"
    """The mean of the scores that were given."""
    CES = "ces"
    """The mean of the scores that were given, of effort."""
    NPS = "nps"
    """The share of scores of 9 and 10 less the share of 0 to 6, of the scores from 0 to 10 that were given."""
    QUANTILE = "quantile"
    """A quantile of the units' sums."""


SCORES = (MetricKind.CSAT, MetricKind.CES, MetricKind.NPS)
"""Means over the scores that were given: several of a unit, or none."""


class Role(Enum):
    """What a metric is for."""

    GOAL = "goal"
    """The experiment is decided by it."""
    GUARDRAIL = "guardrail"
    """It must not become worse by more than its `margin`."""
    SECONDARY = "secondary"
    """It explains, and is looked through for discoveries."""


class Better(Enum):
    """The direction in which a metric improves."""

    HIGHER = "higher"
    LOWER = "lower"


@dataclass(frozen=True, slots=True)
class Metric:
    """Something to be achieved: what the outcomes of a unit (or assignment) in a window after its exposure are worth.

    `of` is the outcome it is made of, its own name where empty; a ratio's `of` and `per` are two declared metrics.
    The window opens `after` the exposure and closes `window` after it. `cap` bounds what one unit or assignment can
    bring, `winsor` is the quantile of all units at which larger values are cut. `range` is the least and the most that
    one can bring by declaration. `margin` (of a guardrail) and `effect` (worth detecting) are shares of the control's
    value. `covariates` are declared fields of the context, as they were at a unit's first assignment.
    """

    name: str
    kind: MetricKind = MetricKind.CONVERSION
    window: timedelta = timedelta(days=7)
    cap: float | None = None
    of: str = ""
    per: str = ""
    after: timedelta = timedelta(0)
    winsor: float | None = None
    range: tuple[float, float] | None = None
    quantile: float | None = None
    better: Better = Better.HIGHER
    role: Role = Role.SECONDARY
    margin: float | None = None
    effect: float | None = None
    covariates: tuple[str, ...] = ()

    @property
    def outcome(self) -> str:
        """The name of the outcomes that it is made of; empty for a ratio, which is made of two other metrics."""
        return "" if self.kind is MetricKind.RATIO else self.of or self.name


def by_outcome(metrics: Iterable[Metric]) -> Mapping[str, tuple[Metric, ...]]:
    """Return the metrics by the outcome that they are made of, in their order; ratios are made of none.

    >>> list(by_outcome([Metric("paid", MetricKind.REVENUE, of="order"), Metric("click"), Metric("order")]))
    ['order', 'click']
    """
    found: dict[str, tuple[Metric, ...]] = {}
    for metric in metrics:
        if metric.outcome:
            found[metric.outcome] = (*found.get(metric.outcome, ()), metric)
    return found


class Aggregation(Enum):
    """What several outcomes of one assignment come to in a metric that has values."""

    SUM = "sum"
    FIRST = "first"
    LAST = "last"
    MAX = "max"
    MEAN = "mean"


@dataclass(frozen=True, slots=True)
class RewardTerm:
    """One metric's part of the reward: its weight times 1 for a conversion, or times value / cap.

    A cost has a negative weight.
    """

    metric: str
    weight: float
    aggregation: Aggregation = Aggregation.SUM
