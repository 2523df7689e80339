"""How the commands put experiments and the population into words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from engine.experiments import ROLLED_BACK, ExperimentState
from engine.funnel import Population


def summary(state: ExperimentState) -> str:
    """Return an experiment's state in a line."""
    name, kind = state.experiment.experiment_id, state.experiment.policy.kind
    return f"{name} is {state.status.value} ({kind}, revision {state.revision}, epoch {state.epoch})"


def standing(state: ExperimentState) -> Iterator[str]:
    """Yield what holds for an experiment now beside its status: traffic, ramp, killed variants and schedule.

    What is as it is without being said is left out.
    """
    experiment = state.experiment
    if state.traffic < 1.0 or experiment.funnel.ramp:
        yield f"traffic {state.traffic:.4g}"
    if experiment.funnel.ramp:
        yield _ramp(state)
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


def _ramp(state: ExperimentState) -> str:
    since = f" since {moment(state.step_at)}" if state.step_at is not None else ""
    if state.step == ROLLED_BACK:
        return f"ramp rolled back{since}"
    return f"ramp step {state.step} of 0 to {len(state.experiment.funnel.ramp) - 1}{since}"
