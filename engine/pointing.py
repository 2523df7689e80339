"""How people move the pointer to the snapshot that answers: every rule returns the next state with its change.

The learner moves it too, by publishing, which is no part of the history; a pinned one it leaves where it is.
"""

from __future__ import annotations

from dataclasses import replace

from engine.errors import InvalidRequest, InvalidTransition
from engine.experiments import Change, ExperimentState, Status, said
from engine.learned import shown
from engine.lifecycle import Author, signed
from engine.records import Snapshot

_STEERED_WHILE = (Status.RUNNING, Status.PAUSED)


def pin(state: ExperimentState, snapshot: Snapshot, etag: str, author: Author) -> tuple[ExperimentState, Change]:
    """Return the state in which a snapshot answers, and goes on to, whatever is learned; an empty etag takes any state.

    Raises:
        InvalidRequest: the policy does not learn, the snapshot is the shadow policy's or is pinned already, or nobody
            signs for it or says why.
        InvalidTransition: the experiment is neither running nor paused.
        StaleEtag: somebody was faster.
    """
    _check_steered(state, author)
    name, called = state.experiment.experiment_id, shown(snapshot.hash)
    if snapshot.is_shadow:
        raise InvalidRequest(f"{called} is of the shadow policy of {name!r}, which serves nobody: pin another one")
    if state.pinned and state.snapshot == snapshot.hash:
        raise InvalidRequest(f"nothing changes: {name!r} is pinned to {called} already")
    return _pointed(state, replace(state, snapshot=snapshot.hash, pinned=True), etag, author, "pin")


def unpin(state: ExperimentState, newest: str, etag: str, author: Author) -> tuple[ExperimentState, Change]:
    """Return the state in which the snapshot of this hash answers (empty: none), and each newer one from then on.

    Raises:
        InvalidRequest: the policy does not learn, or nobody signs for it or says why.
        InvalidTransition: the experiment is neither running nor paused, or is not pinned.
        StaleEtag: somebody was faster.
    """
    _check_steered(state, author)
    if not state.pinned:
        raise InvalidTransition(f"{state.experiment.experiment_id!r} is not pinned: it follows its learner already")
    return _pointed(state, replace(state, snapshot=newest, pinned=False), etag, author, "unpin")


def warm(state: ExperimentState, snapshot: Snapshot, etag: str, author: Author) -> tuple[ExperimentState, Change]:
    """Return the draft that begins with what was learned elsewhere.

    Raises:
        InvalidRequest: nothing was learned, the policy does not learn, or nobody signs for it or says why.
        InvalidTransition: the experiment is no draft any more.
        StaleEtag: somebody was faster.
    """
    check_warm(state, author.reason)
    # An empty blob restores as a policy that knows nothing.
    if snapshot.n_warm < 1 or not snapshot.blob:
        raise InvalidRequest("a warm start has learned from at least one lesson: this one knows nothing")
    return _pointed(state, replace(state, snapshot=snapshot.hash), etag, author, "warm")


def check_warm(state: ExperimentState, reason: str) -> None:
    """Raise InvalidRequest or InvalidTransition where an experiment cannot be given a warm start for this reason."""
    _check_learns(state)
    _check_reason(reason)
    name, status = state.experiment.experiment_id, state.status
    if status is not Status.DRAFT:
        raise InvalidTransition(f"{name!r} is {said(status)}: a warm start is for drafts, so apply it under a new id")


def _check_steered(state: ExperimentState, author: Author) -> None:
    _check_learns(state)
    name, status = state.experiment.experiment_id, state.status
    if status not in _STEERED_WHILE:
        raise InvalidTransition(f"{name!r} is {said(status)}: which snapshot answers is for running and paused ones")
    _check_reason(author.reason)


def _check_learns(state: ExperimentState) -> None:
    name, policy = state.experiment.experiment_id, state.experiment.policy
    if not policy.learns:
        raise InvalidRequest(f"the policy of {name!r} is {policy.kind}, which learns nothing: it has no snapshots")


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise InvalidRequest("which snapshot answers is changed for a reason: say in `reason` what was found")


def _pointed(
    before: ExperimentState, after: ExperimentState, etag: str, author: Author, action: str
) -> tuple[ExperimentState, Change]:
    return signed(after, etag, author, action, (shown(after.snapshot), f"was {shown(before.snapshot)}"))
