"""The rules by which people choose the snapshot that answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from engine.definition import define
from engine.errors import InvalidRequest, InvalidTransition, StaleEtag
from engine.experiments import Experiment, ExperimentState, Status, Variant
from engine.lifecycle import Author
from engine.metrics import Metric
from engine.pointing import pin, unpin, warm
from engine.records import BEFORE_THE_LOG, Snapshot
from engine.specs import FixedSpec, ThompsonSpec

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
AUTHOR = Author("kim", "it sells less", NOON)
LEARNS = define(Experiment("hero", (Variant("plain"), Variant("bold")), (Metric("click"),), policy=ThompsonSpec()))
OLD, NEW = "0a" * 32, "0b" * 32


def state(status: Status = Status.RUNNING, **fields: object) -> ExperimentState:
    return replace(ExperimentState(LEARNS, status, 1, 1, "7", NEW), **fields)


def snapshot(hash: str = OLD, **fields: object) -> Snapshot:
    plain = Snapshot(hash, "hero", 1, "thompson", b"state", "", BEFORE_THE_LOG, 0, "numpy", (), "s", (), n_warm=5)
    return replace(plain, **fields)


@pytest.mark.parametrize("status", [Status.RUNNING, Status.PAUSED])
def test_a_pin_moves_the_pointer_and_the_history_says_from_where(status: Status) -> None:
    after, change = pin(state(status), snapshot(), "7", AUTHOR)
    assert after == state(status, snapshot=OLD, pinned=True, etag="8")
    assert (change.action, change.fields, change.actor) == ("pin", ("0a0a0a0a0a0a", "was 0b0b0b0b0b0b"), "kim")


def test_what_answers_already_can_be_pinned_once() -> None:
    after, _ = pin(state(), snapshot(NEW), "", AUTHOR)
    assert (after.snapshot, after.pinned) == (NEW, True)
    with pytest.raises(InvalidRequest, match="nothing changes"):
        pin(after, snapshot(NEW), "", AUTHOR)


def test_following_moves_the_pointer_to_the_newest_or_to_nothing() -> None:
    pinned = state(snapshot=OLD, pinned=True)
    after, change = unpin(pinned, NEW, "7", AUTHOR)
    assert after == state(etag="8")
    assert (change.action, change.fields) == ("unpin", ("0b0b0b0b0b0b", "was 0a0a0a0a0a0a"))
    after, change = unpin(pinned, "", "", AUTHOR)
    assert (after.snapshot, change.fields[0]) == ("", "nothing")
    with pytest.raises(InvalidTransition, match="follows its learner already"):
        unpin(state(), NEW, "", AUTHOR)


def test_a_draft_begins_warm() -> None:
    after, change = warm(state(Status.DRAFT, snapshot=""), snapshot(), "7", AUTHOR)
    assert after == state(Status.DRAFT, snapshot=OLD, etag="8")
    assert (change.action, change.fields, change.reason) == ("warm", ("0a0a0a0a0a0a", "was nothing"), "it sells less")


@pytest.mark.parametrize("status", [Status.RUNNING, Status.PAUSED, Status.CONCLUDED, Status.ARCHIVED])
def test_a_warm_start_is_for_drafts(status: Status) -> None:
    with pytest.raises(InvalidTransition, match="a warm start is for drafts"):
        warm(state(status), snapshot(), "", AUTHOR)


@pytest.mark.parametrize("status", [Status.DRAFT, Status.CONCLUDED, Status.ARCHIVED])
def test_what_answers_is_chosen_where_somebody_is_answered(status: Status) -> None:
    with pytest.raises(InvalidTransition, match="for running and paused ones"):
        pin(state(status), snapshot(), "", AUTHOR)
    with pytest.raises(InvalidTransition, match="for running and paused ones"):
        unpin(state(status, pinned=True), NEW, "", AUTHOR)


def test_a_policy_that_does_not_learn_has_no_snapshots() -> None:
    fixed = replace(LEARNS, policy=FixedSpec())
    for status, rule in ((Status.RUNNING, pin), (Status.DRAFT, warm)):
        with pytest.raises(InvalidRequest, match="fixed, which learns nothing"):
            rule(state(status, experiment=fixed), snapshot(), "", AUTHOR)


def test_a_shadow_is_not_pinned_and_nothing_learned_is_no_warm_start() -> None:
    with pytest.raises(InvalidRequest, match="shadow policy of 'hero', which serves nobody"):
        pin(state(), snapshot(is_shadow=True), "", AUTHOR)
    with pytest.raises(InvalidRequest, match="knows nothing"):
        warm(state(Status.DRAFT), snapshot(n_warm=0), "", AUTHOR)
    with pytest.raises(InvalidRequest, match="knows nothing"):
        warm(state(Status.DRAFT), snapshot(blob=b""), "", AUTHOR)


@pytest.mark.parametrize(
    ("author", "words"), [(replace(AUTHOR, actor=" "), "signed"), (replace(AUTHOR, reason=" "), "for a reason")]
)
def test_every_choice_is_signed_and_has_a_reason(author: Author, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        pin(state(), snapshot(), "", author)
    with pytest.raises(InvalidRequest, match=words):
        unpin(state(pinned=True), NEW, "", author)
    with pytest.raises(InvalidRequest, match=words):
        warm(state(Status.DRAFT), snapshot(), "", author)


def test_whoever_was_faster_is_not_undone() -> None:
    with pytest.raises(StaleEtag):
        pin(state(), snapshot(), "6", AUTHOR)
    with pytest.raises(StaleEtag):
        unpin(state(pinned=True), NEW, "6", AUTHOR)
    with pytest.raises(StaleEtag):
        warm(state(Status.DRAFT), snapshot(), "6", AUTHOR)
