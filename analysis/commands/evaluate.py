"""The command `armlift evaluate`: what another policy would have earned, and whether the log can say it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import click
import numpy as np

from analysis.commands.printing import print_grid
from analysis.ope import evaluating, showing
from analysis.ope.course import over_time
from analysis.ope.doors import coba, dsjson, open_bandit, tables
from analysis.ope.evaluation import Evaluable, Evaluation
from analysis.ope.intervals.by_name import NAMES
from analysis.ope.learning import learn_from
from analysis.ope.logged import Logged
from analysis.ope.models.base import Ready, RewardModel
from analysis.ope.models.logistic import Logistic
from analysis.ope.models.predicting import Nothing
from analysis.ope.models.ridge import Ridge
from analysis.ope.models.vowpal import Vowpal
from analysis.ope.stores import reading
from analysis.ope.targets.base import Target
from analysis.ope.targets.naming import FORMS, PLAIN, named
from analysis.ope.targets.served import Served
from analysis.ope.targets.shadows import Shadow
from analysis.pages import languages, wording
from analysis.pages.encoding import encode
from analysis.pages.render import written
from engine.clock import from_micros, to_micros
from engine.commands.telling import in_a_line
from engine.errors import InvalidRequest

MODELS: Mapping[str, Callable[[], RewardModel | Ready]] = {
    "ridge": Ridge,
    "logistic": Logistic,
    "vw": Vowpal,
    "none": Nothing,
}
"""The models of the reward by name."""

READERS: Mapping[str, Callable[[Path], Iterator[Logged]]] = {
    "csv": tables.read,
    "dsjson": dsjson.read,
    "coba": coba.read,
    "obd": open_bandit.read,
}
"""What reads the draws of another system's file, by format."""

PAGE = "evaluation.html"
"""The name of the page."""

_HALF = 0.5


def moment_of(_ctx: object, _param: object, value: str | None) -> datetime | None:
    """Return an option's time, in UTC unless it says otherwise.

    Raises:
        BadParameter: it is none.
    """
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is no time: write it as 2026-03-16 or 2026-03-16T12:00") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def split_of(ctx: object, param: object, value: str | None) -> float | datetime | None:
    """Return an option's share of a log, or its time.

    Raises:
        BadParameter: it is neither.
    """
    try:
        share = float(value or "")
    except ValueError:
        return moment_of(ctx, param, value)
    if not 0 < share < 1:
        raise click.BadParameter(f"a share is above 0 and below 1, and this is {value}")
    return share


@dataclass(frozen=True, slots=True)
class Case:
    """A log, all of it or in blocks that are read once, and what it is asked about."""

    log: evaluating.Log
    target: Target
    against: Target | None


@click.command()
@click.argument("experiment", required=False)
@click.option("--log", "log", type=click.Path(path_type=Path), help="The directory of a store.")
@click.option("--file", "file", type=click.Path(path_type=Path), help="The log of another system, with --format.")
@click.option("--format", "kind", type=click.Choice(list(READERS)), help="What the file is.")
@click.option("--range", "value_range", type=(float, float), metavar="LOW HIGH", help="What a draw of it can bring.")
@click.option("--policy", required=True, metavar="POLICY", help=f"One of {', '.join(FORMS)}.")
@click.option("--against", metavar="POLICY", help="What it is compared with; the logged policy if left out.")
@click.option("--metric", help="What a draw brings; the experiment's reward if left out.")
@click.option("--model", default="ridge", show_default=True, type=click.Choice(list(MODELS)), help="Of the reward.")
@click.option("--interval", default=NAMES[0], show_default=True, type=click.Choice(NAMES), help="At one look.")
@click.option("--since", callback=moment_of, metavar="TIME", help="Judge only what was drawn from then on.")
@click.option(
    "--train-until",
    "split",
    callback=split_of,
    metavar="SHARE|TIME",
    help="A policy of a file that learns is taught the log until then, and judged on the rest.  [default: 0.5]",
)
@click.option("--force", "forced", is_flag=True, help="Show numbers that the log does not bear out.")
@click.option("--json", "json", type=click.Path(path_type=Path), help="Write the evaluation to this file, too.")
@click.option("--out", "out", type=click.Path(path_type=Path), help=f"Write {PAGE} into this directory, too.")
@click.option("--language", default="en", show_default=True, type=click.Choice(languages.CODES), help="Of the page.")
@click.pass_context
def evaluate(
    ctx: click.Context,
    *,
    experiment: str | None,
    log: Path | None,
    file: Path | None,
    kind: str | None,
    value_range: tuple[float, float] | None,
    policy: str,
    against: str | None,
    metric: str | None,
    model: str,
    interval: str,
    since: datetime | None,
    split: float | datetime | None,
    forced: bool,
    json: Path | None,
    out: Path | None,
    language: str,
) -> None:
    """Say what another policy would have earned on an experiment's log, or that the log cannot say it.

    A policy is named by a word, or by the file of an experiment. The exit code is 1 where the log cannot say it.

    The log of another system is read from a file: VW's decisions (dsjson), Coba's interactions as JSON lines, a file of
    the Open Bandit Dataset (obd), or a CSV with the columns variant, reward and propensity, and if it has them unit,
    at, p.VARIANT of each variant, and number.FIELD and text.FIELD of the context.

    \b
    Examples:
      armlift evaluate home-offer --log store --policy always:bundle
      armlift evaluate home-offer --log store --policy new-offer.yaml --against uniform --metric purchase
      armlift evaluate --file log.dsjson --format dsjson --policy uniform --out out
    """
    if log is not None and experiment and not (file or kind or value_range):
        case = _of_store(log, experiment, (policy, against), metric, split)
    elif file is not None and kind and log is None and not (experiment or metric or split):
        case = _of_file(file, kind, (policy, against), value_range)
    else:
        raise InvalidRequest("say what to evaluate: EXPERIMENT with --log STORE, or --file LOG with --format, not both")
    begin = to_micros(since) if since else None
    found = evaluating.evaluate(
        case.log,
        case.target,
        against=case.against,
        model=MODELS[model](),
        interval=interval,
        since=begin,
        forced=forced,
    )
    _print(found)
    if json:
        written(json, encode(found), "evaluation")
    if out:
        page = out / PAGE
        written(page, _page(found, case, begin, language), "evaluation")
        click.echo(f"\nthe whole of it: {page}")
    if found.verdict.word is Evaluable.NO:
        ctx.exit(1)


def _of_store(
    log: Path, experiment: str, names: tuple[str, str | None], metric: str | None, split: float | datetime | None
) -> Case:
    draws = reading.read(log, experiment, metric=metric)
    found = [named(name, log, experiment) if name else None for name in names]
    learn = [isinstance(each, Served) and each.since is None and each.experiment.policy.learns for each in found]
    if split is not None and not any(learn):
        raise InvalidRequest("nothing here learns from the log: --train-until is for a file whose policy learns")
    for place, each in enumerate(found):
        if learn[place] and isinstance(each, Served) and len(draws):
            found[place] = learn_from(log, experiment, until=_end(draws, split or _HALF), taught=each.experiment)
        if isinstance(each, Shadow):
            draws = each.only(draws)
    target, against = found
    assert target is not None, "it is required"
    return Case(draws, target, against)


def _end(draws: Logged, split: float | datetime) -> datetime:
    """Return a split as a time."""
    if isinstance(split, datetime):
        return split
    return from_micros(int(np.quantile(draws.at, split, method="lower")))


def _of_file(file: Path, kind: str, names: tuple[str, str | None], value_range: tuple[float, float] | None) -> Case:
    """Return what a file is asked about, whose draws bring what lies in a range, if one is declared."""
    policy, against = names
    target, other = _plain(policy), _plain(against) if against else None
    if value_range is None:
        return Case(READERS[kind](file), target, other)
    low, high = value_range
    if not low < high:
        raise InvalidRequest(f"the range ends where it begins or before: {low:g} to {high:g}")
    blocks = READERS[kind](file)
    declared = (replace(each, collection=replace(each.collection, value_range=value_range)) for each in blocks)
    return Case(declared, target, other)


def _plain(name: str) -> Target:
    """Return a policy that needs no store."""
    if name.partition(":")[0] not in PLAIN:
        forms = ", ".join(form for form in FORMS if form.partition(":")[0] in PLAIN)
        raise InvalidRequest(f"{name!r} is nothing that a file can be asked about: take one of {forms}")
    return named(name, "", "")


def _page(found: Evaluation, case: Case, since: int | None, language: str) -> str:
    """Return the page, with the difference over time where the log is at hand."""
    course = None
    if isinstance(case.log, Logged) and found.verdict.word is not Evaluable.NO:
        course = over_time(case.log, case.target, against=case.against, since=since)
    return showing.to_html(found, language, course)


def _print(found: Evaluation) -> None:
    click.echo(in_a_line(str(showing.sentence(found))))
    for reason in found.verdict.reasons:
        click.echo(in_a_line(f"  - {reason}"))
    for grid in showing.grids(found):
        if grid is not found.overlap:
            print_grid(replace(grid, rows=tuple(row for row in grid.rows if row[0] != showing.METHODS)))
            if grid.key == "panel" and grid.note is not None:
                click.echo(in_a_line(str(grid.note)))
    for when, each in (("one", found.value), ("any", found.value_anytime)):
        if each.interval is not None:
            click.echo(f"\nat {when} look: {wording.method(each)}")


COMMANDS: Mapping[str, click.Command] = {"evaluate": evaluate}
"""The commands of this module by name."""
