"""The life of an experiment: every step there is, every step there is not, and who signs for it."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidExperiment, InvalidRequest, InvalidTransition, StaleEtag
from engine.experiments import Brief, Change, Experiment, Status, Variant, said
from engine.funnel import Funnel, RampStep
from engine.lifecycle import Author, create, transition, update
from engine.metrics import Metric

NOW = datetime(2026, 1, 5, tzinfo=UTC)
ANNA = Author("anna", "spring offer", NOW)
HERO = Experiment("hero", (Variant("plain"), Variant("bold")), (Metric("click"),))

ALLOWED = {
    (Status.DRAFT, Status.RUNNING): "start",
    (Status.RUNNING, Status.PAUSED): "pause",
    (Status.PAUSED, Status.RUNNING): "resume",
    (Status.RUNNING, Status.CONCLUDED): "conclude",
    (Status.PAUSED, Status.CONCLUDED): "conclude",
    (Status.CONCLUDED, Status.ARCHIVED): "archive",
    (Status.DRAFT, Status.ARCHIVED): "archive",
}


def state_in(status, experiment=HERO):
    return replace(create(experiment, ANNA)[0], status=status)


# --- steps ---------------------------------------------------------------------------------------------------------


def test_a_new_experiment_is_a_draft():
    state, change = create(HERO, ANNA)
    assert (state.status, state.revision, state.epoch, state.etag, state.snapshot) == (Status.DRAFT, 1, 1, "1", "")
    assert state.experiment.control == "plain"
    assert change == Change("hero", NOW, "anna", "create", "spring offer", Status.DRAFT, 1, 1)


@pytest.mark.parametrize(("here", "there"), list(itertools.product(Status, Status)))
def test_every_step_is_taken_or_refused(here, there):
    state = state_in(here)
    if (here, there) in ALLOWED:
        after, change = transition(state, there, state.etag, ANNA)
        step_at = NOW if there is Status.RUNNING else None
        assert after == replace(state, status=there, etag="2", step_at=step_at)
        assert change == Change("hero", NOW, "anna", ALLOWED[here, there], "spring offer", there, 1, 1)
    else:
        with pytest.raises(InvalidTransition, match=f"is {said(here)} and cannot become {said(there)}"):
            transition(state, there, state.etag, ANNA)


def test_a_start_begins_at_the_first_step_and_a_resumption_goes_on_there():
    ramp = replace(HERO, funnel=Funnel(ramp=(RampStep(0.1), RampStep(1.0))))
    for here, step in ((Status.DRAFT, 0), (Status.PAUSED, 1)):
        later = replace(ANNA, at=NOW + timedelta(days=1))
        before = replace(state_in(here, ramp), step=1, step_at=NOW)
        after = transition(before, Status.RUNNING, "", later)[0]
        assert (after.step, after.step_at) == (step, later.at)
        paused = transition(after, Status.PAUSED, "", ANNA)[0]
        assert (paused.step, paused.step_at) == (step, later.at)


@pytest.mark.parametrize("here", [Status.DRAFT, Status.PAUSED])
def test_nothing_runs_after_its_end(here):
    ends_at = NOW + timedelta(days=1)
    timed = state_in(here, replace(HERO, funnel=Funnel(ends_at=ends_at)))
    assert transition(timed, Status.RUNNING, "", ANNA)[0].status is Status.RUNNING
    with pytest.raises(InvalidTransition, match="would run after its end"):
        transition(timed, Status.RUNNING, "", replace(ANNA, at=ends_at))


def test_a_refusal_says_what_is_possible():
    with pytest.raises(InvalidTransition, match="it can become running or concluded"):
        transition(state_in(Status.PAUSED), Status.DRAFT, "", ANNA)
    with pytest.raises(InvalidTransition, match="it stays so"):
        transition(state_in(Status.ARCHIVED), Status.RUNNING, "", ANNA)


@given(st.lists(st.sampled_from(Status), max_size=12))
def test_nothing_comes_back_from_concluded(wishes):
    state = create(HERO, ANNA)[0]
    seen = [state.status]
    for wish in wishes:
        if (state.status, wish) in ALLOWED:
            state = transition(state, wish, state.etag, ANNA)[0]
            seen.append(state.status)
    ended = [status in (Status.CONCLUDED, Status.ARCHIVED) for status in seen]
    assert ended == sorted(ended)
    assert state.etag == str(len(seen))


# --- etags and signatures ------------------------------------------------------------------------------------------


def test_a_stale_etag_changes_nothing():
    state = transition(create(HERO, ANNA)[0], Status.RUNNING, "1", ANNA)[0]
    with pytest.raises(StaleEtag, match="read it again"):
        transition(state, Status.PAUSED, "1", ANNA)
    for etag in ("1", "", "3"):
        with pytest.raises(StaleEtag):
            update(state, HERO, etag, ANNA)


def test_an_empty_etag_moves_whatever_is_there():
    assert transition(state_in(Status.RUNNING), Status.PAUSED, "", ANNA)[0].status is Status.PAUSED


def test_every_change_has_another_etag():
    state = create(HERO, ANNA)[0]
    etags = [state.etag]
    for description in ("a", "b"):
        state = update(state, replace(HERO, brief=Brief(description)), state.etag, ANNA)[0]
        etags.append(state.etag)
    assert len(set(etags)) == 3


@pytest.mark.parametrize("nobody", ["", "  "])
def test_every_change_is_signed(nobody):
    author, state = Author(nobody, "why", NOW), create(HERO, ANNA)[0]
    for change in (
        lambda: create(HERO, author),
        lambda: update(state, HERO, state.etag, author),
        lambda: transition(state, Status.RUNNING, "", author),
    ):
        with pytest.raises(InvalidRequest, match="`actor`"):
            change()


# --- revisions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [Status.DRAFT, Status.RUNNING, Status.PAUSED])
def test_an_update_is_a_revision_and_names_what_changed(status):
    state = state_in(status)
    funnel = Funnel(traffic=0.5, audience={"device": "phone"})
    after, change = update(state, replace(HERO, brief=Brief("x"), funnel=funnel), state.etag, ANNA)
    assert (after.revision, after.status, after.etag) == (2, status, "2")
    assert (change.action, change.revision, change.fields) == ("update", 2, ("brief", "audience", "traffic"))


@pytest.mark.parametrize("status", [Status.CONCLUDED, Status.ARCHIVED])
def test_what_was_concluded_is_not_changed(status):
    state = state_in(status)
    with pytest.raises(InvalidTransition, match="under a new id"):
        update(state, HERO, state.etag, ANNA)


def test_a_broken_definition_changes_nothing():
    state = state_in(Status.RUNNING)
    with pytest.raises(InvalidExperiment):
        update(state, replace(HERO, variants=()), state.etag, ANNA)
    with pytest.raises(InvalidExperiment):
        create(replace(HERO, metrics=()), ANNA)
