"""How an experiment changes: every function takes a state and returns the next one with the change that made it.

    draft -> running <-> paused -> concluded -> archived

A draft may be archived unseen. Nothing comes back from concluded, because a conclusion was read by somebody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from engine.definition import define
from engine.errors import InvalidRequest, InvalidTransition, StaleEtag
from engine.experiments import Change, Experiment, ExperimentState, Metric, Status

_ACTIONS: Mapping[tuple[Status, Status], str] = {
    (Status.DRAFT, Status.RUNNING): "start",
    (Status.RUNNING, Status.PAUSED): "pause",
    (Status.PAUSED, Status.RUNNING): "resume",
    (Status.RUNNING, Status.CONCLUDED): "conclude",
    (Status.PAUSED, Status.CONCLUDED): "conclude",
    (Status.CONCLUDED, Status.ARCHIVED): "archive",
    (Status.DRAFT, Status.ARCHIVED): "archive",
}

_MOVES_NOBODY = ("brief", "plan", "segments")
"""Fields that neither move a unit nor change what a policy does."""

_LEARNED_FROM = ("metrics", "grace")
"""Fields that move nobody in a test, and that a policy that learns depends on."""

_HOW_READ = ("winsor", "range", "quantile", "better", "role", "margin", "effect", "covariates")
"""Fields of a metric that say how a report reads it, and change no reward."""


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

    Raises:
        InvalidExperiment: a rule is broken.
        InvalidTransition: the experiment is concluded or archived.
        StaleEtag: somebody was faster.
    """
    _check_etag(state, etag)
    if state.status in (Status.CONCLUDED, Status.ARCHIVED):
        raise InvalidTransition(f"{state.experiment.experiment_id!r} is {state.status.value}: apply it under a new id")
    defined = define(experiment)
    moved = state.status is not Status.DRAFT and moves_units(state.experiment, defined)
    changed = replace(
        state,
        experiment=defined,
        revision=state.revision + 1,
        epoch=state.epoch + moved,
        snapshot="" if moved else state.snapshot,
    )
    return _next(changed, author, "update")


def transition(state: ExperimentState, to: Status, etag: str, author: Author) -> tuple[ExperimentState, Change]:
    """Return the state after a step of the lifecycle; an empty etag moves whatever is there.

    Raises:
        InvalidTransition: the lifecycle does not go there from here.
        StaleEtag: somebody was faster.
    """
    if etag:
        _check_etag(state, etag)
    action = _ACTIONS.get((state.status, to))
    if action is None:
        raise InvalidTransition(_no_way(state, to))
    return _next(replace(state, status=to), author, action)


def moves_units(before: Experiment, after: Experiment) -> bool:
    """Whether units could get another variant, or a policy learn something else, by this change."""
    free = _MOVES_NOBODY if after.policy.learns else (*_MOVES_NOBODY, *_LEARNED_FROM)
    was, becomes = _as_learned_from(before), _as_learned_from(after)
    return replace(was, **{name: getattr(becomes, name) for name in free}) != becomes


def _as_learned_from(experiment: Experiment) -> Experiment:
    plain = {name: getattr(Metric(""), name) for name in _HOW_READ}
    return replace(experiment, metrics=tuple(replace(metric, **plain) for metric in experiment.metrics))


def _check_etag(state: ExperimentState, etag: str) -> None:
    if etag != state.etag:
        raise StaleEtag(f"{state.experiment.experiment_id!r} was changed in between: read it again, then change that")


def _no_way(state: ExperimentState, to: Status) -> str:
    ways = [there.value for here, there in _ACTIONS if here is state.status]
    possible = f"it can become {' or '.join(ways)}" if ways else "it stays so"
    return f"{state.experiment.experiment_id!r} is {state.status.value} and cannot become {to.value}: {possible}"


def _next(state: ExperimentState, author: Author, action: str) -> tuple[ExperimentState, Change]:
    if not author.actor.strip():
        raise InvalidRequest("every change is signed: say who makes it in `actor`")
    changed = replace(state, etag=str(int(state.etag) + 1))
    change = Change(
        state.experiment.experiment_id,
        author.at,
        author.actor,
        action,
        author.reason,
        changed.status,
        changed.revision,
        changed.epoch,
    )
    return changed, change
