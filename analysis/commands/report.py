"""The command `armlift report`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import click
from rich.progress import Progress

import analysis
from analysis.checks.predicting import Learned, learned_in
from analysis.document import Attribution, Report
from analysis.logs.parquet_source import open_log
from analysis.logs.sources import LogSource
from analysis.pages import languages, render
from engine.errors import InvalidRequest

Made = TypeVar("Made", Report, Attribution)


@click.command()
@click.argument("experiments", metavar="[EXPERIMENT]...", nargs=-1)
@click.option("--log", "log", required=True, type=click.Path(path_type=Path), help="The directory of a store.")
@click.option("--out", "out", default="out/report", show_default=True, type=click.Path(path_type=Path))
@click.option(
    "--language", default="en", show_default=True, type=click.Choice(languages.CODES), help="The language of the pages."
)
def report(experiments: tuple[str, ...], log: Path, out: Path, language: str) -> None:
    """Write the report of experiments, or of all, from a store's log: HTML, Markdown, JSON and CSV, and an index.

    With all of them come pages about how the credit is shared for the outcomes that several experiments have, or where
    they have none in common, for their revenue. `armlift attribute` makes that of any other outcome.

    \b
    Example:
      armlift report home-offer --log store --out out/report
    """
    with closing(open_log(log)) as reader:
        chosen = experiments or tuple(state.experiment.experiment_id for state in reader.states())
        if not chosen:
            raise InvalidRequest(f"there is no experiment in {log}: `armlift apply FILE` makes one")
        reports = _read(reader, chosen, learned_in(log, reader))
        credit = () if experiments else _shared(reader)
        outcomes = {state.experiment.experiment_id: state.experiment.outcomes for state in reader.states()}
    words = languages.load(language)
    for made in reports:
        own = [found for found in credit if found.outcome in outcomes[made.experiment_id]]
        page, *_ = analysis.write(made, out / made.experiment_id, language, own)
        click.echo(f"{made.experiment_id}: {words.say(made.verdict.sentence)}")
        click.echo(f"  {page}")
    for found in credit:
        page, *_ = render.write_attribution(found, out, language)
        click.echo(f"{found.outcome}: {words.say(found.verdict.sentence)}")
        click.echo(f"  {page}")
    click.echo(f"all of them: {analysis.write_index(reports, out, language, credit)}")


def _read(log: LogSource, chosen: Sequence[str], learned: Learned | None) -> list[Report]:
    return _each(chosen, "Reading the log", lambda name: analysis.report(log, name, learned=learned))


def _shared(log: LogSource) -> tuple[Attribution, ...]:
    """Return how the credit is shared for the outcomes of a log whose credit is to be shared."""
    # One named experiment waits for nothing of this.
    from analysis.attribution import attributing

    outcomes = attributing.outcomes(log)
    return tuple(_each(outcomes, "Sharing the credit", lambda outcome: attributing.attribute(log, outcome)))


def _each(names: Sequence[str], doing: str, make: Callable[[str], Made]) -> list[Made]:
    """Return what is made of each name, with a bar of what was done so far."""
    # rich's `track` is a generator, and one that an error leaves unfinished waits for its own threads when it is freed.
    with Progress(transient=True) as bar:
        task = bar.add_task(doing, total=len(names))
        made = []
        for name in names:
            made.append(make(name))
            bar.advance(task)
        return made


COMMANDS: Mapping[str, click.Command] = {"report": report}
"""The commands of this module by name."""
