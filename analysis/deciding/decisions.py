"""What is decided from the metrics together: one row for each comparison, adjusted for how many there are.

Goals are one family: Holm's adjustment keeps the chance of any false word below the level. Secondary metrics are
looked through for discoveries, of which a share as small as the level is false. Guardrails are read off their margins;
all of them have to hold, so that each one can speak at its own level (intersection-union test, Berger 1982).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats
from analysis.deciding import guardrails, multiplicity
from analysis.document import Cell, Grid, MetricReport, Row, Table, Word
from analysis.estimate import LEVEL, Estimate, Holds, Validity, not_evaluable
from analysis.lifts.comparison import Comparison
from analysis.texts import Name, Text, count, probability, share, text
from engine.experiments import Experiment, Looking
from engine.metrics import Better, Metric, Role

_COLUMNS = ("metric", "variant", "role", "estimate", "p", "adjusted", "word")
_AT_ANY_LOOK = (Holds.ALWAYS, Holds.ALWAYS_IN_THE_LIMIT)


@dataclass(frozen=True, slots=True)
class _Question:
    """One comparison of one metric; a guardrail's estimate is the relative lift, all others are differences."""

    metric: Metric
    variant: Name
    estimate: Estimate


def table(experiment: Experiment, reports: Sequence[MetricReport]) -> Grid | None:
    """Return one row for each metric and variant that is compared, or None where nothing is.

    Goals come first, then guardrails, then the other metrics. Each metric brings its first table that compares.
    """
    asked = {role: list(_questions(experiment, reports, role)) for role in Role}
    if not any(asked.values()):
        return None
    rows = (
        *_adjusted(asked[Role.GOAL], text("decision.goal"), multiplicity.holm),
        *(_guardrail(question) for question in asked[Role.GUARDRAIL]),
        *_adjusted(asked[Role.SECONDARY], text("decision.secondary"), _discoveries(asked[Role.SECONDARY])),
    )
    columns = tuple(text(f"decision.{column}") for column in _COLUMNS)
    is_early = any(question.estimate.holds in _AT_ANY_LOOK for question in asked[Role.GOAL])
    looking = Looking.ANY if is_early else experiment.plan.looking
    note = text(
        f"decision.note_{looking.value}",
        n=count(len(asked[Role.GOAL])),
        level=share(1 - LEVEL),
        side=share((1 - LEVEL) / 2),
    )
    return Grid("decisions", text("decision.title"), columns, rows, note, with_methods=False)


def word(estimate: Estimate, better: Better) -> Word:
    """Return what a difference says, read off its interval.

    >>> lift = Estimate(0.2, 0.1, 0.3, 900, text("method.none"), text("method.none"))
    >>> word(lift, Better.HIGHER), word(lift, Better.LOWER)
    (<Word.BETTER: 'better'>, <Word.WORSE: 'worse'>)
    """
    if estimate.interval is None or estimate.validity is not Validity.VALID:
        return Word.NOT_EVALUABLE
    low, high = estimate.interval
    if low <= 0 <= high:
        return Word.NOT_CLEAR
    return _direction(low, better)


def decided(estimate: Estimate, adjusted: float, better: Better) -> Word:
    """Return what a difference says by its adjusted p-value: not clear above 1 - the level of the report."""
    if estimate.value is None or estimate.p_value is None or estimate.validity is not Validity.VALID:
        return Word.NOT_EVALUABLE
    if adjusted > 1 - LEVEL or estimate.value == 0:
        return Word.NOT_CLEAR
    return _direction(estimate.value, better)


def role_of(experiment: Experiment, metric: Metric) -> Role:
    """Return what a metric is for; the primary metric is a goal where none is declared as one."""
    return Role.GOAL if metric in experiment.goals else metric.role


def family(experiment: Experiment, metric: Metric, n_compared: int) -> int:
    """Return how many intervals hold together with those of a metric: all of the goals', or its own."""
    return max(n_compared, 1) * (len(experiment.goals) if metric in experiment.goals else 1)


def row(name: Name, value: Estimate, found: Comparison, anytime: Estimate | None, better: Better) -> Row:
    """Return a comparison with its word, read off the sequence where one was asked for."""
    said = word(anytime or found.absolute, better)
    return Row(name, said, value, absolute=found.absolute, relative=found.relative, anytime=anytime, plain=found.plain)


def _is_compared(row: Row) -> bool:
    return row.absolute is not None or row.anytime is not None


def _questions(experiment: Experiment, reports: Sequence[MetricReport], role: Role) -> Iterator[_Question]:
    for report in reports:
        metric, found = experiment.metric(report.name), report.compared
        if metric is None or found is None or role_of(experiment, metric) is not role:
            continue
        for row in filter(_is_compared, found.rows):
            yield _Question(metric, row.name, _estimate(experiment, role, row, found))


def _estimate(experiment: Experiment, role: Role, row: Row, found: Table) -> Estimate:
    """Return the estimate that the plan allows to decide by: at any look where the row's word is read so as well."""
    is_any = experiment.plan.looking is Looking.ANY or row.anytime is not None
    if role is Role.GUARDRAIL and is_any:
        return guardrails.at_any_look(row, next(base.value for base in found.rows if base.name == found.baseline))
    chosen = row.relative if role is Role.GUARDRAIL else row.anytime if is_any else row.absolute
    if chosen is not None:
        return chosen
    if row.absolute is None or role is Role.GUARDRAIL:
        return not_evaluable(text("decision.no_interval"), row.value.estimand, row.value.n)
    known = row.absolute
    return not_evaluable(text("decision.no_sequence"), known.estimand, known.n, known.value, known.scale)


def _adjusted(
    family: Sequence[_Question], role: Text, adjust: Callable[[Floats], Floats]
) -> Iterator[tuple[Cell, ...]]:
    """Yield the rows of a family. A comparison without a p-value counts as 1: a family is what was asked."""
    given = [question.estimate.p_value for question in family]
    adjusted = adjust(np.array([1.0 if p is None else p for p in given]))
    for question, p, raised in zip(family, given, adjusted.tolist(), strict=True):
        found = decided(question.estimate, raised, question.metric.better)
        p_values = (None, None) if p is None else (probability(p), probability(raised))
        yield question.metric.name, question.variant, role, question.estimate, *p_values, found


def _guardrail(question: _Question) -> tuple[Cell, ...]:
    margin = question.metric.margin or 0.0
    found = guardrails.word(question.estimate, margin, question.metric.better)
    role = text(f"decision.guardrail_{question.metric.better.value}", margin=share(margin))
    return question.metric.name, question.variant, role, question.estimate, None, None, found


def _discoveries(asked: Sequence[_Question]) -> Callable[[Floats], Floats]:
    if any(question.estimate.holds in _AT_ANY_LOOK for question in asked):
        return lambda p: multiplicity.e_benjamini_hochberg(multiplicity.e_values(p))
    return multiplicity.benjamini_hochberg


def _direction(sign: float, better: Better) -> Word:
    return Word.BETTER if (sign > 0) is (better is Better.HIGHER) else Word.WORSE
