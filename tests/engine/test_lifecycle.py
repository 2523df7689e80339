"""The life of an experiment: every step there is, every step there is not, and what opens an epoch."""

import itertools
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidExperiment, InvalidRequest, InvalidTransition, StaleEtag
from engine.experiments import (
    Better,
    Brief,
    Change,
    ContextField,
    ContextualSpec,
    Experiment,
    ExposureRule,
    Factor,
    FieldType,
    FixedSpec,
    Metric,
    MetricKind,
    Plan,
    RewardTerm,
    Role,
    Status,
    ThompsonSpec,
    Variant,
)
from engine.lifecycle import Author, create, moves_units, transition, update

NOW = datetime(2026, 1, 5, tzinfo=UTC)
ANNA = Author("anna", "spring offer", NOW)
METRICS = (Metric("click"), Metric("buy"))
CONSENT = (ContextField("ok", FieldType.FLAG), ContextField("device", FieldType.TEXT))
HERO = Experiment("hero", (Variant("plain"), Variant("bold")), METRICS, context=CONSENT)
BANDIT = replace(HERO, policy=ContextualSpec())

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


def running(experiment):
    return state_in(Status.RUNNING, experiment)


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
        assert after == replace(state, status=there, etag="2")
        assert change == Change("hero", NOW, "anna", ALLOWED[here, there], "spring offer", there, 1, 1)
    else:
        with pytest.raises(InvalidTransition, match=f"is {here.value} and cannot become {there.value}"):
            transition(state, there, state.etag, ANNA)


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


# --- revisions and epochs ------------------------------------------------------------------------------------------

MOVING = {
    "variants": (Variant("plain"), Variant("bold"), Variant("third")),
    "factors": (Factor("size", ("s", "l")),),
    "context": (*CONSENT, ContextField("visits", FieldType.NUMBER)),
    "requires_consent": "ok",
    "unit": "session",
    "control": "bold",
    "default": "bold",
    "policy": ThompsonSpec(),
    "reward": (RewardTerm("buy", 1.0),),
    "exposure": ExposureRule.REPORTED,
    "seed": "spring",
}
STAYING = {
    "brief": Brief("because"),
    "metrics": (*METRICS, Metric("visit")),
    "grace": timedelta(hours=1),
    "plan": Plan(looks=3),
    "segments": ("device",),
}
HOW_READ = {
    "winsor": 0.99,
    "range": (0.0, 9.0),
    "better": Better.LOWER,
    "role": Role.GOAL,
    "effect": 0.1,
    "covariates": ("ok",),
}
WHAT_IS_LEARNED = {"kind": MetricKind.REVENUE, "window": timedelta(1), "cap": 5.0, "of": "order", "after": timedelta(1)}


def changed(experiment, field):
    value = {**MOVING, **STAYING}[field]
    return (
        replace(experiment, variants=(), factors=value) if field == "factors" else replace(experiment, **{field: value})
    )


def test_every_field_moves_units_or_does_not():
    assert MOVING.keys() | STAYING.keys() == {field.name for field in fields(Experiment)} - {"experiment_id"}
    assert not MOVING.keys() & STAYING.keys()


@pytest.mark.parametrize("field", MOVING)
def test_what_moves_units_opens_an_epoch(field):
    for experiment in (HERO, BANDIT):
        before = replace(running(experiment), snapshot="abc")
        after, change = update(before, changed(experiment, field), before.etag, ANNA)
        assert (after.revision, after.epoch, after.snapshot) == (2, 2, "")
        assert (change.action, change.revision, change.epoch) == ("update", 2, 2)


@pytest.mark.parametrize("field", STAYING)
def test_what_moves_nobody_opens_none_in_a_test(field):
    before = running(HERO)
    after, change = update(before, changed(HERO, field), before.etag, ANNA)
    assert (after.revision, after.epoch) == (change.revision, change.epoch) == (2, 1)
    assert after.status is Status.RUNNING


@pytest.mark.parametrize(("field", "epoch"), [("brief", 1), ("metrics", 2), ("grace", 2), ("plan", 1), ("segments", 1)])
def test_a_policy_that_learns_begins_again_where_its_reward_changes(field, epoch):
    before = replace(running(BANDIT), snapshot="abc")
    after = update(before, changed(BANDIT, field), before.etag, ANNA)[0]
    assert after.epoch == epoch
    assert after.snapshot == ("abc" if epoch == 1 else "")


@pytest.mark.parametrize(("name", "value"), [*HOW_READ.items(), *WHAT_IS_LEARNED.items()])
def test_how_a_metric_is_read_changes_nothing_that_is_learned(name, value):
    bandit = replace(BANDIT, metrics=(METRICS[0], Metric("buy", MetricKind.COUNT)))
    before = running(bandit)
    changed = replace(bandit, metrics=(METRICS[0], replace(bandit.metrics[1], **{name: value})))
    assert update(before, changed, before.etag, ANNA)[0].epoch == (1 if name in HOW_READ else 2)


def test_a_guardrail_and_its_margin_change_nothing_that_is_learned():
    guarded = replace(BANDIT, metrics=(METRICS[0], Metric("buy", role=Role.GUARDRAIL, margin=0.1)))
    before = running(BANDIT)
    assert update(before, guarded, before.etag, ANNA)[0].epoch == 1


def test_a_paused_experiment_keeps_its_units_too():
    before = state_in(Status.PAUSED)
    assert update(before, changed(HERO, "seed"), before.etag, ANNA)[0].epoch == 2


@pytest.mark.parametrize("field", MOVING)
def test_a_draft_has_nobody_to_move(field):
    before = create(HERO, ANNA)[0]
    after = update(before, changed(HERO, field), before.etag, ANNA)[0]
    assert (after.revision, after.epoch) == (2, 1)


def test_applying_the_same_again_opens_no_epoch():
    before = running(HERO)
    after = update(before, HERO, before.etag, ANNA)[0]
    assert (after.revision, after.epoch) == (2, 1)
    assert not moves_units(before.experiment, after.experiment)


def test_other_weights_move_units():
    tilted = replace(HERO, policy=FixedSpec({"plain": 0.9, "bold": 0.1}))
    assert moves_units(create(HERO, ANNA)[0].experiment, create(tilted, ANNA)[0].experiment)


@pytest.mark.parametrize("status", [Status.CONCLUDED, Status.ARCHIVED])
def test_what_was_concluded_is_not_changed(status):
    state = state_in(status)
    with pytest.raises(InvalidTransition, match="under a new id"):
        update(state, HERO, state.etag, ANNA)


def test_a_broken_definition_changes_nothing():
    state = running(HERO)
    with pytest.raises(InvalidExperiment):
        update(state, replace(HERO, variants=()), state.etag, ANNA)
    with pytest.raises(InvalidExperiment):
        create(replace(HERO, metrics=()), ANNA)
