"""The commands of `armlift policy` that look at proposals, and promote one if the log says that it earns more."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import click
from rich.table import Table

from analysis import promoting
from analysis.pages.encoding import encode
from engine.commands import actor_option, experiment_argument, reason_option, server_option
from engine.commands.telling import in_a_line, moment, show, summary
from engine.errors import InvalidRequest, InvalidTransition, UnknownExperiment
from engine.experiments import ExperimentState
from engine.ports import Reader
from engine.promotion import check_promotable, check_reason, is_outdated, kept
from engine.proposals import SERVED, Proposal, Standing
from engine.service.management import Management
from engine.storage import open_reader


@click.command()
@experiment_argument
@click.option("--report", "attempt", type=click.IntRange(min=1), help="Print the report that decided on this attempt.")
@click.option("--log", type=click.Path(path_type=Path), help="A store's directory: reads the files alone.")
@server_option
def proposals(experiment: str, attempt: int | None, log: Path | None, server: str) -> None:
    """List what was proposed for an experiment, and what became of it.

    From the files it also says whether the control group confirms the latest promotion.

    \b
    Examples:
      armlift policy proposals home-offer --log armlift-store
      armlift policy proposals home-offer --report 2
    """
    if attempt is not None:
        click.echo(_report(experiment, attempt, log, server), nl=False)
    elif log is None:
        with Management(server, "") as management:
            _show(management.get(experiment), list(management.promotions.all(experiment)))
    else:
        with closing(open_reader(log)) as reader:
            _show(_state(reader, experiment, log), reader.proposals(experiment))
            confirmed = promoting.confirmation(reader, experiment)
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
    check_reason(reason)
    with Management(server, actor) as management:
        proposal = _chosen(management, experiment, attempt)
        check_promotable(management.get(experiment), proposal)
        evidence = "" if forced else _evidence(proposal, log)
        _, state = management.promotions.promote(experiment, proposal.attempt, evidence, reason, forced=forced)
    click.echo(f"attempt {proposal.attempt} is promoted: {summary(state)}")
    click.echo(f"what comes of it: armlift policy proposals {experiment} --log ...")


def _report(experiment: str, attempt: int, log: Path | None, server: str) -> str:
    if log is None:
        with Management(server, "") as management:
            proposal, evidence = management.promotions.get(experiment, attempt)
    else:
        with closing(open_reader(log)) as reader:
            filed = kept(reader, experiment, attempt)
        proposal, evidence = filed.proposal, filed.evidence
    if not evidence:
        word = proposal.standing.value
        raise InvalidRequest(f"no report decided on attempt {attempt} of {experiment!r}: it is {word}")
    return evidence


def _state(reader: Reader, experiment: str, log: Path) -> ExperimentState:
    state = reader.state(experiment)
    if state is None:
        raise UnknownExperiment(f"there is no experiment {experiment!r} in {log}: check its name")
    return state


def _show(state: ExperimentState, listed: list[Proposal]) -> None:
    table = Table("attempt", "", "changes", "frozen", "after row", "judged at", "by", "why", "then", box=None)
    for each in listed:
        judged = f"{promoting.level_of(each.attempt):.2%}"
        frozen = f"revision {each.base_revision}", moment(each.frozen_at), f"{each.frozen_seq:,}", judged
        told = in_a_line(each.actor), in_a_line(each.reason), in_a_line(_then(each))
        became = "outdated" if is_outdated(state, each) else each.standing.value
        table.add_row(str(each.attempt), became, *frozen, *told)
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
    state = management.get(experiment)
    waiting = [each for each in management.promotions.all(experiment) if each.standing is Standing.WAITING]
    waiting = [each for each in waiting if not is_outdated(state, each)] or waiting
    if len(waiting) == 1:
        return waiting[0]
    if not waiting:
        raise InvalidRequest(f"nothing waits to be promoted for {experiment!r}: armlift policy propose FILE")
    numbers = ", ".join(str(each.attempt) for each in waiting)
    raise InvalidRequest(f"attempts {numbers} of {experiment!r} wait: say which one")


def _evidence(proposal: Proposal, log: Path | None) -> str:
    """Return the report that decides as JSON.

    Raises:
        InvalidTransition: it does not say that the proposal earns more.
        InvalidRequest: no log is given, or not the one that the proposal was frozen on.
    """
    if log is None:
        raise InvalidRequest("a promotion needs evidence: say the server's store by --log, or go without by --force")
    evidence = promoting.judged(log, proposal)
    decision = promoting.decide(evidence.evaluation, proposal.attempt)
    if not decision.may_be:
        raise InvalidTransition(str(decision.sentence))
    click.echo(str(decision.sentence))
    return encode(evidence)


COMMANDS: Mapping[str, click.Command] = {"proposals": proposals, "promote": promote}
"""The commands of this module by name."""
