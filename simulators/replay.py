"""`armlift replay`: a randomised CSV becomes a log with a report, and then a learner meets it over gRPC."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from pathlib import Path

import analysis
from engine.experiments import Experiment
from engine.metrics import MetricKind
from simulators import values
from simulators.folders import claim
from simulators.imported import import_rows
from simulators.recipe import REPLAYED, Recipe, read_recipe
from simulators.rejection import replay
from simulators.rows import Row, Table, read_rows
from simulators.serving import opened, serving, start_all
from simulators.showing import Screen
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


def run(csv: Path, recipe_file: Path, out: Path, skip_broken: bool, screen: Screen) -> None:
    """Leave the imported and the replayed log with their reports in `out`, and print the learner's value.

    Raises:
        InvalidExperiment: the recipe is refused.
        InvalidRequest: the file is refused, or `out` holds what no earlier run made; nothing was changed then.
        ArmliftError: the server or its learner failed.
    """
    recipe = read_recipe(recipe_file)
    table = read_rows(csv, recipe, skip_broken)
    _say_rows(screen, csv, recipe, table)
    claim(out, ("imported", UNFINISHED, "replayed", "server.log", "index.html", recipe.name, recipe.name + REPLAYED))
    with screen.progress("Import", len(table.rows)) as advance:
        for count in import_rows(out / UNFINISHED, recipe, table.rows):
            advance(count)
    # Only a log that is complete gets the name of one.
    (out / UNFINISHED).rename(out / "imported")
    accepted = _replayed(recipe.replayed(), table.rows, out, screen)
    index = _write_reports(recipe, out)
    _show_values(screen, recipe, table.rows, accepted)
    _say_meaning(screen, table.rows, accepted)
    screen.say(f"\nThe reports of both logs: {index}")


def _say_rows(screen: Screen, csv: Path, recipe: Recipe, table: Table) -> None:
    screen.say(f"{csv.name}: {len(table.rows):,} rows, variants {', '.join(recipe.variants)}")
    if table.broken:
        screen.say(f"left out {len(table.broken):,} broken rows: {table.first_broken()}")
    if not recipe.time_column:
        order = "in the file's order" if recipe.shuffle_seed is None else f"shuffled with seed {recipe.shuffle_seed}"
        screen.say(f"the recipe has no time column: rows are taken {order}, {recipe.every.total_seconds():g} s apart")


def _replayed(experiment: Experiment, rows: Sequence[Row], out: Path, screen: Screen) -> list[Row]:
    store = out / "replayed"
    with serving(store, out / "server.log") as address:
        start_all(address, [experiment], _WHY)
        with opened(store, address) as door, screen.progress("Replay", len(rows)) as advance:
            return replay(door, experiment, rows, advance)


def _write_reports(recipe: Recipe, out: Path) -> Path:
    reports = [
        analysis.report(out / "imported", recipe.imported().experiment_id),
        analysis.report(out / "replayed", recipe.replayed().experiment_id),
    ]
    for report in reports:
        analysis.write(report, out / report.experiment_id)
    return analysis.write_index(reports, out)


def _show_values(screen: Screen, recipe: Recipe, rows: Sequence[Row], accepted: Sequence[Row]) -> None:
    experiment = recipe.replayed()
    shares = {metric.name for metric in experiment.metrics if metric.kind is MetricKind.CONVERSION}
    terms = " + ".join(f"{term.weight:g} x {term.metric}" for term in experiment.reward)
    later = accepted[len(accepted) // 2 :]
    table = [
        *(_cells(f"always {name}", values.of_variant(experiment, rows, name), shares) for name in recipe.variants),
        _cells("as it was logged", values.of_logging(experiment, rows), shares),
        (),
        _cells(f"learner ({experiment.policy.kind})", values.of_learner(experiment, accepted), shares),
        _cells("  its second half", values.of_learner(experiment, later), shares),
    ]
    headings = ("", "rows", values.REWARD, *(metric.name for metric in values.with_means(experiment)))
    screen.table(f"Means a row with 95 % intervals (reward: {terms})", headings, table)


def _cells(name: str, means: Mapping[str, Value], shares: Container[str]) -> tuple[str, ...]:
    n = means[values.REWARD].n
    return (name, f"{n:,}", *(_cell(value, metric in shares) for metric, value in means.items()))


def _cell(value: Value, is_share: bool) -> str:
    if math.isnan(value.mean):
        return "-"
    if is_share:
        return f"{100 * value.mean:.2f} ± {100 * value.half_width:.2f} %"
    return f"{value.mean:.4f} ± {value.half_width:.4f}"


def _say_meaning(screen: Screen, rows: Sequence[Row], accepted: Sequence[Row]) -> None:
    screen.say(
        f"The learner was asked about {len(rows):,} rows and met the {len(accepted):,} whose logged variant it drew "
        f"too. {_MEANING}",
        aside=True,
    )
