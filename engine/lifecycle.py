"""How an experiment changes: every function takes a state and returns the next one with the change that made it.

    draft -> running <-> paused -> concluded -> archived

A draft may be archived unseen. Nothing comes back from concluded, because a conclusion was read by somebody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from engine.definition import define
from engine.edits import HAS_UNITS, changed_fields, changed_in_population, moves_units, population_moves_units
from engine.errors import InvalidRequest, InvalidTransition, StaleEtag
from engine.experiments import Change, Experiment, ExperimentState, Status, said
from engine.funnel import Population, PopulationChange, PopulationState
from engine.neighbours import depending_on
from engine.population_rules import IN_USE, check_population, define_population
from engine.ramping import place, ramp_after_edit, ramp_step
from engine.snapshots import learns_alike

_ACTIONS: Mapping[tuple[Status, Status], str] = {
    (Status.DRAFT, Status.RUNNING): "start",
    (Status.RUNNING, Status.PAUSED): "pause",
    (Status.PAUSED, Status.RUNNING): "resume",
    (Status.RUNNING, Status.CONCLUDED): "conclude",
    (Status.PAUSED, Status.CONCLUDED): "conclude",
    (Status.CONCLUDED, Status.ARCHIVED): "archive",
    (Status.DRAFT, Status.ARCHIVED): "archive",
}


@dataclass(frozen=True, slots=True)
class Author:
    """Who changes something, when and why."""

    actor: str
    reason: str
    at: datetime


def create(experiment: Experiment, author: Author) -> tuple[ExperimentState, Change]:
    """Return a new draft.

    Raises:
        InvalidExperiment: a rule is broken.
        InvalidRequest: nobody signs for it.
    """
    return _next(ExperimentState(define(experiment), Status.DRAFT, 1, 1, "0"), author, "create")


def update(state: ExperimentState, experiment: Experiment, etag: str, author: Author) -> tuple[ExperimentState, Change]:
    """Return the next revision; a change that moves units opens an epoch, except in a draft, where nobody is.

    What was learned is kept, and a pinned snapshot stays pinned, as long as it means the same under the new definition.
    A ramp that was edited goes on from the last step that lets in nobody who is not in by now.

    Raises:
        InvalidExperiment: a rule is broken.
        InvalidTransition: the experiment is concluded or archived.
        InvalidRequest: nobody signs for it.
        StaleEtag: somebody was faster.
    """
    _check_etag(state, etag)
    if state.status not in IN_USE:
        raise InvalidTransition(f"{state.experiment.experiment_id!r} is {state.status.value}: apply it under a new id")
    defined = define(experiment)
    changed = _knowing(state, replace(state, experiment=defined, revision=state.revision + 1))
    if state.status in HAS_UNITS:
        changed = ramp_after_edit(state, changed, author.at)
        changed = _in_next_epoch(changed) if moves_units(state, changed) else changed
    return _next(changed, author, "update", changed_fields(state.experiment, defined))


def transition(state: ExperimentState, to: Status, etag: str, author: Author) -> tuple[ExperimentState, Change]:
    """Return the state after a step of the lifecycle; an empty etag moves whatever is there.

    The time in a step of the ramp begins anew with every start: none passes while the experiment is paused.

    Raises:
        InvalidTransition: the lifecycle does not go there from here, or it would run after its end.
        StaleEtag: somebody was faster.
    """
    if etag:
        _check_etag(state, etag)
    action = _ACTIONS.get((state.status, to))
    if action is None:
        raise InvalidTransition(_no_way(state, to))
    if to is Status.RUNNING:
        _check_ahead(state.experiment, author.at)
    changed = replace(state, status=to, step_at=author.at if to is Status.RUNNING else state.step_at)
    return _next(replace(changed, step=0) if action == "start" else changed, author, action)


def move_ramp(
    state: ExperimentState, step: int, etag: str, author: Author, *, early: bool = False
) -> tuple[ExperimentState, Change]:
    """Return the state at another step of its ramp; an empty etag moves whatever is there.

    Up goes one step at a time, once the current one has lasted as long as it says, or `early`. Down goes to any step,
    or to ROLLED_BACK, where nobody is in; that opens an epoch.

    Raises:
        InvalidTransition: it is not running, has no ramp or no such step, or the ramp does not go there from here, or
            not yet.
        InvalidRequest: nobody signs for it, or says why.
        StaleEtag: somebody was faster.
    """
    if etag:
        _check_etag(state, etag)
    if not author.reason.strip():
        raise InvalidRequest("a ramp is moved for a reason: say in `reason` what was found")
    moved = ramp_step(state, step, author.at, early=early)
    return _next(_in_next_epoch(moved) if moved.traffic < state.traffic else moved, author, "ramp", (place(moved),))


def force(state: ExperimentState, variant: str, author: Author) -> Change:
    """Return the change by which a unit has a variant without a draw, or with an empty one is drawn as all others.

    The change does not say which unit: the history stays for ever, and a unit may not.

    Raises:
        InvalidTransition: the experiment is over.
        InvalidRequest: there is no such variant any more, or nobody signs for it.
    """
    _check_signed(author)
    name, experiment = state.experiment.experiment_id, state.experiment
    if state.status not in IN_USE:
        raise InvalidTransition(f"{name!r} is {state.status.value}: nobody can be forced any more")
    alive = [each.name for each in experiment.alive(experiment.variants)]
    if variant and variant not in alive:
        was = "a killed variant" if variant in experiment.killed else "no variant"
        raise InvalidRequest(f"{variant!r} is {was} of {name!r}: force {' or '.join(alive)}")
    return _change(state, author, "force" if variant else "unforce", (variant,) if variant else ())


def follow(
    before: ExperimentState, after: ExperimentState, change: Change, others: Iterable[ExperimentState]
) -> list[tuple[ExperimentState, Change]]:
    """Return the experiments that a change moves because they require this one, in new epochs.

    Where an epoch is opened, other units have the variants that they require.
    """
    if after.epoch == before.epoch:
        return []
    name = after.experiment.experiment_id
    what = f"its prerequisite {name!r} is in epoch {after.epoch} now"
    told = Author(change.actor, f"{what}: {change.reason}" if change.reason else what, change.changed_at)
    return [_next(_in_next_epoch(each), told, "prerequisite") for each in depending_on([name], others)]


def update_population(
    before: PopulationState, population: Population, etag: str, states: Iterable[ExperimentState], author: Author
) -> tuple[PopulationState, PopulationChange, list[tuple[ExperimentState, Change]]]:
    """Return the next revision of what all experiments share, and the experiments whose units it moves, in new epochs.

    Raises:
        InvalidPopulation: a rule is broken, or something is gone that an experiment uses.
        InvalidRequest: nothing changes, or nobody signs for it.
        StaleEtag: somebody was faster.
    """
    if etag != before.etag:
        raise StaleEtag("the population was changed in between: read it again, then change that")
    _check_signed(author)
    experiments = list(states)
    after = PopulationState(define_population(population), before.revision + 1)
    check_population(after.population, experiments)
    changed = changed_in_population(before.population, after.population)
    if not changed:
        raise InvalidRequest("nothing changes: the population is like this already")
    change = PopulationChange(after.revision, author.at, author.actor, author.reason, changed)
    told = replace(author, reason=_because_of(change))
    moved = _moved(experiments, before.population, after.population)
    return after, change, [_next(_in_next_epoch(state), told, "population") for state in moved]


def _moved(experiments: list[ExperimentState], before: Population, after: Population) -> list[ExperimentState]:
    """Return the experiments whose units a change of the population moves, itself or by what they require."""
    itself = {each.experiment.experiment_id for each in experiments if _is_moved(each, before, after)}
    moved = itself | {each.experiment.experiment_id for each in depending_on(itself, experiments)}
    return [each for each in experiments if each.experiment.experiment_id in moved]


def _is_moved(state: ExperimentState, before: Population, after: Population) -> bool:
    return state.status in HAS_UNITS and population_moves_units(state, before, after)


def _because_of(change: PopulationChange) -> str:
    """Return the reason of what follows from a change of the population."""
    what = f"revision {change.revision} of the population changed its {' and '.join(change.fields)}"
    return f"{what}: {change.reason}" if change.reason else what


def _in_next_epoch(state: ExperimentState) -> ExperimentState:
    return replace(state, epoch=state.epoch + 1)


def _knowing(before: ExperimentState, after: ExperimentState) -> ExperimentState:
    """Return an edited state with that of the learned state which still means the same under the new definition.

    A shadow that serves from now on serves what it learned, and what served goes on in the shadow. The rest is learned
    anew, from the whole log.
    """
    becomes = after.experiment
    known = [(before.experiment, after.snapshot), (before.experiment.shadowed, after.shadow_snapshot)]
    learned = _still_known(known, becomes)
    shadow = _still_known(known[::-1], becomes.shadowed)
    is_pinned = after.pinned and learned == after.snapshot != ""
    return replace(after, snapshot=learned, shadow_snapshot=shadow, pinned=is_pinned)


def _still_known(known: Sequence[tuple[Experiment | None, str]], becomes: Experiment | None) -> str:
    """Return the first snapshot that means the same under a definition as under its own one, or nothing."""
    found = (snapshot for was, snapshot in known if snapshot and was and becomes and learns_alike(was, becomes))
    return next(found, "")


def signed(
    after: ExperimentState, etag: str, author: Author, action: str, fields: tuple[str, ...]
) -> tuple[ExperimentState, Change]:
    """Return what a rule elsewhere made of a state, under its next etag; an empty `etag` takes whatever is there.

    Raises:
        InvalidRequest: nobody signs for it.
        StaleEtag: somebody was faster.
    """
    if etag:
        _check_etag(after, etag)
    return _next(after, author, action, fields)


def _check_etag(state: ExperimentState, etag: str) -> None:
    if etag != state.etag:
        raise StaleEtag(f"{state.experiment.experiment_id!r} was changed in between: read it again, then change that")


def _check_signed(author: Author) -> None:
    if not author.actor.strip():
        raise InvalidRequest("every change is signed: say who makes it in `actor`")


def _check_ahead(experiment: Experiment, at: datetime) -> None:
    ends_at = experiment.funnel.ends_at
    if ends_at and ends_at <= at:
        raise InvalidTransition(
            f"{experiment.experiment_id!r} would run after its end, as its `ends_at` is {ends_at.isoformat()}: "
            "give it a later one, or leave it out"
        )


def _no_way(state: ExperimentState, to: Status) -> str:
    ways = [there.value for here, there in _ACTIONS if here is state.status]
    possible = f"it can become {' or '.join(ways)}" if ways else "it stays so"
    return f"{state.experiment.experiment_id!r} is {said(state.status)} and cannot become {said(to)}: {possible}"


def _next(
    state: ExperimentState, author: Author, action: str, changed: tuple[str, ...] = ()
) -> tuple[ExperimentState, Change]:
    _check_signed(author)
    after = replace(state, etag=str(int(state.etag) + 1))
    return after, _change(after, author, action, changed)


def _change(after: ExperimentState, author: Author, action: str, changed: tuple[str, ...]) -> Change:
    return Change(
        after.experiment.experiment_id,
        author.at,
        author.actor,
        action,
        author.reason,
        after.status,
        after.revision,
        after.epoch,
        changed,
    )
