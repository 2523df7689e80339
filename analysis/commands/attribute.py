"""The command `armlift attribute`: how the credit for an outcome is shared, and how much of it randomisation proves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import click

from analysis.attribution import attributing
from analysis.attribution.events import Windows
from analysis.attribution.journeys import By
from analysis.attribution.rules import by_name
from analysis.attribution.rules.base import Rule
from analysis.attribution.rules.positional import LastNonDirect
from analysis.attribution.stores.asked import CHANNEL_FIELD
from analysis.commands.printing import print_grid
from analysis.document import Attribution, Beside, Cell, Grid
from analysis.pages import languages, render, wording
from analysis.pages.languages import Language
from engine.blocks import Node, duration_text
from engine.commands.telling import in_a_line
from engine.errors import InvalidExperiment

MOST_RULES = 3
"""So many rules are printed; the page has all."""

_USUAL = Windows()
_BY = tuple(each.value for each in By)


def duration_of(_ctx: object, _param: object, value: str | None) -> timedelta | None:
    """Return an option's length of time, as it is written in a file.

    Raises:
        BadParameter: it is none.
    """
    if value is None:
        return None
    try:
        return Node("", "", 0, value).duration()
    except InvalidExperiment:
        raise click.BadParameter(f"{value!r} is no length of time: write it as 30d, 12h or 30m") from None


@click.command()
@click.argument("outcome")
@click.option("--log", "log", required=True, type=click.Path(path_type=Path), help="The directory of a store.")
@click.option("--out", "out", default="out/report", show_default=True, type=click.Path(path_type=Path))
@click.option("--rule", "rules", multiple=True, type=click.Choice(by_name.RULES), help="How credit is shared.")
@click.option("--by", "by", multiple=True, type=click.Choice(_BY), help="Among what; among all three if left out.")
@click.option(
    "--look-back",
    callback=duration_of,
    default=duration_text(_USUAL.look_back),
    show_default=True,
    help="How long before a conversion a touch has a part in it.",
)
@click.option(
    "--session-gap",
    callback=duration_of,
    default=duration_text(_USUAL.session_gap),
    show_default=True,
    help="Within what the same again is one touch.",
)
@click.option("--within", callback=duration_of, help="Until when after its first draw what a unit does is incremental.")
@click.option("--channel-field", default=CHANNEL_FIELD, show_default=True, help="The context's field with the channel.")
@click.option(
    "--channel", "channels", multiple=True, metavar="NAME", help="A channel that is told apart; all if left out."
)
@click.option("--direct", multiple=True, metavar="NAME", help="What last_non_direct passes over.  [default: direct]")
@click.option("--interval", default="delta", show_default=True, type=click.Choice(["delta", "bootstrap"]))
@click.option("--format", "formats", multiple=True, type=click.Choice(render.FORMATS), help="All of them if left out.")
@click.option("--language", default="en", show_default=True, type=click.Choice(languages.CODES), help="Of the page.")
def attribute(
    *,
    outcome: str,
    log: Path,
    out: Path,
    rules: tuple[str, ...],
    by: tuple[str, ...],
    look_back: timedelta,
    session_gap: timedelta,
    within: timedelta | None,
    channel_field: str,
    channels: tuple[str, ...],
    direct: tuple[str, ...],
    interval: str,
    formats: tuple[str, ...],
    language: str,
) -> None:
    """Share the credit for an outcome among what units met before it, and say how much of it randomisation proves.

    Rules share by agreement. What is incremental is told by the draws of the experiments, beside them.

    \b
    Examples:
      armlift attribute purchase --log store --out out/report
      armlift attribute purchase --log store --rule linear --rule markov_1 --by channel --look-back 14d
    """
    asked = attributing.Asked(
        rules=_rules(tuple(dict.fromkeys(rules)) or by_name.DEFAULT, direct),
        by=tuple(map(By, dict.fromkeys(by))) or tuple(By),
        windows=Windows(look_back, session_gap),
        channel_field=channel_field,
        channels=channels,
        method="bootstrap" if interval == "bootstrap" else "delta",
        within=within,
    )
    found = attributing.attribute(log, outcome, asked)
    page, *_ = render.write_attribution(found, out, language, formats or render.FORMATS)
    _print(found, languages.load(language))
    click.echo(f"\nthe whole of it: {page}")


def _rules(names: tuple[str, ...], direct: tuple[str, ...]) -> tuple[Rule, ...]:
    """Return the rules of some names, with what is passed over as direct."""
    found = tuple(map(by_name.rule, names))
    if not direct:
        return found
    return tuple(LastNonDirect(frozenset(direct)) if isinstance(each, LastNonDirect) else each for each in found)


def _print(found: Attribution, language: Language) -> None:
    click.echo(in_a_line(language.say(found.verdict.sentence)))
    for caution in found.verdict.cautions:
        click.echo(in_a_line(f"  - {language.say(caution)}"))
    for grid in found.grids[:1]:
        shown = _short(grid)
        print_grid(shown, language)
        if rest := ", ".join(map(language.say, grid.columns[len(shown.columns) :])):
            click.echo(in_a_line(f"on the page alone: {rest}"))


def _short(grid: Grid) -> Grid:
    """Return a table that fits into a terminal: of a few rules, with intervals of what is proven alone."""
    n_rules = len(grid.chart.series) - 1 if isinstance(grid.chart, Beside) else 0
    before = len(grid.columns) - n_rules
    end = before + MOST_RULES
    rows = tuple((*row[:before], *map(_value, row[before:end])) for row in grid.rows)
    return replace(grid, columns=grid.columns[:end], rows=rows)


def _value(cell: Cell) -> Cell:
    return wording.value(cell) if wording.is_estimate(cell) else cell


COMMANDS: Mapping[str, click.Command] = {"attribute": attribute}
"""The commands of this module by name."""
