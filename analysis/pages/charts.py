"""Which charts a report has: nothing that only says that it is not known is drawn."""

from __future__ import annotations

from analysis.deciding.verdict import decisive
from analysis.document import Beside, Forest, Grid, MetricReport, Report, Table, Trajectory
from analysis.texts import Text, text

Chart = Trajectory | Forest | Beside


def lifts(metric: str, table: Table) -> Forest | None:
    """Return the forest of a table's differences, those that its words are read from, or None where there is none."""
    rows = [(row, found) for row in table.rows if (found := decisive(row)) is not None and found.interval]
    if not rows:
        return None
    return Forest(
        text("chart.forest", metric=metric, baseline=table.baseline),
        tuple(row.name for row, _ in rows),
        tuple(found for _, found in rows),
        tuple(row.word for row, _ in rows),
    )


def opening(report: Report) -> Chart | None:
    """Return the one chart beside the verdict: the primary metric's lift over time, or the forest of its lifts."""
    metric = primary(report)
    if metric is None:
        return None
    if metric.over_time is not None and has_values(metric.over_time):
        return metric.over_time
    table = metric.compared
    return None if table is None else lifts(metric.name, table)


def primary(report: Report) -> MetricReport | None:
    """Return the metric that the verdict is about."""
    return next((metric for metric in report.metrics if metric.name == report.primary), None)


def drawable(grid: Grid) -> Chart | None:
    """Return a grid's chart, or None where nothing in it has an interval or a value."""
    match grid.chart:
        case Trajectory() as chart if has_values(chart):
            return chart
        case Forest() as chart if any(estimate.interval for estimate in chart.estimates):
            return chart
        case Beside() as chart if any(estimate.value is not None for row in chart.estimates for estimate in row):
            return chart
    return None


def under(chart: Chart) -> Text | None:
    """Return what is said under a chart, or None where its table says it."""
    return chart.caption if isinstance(chart, Beside) else None


def has_values(data: Trajectory) -> bool:
    """Whether there is anything to draw: a sequence may have been silent all the time."""
    return any(value is not None for band in data.bands for value in band.values)
