"""How a ramp goes from step to step: one at a time upwards, at once downwards."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from engine.blocks import duration_text
from engine.errors import InvalidTransition
from engine.experiments import ROLLED_BACK, ExperimentState, Status, said
from engine.funnel import RampStep


def place(state: ExperimentState) -> str:
    """Return where a ramp is, as people say it: they count its steps from 1.

    >>> from engine.experiments import Experiment
    >>> from engine.funnel import Funnel
    >>> ramped = Experiment("hero", (), (), funnel=Funnel(ramp=(RampStep(0.1), RampStep(1.0))))
    >>> place(ExperimentState(ramped, Status.RUNNING, 1, 1, "1", step=0))
    'step 1 of 2'
    """
    n_steps = len(state.experiment.funnel.ramp)
    return "rolled back" if state.step == ROLLED_BACK else f"step {min(state.step + 1, n_steps)} of {n_steps}"


def ramp_step(state: ExperimentState, step: int, at: datetime, *, early: bool) -> ExperimentState:
    """Return the state at another step since `at`.

    Raises:
        InvalidTransition: it is not running, has no ramp or no such step, or the ramp does not go there from here, or
            not yet.
    """
    _check_has_step(state, step)
    if step > state.step + 1:
        raise InvalidTransition(
            f"{_where(state)}: it rises one step at a time, and the next one is step {state.step + 2}"
        )
    if step > state.step and not early:
        _check_lasted(state, at)
    return replace(state, step=step, step_at=at)


def ramp_after_edit(before: ExperimentState, edited: ExperimentState, at: datetime) -> ExperimentState:
    """Return the edited state at the last step of its ramp that has no more traffic than there was, or at the first.

    What was rolled back stays so. The time in a step goes on where its traffic stays.
    """
    ramp = edited.experiment.funnel.ramp
    if ramp == before.experiment.funnel.ramp:
        return edited
    moved = replace(edited, step=_step_within(ramp, before))
    return moved if moved.traffic == before.traffic and before.step_at else replace(moved, step_at=at)


def _step_within(ramp: Sequence[RampStep], before: ExperimentState) -> int:
    if ramp and before.step == ROLLED_BACK:
        return ROLLED_BACK
    return max((number for number, step in enumerate(ramp) if step.traffic <= before.traffic), default=0)


def _check_has_step(state: ExperimentState, step: int) -> None:
    name, last = repr(state.experiment.experiment_id), len(state.experiment.funnel.ramp) - 1
    if state.status is not Status.RUNNING:
        raise InvalidTransition(f"{name} is {said(state.status)}: only the ramp of a running experiment moves")
    if last < 0:
        raise InvalidTransition(f"{name} has no ramp: give it one, or change its `traffic`")
    if not ROLLED_BACK <= step <= last:
        raise InvalidTransition(
            f"the ramp of {name} has {last + 1} steps, so `step` is 0 to {last}, or {ROLLED_BACK} to roll it back: "
            f"{step} is none of them"
        )
    if step == state.step:
        raise InvalidTransition(f"{_where(state)} already")


def _check_lasted(state: ExperimentState, at: datetime) -> None:
    if state.step == ROLLED_BACK:
        return
    lasts = state.experiment.funnel.ramp[state.step].lasts
    left = lasts - (at - (state.step_at or at))
    if left > timedelta(0):
        wait = duration_text(timedelta(seconds=math.ceil(left.total_seconds())))
        raise InvalidTransition(
            f"{_where(state)}, which lasts {duration_text(lasts)}: wait another {wait}, or move it early"
        )


def _where(state: ExperimentState) -> str:
    at = "" if state.step == ROLLED_BACK else "at "
    return f"the ramp of {state.experiment.experiment_id!r} is {at}{place(state)}"
