"""How the commands put experiments and the population into words."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime

from rich.console import Console
from rich.table import Table

from engine.experiments import ExperimentState, Status, said
from engine.funnel import Population
from engine.learned import shown
from engine.ramping import place

_NEVER_WRAPPED = 10_000


def summary(state: ExperimentState) -> str:
    """Return an experiment's state in a line."""
    name, kind = state.experiment.experiment_id, state.experiment.policy.kind
    return f"{name} is {said(state.status)} ({kind}, revision {state.revision}, epoch {state.epoch})"


def standing(state: ExperimentState) -> Iterator[str]:
    """Yield what holds for an experiment now beside its status: traffic, ramp, pinned snapshot, killed variants, times.

    What is as it is without being said is left out.
    """
    experiment = state.experiment
    if state.traffic < 1.0 or experiment.funnel.ramp:
        yield f"traffic {state.traffic:.4g}"
    if experiment.funnel.ramp:
        yield _ramp(state)
    if state.pinned:
        yield f"pinned to snapshot {shown(state.snapshot)}"
    elif state.status is Status.DRAFT and state.snapshot:
        yield f"begins with snapshot {shown(state.snapshot)}"
    if experiment.killed:
        yield f"killed {', '.join(experiment.killed)}"
    if experiment.funnel.starts_at is not None:
        yield f"from {moment(experiment.funnel.starts_at)}"
    if experiment.funnel.ends_at is not None:
        yield f"until {moment(experiment.funnel.ends_at)}"


def population_summary(population: Population) -> str:
    """Return what the population holds in a line.

    >>> population_summary(Population(segments={"vip": {}}, holdout=0.05))
    'the population has segment vip, holdout 0.05'
    """
    named = {"segment": population.segments, "group": population.groups, "layer": population.layers}
    parts = [f"{word} {name}" for word, names in named.items() for name in names]
    parts += [f"holdout {population.holdout:.4g}"] if population.holdout else []
    return f"the population has {', '.join(parts) or 'nothing yet'}"


def moment(at: datetime) -> str:
    """Return a time as it is shown: UTC, to the second."""
    return at.strftime("%Y-%m-%d %H:%M:%S")


def reason_said(reason: str) -> str:
    """Return the reason of an answer as people say it.

    >>> reason_said("NOT_IN_AUDIENCE")
    'not in audience'
    """
    return reason.lower().replace("_", " ")


def in_a_line(text: str) -> str:
    """Return text in which a name that was sent breaks no line and steers no terminal.

    >>> in_a_line("offer\\n2 \\x1b[31m, né")
    'offer\\\\n2 \\\\x1b[31m, né'
    """
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def show(table: Table, nothing: str) -> None:
    """Print a table, or what is said of none; a row that goes elsewhere than to a terminal is one line."""
    width = None if sys.stdout.isatty() else _NEVER_WRAPPED
    # Names are data: "[x]" is no style and ":x:" no picture.
    Console(width=width, markup=False, emoji=False).print(table if table.row_count else nothing)


def _ramp(state: ExperimentState) -> str:
    since = f" since {moment(state.step_at)}" if state.step_at is not None else ""
    return f"ramp {place(state)}{since}"
