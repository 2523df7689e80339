"""The command `armlift report`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import click
from rich.progress import Progress

import analysis
from analysis.checks.predicting import Learned, learned_in
from analysis.document import Attribution, Report
from analysis.logs.parquet_source import open_log
from analysis.logs.sources import LogSource
from analysis.pages import languages, render
from engine.errors import InvalidRequest


@click.command()
@click.argument("experiments", metavar="[EXPERIMENT]...", nargs=-1)
@click.option("--log", "log", required=True, type=click.Path(path_type=Path), help="The directory of a store.")
@click.option("--out", "out", default="out/report", show_default=True, type=click.Path(path_type=Path))
@click.option(
    "--language", default="en", show_default=True, type=click.Choice(languages.CODES), help="The language of the pages."
)
def report(experiments: tuple[str, ...], log: Path, out: Path, language: str) -> None:
    """Write the report of experiments, or of all, from a store's log: HTML, Markdown, JSON and CSV, and an index.

    With all of them come pages about how the credit is shared for outcomes that several experiments have.

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
    words = languages.load(language)
    for made in reports:
        page, *_ = analysis.write(made, out / made.experiment_id, language)
        click.echo(f"{made.experiment_id}: {words.say(made.verdict.sentence)}")
        click.echo(f"  {page}")
    for found in credit:
        page, *_ = render.write_attribution(found, out, language)
        click.echo(f"{found.outcome}: {words.say(found.verdict.sentence)}")
        click.echo(f"  {page}")
    click.echo(f"all of them: {analysis.write_index(reports, out, language, credit)}")


def _read(log: LogSource, chosen: Sequence[str], learned: Learned | None) -> list[Report]:
    # rich's `track` is a generator, and one that an error leaves unfinished waits for its own threads when it is freed.
    with Progress(transient=True) as bar:
        task = bar.add_task("Reading the log", total=len(chosen))
        reports = []
        for name in chosen:
            reports.append(analysis.report(log, name, learned=learned))
            bar.advance(task)
        return reports


def _shared(log: LogSource) -> tuple[Attribution, ...]:
    """Return how the credit is shared for each outcome that several experiments have."""
    # One named experiment waits for nothing of this.
    from analysis.attribution import attributing

    return tuple(attributing.attribute(log, outcome) for outcome in attributing.outcomes(log))


COMMANDS: Mapping[str, click.Command] = {"report": report}
"""The commands of this module by name."""
