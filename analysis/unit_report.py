"""A report on a table with one row a unit, such as a warehouse has: lifts without a log.

All that a log knows beyond that is missing: which draws were made with which propensity, when, and of what was left
out. So the table is taken at its word, one look is assumed unless the plan says otherwise, and nothing over time is
shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from analysis import assembling
from analysis.checks import balance
from analysis.deciding import decisions
from analysis.designs.comparing import alone
from analysis.designs.findings import MetricFindings
from analysis.document import Check, Count, Health, Report, Row, Table, Word
from analysis.estimate import Estimate
from analysis.lifts import lift
from analysis.lifts.cells import Cells, Shape, Side
from analysis.lifts.comparison import Comparison
from analysis.logs import metrics, unit_table
from analysis.logs.crediting import Counted
from analysis.logs.unit_table import Gathered
from analysis.planning.needs import weights
from analysis.sequential import asymptotic, choice, planned
from analysis.texts import Text, text
from engine.definition import define
from engine.errors import InvalidRequest
from engine.experiments import Experiment, Plan, Status
from engine.metrics import Metric, MetricKind


def report_on_units(table: Any, experiment: Experiment, *, variant: str = "variant", stratum: str = "") -> Report:  # noqa: ANN401 any native frame
    """Return the report on a data frame, lazy or not, of any kind that narwhals reads.

    Each row is a unit with the name of its variant and a column for each metric, of the metric's name: what the unit
    brought within the window, already summed, and for a score the one that it gave, empty where it gave none. Each
    covariate has a column. What adds up a table in parallel, as Polars does, may differ in the last digits from one
    report to the next. Units compare within a `stratum`, a column whose values were drawn alike (an epoch).

    Raises:
        InvalidExperiment: the definition is not sound.
        InvalidRequest: it is no table, lacks a column, or a metric cannot be had from it; or the policy learns, and
            its draws compare by their propensities alone, which a table does not have.
    """
    defined = define(experiment)
    if defined.policy.learns:
        raise InvalidRequest("the policy learns, so its units compare by logged propensities alone: report on the log")
    wanted = [metric for metric in defined.metrics if metric not in _quantiles(defined)]
    if not wanted:
        raise InvalidRequest("a table's sums and squares say nothing of quantiles: report on the log")
    columns = {name: made for metric in wanted for name, made in unit_table.columns_of(defined, metric).items()}
    together = [list(unit_table.columns_of(defined, metric)) for metric in wanted]
    names = [each.name for each in defined.variants]
    measured = [metric.name for metric in wanted if metric.kind is not MetricKind.RATIO]
    unit_table.check_numbers(table, [*measured, *(name for metric in wanted for name in metric.covariates)])
    found = unit_table.gather(table, columns, together, names, variant=variant, stratum=stratum)
    return assembling.assembled(
        defined,
        {metric.name: _metric(defined, metric, _cells(defined, metric, found)) for metric in wanted},
        _health(found, (_check(defined, found),)),
        _cautions(defined),
        design=text("design.table"),
        status=Status.CONCLUDED,
        is_running=False,
    )


def _quantiles(experiment: Experiment) -> tuple[Metric, ...]:
    return tuple(metric for metric in experiment.metrics if metric.kind is MetricKind.QUANTILE)


def _cautions(experiment: Experiment) -> tuple[Text, ...]:
    names = tuple(metric.name for metric in _quantiles(experiment))
    return (text("caution.table"), *((text("caution.table_quantiles", names=names),) if names else ()))


def _cells(experiment: Experiment, metric: Metric, found: Gathered) -> Cells:
    return Cells(
        found.of(list(unit_table.columns_of(experiment, metric))),
        metrics.shape(metric),
        metrics.estimand(metric, Counted.UNIT, metric.cap),
        metrics.scale(metric),
        metric.covariates,
    )


def _health(found: Gathered, checks: tuple[Check, ...]) -> Health:
    n = int(found.moments.n.sum())
    left_out = (
        Count(found.n_incomplete, text("left_out.incomplete")),
        Count(found.n_unknown, text("left_out.unknown_variant")),
    )
    return Health(n, n, 0, None, (), checks, tuple(each for each in left_out if each.n))


def _check(experiment: Experiment, found: Gathered) -> Check:
    """Return the chi-square of the variants' counts against the declared weights."""
    names = tuple(variant.name for variant in experiment.variants)
    shares = np.array(list(weights(experiment).values()))
    n = found.moments.n.sum(axis=1)
    return balance.check(text("balance.table"), names, n, shares[None, :], np.array([n.sum()]))


def _metric(experiment: Experiment, metric: Metric, cells: Cells) -> MetricFindings:
    rows = tuple(_rows(experiment, metric, cells))
    table = Table("variants", text("table.variants"), text("table.units"), experiment.control, rows)
    return MetricFindings((table,), n_open=0)


def _rows(experiment: Experiment, metric: Metric, cells: Cells) -> Iterator[Row]:
    sides = dict(alone([variant.name for variant in experiment.variants]))
    family = decisions.family(experiment, metric, len(sides) - 1)
    for name, of in sides.items():
        value, pair = lift.value(cells, of), (of, sides[experiment.control])
        if name == experiment.control:
            yield Row(name, Word.BASELINE, value)
            continue
        found = _compared(experiment.plan, cells, pair, family)
        yield decisions.row(name, value, found, _anytime(experiment, cells, pair, found.absolute), metric.better)


def _compared(plan: Plan, cells: Cells, sides: tuple[Side, Side], family: int) -> Comparison:
    """Return the lift at one look, or at any of the planned ones (Bonferroni): a table does not say when units came."""
    looks = planned.n_looks(plan)
    found = lift.compare(cells, *sides, family * looks)
    if looks == 1:
        return found
    plain = found.plain and _planned(found.plain, family, looks)
    return Comparison(_planned(found.absolute, family, looks), _planned(found.relative, family, looks), plain)


def _planned(found: Estimate, family: int, looks: int) -> Estimate:
    if found.interval is None:
        return found
    p_value = None if found.p_value is None else min(1.0, looks * found.p_value)
    return replace(planned.shared(found, looks), family=family, p_value=p_value)


def _anytime(experiment: Experiment, cells: Cells, sides: tuple[Side, Side], fixed: Estimate) -> Estimate | None:
    """Return the asymptotic sequence, which needs moments alone, unless the table is to be read once."""
    if not choice.is_asked(experiment.plan, is_over=True):
        return None
    n_planned = asymptotic.tightest(experiment.plan)
    return choice.in_the_limit(fixed, int(cells.moments.n.sum()), _n_events(cells, sides), n_planned)


def _n_events(cells: Cells, sides: tuple[Side, Side]) -> int:
    """Return how many events the side with fewer of them has: of amounts a table's moments know the units alone."""
    counted: list[float] = []
    for of in sides:
        n, total = float(cells.moments.n[of > 0].sum()), float(cells.moments.total[of > 0, :, 0].sum())
        counted += [total, n - total] if cells.shape is Shape.SHARE else [n]
    return int(min(counted))
