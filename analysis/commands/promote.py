"""The commands of `armlift policy` that look at proposals, and promote one if the log says that it earns more."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import click
from rich.table import Table

from analysis import promoting
from analysis.logs.parquet_source import open_log
from analysis.pages.encoding import encode
from engine.commands import actor_option, experiment_argument, reason_option, server_option
from engine.commands.telling import in_a_line, moment, show, summary
from engine.errors import InvalidRequest, InvalidTransition
from engine.promotion import check_promotable
from engine.proposals import SERVED, Proposal, Standing
from engine.service.management import Management


@click.command()
@experiment_argument
@click.option("--report", "attempt", type=click.IntRange(min=1), help="Print the report that decided on this attempt.")
@click.option("--log", type=click.Path(path_type=Path), help="A log: says whether its control group confirms it.")
@server_option
def proposals(experiment: str, attempt: int | None, log: Path | None, server: str) -> None:
    """List what was proposed for an experiment, and what became of it.

    \b
    Examples:
      armlift policy proposals home-offer --log armlift-store
      armlift policy proposals home-offer --report 2
    """
    with Management(server, "") as management:
        if attempt is not None:
            click.echo(_report(management, experiment, attempt), nl=False)
            return
        listed = list(management.promotions.all(experiment))
    _show(listed)
    if log is not None and any(each.standing in SERVED for each in listed):
        with closing(open_log(log)) as source:
            confirmed = promoting.confirmation(source, experiment)
        if confirmed is not None:
            click.echo(str(confirmed.sentence))


@click.command()
@experiment_argument
@click.argument("attempt", metavar="[ATTEMPT]", type=click.IntRange(min=1), required=False)
@click.option("--log", type=click.Path(path_type=Path), help="The server's store, whose draws are the evidence.")
@click.option("--force", "forced", is_flag=True, help="Go without evidence; the history says so.")
@server_option
@actor_option
@reason_option
def promote(
    *, experiment: str, attempt: int | None, log: Path | None, forced: bool, server: str, actor: str, reason: str
) -> None:
    """Make a proposal the next revision, if the draws since it was frozen say that it earns more.

    Without an attempt it is the one that waits. It may be asked as often as anybody likes.

    \b
    Examples:
      armlift policy promote home-offer --log armlift-store --reason "it earns more"
      armlift policy promote home-offer 3 --force --reason "the old one must go today"
    """
    with Management(server, actor) as management:
        proposal = _chosen(management, experiment, attempt)
        check_promotable(management.get(experiment), proposal)
        evidence = "" if forced else _evidence(proposal, log)
        _, state = management.promotions.promote(experiment, proposal.attempt, evidence, reason, forced=forced)
    click.echo(f"attempt {proposal.attempt} is promoted: {summary(state)}")
    click.echo(f"what comes of it: armlift policy proposals {experiment} --log ...")


def _report(management: Management, experiment: str, attempt: int) -> str:
    proposal, evidence = management.promotions.get(experiment, attempt)
    if not evidence:
        word = proposal.standing.value
        raise InvalidRequest(f"no report decided on attempt {attempt} of {experiment!r}: it is {word}")
    return evidence


def _show(listed: list[Proposal]) -> None:
    table = Table("attempt", "", "changes", "frozen", "after row", "judged at", "by", "why", "then", box=None)
    for each in listed:
        judged = f"{promoting.level_of(each.attempt):.2%}"
        frozen = f"revision {each.base_revision}", moment(each.frozen_at), f"{each.frozen_seq:,}", judged
        told = in_a_line(each.actor), in_a_line(each.reason), in_a_line(_then(each))
        table.add_row(str(each.attempt), each.standing.value, *frozen, *told)
    show(table, "nothing was proposed yet: armlift policy propose FILE --reason ...")


def _then(proposal: Proposal) -> str:
    settled = proposal.settlement
    if settled is None:
        return ""
    became = f"revision {settled.revision}, epoch {settled.epoch}, " if proposal.standing in SERVED else ""
    return f"{became}by {settled.actor}: {settled.reason}"


def _chosen(management: Management, experiment: str, attempt: int | None) -> Proposal:
    if attempt is not None:
        return management.promotions.get(experiment, attempt)[0]
    waiting = [each for each in management.promotions.all(experiment) if each.standing is Standing.WAITING]
    if len(waiting) == 1:
        return waiting[0]
    if not waiting:
        raise InvalidRequest(f"nothing waits to be promoted for {experiment!r}: armlift policy propose FILE")
    numbers = ", ".join(str(each.attempt) for each in waiting)
    raise InvalidRequest(f"attempts {numbers} of {experiment!r} wait: say which one")


def _evidence(proposal: Proposal, log: Path | None) -> str:
    """Return the evaluation that decides as JSON.

    Raises:
        InvalidTransition: it does not say that the proposal earns more.
        InvalidRequest: no log is given, or not the one that the proposal was frozen on.
    """
    if log is None:
        raise InvalidRequest("a promotion needs evidence: say the server's store by --log, or go without by --force")
    evaluation = promoting.judged(log, proposal)
    decision = promoting.decide(evaluation, proposal.attempt)
    if not decision.may_be:
        raise InvalidTransition(str(decision.sentence))
    click.echo(str(decision.sentence))
    return encode(evaluation)


COMMANDS: Mapping[str, click.Command] = {"proposals": proposals, "promote": promote}
"""The commands of this module by name."""
