"""Commands that do what a product does: ask, report, and ask why."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import click
from armlift import Answer, ArmliftError, Ask, Candidate, Client, Event, Recorded
from rich.table import Table

from engine.commands import server_option
from engine.commands.telling import in_a_line, reason_said, show
from engine.errors import InvalidRequest, UnknownAssignment
from engine.explanation import Explanation
from engine.recompute import Recomputer
from engine.records import Value
from engine.service.management import Management
from engine.storage import find_snapshot_in, open_reader
from engine.yaml_text import parse

at_option = click.option("--at", type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z"]), help="The time, for --clock=request.")
unit_option = click.option("--unit", "unit", default="", help="The unit's id; its type is customer unless --unit-type.")
unit_type_option = click.option("--unit-type", default="customer", show_default=True)


@click.command()
@click.argument("experiment")
@unit_option
@unit_type_option
@click.option("--context", "context", multiple=True, metavar="NAME=VALUE", help="A field of the context; JSON or text.")
@click.option(
    "--candidate",
    "brought",
    multiple=True,
    metavar="'NAME: {FEATURE: VALUE}'",
    help="A variant that the request brings along; the name alone where nothing is known of it.",
)
@click.option("--exclude", "excluded", multiple=True, metavar="VARIANT", help="The answer must not be this variant.")
@click.option(
    "--slots",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="How many positions to fill, each with another variant.",
)
@click.option("--request-id", default="", help="Asking again with the same id gets the same answer.")
@click.option("--qa", default="", metavar="VARIANT", help="See this variant: the answer is left out of every estimate.")
@click.option("--dry-run", is_flag=True, help="Decide and keep nothing.")
@at_option
@server_option
def assign(
    *,
    experiment: str,
    unit: str,
    unit_type: str,
    context: Sequence[str],
    brought: Sequence[str],
    excluded: Sequence[str],
    slots: int,
    request_id: str,
    qa: str,
    dry_run: bool,
    at: datetime | None,
    server: str,
) -> None:
    """Ask for a variant, or for one in each of several slots.

    \b
    Examples:
      armlift assign home-offer --unit customer-42 --context device=phone --context visits=3
      armlift assign news --unit customer-42 --slots 2 --candidate 'a1: {price: 3}' --candidate a2 --candidate a3
    """
    ask = Ask(
        experiment,
        units={unit_type: unit},
        context=dict(map(_field, context)),
        excluded=excluded,
        request_id=request_id,
        dry_run=dry_run,
        at=at,
        qa_variant=qa,
        candidates=[candidate for text in brought for candidate in _candidates(text)],
        slots=slots,
    )
    with Client(server, timeout_s=5.0) as client:
        (slate,) = client.assign_slates([ask])
    if isinstance(slate, ArmliftError):
        raise slate
    (_show_slate if slots > 1 else _show_answer)(slate)


def _show_answer(slate: Sequence[Answer]) -> None:
    (answer,) = slate
    chance = f", propensity {answer.propensity:.4g}" if answer.propensity else ""
    click.echo(f"{in_a_line(answer.variant)} ({reason_said(answer.reason)}{chance})")
    click.echo(f"payload: {json.dumps(answer.payload, ensure_ascii=False)}")
    _say_assignment(slate)


def _show_slate(slate: Sequence[Answer]) -> None:
    table = Table("slot", "variant", "reason", "propensity", "payload", box=None)
    for answer in slate:
        chance = f"{answer.propensity:.4g}" if answer.propensity else ""
        payload = json.dumps(answer.payload, ensure_ascii=False)
        table.add_row(str(answer.slot), in_a_line(answer.variant), reason_said(answer.reason), chance, payload)
    show(table, "there is nothing to fill a slot with")
    _say_assignment(slate)


def _say_assignment(slate: Sequence[Answer]) -> None:
    if slate[0].assignment_id:
        click.echo(f"assignment: {slate[0].assignment_id}")


@click.command()
@click.argument("metric")
@click.option("--assignment", default="", help="The assignment that it belongs to.")
@unit_option
@unit_type_option
@click.option("--value", type=float, help="The amount, number or score; left out for a conversion.")
@click.option("--outcome-id", default="", help="Identifies the event: it counts once.")
@at_option
@server_option
def record(
    *,
    metric: str,
    assignment: str,
    unit: str,
    unit_type: str,
    value: float | None,
    outcome_id: str,
    at: datetime | None,
    server: str,
) -> None:
    """Report an outcome of an assignment or of a unit.

    \b
    Example:
      armlift record purchase --unit customer-42
    """
    event = Event(metric, value, assignment, unit=unit, unit_type=unit_type, outcome_id=outcome_id)
    with Client(server, timeout_s=5.0) as client:
        (recorded,) = client.record_many([event], at=at)
    _say(recorded)


@click.command()
@click.argument("assignment")
@click.option("--slot", type=click.IntRange(0), default=0, show_default=True, help="Which of its positions.")
@click.option("--log", type=click.Path(path_type=Path), help="A store's directory: explains from files alone.")
@server_option
def explain(assignment: str, slot: int, log: Path | None, server: str) -> None:
    """Make an assignment again, step by step, from the server or from files alone.

    \b
    Example:
      armlift explain 0193f0c2a1b27d0c8a5e6f7081920a1b --log armlift-store
    """
    explanation = _from_files(assignment, slot, log) if log else _from_server(assignment, slot, server)
    for step in explanation.steps:
        click.echo(f"{step.name + ':':14}{in_a_line(step.finding)}{'' if step.holds else '  <- comes out differently'}")
    click.echo(f"{'verdict:':14}{explanation.verdict.value.replace('_', ' ')}")


def _from_server(assignment_id: str, slot: int, server: str) -> Explanation:
    with Management(server, "") as management:
        return management.explain(assignment_id, slot)


def _from_files(assignment_id: str, slot: int, log: Path) -> Explanation:
    reader = open_reader(log)
    row = reader.assignment(assignment_id, slot)
    if row is None:
        raise UnknownAssignment(f"there is no assignment {assignment_id!r} with slot {slot} in {log}: check the two")
    return Recomputer(reader, find_snapshot_in(log)).explain(row)


def _field(text: str) -> tuple[str, Value]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InvalidRequest(f"--context {text!r} must be NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _candidates(text: str) -> Iterator[Candidate]:
    """Yield the candidates that a text names: in the form of a file, or as a name alone."""
    if ": " not in text and not text.startswith("{") and not text.endswith(":"):
        yield Candidate(text)
        return
    for name, node in parse(text, f"--candidate {text!r}").items():
        yield Candidate(name, {feature: each.value() for feature, each in node.block("{price: 3}").items()})


def _say(recorded: Recorded) -> None:
    if recorded.status == "INVALID":
        raise InvalidRequest(recorded.message)
    click.echo(f"{recorded.status.lower()}{': ' if recorded.message else ''}{recorded.message}")


COMMANDS = {"assign": assign, "record": record, "explain": explain}
