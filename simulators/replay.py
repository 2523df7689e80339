"""`armlift replay`: a randomised CSV becomes a log with a report, and then a learner meets it over gRPC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table as Grid

import analysis
from engine.experiments import Experiment, MetricKind
from simulators import values
from simulators.folders import claim
from simulators.imported import import_rows
from simulators.recipe import REPLAYED, Recipe, read_recipe
from simulators.rejection import replay
from simulators.rows import Row, Table, read_rows
from simulators.serving import opened, serving, start_all
from simulators.showing import progress
from simulators.values import Value

UNFINISHED = "imported.unfinished"
"""The name of an imported log that is not complete."""

_WHY = "armlift replay"
_MEANING = (
    "Its mean is over those rows, while it was learning: it estimates the average value of its policies over the run, "
    "not that of the last one, and the interval (normal, for a sequence that learns) is for that average. The rows of "
    "`always` are the log's own: learner and variants share customers, so their intervals are not those of independent "
    "samples. A replay takes the rows to be in no order, and a row's outcomes to depend on that row alone."
)


def run(csv: Path, recipe_file: Path, out: Path, skip_broken: bool, console: Console) -> None:
    """Leave the imported and the replayed log with their reports in `out`, and print the learner's value.

    Raises:
        InvalidExperiment: the recipe is refused.
        InvalidRequest: the file is refused, or `out` holds what no earlier run made; nothing was changed then.
        ArmliftError: the server or its learner failed.
    """
    recipe = read_recipe(recipe_file)
    table = read_rows(csv, recipe, skip_broken)
    _say_rows(console, csv, recipe, table)
    claim(out, ("imported", UNFINISHED, "replayed", "server.log", "index.html", recipe.name, recipe.name + REPLAYED))
    with progress(console, "Import", len(table.rows)) as advance:
        for count in import_rows(out / UNFINISHED, recipe, table.rows):
            advance(count)
    # Only a log that is complete gets the name of one.
    (out / UNFINISHED).rename(out / "imported")
    accepted = _replayed(recipe.replayed(), table.rows, out, console)
    index = _write_reports(recipe, out)
    console.print(_table(recipe, table.rows, accepted))
    _say_meaning(console, table.rows, accepted)
    console.print(f"\nThe reports of both logs: {index}")


def _say_rows(console: Console, csv: Path, recipe: Recipe, table: Table) -> None:
    console.print(f"{csv.name}: {len(table.rows):,} rows, variants {', '.join(recipe.variants)}")
    if table.broken:
        console.print(f"left out {len(table.broken):,} broken rows: {table.first_broken()}")
    if not recipe.time_column:
        order = "in the file's order" if recipe.shuffle_seed is None else f"shuffled with seed {recipe.shuffle_seed}"
        console.print(
            f"the recipe has no time column: rows are taken {order}, {recipe.every.total_seconds():g} s apart"
        )


def _replayed(experiment: Experiment, rows: Sequence[Row], out: Path, console: Console) -> list[Row]:
    store = out / "replayed"
    with serving(store, out / "server.log") as address:
        start_all(address, [experiment], _WHY)
        with opened(store, address) as door, progress(console, "Replay", len(rows)) as advance:
            return replay(door, experiment, rows, advance)


def _write_reports(recipe: Recipe, out: Path) -> Path:
    reports = [
        analysis.report(out / "imported", recipe.imported().experiment_id),
        analysis.report(out / "replayed", recipe.replayed().experiment_id),
    ]
    for report in reports:
        analysis.write(report, out / report.experiment_id)
    return analysis.write_index(reports, out)


def _table(recipe: Recipe, rows: Sequence[Row], accepted: Sequence[Row]) -> Grid:
    experiment = recipe.replayed()
    metrics = {metric.name: metric.kind is MetricKind.CONVERSION for metric in experiment.metrics}
    terms = " + ".join(f"{term.weight:g} x {term.metric}" for term in experiment.reward)
    grid = Grid(title=f"Means a row with 95 % intervals (reward: {terms})", title_justify="left")
    grid.add_column("")
    for heading in ("rows", values.REWARD, *metrics):
        grid.add_column(heading, justify="right")
    for variant in recipe.variants:
        _add(grid, f"always {variant}", values.of_variant(experiment, rows, variant), metrics)
    _add(grid, "as it was logged", values.of_logging(experiment, rows), metrics)
    grid.add_section()
    later = accepted[len(accepted) // 2 :]
    _add(grid, f"learner ({experiment.policy.kind})", values.of_learner(experiment, accepted), metrics)
    _add(grid, "  its second half", values.of_learner(experiment, later), metrics)
    return grid


def _add(grid: Grid, name: str, means: Mapping[str, Value], is_share: Mapping[str, bool]) -> None:
    cells = [_cell(value, is_share.get(metric, False)) for metric, value in means.items()]
    grid.add_row(name, f"{next(iter(means.values())).n:,}", *cells)


def _cell(value: Value, is_share: bool) -> str:
    if is_share:
        return f"{100 * value.mean:.2f} ± {100 * value.half_width:.2f} %"
    return f"{value.mean:.4f} ± {value.half_width:.4f}"


def _say_meaning(console: Console, rows: Sequence[Row], accepted: Sequence[Row]) -> None:
    console.print(
        f"The learner was asked about {len(rows):,} rows and met the {len(accepted):,} whose logged variant it drew "
        f"too. {_MEANING}",
        style="dim",
    )
