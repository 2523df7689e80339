"""Commands that bring experiments, move them through their lives, and show them."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table

from engine import files, population_file
from engine.commands import actor_option, etag_option, experiment_argument, reason_option, server_option
from engine.commands.population import apply_population
from engine.commands.telling import moment, population_summary, reason_said, standing, summary
from engine.commands.telling import show as show_table
from engine.experiments import Change, Experiment, Status
from engine.funnel import Population
from engine.policy_rules import policy_warnings
from engine.service.management import Management

file_argument = click.argument("file", type=click.Path(path_type=Path))


@click.command()
@file_argument
def check(file: Path) -> None:
    """Check the file of an experiment, or of the population, without a server.

    \b
    Example:
      armlift check home-offer.yaml
    """
    declared = _read(file)
    if isinstance(declared, Population):
        click.echo(f"{file} is right: {population_summary(declared)}")
        return
    variants = ", ".join(f"{each.name} (blank)" if each.is_blank else each.name for each in declared.variants)
    click.echo(f"{file} is right: {declared.experiment_id}, {declared.policy.kind}, variants {variants}")
    _warn(declared)


@click.command()
@file_argument
@etag_option
@server_option
@actor_option
@reason_option
def apply(*, file: Path, etag: str, server: str, actor: str, reason: str) -> None:
    """Create the experiment of a file, or make a new revision of it; a population's file changes the population.

    \b
    Examples:
      armlift apply home-offer.yaml --reason "first try"
      armlift apply home-offer.yaml --etag 7 --reason "unless somebody was faster"
      armlift apply population.yaml --reason "a holdout for the year"
    """
    declared = _read(file)
    with Management(server, actor) as management:
        if isinstance(declared, Population):
            apply_population(management, declared, reason, etag)
            return
        state, done = management.apply(declared, reason, etag)
    click.echo(", ".join((f"{done}: {summary(state)}", *standing(state))))
    _warn(declared)
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
    table = Table("experiment", "status", "policy", "revision", "epoch", "now", "hypothesis", box=None)
    with Management(server, "") as management:
        for state in management.all():
            row = (state.experiment.experiment_id, state.status.value, state.experiment.policy.kind)
            place = (str(state.revision), str(state.epoch), ", ".join(standing(state)))
            table.add_row(*row, *place, state.experiment.brief.hypothesis)
    show_table(table, "no experiments yet: armlift apply FILE")


@click.command()
@experiment_argument
@click.option("--revision", default=0, help="The revision to show.  [default: the current one]")
@server_option
def show(experiment: str, revision: int, server: str) -> None:
    """Show an experiment as the file that it came from, with its state.

    \b
    Examples:
      armlift show home-offer
      armlift show home-offer --revision 3
    """
    with Management(server, "") as management:
        state, outside = management.look(experiment)
        shown = management.get(experiment, revision) if revision else state
    click.echo(f"# {summary(state)}, etag {state.etag}")
    for phrase in standing(state):
        click.echo(f"# {phrase}")
    for reason, count in sorted(outside.items()):
        click.echo(f"# answered outside it since the server started: {reason_said(reason)} {count:,}")
    if revision:
        click.echo(f"# below is revision {revision}: armlift restore {experiment} {revision}")
    click.echo(files.dump(shown.experiment), nl=False)


@click.command()
@experiment_argument
@server_option
def history(experiment: str, server: str) -> None:
    """Show who changed an experiment, when, what and why.

    \b
    Example:
      armlift history home-offer
    """
    table = Table("when", "who", "what", "revision", "epoch", "status", "why", box=None)
    with Management(server, "") as management:
        for change in management.history(experiment):
            place = (str(change.revision), str(change.epoch), change.status.value)
            table.add_row(moment(change.changed_at), change.actor, _what(change), *place, change.reason)
    show_table(table, "no changes yet")


def _transition(name: str, to: Status, help: str) -> click.Command:
    @click.command(name, help=f'{help}\n\n\b\nExample:\n  armlift {name} home-offer --reason "as planned"')
    @experiment_argument
    @server_option
    @actor_option
    @reason_option
    def move(experiment: str, server: str, actor: str, reason: str) -> None:
        with Management(server, actor) as management:
            click.echo(summary(management.move(experiment, to, reason)))

    return move


def _read(file: Path) -> Experiment | Population:
    text = files.read_text(file)
    if population_file.is_population(text):
        return population_file.load(text, file.name)
    return files.load(text, file.name)


def _warn(declared: Experiment) -> None:
    for sentence in policy_warnings(declared):
        click.echo(f"warning: {sentence}", err=True)


def _what(change: Change) -> str:
    return f"{change.action}: {', '.join(change.fields)}" if change.fields else change.action


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
