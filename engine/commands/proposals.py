"""The commands of `armlift policy` that propose a changed definition and withdraw it; `promote` is of `analysis`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import click

from engine import files
from engine.commands import actor_option, experiment_argument, reason_option, server_option
from engine.commands.telling import moment
from engine.errors import InvalidRequest
from engine.experiments import Experiment, ExperimentState
from engine.freezing import frozen
from engine.learned import shown
from engine.promotion import check_reason, check_spoken_of, of_shadow
from engine.proposals import Proposal
from engine.records import Snapshot
from engine.service.management import Management
from engine.storage import open_reader


@click.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--shadow", "shadow", metavar="EXPERIMENT", help="That the shadow of this experiment serve, not a FILE.")
@click.option("--log", type=click.Path(path_type=Path), help="The server's store, for a policy that learns.")
@server_option
@actor_option
@reason_option
def propose(*, file: Path | None, shadow: str | None, log: Path | None, server: str, actor: str, reason: str) -> None:
    """Freeze a changed definition of an experiment that runs, to be judged by the draws that are made from now on.

    A policy that learns is frozen with what the log so far teaches it.

    \b
    Examples:
      armlift policy propose home-offer-by-segment.yaml --reason "phones want less"
      armlift policy propose home-offer.yaml --log armlift-store --reason "explore less"
      armlift policy propose --shadow home-offer --log armlift-store --reason "it looks better"
    """
    check_reason(reason)
    with Management(server, actor) as management:
        state, declared = _declared(management, file, shadow)
        check_spoken_of(state.experiment, declared)
        learned = _learned(state, declared, log)
        proposal = management.promotions.propose(declared, learned, state.etag, reason)
    _say_frozen(proposal, learned)


@click.command()
@experiment_argument
@click.argument("attempt", type=click.IntRange(min=1))
@server_option
@actor_option
@reason_option
def withdraw(*, experiment: str, attempt: int, server: str, actor: str, reason: str) -> None:
    """Let a proposal wait no longer; its attempt stays spent.

    \b
    Example:
      armlift policy withdraw home-offer 2 --reason "a mistake in its file"
    """
    with Management(server, actor) as management:
        proposal = management.promotions.withdraw(experiment, attempt, reason)
    click.echo(f"attempt {proposal.attempt} of {experiment} is withdrawn")


def _declared(management: Management, file: Path | None, shadow: str | None) -> tuple[ExperimentState, Experiment]:
    """Return an experiment as it is, and as it is to be.

    Raises:
        InvalidRequest: neither a file nor a shadow is named, or both are.
    """
    if (file is None) == (shadow is None):
        raise InvalidRequest("name the FILE of a changed definition, or an experiment whose --shadow is to serve")
    if file is not None:
        declared = files.read(file)
        return management.get(declared.experiment_id), declared
    state = management.get(shadow or "")
    return state, of_shadow(state.experiment)


def _learned(state: ExperimentState, declared: Experiment, log: Path | None) -> Snapshot | None:
    """Return what is frozen with a definition, or None where its policy learns nothing.

    Raises:
        InvalidRequest: the log is not said, or teaches nothing yet.
    """
    if not declared.policy.learns:
        return None
    if log is None:
        raise InvalidRequest(f"its policy is {declared.policy.kind}, which learns: say the server's store by --log")
    with closing(open_reader(log)) as reader:
        learned = frozen(reader, state, declared)
    if learned is None:
        raise InvalidRequest(f"no draw of {declared.experiment_id!r} in {log} has matured: propose it once one has")
    return learned


def _say_frozen(proposal: Proposal, learned: Snapshot | None) -> None:
    name = proposal.experiment_id
    click.echo(f"{name}: attempt {proposal.attempt} is frozen at row {proposal.frozen_seq:,} of the log")
    if learned is not None:
        until = f"{learned.n_rewards:,} rewards until {moment(learned.watermark[0])}"
        click.echo(f"its policy knows {shown(learned.hash)}: {until}")
    click.echo(f"judge it with: armlift policy promote {name} {proposal.attempt} --log ... --reason ...")


COMMANDS: Mapping[str, click.Command] = {"propose": propose, "withdraw": withdraw}
"""The commands of this module by name."""
