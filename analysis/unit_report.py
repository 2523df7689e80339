"""A report on a table with one row a unit, such as a warehouse has: lifts without a log.

All that a log knows beyond that is missing: which draws were made with which propensity, when, and of what was left
out. So the table is taken at its word, one look is assumed unless the plan says otherwise, and nothing over time is
shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from analysis.checks import balance
from analysis.deciding import decisions, settling
from analysis.deciding.verdict import verdict
from analysis.designs.comparing import alone
from analysis.document import REPORT_VERSION, Check, Count, Health, MetricReport, Report, Row, Table, Word
from analysis.estimate import Estimate, Holds, Scale
from analysis.lifts import lift
from analysis.lifts.cells import Cells, Shape, Side
from analysis.lifts.comparison import Comparison
from analysis.logs import metrics, unit_table
from analysis.logs.crediting import Counted
from analysis.logs.metrics import SHARES
from analysis.logs.unit_table import Gathered
from analysis.pages import describing, glossary
from analysis.planning.needs import weights
from analysis.sequential import asymptotic, choice
from analysis.texts import Text, count, text
from engine.definition import define
from engine.errors import InvalidRequest
from engine.experiments import Experiment, Looking, Metric, MetricKind, Plan, Status


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
    return _report(defined, found, {metric.name: _cells(defined, metric, found) for metric in wanted})


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
        Scale.SHARE if metric.kind in SHARES else Scale.AMOUNT,
        metric.covariates,
    )


def _report(experiment: Experiment, found: Gathered, cells: Mapping[str, Cells]) -> Report:
    reported = tuple(
        _metric(experiment, metric, cells[metric.name]) for metric in experiment.metrics if metric.name in cells
    )
    checks = (_check(experiment, found),)
    reported, decided = settling.settled(reported, decisions.table(experiment, reported), checks)
    primary = next((each for each in reported if each.name == experiment.primary.name), reported[0])
    cautions = (*settling.cautions(primary, decided, checks), *_cautions(experiment))
    return Report(
        version=REPORT_VERSION,
        experiment_id=experiment.experiment_id,
        hypothesis=experiment.brief.hypothesis,
        brief=describing.brief(experiment.brief),
        status=Status.CONCLUDED.value,
        policy=experiment.policy.kind,
        control=experiment.control,
        verdict=verdict(primary, checks, cautions, brief=experiment.brief, period=None, is_running=False),
        health=_health(found, checks),
        traffic=None,
        allocation=None,
        metrics=reported,
        definitions=glossary.definitions(reported, experiment),
        design=text("design.table"),
        decisions=decided,
        primary=primary.name,
        looking=experiment.plan.looking,
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


def _metric(experiment: Experiment, metric: Metric, cells: Cells) -> MetricReport:
    rows = tuple(_rows(experiment, metric, cells))
    table = Table("variants", text("table.variants"), text("table.units"), experiment.control, rows)
    role = decisions.role_of(experiment, metric).value
    return MetricReport(
        metric.name, metric.kind.value, role, describing.what(metric), (table,), (), better=metric.better
    )


def _rows(experiment: Experiment, metric: Metric, cells: Cells) -> Iterator[Row]:
    sides = dict(alone([variant.name for variant in experiment.variants]))
    goals = len(experiment.goals) if metric in experiment.goals else 1
    for name, of in sides.items():
        value = lift.value(cells, of)
        if name == experiment.control:
            yield Row(name, Word.BASELINE, value)
            continue
        found = _compared(experiment.plan, cells, (of, sides[experiment.control]), (len(sides) - 1) * goals)
        anytime = _anytime(experiment, cells, (of, sides[experiment.control]), found.absolute)
        yield Row(
            name,
            decisions.word(anytime or found.absolute, metric.better),
            value,
            absolute=found.absolute,
            relative=found.relative,
            anytime=anytime,
            plain=found.plain,
        )


def _compared(plan: Plan, cells: Cells, sides: tuple[Side, Side], family: int) -> Comparison:
    """Return the lift at one look, or at any of the planned ones (Bonferroni): a table does not say when units came."""
    looks = plan.looks if plan.looking is Looking.PLANNED else 1
    found = lift.compare(cells, *sides, family * looks)
    if looks == 1:
        return found
    plain = found.plain and _planned(found.plain, family, looks)
    return Comparison(_planned(found.absolute, family, looks), _planned(found.relative, family, looks), plain)


def _planned(found: Estimate, family: int, looks: int) -> Estimate:
    if found.interval is None:
        return found
    return replace(
        found,
        method=text("adaptive.looks", method=found.method, n=count(looks)),
        family=family,
        holds=Holds.PLANNED,
        p_value=None if found.p_value is None else min(1.0, looks * found.p_value),
    )


def _anytime(experiment: Experiment, cells: Cells, sides: tuple[Side, Side], fixed: Estimate) -> Estimate | None:
    """Return the asymptotic sequence, which needs moments alone, unless the table is to be read once."""
    if experiment.plan.looking is not Looking.ANY:
        return None
    n_planned = experiment.plan.n_units or asymptotic.N_TIGHTEST
    return choice.in_the_limit(fixed, int(cells.moments.n.sum()), _n_events(cells, sides), n_planned)


def _n_events(cells: Cells, sides: tuple[Side, Side]) -> int:
    """Return how many events the side with fewer of them has: of amounts a table's moments know the units alone."""
    counted: list[float] = []
    for of in sides:
        n, total = float(cells.moments.n[of > 0].sum()), float(cells.moments.total[of > 0, :, 0].sum())
        counted += [total, n - total] if cells.shape is Shape.SHARE else [n]
    return int(min(counted))
