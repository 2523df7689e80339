"""Commands that steer an experiment that runs: its ramp, its variants, single units; and one that looks on."""

from __future__ import annotations

import click

from engine.commands import actor_option, experiment_argument, reason_option, server_option
from engine.commands.telling import population_summary, standing, summary
from engine.errors import InvalidRequest
from engine.experiments import ROLLED_BACK, ExperimentState
from engine.ramping import place
from engine.service.catalog_changes import CatalogChange
from engine.service.management import Management

variant_argument = click.argument("variant")
unit_option = click.option("--unit", "unit", required=True, help="The unit's id; its type is the experiment's.")


@click.command()
@experiment_argument
@click.option("--to", "to", type=click.IntRange(min=1), help="The step to go to; the first one is 1.")
@click.option("--next", "forward", is_flag=True, help="Go to the next step.")
@click.option("--back", is_flag=True, help="Roll back: nobody is in until it goes to a step again.")
@click.option("--early", is_flag=True, help="Go on though the step has not lasted as long as it should.")
@server_option
@actor_option
@reason_option
def ramp(
    *, experiment: str, to: int | None, forward: bool, back: bool, early: bool, server: str, actor: str, reason: str
) -> None:
    """Take an experiment's ramp to another step, or roll it back.

    \b
    Examples:
      armlift ramp home-offer --next --reason "all is well"
      armlift ramp home-offer --back --reason "complaints"
    """
    if (to is not None) + forward + back != 1:
        raise InvalidRequest("say one of --to N, --next and --back")
    with Management(server, actor) as management:
        state = management.get(experiment)
        step = ROLLED_BACK if back else state.step + 1 if to is None else to - 1
        _check_step(state, step)
        _tell(state, management.move_ramp(experiment, step, state.etag, reason, early=early))


@click.command()
@experiment_argument
@variant_argument
@unit_option
@server_option
@actor_option
@reason_option
def force(*, experiment: str, variant: str, unit: str, server: str, actor: str, reason: str) -> None:
    """Let one unit have a variant without a draw; it leaves the comparison of variants.

    \b
    Example:
      armlift force home-offer bundle --unit customer-42 --reason "asked for it"
    """
    with Management(server, actor) as management:
        management.force(experiment, unit, variant, reason)
    click.echo(f"{unit} gets {variant} in {experiment} from now on")


@click.command()
@experiment_argument
@unit_option
@server_option
@actor_option
@reason_option
def unforce(*, experiment: str, unit: str, server: str, actor: str, reason: str) -> None:
    """Let a unit that was forced be answered as all others again.

    \b
    Example:
      armlift unforce home-offer --unit customer-42 --reason "no longer wanted"
    """
    with Management(server, actor) as management:
        management.force(experiment, unit, "", reason)
    click.echo(f"{unit} is answered as all others in {experiment} from now on")


@click.command()
@experiment_argument
@variant_argument
@server_option
@actor_option
@reason_option
def kill(experiment: str, variant: str, server: str, actor: str, reason: str) -> None:
    """Let nobody get a variant any more: only the units that had it are drawn again.

    \b
    Example:
      armlift kill home-offer bundle --reason "sold out"
    """
    with Management(server, actor) as management:
        _tell(management.get(experiment), management.kill(experiment, variant, reason))


@click.command()
@experiment_argument
@click.argument("revision", type=int)
@server_option
@actor_option
@reason_option
def restore(experiment: str, revision: int, server: str, actor: str, reason: str) -> None:
    """Make a new revision with the definition of an old one.

    \b
    Example:
      armlift restore home-offer 3 --reason "the new one was a mistake"
    """
    with Management(server, actor) as management:
        _tell(management.get(experiment), management.restore(experiment, revision, reason))


@click.command()
@click.option("--after", default=0, show_default=True, help="The catalog revision to resume after; 0 shows everything.")
@server_option
def watch(after: int, server: str) -> None:
    """Show each change of an experiment or of the population as it comes, until Ctrl-C.

    \b
    Example:
      armlift watch --after 120
    """
    with Management(server, "") as management:
        for change in management.watch(after):
            click.echo(f"{change.catalog_revision:>6}  {_seen(change)}")


def _seen(change: CatalogChange) -> str:
    if change.population is not None:
        return population_summary(change.population)
    return (
        ", ".join((summary(change.state), *standing(change.state))) if change.state else f"{change.deleted_id} is gone"
    )


def _check_step(state: ExperimentState, step: int) -> None:
    """Say what is wrong with a step by the numbers that were typed; a server says it by those of the contract."""
    n_steps = len(state.experiment.funnel.ramp)
    if n_steps and step >= n_steps:
        raise InvalidRequest(f"the ramp is {place(state)}: there is no step {step + 1}")


def _tell(before: ExperimentState, after: ExperimentState) -> None:
    click.echo(", ".join((summary(after), *standing(after))))
    if after.epoch > before.epoch:
        click.echo(f"opened epoch {after.epoch}, because units moved")


COMMANDS = {"ramp": ramp, "force": force, "unforce": unforce, "kill": kill, "restore": restore, "watch": watch}
