"""What the words and methods of a report mean: only those that the report uses.

A method is explained where the catalogues' table [meaning] has a message of its name: the method `lift.welch` by
`meaning.welch`. So whoever writes an estimator explains it beside its words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from analysis.document import Definition, Grid, MetricReport
from analysis.estimate import Estimate
from analysis.pages.languages import ENGLISH
from analysis.texts import Arg, Text, count, duration, text
from engine.experiments import Experiment, ExposureRule


def definitions(metrics: Sequence[MetricReport], experiment: Experiment) -> tuple[Definition, ...]:
    """Return the definitions that a reader of these metrics needs."""
    words = ["words", "interval", "ratio", *(("group", "floor") if experiment.policy.learns else ())]
    return (
        _exposure(experiment),
        _window(experiment),
        *(Definition(text(f"term.{word}"), text(f"meaning.{word}")) for word in words),
        *_methods(_estimates(metrics)),
    )


def _exposure(experiment: Experiment) -> Definition:
    rule = "exposure_assigned" if experiment.exposure is ExposureRule.ASSIGNED else "exposure_reported"
    return Definition(text("term.exposure"), text(f"meaning.{rule}"))


def _window(experiment: Experiment) -> Definition:
    windows = tuple(
        text("meaning.window_of", metric=metric.name, window=duration(metric.window.total_seconds()))
        for metric in experiment.metrics
    )
    grace = experiment.grace.total_seconds()
    if grace:
        meaning = text("meaning.window_grace", windows=windows, grace=duration(grace), n=count(len(windows)))
    else:
        meaning = text("meaning.window", windows=windows)
    return Definition(text("term.window"), meaning)


def _estimates(metrics: Sequence[MetricReport]) -> Iterator[Estimate]:
    for metric in metrics:
        for table in metric.tables:
            for row in table.rows:
                each = (row.value, row.absolute, row.relative, row.anytime, row.plain)
                yield from (estimate for estimate in each if estimate is not None)
        yield from in_grids(metric.grids)


def in_grids(grids: Sequence[Grid]) -> Iterator[Estimate]:
    """Yield the estimates that stand in grids."""
    for grid in grids:
        yield from (cell for row in grid.rows for cell in row if isinstance(cell, Estimate))


def _methods(estimates: Iterator[Estimate]) -> Iterator[Definition]:
    used = {part.key: part for estimate in estimates for part in _parts(estimate.method)}
    for key, method in sorted(used.items()):
        name = key.partition(".")[2]
        if name in ENGLISH.messages["meaning"]:
            yield Definition(Text(key) if not method.args else method, text(f"meaning.{name}"))


def _parts(arg: Arg) -> Iterator[Text]:
    """Yield a text and the texts that are filled into it."""
    if isinstance(arg, Text):
        yield arg
        for inner in arg.args.values():
            yield from _parts(inner)
