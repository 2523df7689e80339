"""The command `armlift plan`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import click
from rich import box
from rich.console import Console
from rich.table import Table

from analysis.document import Grid
from analysis.lifts.cells import Shape
from analysis.logs import frames
from analysis.logs.parquet_source import open_log
from analysis.pages import wording
from analysis.pages.languages import load
from analysis.planning import bandit, history
from analysis.planning.needs import Baseline
from analysis.planning.pages import Known, pages
from engine import files
from engine.errors import InvalidRequest
from engine.experiments import Experiment
from engine.metrics import Metric, MetricKind
from simulators.stated import Stated

MOST = 1e9
"""More units a day, or a larger value or spread, than a plan is made for."""

_SHARES = (MetricKind.CONVERSION, MetricKind.RETENTION)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--value", "values", multiple=True, metavar="METRIC=MEAN[:SPREAD]", help="The control's value today.")
@click.option("--explained", multiple=True, metavar="METRIC=SHARE", help="What covariates explain of the variance.")
@click.option("--per-day", type=click.FloatRange(0, MOST, min_open=True), help="How many units come by in a day.")
@click.option("--log", "log", type=click.Path(path_type=Path), help="A store from which to take what is not given.")
@click.option("--like", help="The experiment in that store that measured the same; this file's id by default.")
@click.option("--runs", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Simulations of a bandit.")
@click.option("--language", type=click.Choice(["en", "pl", "ru", "zh"]), default="en", show_default=True)
def plan(
    *,
    file: Path,
    values: tuple[str, ...],
    explained: tuple[str, ...],
    per_day: float | None,
    log: Path | None,
    like: str | None,
    runs: int,
    language: str,
) -> None:
    """Say how many units an experiment needs, how long that takes, and what looking early costs.

    A metric's `effect` is what is worth detecting; `plan` in the file says how the report will be read. The value of
    a conversion is its share today; that of an amount is its mean and, after a colon, its standard deviation.

    \b
    Examples:
      armlift plan home-offer.yaml --value purchase=0.03 --per-day 2000
      armlift plan home-offer.yaml --log store --like last-offer
    """
    experiment = files.read(file)
    known = _known(experiment, log, like)
    stated = {name: _baseline(experiment, name, text) for name, text in _pairs(values).items()}
    baselines = {**known.baselines, **stated}
    for name, text in _pairs(explained).items():
        base = baselines.get(_metric(experiment, name).name)
        if base is None:
            raise InvalidRequest(f"--explained names {name!r}, which has no value: add --value {name}=MEAN")
        if _share(text) == 1:
            raise InvalidRequest(f"--explained {name}=1 leaves nothing to chance: covariates explain less than all")
        baselines[name] = Baseline(base.mean, base.spread, base.shape, _share(text))
    if per_day is not None and not math.isfinite(per_day):
        raise InvalidRequest("--per-day must be a finite number")
    known = Known(baselines, per_day or known.per_day)
    if not baselines:
        raise InvalidRequest("nothing is known of any metric: add --value METRIC=MEAN, or --log STORE with its history")
    console = Console(highlight=False, width=None if Console().is_terminal else 110)
    for grid in _bandit(experiment, known, runs) if experiment.policy.learns else pages(experiment, known):
        _show(console, grid, language)


def _bandit(experiment: Experiment, known: Known, runs: int) -> tuple[Grid, ...]:
    metric = experiment.primary
    if metric.effect is None or not known.per_day or not experiment.plan.n_units:
        raise InvalidRequest(
            f"a policy that learns is planned by simulation: give metric {metric.name!r} an `effect`, the file "
            "`plan: {units: 20000}`, and this command --per-day"
        )
    if any(base.shape is not Shape.SHARE for base in known.baselines.values()) or metric.name not in known.baselines:
        raise InvalidRequest("the simulation of a policy needs the share of each conversion: --value METRIC=SHARE")
    better = next(variant.name for variant in experiment.variants if variant.name != experiment.control)
    rates = {_metric(experiment, name).outcome: base.mean for name, base in known.baselines.items()}
    world = Stated(rates, better, metric.effect)
    return (bandit.power(experiment, world, experiment.plan.n_units, known.per_day, runs),)


def _known(experiment: Experiment, log: Path | None, like: str | None) -> Known:
    if log is None:
        return Known({})
    with closing(open_log(log)) as reader:
        return history.known(frames.read(reader, like or experiment.experiment_id), experiment)


def _pairs(given: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for each in given:
        name, sign, text = each.rpartition("=")
        if not sign:
            raise InvalidRequest(f"{each!r} must be a metric and a number, such as purchase=0.03")
        found[name] = text
    return found


def _metric(experiment: Experiment, name: str) -> Metric:
    metric = experiment.metric(name)
    if metric is None:
        names = ", ".join(metric.name for metric in experiment.metrics)
        raise InvalidRequest(f"there is no metric {name!r} in the file: there are {names}")
    return metric


def _baseline(experiment: Experiment, name: str, text: str) -> Baseline:
    metric = _metric(experiment, name)
    if metric.kind is MetricKind.QUANTILE:
        raise InvalidRequest(f"{name!r} is a quantile, of which nobody knows beforehand how it varies: leave it out")
    mean, _, spread = text.partition(":")
    if metric.kind in _SHARES:
        return Baseline.of_share(_share(mean))
    if not spread:
        raise InvalidRequest(f"{name!r} is an amount: give its mean and its standard deviation, such as {name}=12:40")
    shape = Shape.RATIO if metric.kind is MetricKind.RATIO else Shape.MEAN
    if not 0 < _number(spread) <= MOST or abs(_number(mean)) > MOST:
        raise InvalidRequest(f"{text!r} must be a mean and a standard deviation above 0, each {MOST:,.0f} at most")
    return Baseline(_number(mean), _number(spread), shape)


def _share(text: str) -> float:
    share = _number(text)
    if not 0 <= share <= 1:
        raise InvalidRequest(f"{text!r} must be a share from 0 to 1, such as 0.03")
    return share


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise InvalidRequest(f"{text!r} must be a number") from None
    if not math.isfinite(number):
        raise InvalidRequest(f"{text!r} must be a finite number")
    return number


def _show(console: Console, grid: Grid, language: str) -> None:
    words = load(language)
    table = Table(title=words.say(grid.title), title_justify="left", box=box.SIMPLE_HEAD)
    for column in grid.columns:
        table.add_column(words.say(column), overflow="fold")
    for row in grid.rows:
        table.add_row(*(words.say(wording.cell(cell)) for cell in row))
    console.print(table)
    if grid.note is not None:
        console.print(words.say(grid.note))
    console.print()


COMMANDS: Mapping[str, click.Command] = {"plan": plan}
"""The commands of this module by name."""
