"""How a metric of a design is compared: by which estimator, and at which looks.

The estimator: quantiles by order statistics; where units repeat, errors summed by unit; otherwise moments, by the shape
of the metric and with its covariates (`lift`), and the values themselves where those are skewed (`skewed`). The looks:
a repeated interval at the planned looks where looks are planned; a sequence where the report may be read at any time,
and also while an experiment still runs that is to be read once, because whoever reads it now may act on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis import sequential
from analysis.arrays import Floats, distinct
from analysis.deciding import decisions
from analysis.document import Row, Trajectory, Word
from analysis.estimate import Estimate, not_evaluable
from analysis.lifts import clusters, comparison, lift, quantiles, skewed, strata
from analysis.lifts.cells import Cells, Side, side
from analysis.lifts.comparison import Comparison
from analysis.lifts.quantiles import Quantiles
from analysis.logs import metrics
from analysis.logs.crediting import Counted
from analysis.logs.metrics import Sample
from analysis.sequential import Compared, Watched, choice, planned, remaining
from analysis.texts import Name, Text, count, text
from engine.experiments import Experiment, Looking, Plan
from engine.metrics import Metric, MetricKind

Sides = Sequence[tuple[Name, Side]]
"""Names with what they stand for."""


def alone(names: Sequence[Name]) -> Sides:
    """Return each name as a side by itself."""
    return [(name, side(len(names), [place])) for place, name in enumerate(names)]


@dataclass(frozen=True, slots=True)
class Labels:
    """What is compared: names by label, the baseline among them, and the logged probabilities (n_strata, n_labels).

    `is_over` says whether the experiment has ended.
    """

    names: tuple[Name, ...]
    baseline: int
    probabilities: Floats | None
    experiment: Experiment
    is_over: bool

    @property
    def plan(self) -> Plan:
        """How the experiment is to be read."""
        return self.experiment.plan

    @property
    def alone(self) -> Sides:
        """Each label by itself."""
        return alone(self.names)


@dataclass(frozen=True, slots=True)
class Comparing:
    """A metric's sample with all that is needed to compare its labels."""

    sample: Sample
    metric: Metric
    labels: Labels
    cells: Cells
    quantiles: Quantiles | None
    repeats: bool
    watched: Watched

    @classmethod
    def of(cls, sample: Sample, metric: Metric, labels: Labels) -> Comparing:
        """Return a metric's sample, gathered into moments."""
        n = len(labels.names)
        ranked = quantiles.prepared(sample, metric, n) if metric.kind is MetricKind.QUANTILE else None
        repeats = sample.counted is Counted.ASSIGNMENT and len(distinct(sample.unit_key)) < len(sample)
        probabilities = None if ranked or repeats else labels.probabilities
        watched = Watched(sample, metric, labels.plan, probabilities)
        return cls(sample, metric, labels, metrics.cells(sample, metric, n), ranked, repeats, watched)

    @property
    def is_plain(self) -> bool:
        """Whether moments say all of it: it is no quantile, and no unit repeats."""
        return self.quantiles is None and not self.repeats

    @property
    def is_watched(self) -> bool:
        """Whether an interval is asked for that holds at any look."""
        plan = self.labels.plan
        is_planned = plan.looking is Looking.PLANNED
        return not self.is_plain if is_planned else choice.is_asked(plan, is_over=self.labels.is_over)

    @property
    def is_goal(self) -> bool:
        """Whether the experiment is decided by it."""
        return self.metric in self.labels.experiment.goals

    def family(self, n_compared: int) -> int:
        """Return how many intervals hold together: those of all goals, or of this metric alone."""
        return decisions.family(self.labels.experiment, self.metric, n_compared)

    def value(self, of: Side) -> Estimate:
        """Return the value of a side."""
        if self.waiting:
            return not_evaluable(self.waiting, self.cells.estimand, scale=self.cells.scale)
        if self.quantiles is not None:
            return quantiles.value(self.quantiles, of)
        if self.repeats:
            return clusters.value(self.sample, self.cells, of)
        return lift.value(self.cells, of)

    @property
    def waiting(self) -> Text | None:
        """Why nothing is known yet though subjects came: all their windows are open."""
        n = self.sample.n_open
        return text("not_evaluable.all_open", n=count(n)) if n and not len(self.sample) else None

    def compare(self, plus: Side, minus: Side, family: int) -> Comparison:
        """Return the lift of a side over another, at one look or at the planned ones."""
        if self.waiting:
            return comparison.nothing(self.cells, self.waiting, 0)
        if self.quantiles is not None:
            return quantiles.compare(self.quantiles, plus, minus, family)
        if self.repeats:
            return clusters.compare(self.sample, self.cells, plus, minus, family=family)
        plan = self.labels.plan
        if plan.looking is not Looking.PLANNED:
            return lift.compare(self.cells, plus, minus, family)
        return planned.comparison(self.sample, self.cells, plan, lambda cells: lift.compare(cells, plus, minus, family))

    def at_one_look(self, found: Comparison, plus: Side, minus: Side) -> Comparison:
        """Return a comparison that is read once, corrected for skewness; one at planned looks as it is."""
        if not self.is_plain or self.labels.plan.looking is Looking.PLANNED:
            return found
        return skewed.corrected(found, self.sample, self.cells, plus, minus)

    def anytime(self, plus: Side, minus: Side, fixed: Estimate) -> Estimate | None:
        """Return the same difference with an interval that holds at any look, or None where none is asked for."""
        return sequential.anytime(self.watched, plus, minus, fixed) if self.is_watched else None


def shown(metric: Comparing, sides: Sides) -> tuple[Row, ...]:
    """Return sides that are compared with nothing."""
    return tuple(Row(name, Word.NOT_COMPARED, metric.value(of)) for name, of in sides)


def compared(metric: Comparing, sides: Sides, baseline: int) -> tuple[Row, ...]:
    """Return sides that are compared with one of them."""
    family = metric.family(len(sides) - 1)
    return tuple(
        Row(name, Word.BASELINE, metric.value(of))
        if place == baseline
        else _lift(metric, name, (of, sides[baseline][1]), family)
        for place, (name, of) in enumerate(sides)
    )


def over_time(metric: Comparing) -> Trajectory | None:
    """Return the lift of each label as it came to be known, or None where moments do not say it."""
    if not metric.is_plain:
        return None
    sides, baseline = metric.labels.alone, metric.labels.baseline
    pairs = [Compared(name, of, sides[baseline][1]) for place, (name, of) in enumerate(sides) if place != baseline]
    family = metric.family(len(pairs))
    return sequential.lift_over_time(
        metric.watched,
        pairs,
        metric.cells,
        lambda cells, plus, minus: lift.compare(cells, plus, minus, family).absolute,
    )


def n_alone(metric: Comparing) -> int:
    """Return how many subjects were drawn from distributions, or in epochs, in which nothing compares."""
    of = [strata.usable(metric.cells, side) for _, side in metric.labels.alone]
    baseline = of.pop(metric.labels.baseline)
    return int(metric.cells.moments.n[:, ~(baseline & np.any(of, axis=0))].sum()) if len(baseline) > 1 else 0


def days_remaining(metric: Comparing) -> Text:
    """Return how long the first comparison has to run yet, from the declared effect."""
    sides, baseline = metric.labels.alone, metric.labels.baseline
    plus, minus = sides[0 if baseline else 1][1], sides[baseline][1]
    fixed = lift.compare(metric.cells, plus, minus, metric.family(len(sides) - 1)).absolute
    found = choice.scores(metric.watched, plus, minus)
    return remaining.days(metric.watched, metric.value(minus).value, fixed, found)


def _lift(metric: Comparing, name: Name, sides: tuple[Side, Side], family: int) -> Row:
    plain = metric.compare(*sides, family)
    anytime = metric.anytime(*sides, plain.absolute)
    found = metric.at_one_look(plain, *sides)
    return decisions.row(name, metric.value(sides[0]), found, anytime, metric.metric.better)
