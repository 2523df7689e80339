"""Ramps: up one step at a time once it lasted, down at once, and what an edit of them does."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidRequest, InvalidTransition, StaleEtag
from engine.experiments import ROLLED_BACK, Experiment, Status, Variant, said
from engine.funnel import Funnel, RampStep
from engine.lifecycle import Author, create, move_ramp, transition, update
from engine.metrics import Metric

NOW = datetime(2026, 1, 5, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ANNA = Author("anna", "nothing is worse", NOW)
RAMP = (RampStep(0.01, DAY), RampStep(0.1, 2 * DAY), RampStep(0.5), RampStep(1.0))
HERO = Experiment("hero", (Variant("plain"), Variant("bold")), (Metric("click"),), funnel=Funnel(ramp=RAMP))


def at(moment):
    return replace(ANNA, at=moment)


def running(step=0, experiment=HERO):
    state = transition(create(experiment, ANNA)[0], Status.RUNNING, "", ANNA)[0]
    return replace(state, step=step, snapshot="abc")


def edit(state, moment=NOW + HOUR, **funnel):
    return update(state, replace(HERO, funnel=Funnel(**funnel)), state.etag, at(moment))[0]


# --- steps ---------------------------------------------------------------------------------------------------------


def test_a_ramp_rises_step_by_step_without_an_epoch():
    state, moment = running(), NOW
    for step, lasted in enumerate((DAY, 2 * DAY, timedelta(0)), 1):
        moment += lasted
        state, change = move_ramp(state, step, state.etag, at(moment))
        assert (state.step, state.step_at, state.traffic) == (step, moment, RAMP[step].traffic)
        assert (state.epoch, state.snapshot, state.revision) == (1, "abc", 1)
        assert (change.action, change.reason, change.fields) == ("ramp", "nothing is worse", (f"step {step + 1} of 4",))


@pytest.mark.parametrize(
    ("step", "passed", "left"),
    [(0, timedelta(0), "1d"), (0, DAY - HOUR, "1h"), (1, DAY - timedelta(microseconds=1), "1d1s")],
)
def test_a_step_lasts_as_long_as_it_says(step, passed, left):
    state = running(step)
    with pytest.raises(InvalidTransition, match=f"at step {step + 1} of 4, which lasts .*: wait another {left},"):
        move_ramp(state, step + 1, "", at(NOW + passed))
    assert move_ramp(state, step + 1, "", at(NOW + passed), early=True)[0].step == step + 1


def test_the_time_of_a_pause_does_not_count():
    paused = transition(running(), Status.PAUSED, "", at(NOW + HOUR))[0]
    resumed = transition(paused, Status.RUNNING, "", at(NOW + 9 * DAY))[0]
    with pytest.raises(InvalidTransition, match="wait another 1d,"):
        move_ramp(resumed, 1, "", at(NOW + 9 * DAY))
    assert move_ramp(resumed, 1, "", at(NOW + 10 * DAY))[0].step == 1


@pytest.mark.parametrize(("here", "there"), [(3, 2), (3, 0), (1, 0), (2, ROLLED_BACK), (0, ROLLED_BACK)])
def test_down_goes_at_once_and_opens_an_epoch(here, there):
    after, change = move_ramp(running(here), there, "", ANNA)
    assert (after.step, after.step_at, after.epoch, after.snapshot) == (there, NOW, 2, "abc")
    assert change.epoch == 2
    assert after.traffic == (RAMP[there].traffic if there >= 0 else 0)


def test_what_was_rolled_back_begins_again_at_the_first_step():
    back = running(ROLLED_BACK)
    for step in (1, 3):
        with pytest.raises(InvalidTransition, match=r"rolled back: it rises one step at a time, .* is step 1"):
            move_ramp(back, step, "", ANNA, early=True)
    after = move_ramp(back, 0, "", ANNA)[0]
    assert (after.step, after.traffic, after.epoch) == (0, 0.01, 1)


@pytest.mark.parametrize(
    ("here", "there", "why"),
    [
        (0, 0, "at step 1 of 4 already"),
        (ROLLED_BACK, ROLLED_BACK, "is rolled back already"),
        (0, 2, "one step at a time, and the next one is step 2"),
        (3, 4, "has 4 steps, so `step` is 0 to 3, or -1 to roll it back: 4 is"),
        (0, -2, "-2 is none of them"),
    ],
)
def test_a_step_that_is_none_is_refused(here, there, why):
    with pytest.raises(InvalidTransition, match=why):
        move_ramp(running(here), there, "", ANNA, early=True)


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.RUNNING])
def test_only_what_runs_is_moved(status):
    with pytest.raises(InvalidTransition, match=f"is {said(status)}: only the ramp of a running"):
        move_ramp(replace(running(), status=status), ROLLED_BACK, "", ANNA)


def test_what_has_no_ramp_is_not_moved():
    with pytest.raises(InvalidTransition, match="has no ramp"):
        move_ramp(running(experiment=replace(HERO, funnel=Funnel())), 1, "", ANNA)


def test_a_ramp_is_moved_by_somebody_for_a_reason_and_as_it_was_read():
    state = running()
    for author, what in ((replace(ANNA, reason=" "), "`reason`"), (replace(ANNA, actor=""), "`actor`")):
        with pytest.raises(InvalidRequest, match=what):
            move_ramp(state, ROLLED_BACK, "", author)
    with pytest.raises(StaleEtag):
        move_ramp(state, ROLLED_BACK, "1", ANNA)


@given(st.lists(st.integers(-2, 4), max_size=15))
def test_whatever_is_tried_an_epoch_opens_where_traffic_falls_and_only_there(wishes):
    state = running()
    for wish in wishes:
        before = state
        try:
            state = move_ramp(before, wish, before.etag, ANNA, early=True)[0]
        except InvalidTransition:
            continue
        assert state.epoch - before.epoch == (state.traffic < before.traffic)
        assert state.step <= before.step + 1
        assert int(state.etag) == int(before.etag) + 1


# --- edits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("here", "ramp", "step", "epoch"),
    [
        (1, (0.05, 0.1, 1.0), 1, 1),
        (1, (0.1, 1.0), 0, 1),
        (1, (0.05, 0.2, 1.0), 0, 2),
        (1, (0.2, 1.0), 0, 1),
        (3, (0.2, 0.4), 1, 2),
        (2, (0.01, 0.1, 0.3, 0.5, 0.9), 3, 1),
    ],
)
def test_an_edited_ramp_goes_on_at_the_last_step_with_no_more_traffic(here, ramp, step, epoch):
    after = edit(running(here), ramp=tuple(RampStep(traffic) for traffic in ramp))
    assert (after.step, after.epoch) == (step, epoch)


def test_the_time_in_a_step_goes_on_where_its_traffic_stays():
    longer = edit(running(1), ramp=(RAMP[0], RampStep(0.1, 3 * DAY), *RAMP[2:]))
    assert (longer.step, longer.step_at) == (1, NOW)
    other = edit(running(1), ramp=(RampStep(0.05), RampStep(1.0)))
    assert (other.step, other.step_at) == (0, NOW + HOUR)


def test_what_was_rolled_back_stays_so_when_its_ramp_is_edited():
    after = edit(running(ROLLED_BACK), ramp=(RampStep(0.05), RampStep(1.0)))
    assert (after.step, after.traffic, after.epoch) == (ROLLED_BACK, 0, 1)


@pytest.mark.parametrize(("traffic", "epoch"), [(1.0, 1), (0.1, 1), (0.05, 2)])
def test_a_ramp_that_becomes_a_share_is_compared_by_the_traffic_that_was_live(traffic, epoch):
    after = edit(running(1), traffic=traffic)
    assert (after.step, after.traffic, after.epoch) == (0, traffic, epoch)


@pytest.mark.parametrize(("traffic", "step", "epoch"), [(0.1, 1, 1), (0.3, 1, 2), (1.0, 3, 1), (0.001, 0, 1)])
def test_a_share_that_becomes_a_ramp_too(traffic, step, epoch):
    before = running(experiment=replace(HERO, funnel=Funnel(traffic=traffic)))
    after = edit(before, ramp=RAMP)
    assert (after.step, after.epoch) == (step, epoch)
    assert after.step_at == (NOW if after.traffic == traffic else NOW + HOUR)


def test_a_draft_starts_at_the_first_step_whatever_was_edited():
    draft = create(replace(HERO, funnel=Funnel()), ANNA)[0]
    after = edit(draft, ramp=RAMP)
    assert (after.step, after.step_at, after.epoch) == (0, None, 1)
