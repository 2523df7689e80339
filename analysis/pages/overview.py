"""All experiments of a log side by side: what ran, what was decided, what was concluded, and what it may all be worth.

It never adds up lifts of winners: they were picked because they were large, so their sum is too large.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analysis.deciding import settling, shrinking
from analysis.deciding.shrinking import Shrunk
from analysis.document import Cell, Forest, Grid, MetricReport, Report, Row, Step, Word
from analysis.estimate import Estimate, Scale
from analysis.pages import charts, wording
from analysis.sequential import asymptotic
from analysis.texts import Number, Style, Text, count, text
from engine.metrics import Better

_CONCLUDE = "conclude"
_EXACT = 1e-12
"""A lift known this well is what rounding leaves of one that does not vary."""


def ran(reports: Sequence[Report]) -> Grid:
    """Return what ran: status, dates, units, and the word of its verdict."""
    names = ("experiment", "policy", "status", "first", "last", "units", "verdict")
    return Grid("experiments", text("overview.ran"), _columns(names), tuple(map(_ran, reports)))


def concluded(reports: Sequence[Report]) -> Grid:
    """Return what was concluded, by whom and why: what of it was shipped the log knows by that reason alone."""
    names = ("experiment", "concluded", "by", "reason", "verdict")
    rows = tuple(
        (report.experiment_id, wording.day(step.at), step.actor, step.reason or None, report.verdict.word)
        for report in reports
        for step in last_conclusion(report)
    )
    return Grid("concluded", text("overview.shipped"), _columns(names), rows, text("overview.shipped_note"))


def lifts(reports: Sequence[Report]) -> Grid:
    """Return each experiment's lift of its primary metric, as it was measured and shrunk towards their mean."""
    found = [each for report in reports for each in _measured(report)]
    names = ("experiment", "compared", "metric", "lift", "shrunk")
    title = text("overview.total")
    if len(found) < shrinking.MIN_LIFTS:
        rows = tuple((*_named(report, metric, row), row.relative, None) for report, metric, row, _ in found)
        note = text("overview.too_few", n=count(shrinking.MIN_LIFTS))
        return Grid("lifts", title, _columns(names), rows, text("overview.total_note", shrinking=note))
    errors = np.array([asymptotic.standard_error(lift) for *_, lift in found])
    signs = np.array([1.0 if metric.better is Better.HIGHER else -1.0 for _, metric, _, _ in found])
    shrunk = shrinking.shrink(signs * np.array([lift.value for *_, lift in found]), errors)
    estimates = [_estimate(shrunk, place, sign, found[place][3]) for place, sign in enumerate(signs.tolist())]
    rows = tuple(
        (*_named(report, metric, row), row.relative, estimate)
        for (report, metric, row, _), estimate in zip(found, estimates, strict=True)
    )
    note = text("overview.total_note", shrinking=_said(shrunk, len(found)))
    forest = Forest(
        text("overview.forest"),
        tuple(text("overview.of", variant=row.name, experiment=report.experiment_id) for report, _, row, _ in found),
        tuple(estimates),
        (Word.NOT_COMPARED,) * len(found),
    )
    return Grid("lifts", title, _columns(names), rows, note, forest)


def last_conclusion(report: Report) -> tuple[Step, ...]:
    """Return when an experiment was concluded for the last time, or nothing."""
    return tuple(step for step in report.history if step.action == _CONCLUDE)[-1:]


def _columns(names: Sequence[str]) -> tuple[Text, ...]:
    return tuple(text(f"overview.{name}") for name in names)


def _ran(report: Report) -> tuple[Cell, ...]:
    period = report.health.period
    return (
        report.experiment_id,
        text(f"policy.{report.policy}"),
        text(f"status.{report.status}"),
        wording.day(period.first) if period else None,
        wording.day(period.last) if period else None,
        count(report.health.n_units),
        report.verdict.word,
    )


def _measured(report: Report) -> list[tuple[Report, MetricReport, Row, Estimate]]:
    """Return the comparisons of the primary metric whose relative lift has an interval, unless a check failed."""
    metric = charts.primary(report)
    table = None if metric is None else metric.compared
    if metric is None or table is None or settling.failed(report.health.checks):
        return []
    lifts = [(report, metric, row, row.relative) for row in table.rows if row.relative is not None]
    return [each for each in lifts if (asymptotic.standard_error(each[-1]) or 0.0) > _EXACT]


def _named(report: Report, metric: MetricReport, row: Row) -> tuple[Cell, ...]:
    return report.experiment_id, row.name, metric.name


def _estimate(shrunk: Shrunk, place: int, sign: float, lift: Estimate) -> Estimate:
    value, error = float(shrunk.values[place]), float(shrunk.errors[place])
    low, high = sorted(sign * end for end in shrinking.interval(value, error))
    return Estimate(sign * value, low, high, lift.n, text("method.empirical_bayes"), lift.estimand, Scale.RELATIVE)


def _said(shrunk: Shrunk, n: int) -> Text:
    return text(
        "overview.shrunk_note",
        n=count(n),
        mean=Number(shrunk.mean, Style.SIGNED_SHARE),
        spread=Number(shrunk.spread, Style.SHARE),
    )
