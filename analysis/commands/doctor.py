"""The commands `armlift doctor ...`: is all well with what runs?"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from analysis.checks import drift as checks
from analysis.checks import propensities as logged
from analysis.checks.predicting import learned_in
from analysis.logs import frames
from analysis.logs.parquet_source import open_log
from engine.errors import InvalidRequest


@click.group()
def doctor() -> None:
    """Say whether all is well; the exit code is 1 where something is wrong.

    \b
    Examples:
      armlift doctor drift home-offer --log store
      armlift doctor propensities home-offer --log store
    """


@doctor.command()
@click.argument("experiment")
@click.option("--log", "log", required=True, type=click.Path(path_type=Path), help="The directory of a store.")
@click.pass_context
def drift(ctx: click.Context, experiment: str, log: Path) -> None:
    """Say whether the world drifted under a policy that learns: its rewards, its context, its predictions.

    The exit code is 1 where there is an alarm. It may be asked as often as anybody likes.

    \b
    Example:
      armlift doctor drift home-offer --log store
    """
    with closing(open_log(log)) as reader:
        frame = frames.read(reader, experiment)
        if not frame.experiment.policy.learns:
            raise InvalidRequest(f"{experiment!r} has a policy that does not learn: nothing it learned can be outdated")
        found = checks.findings(frame, learned_in(log, reader))
    for each in found:
        click.echo(f"{each.kind.value}: {' '.join(map(str, each.said))}")
        for alarm in each.alarms:
            click.echo(f"  {alarm.what}, about since {alarm.since:%Y-%m-%d %H:%M} (p-value {alarm.p_value:.2g})")
    if checks.alarms(found):
        ctx.exit(1)


@doctor.command()
@click.argument("experiment")
@click.option("--log", "log", required=True, type=click.Path(path_type=Path), help="The directory of a store.")
@click.pass_context
def propensities(ctx: click.Context, experiment: str, log: Path) -> None:
    """Say whether the logged propensities are those of the draws: made again from files alone, and by their counts.

    The exit code is 1 where something is wrong. It may be asked as often as anybody likes. Where a policy reads the
    context, making its draws again takes as long as drawing them did.

    Of a log that `armlift export` wrote only rows and counts are checked: secret and snapshots stay in the store.

    \b
    Examples:
      armlift doctor propensities home-offer --log store
      armlift doctor propensities home-offer --log out/log
    """
    with closing(open_log(log)) as reader, _bar() as bar:
        learned = learned_in(log, reader)
        task = bar.add_task("Making draws again", total=learned.reader.last_seq() if learned else None)
        found = logged.propensities(reader, experiment, learned, looked=lambda seq: bar.update(task, completed=seq))
    for sentence in logged.said(found):
        click.echo(sentence)
    if not found.hold:
        ctx.exit(1)


def _bar() -> Progress:
    """Return a bar that shows in a terminal alone, and beside what is said."""
    console = Console(stderr=True)
    return Progress(console=console, transient=True, disable=not console.is_terminal)


COMMANDS: Mapping[str, click.Command] = {"doctor": doctor}
"""The commands of this module by name."""
