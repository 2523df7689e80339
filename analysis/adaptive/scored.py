"""A metric's draws with their scores: what all estimates of a metric's variants are made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.adaptive import models, scoring
from analysis.adaptive.drawn import Context, Drawn
from analysis.arrays import Floats, Ints
from analysis.deciding import decisions
from analysis.logs.frames import Frame
from analysis.logs.metrics import SHARES, Sample
from engine.columns import Coded
from engine.experiments import FieldType
from engine.metrics import Metric, MetricKind
from engine.specs import ContextualSpec

_OF_AN_ASSIGNMENT = (MetricKind.CONVERSION, MetricKind.COUNT, MetricKind.REVENUE)


def is_by_assignment(metric: Metric) -> bool:
    """Return whether an assignment by itself has the metric, so that variants drawn by assignment compare in it.

    Retention, ratios, quantiles and scores are of a unit: a unit that met several variants has one value, of none of
    them. Those are answered by the contrast of groups alone.

    >>> is_by_assignment(Metric("click")), is_by_assignment(Metric("back", MetricKind.RETENTION))
    (True, False)
    """
    return metric.kind in _OF_AN_ASSIGNMENT


@dataclass(frozen=True, slots=True)
class Part:
    """The draws that could have been each of the variants `compared`, and their scores of one or of a difference, (n,).

    `predicted` (n,) is the same of the models. `n_left` draws are not here.
    """

    drawn: Drawn
    compared: tuple[int, ...]
    scores: Floats
    predicted: Floats
    n_left: int

    @property
    def n_own(self) -> int:
        """How many of the draws are of the variants compared."""
        counts = np.bincount(self.drawn.variant, minlength=self.drawn.n_variants)
        return int(counts[list(self.compared)].sum())


@dataclass(frozen=True, slots=True)
class Scored:
    """A metric's draws in the order of the log, the models' predictions and the scores, (n, n_variants) each.

    `row` (n,) is each draw's place among the frame's assignments.
    """

    frame: Frame
    metric: Metric
    sample: Sample
    row: Ints
    drawn: Drawn
    predicted: Floats
    scores: Floats

    @property
    def family(self) -> int:
        """How many lifts over the control hold together."""
        return decisions.family(self.frame.experiment, self.metric, len(self.frame.variants) - 1)

    @property
    def assigned_at(self) -> Ints:
        """When each draw was made, in microseconds, (n,)."""
        return self.frame.assignments.at[self.row]

    @property
    def is_share(self) -> bool:
        """Whether values are 0 or 1."""
        return self.metric.kind in SHARES

    @property
    def reads_context(self) -> bool:
        """Whether the policy gives other probabilities in other contexts."""
        return isinstance(self.frame.experiment.policy, ContextualSpec)

    def of(self, variant: int) -> Part:
        """Return the scores of a variant."""
        return self._part((variant,), lambda columns: columns[:, variant])

    def against(self, variant: int, other: int) -> Part:
        """Return the scores of the difference of two variants."""
        return self._part((variant, other), lambda columns: columns[:, variant] - columns[:, other])

    def _part(self, compared: tuple[int, ...], combined: Callable[[Floats], Floats]) -> Part:
        rows = self.drawn.could_be(compared)
        drawn = self.drawn[rows]
        n_left = len(self.drawn) - len(drawn)
        return Part(drawn, compared, combined(self.scores[rows]), combined(self.predicted[rows]), n_left)


def scored(frame: Frame, sample: Sample, metric: Metric) -> Scored:
    """Return the scores of a sample of assignments: the policy's own usable, exposed draws whose window has closed.

    The declared context helps to predict what a draw brings, save lists of texts.
    """
    order = np.argsort(sample.row, kind="stable")
    rows = sample.row[order]
    columns = sample.label[order], sample.values[order], frame.assignments.pattern[rows]
    drawn = Drawn.of(*columns, frame.assignments.patterns, _context(frame, rows))
    predicted = models.predictions(drawn)
    return Scored(frame, metric, sample, rows, drawn, predicted, scoring.scores(drawn, predicted))


def _context(frame: Frame, rows: Ints) -> Context:
    fields = [frame.context(each.name) for each in frame.experiment.context if each.type is not FieldType.TEXTS]
    numbers = [field[rows] for field in fields if not isinstance(field, Coded)]
    codes = [field.codes[rows] for field in fields if isinstance(field, Coded)]
    none = Context.none(len(rows))
    return Context(np.column_stack([none.numbers, *numbers]), np.column_stack([none.codes, *codes]))
