"""Commands that change or show experiments."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from engine import files
from engine.commands import actor_option, reason_option, server_option
from engine.experiments import ExperimentState, Status
from engine.service.management import Management

file_argument = click.argument("file", type=click.Path(path_type=Path))
experiment_argument = click.argument("experiment")


@click.command()
@file_argument
def check(file: Path) -> None:
    """Check an experiment file without a server.

    \b
    Example:
      armlift check home-offer.yaml
    """
    experiment = files.read(file)
    variants = ", ".join(variant.name for variant in experiment.variants)
    click.echo(f"{file} is right: {experiment.experiment_id}, {experiment.policy.kind}, variants {variants}")


@click.command()
@file_argument
@server_option
@actor_option
@reason_option
def apply(file: Path, server: str, actor: str, reason: str) -> None:
    """Create the experiment of a file, or make a new revision of it.

    \b
    Example:
      armlift apply home-offer.yaml --reason "first try"
    """
    with Management(server, actor) as management:
        state, done = management.apply(files.read(file), reason)
    click.echo(f"{done}: {_summary(state)}")
    if state.status is Status.DRAFT:
        click.echo(f"start it with: armlift start {state.experiment.experiment_id}")


@click.command("list")
@server_option
def list_all(server: str) -> None:
    """List all experiments.

    \b
    Example:
      armlift list --server 127.0.0.1:7878
    """
    table = Table("experiment", "status", "policy", "revision", "epoch", "hypothesis", box=None)
    with Management(server, "") as management:
        for state in management.all():
            brief = state.experiment.brief
            row = (state.experiment.experiment_id, state.status.value, state.experiment.policy.kind)
            table.add_row(*row, str(state.revision), str(state.epoch), brief.hypothesis)
    Console().print(table if table.row_count else "no experiments yet: armlift apply FILE")


@click.command()
@experiment_argument
@server_option
def show(experiment: str, server: str) -> None:
    """Show an experiment as the file that it came from, with its state.

    \b
    Example:
      armlift show home-offer
    """
    with Management(server, "") as management:
        state, outside = management.look(experiment)
    click.echo(f"# {_summary(state)}")
    for reason, count in sorted(outside.items()):
        click.echo(f"# answered outside it since the server started: {reason.replace('_', ' ')} {count:,}")
    click.echo(files.dump(state.experiment), nl=False)


@click.command()
@experiment_argument
@server_option
def history(experiment: str, server: str) -> None:
    """Show who changed an experiment, when and why.

    \b
    Example:
      armlift history home-offer
    """
    table = Table("when", "who", "what", "revision", "epoch", "status", "why", box=None)
    with Management(server, "") as management:
        for change in management.history(experiment):
            when = change.changed_at.strftime("%Y-%m-%d %H:%M:%S")
            place = (str(change.revision), str(change.epoch), change.status.value)
            table.add_row(when, change.actor, change.action, *place, change.reason)
    Console().print(table)


def _transition(name: str, to: Status, help: str) -> click.Command:
    @click.command(name, help=f'{help}\n\n\b\nExample:\n  armlift {name} home-offer --reason "as planned"')
    @experiment_argument
    @server_option
    @actor_option
    @reason_option
    def move(experiment: str, server: str, actor: str, reason: str) -> None:
        with Management(server, actor) as management:
            click.echo(_summary(management.move(experiment, to, reason)))

    return move


def _summary(state: ExperimentState) -> str:
    name, kind = state.experiment.experiment_id, state.experiment.policy.kind
    return f"{name} is {state.status.value} ({kind}, revision {state.revision}, epoch {state.epoch})"


COMMANDS = {
    "check": check,
    "apply": apply,
    "list": list_all,
    "show": show,
    "history": history,
    "start": _transition("start", Status.RUNNING, "Start a draft."),
    "pause": _transition("pause", Status.PAUSED, "Pause a running experiment: everybody gets the default."),
    "resume": _transition("resume", Status.RUNNING, "Resume a paused experiment."),
    "conclude": _transition("conclude", Status.CONCLUDED, "Conclude an experiment for good: outcomes still count."),
    "archive": _transition("archive", Status.ARCHIVED, "Put away a concluded experiment or a draft."),
}
