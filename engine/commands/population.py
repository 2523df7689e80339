"""`armlift population`, and what `armlift apply` does with a population's file."""

from __future__ import annotations

import click
from rich.table import Table

from engine import population_file
from engine.commands import server_option
from engine.commands.telling import moment, population_summary, show
from engine.funnel import Population
from engine.service.management import Management


@click.command()
@click.option("--revision", default=0, help="The revision to show.  [default: the current one]")
@click.option("--history", is_flag=True, help="Show who changed it, when, what and why.")
@server_option
def population(revision: int, history: bool, server: str) -> None:
    """Show what all experiments share as a file: segments, groups, layers and the holdout.

    \b
    Examples:
      armlift population > population.yaml
      armlift population --history
    """
    with Management(server, "") as management:
        if history:
            _show_history(management)
            return
        state = management.population(revision)
    click.echo(f"# revision {state.revision}, etag {state.etag}")
    click.echo(population_file.dump(state.population), nl=False)


def apply_population(management: Management, declared: Population, reason: str, etag: str) -> None:
    """Make the server's population this one, and say what came of it."""
    before = management.population()
    state, opened = management.apply_population(declared, reason, etag)
    done = "changed" if state.revision > before.revision else "unchanged"
    click.echo(f"{done}: {population_summary(state.population)} (revision {state.revision})")
    for experiment in opened:
        click.echo(f"opened an epoch in {experiment}, because units moved")


def _show_history(management: Management) -> None:
    table = Table("when", "who", "what", "revision", "why", box=None)
    for change in management.population_history():
        what = ", ".join(change.fields)
        table.add_row(moment(change.changed_at), change.actor, what, str(change.revision), change.reason)
    show(table, "no changes yet: armlift apply FILE")


COMMANDS = {"population": population}
