"""Edits of a definition: each opens an epoch, except where it surely moves nobody."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.edits import changed_fields
from engine.experiments import (
    Brief,
    ContextField,
    Experiment,
    ExperimentState,
    ExposureRule,
    Factor,
    FieldType,
    Plan,
    Status,
    Variant,
)
from engine.funnel import Cap, ForcedRule, Funnel, LayerRange, RampStep, Rest, Sticky
from engine.lifecycle import Author, create, update
from engine.metrics import Aggregation, Better, Metric, MetricKind, RewardTerm, Role
from engine.specs import ContextualSpec, Explorer, FixedSpec, Rule, SegmentsSpec, ThompsonSpec

NOW = datetime(2026, 1, 5, tzinfo=UTC)
ANNA = Author("anna", "spring offer", NOW)
DAY = timedelta(days=1)
METRICS = (Metric("click"), Metric("buy"))
CONSENT = (ContextField("ok", FieldType.FLAG), ContextField("device", FieldType.TEXT))
PHONES, NORDIC = {"device": "phone"}, {"country": {"$in": ["NO", "SE"]}}
FUNNEL = Funnel(audience={**PHONES, **NORDIC}, layer=LayerRange("home", 0.2, 0.6), traffic=0.5)
VARIANTS = (Variant("plain"), Variant("bold"), Variant("loud"))
HERO = Experiment("hero", VARIANTS, METRICS, context=CONSENT, funnel=FUNNEL)
BANDIT = replace(HERO, policy=ContextualSpec())


def running(experiment, status=Status.RUNNING):
    return replace(create(experiment, ANNA)[0], status=status, step_at=NOW - DAY)


def edited(experiment, **changes):
    """Return the experiment with other fields, those of the funnel among them."""
    own = {field.name for field in fields(Experiment)}
    funnel = {name: changes.pop(name) for name in list(changes) if name not in own}
    return replace(experiment, funnel=replace(experiment.funnel, **funnel), **changes)


def epochs(before, **changes):
    """Return how many epochs an edit opens in what is running and defined so."""
    state = running(before)
    after, change = update(state, edited(before, **changes), state.etag, ANNA)
    assert after.epoch == change.epoch
    return after.epoch - state.epoch


# --- which fields --------------------------------------------------------------------------------------------------

MOVING = {
    "variants": (*VARIANTS, Variant("third")),
    "factors": (Factor("size", ("s", "l")),),
    "context": (*CONSENT, ContextField("visits", FieldType.NUMBER)),
    "requires_consent": "ok",
    "unit": "session",
    "control": "bold",
    "default": "bold",
    "policy": ThompsonSpec(),
    "candidates": (),
    "slots": 2,
    "exposure": ExposureRule.REPORTED,
    "seed": "spring",
    "forced": (ForcedRule("bold", {"staff": True}),),
    "sticky": Sticky(),
    "fallback_unit": "device",
    "killed": ("bold",),
    "prerequisites": {"other": ("bold",)},
    "audience": {**PHONES, **NORDIC, "visits": {"$gte": 3}},
    "layer": LayerRange("home", 0.2, 0.7),
    "traffic": 0.4,
    "ramp": (RampStep(0.1, DAY), RampStep(1.0)),
    "cap": Cap(3, 7 * DAY),
    "rest": Rest("click", DAY, 7 * DAY),
}
STAYING = {
    "brief": Brief("because"),
    "metrics": (*METRICS, Metric("visit")),
    "grace": timedelta(hours=1),
    "reward": (RewardTerm("buy", 1.0),),
    "reward_scale": (0.0, 2.0),
    "reward_default": 0.5,
    "shadow": ThompsonSpec(),
    "plan": Plan(looks=3),
    "segments": ("device",),
    "starts_at": NOW,
    "ends_at": NOW + DAY,
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


ALONG = {
    "factors": {"variants": ()},
    "fallback_unit": {"sticky": Sticky()},
    "ramp": {"traffic": 1.0},
    "reward_scale": {"reward": (RewardTerm("click", 1.0),)},
    "reward_default": {"reward": (RewardTerm("click", 1.0),)},
}
"""What has to change with a field, so that the definition stays valid."""


def changed(experiment, field):
    return edited(experiment, **{field: {**MOVING, **STAYING}[field]}, **ALONG.get(field, {}))


def test_every_field_moves_units_or_does_not():
    own = {field.name for record in (Experiment, Funnel) for field in fields(record)}
    assert MOVING.keys() | STAYING.keys() == own - {"experiment_id", "funnel"}
    assert not MOVING.keys() & STAYING.keys()


@pytest.mark.parametrize("field", [*MOVING, *STAYING])
def test_what_was_edited_is_named_as_in_a_file(field):
    before = running(HERO)
    named = update(before, changed(HERO, field), before.etag, ANNA)[1].fields
    assert field in named
    assert "funnel" not in named


def test_true_is_not_one():
    asked, other = edited(HERO, audience={"vip": True}), edited(HERO, audience={"vip": 1.0})
    assert asked == other
    assert changed_fields(asked, other) == ("audience",)
    assert epochs(asked, audience={"vip": 1.0}) == 1


@pytest.mark.parametrize("field", MOVING)
def test_what_moves_units_opens_an_epoch(field):
    for experiment in (HERO, BANDIT) if field != "killed" else (HERO,):
        before = running(experiment)
        after, change = update(before, changed(experiment, field), before.etag, ANNA)
        assert (after.revision, after.epoch) == (2, 2)
        assert (change.action, change.revision, change.epoch) == ("update", 2, 2)


@pytest.mark.parametrize("field", STAYING)
def test_what_moves_nobody_opens_none_in_a_test(field):
    before = running(HERO)
    after, change = update(before, changed(HERO, field), before.etag, ANNA)
    assert (after.revision, after.epoch) == (change.revision, change.epoch) == (2, 1)
    assert after.status is Status.RUNNING


@pytest.mark.parametrize(
    ("field", "epoch"),
    [
        *[(field, 1) for field in ("brief", "plan", "segments", "shadow")],
        *[(field, 2) for field in ("metrics", "grace", "reward", "reward_scale", "reward_default")],
    ],
)
def test_a_policy_that_learns_begins_again_where_its_reward_changes(field, epoch):
    before = replace(running(BANDIT), snapshot="abc")
    after = update(before, changed(BANDIT, field), before.etag, ANNA)[0]
    assert after.epoch == epoch


@pytest.mark.parametrize(("name", "value"), [*HOW_READ.items(), *WHAT_IS_LEARNED.items()])
def test_how_a_metric_is_read_changes_nothing_that_is_learned(name, value):
    bandit = replace(BANDIT, metrics=(METRICS[0], Metric("buy", MetricKind.COUNT)))
    before = running(bandit)
    changed = replace(bandit, metrics=(METRICS[0], replace(bandit.metrics[1], **{name: value})))
    assert update(before, changed, before.etag, ANNA)[0].epoch == (1 if name in HOW_READ else 2)


def test_what_several_outcomes_come_to_is_part_of_the_reward():
    paid = replace(BANDIT, metrics=(Metric("buy", MetricKind.REVENUE, cap=9.0),))
    first, last = ((RewardTerm("buy", 1.0, how),) for how in (Aggregation.FIRST, Aggregation.LAST))
    assert epochs(replace(paid, reward=first), reward=last) == 1


def test_a_shadow_that_learns_opens_no_epoch_of_a_test_though_it_brings_a_reward():
    before = running(HERO)
    after, change = update(before, edited(HERO, shadow=ThompsonSpec()), before.etag, ANNA)
    assert (after.epoch, change.fields) == (1, ("reward", "shadow", "reward_scale"))


@pytest.mark.parametrize("policy", [{"shares": {"bold": 0.1}}, {"floor": 0.3}, {"explorer": Explorer.SOFTMAX}])
def test_another_share_floor_or_explorer_moves_units(policy):
    assert epochs(BANDIT, policy=replace(BANDIT.policy, **policy)) == 1


def test_a_guardrail_and_its_margin_change_nothing_that_is_learned():
    guarded = replace(BANDIT, metrics=(METRICS[0], Metric("buy", role=Role.GUARDRAIL, margin=0.1)))
    before = running(BANDIT)
    assert update(before, guarded, before.etag, ANNA)[0].epoch == 1


def test_a_paused_experiment_keeps_its_units_too():
    before = running(HERO, Status.PAUSED)
    assert update(before, changed(HERO, "seed"), before.etag, ANNA)[0].epoch == 2


@pytest.mark.parametrize("field", MOVING)
def test_a_draft_has_nobody_to_move(field):
    before = create(HERO, ANNA)[0]
    after = update(before, changed(HERO, field), before.etag, ANNA)[0]
    assert (after.revision, after.epoch) == (2, 1)


def test_applying_the_same_again_opens_no_epoch():
    before = running(HERO)
    after, change = update(before, HERO, before.etag, ANNA)
    assert (after.revision, after.epoch, change.fields) == (2, 1, ())


def test_other_weights_move_units():
    assert epochs(HERO, policy=FixedSpec({"plain": 0.8, "bold": 0.1, "loud": 0.1})) == 1


@pytest.mark.parametrize("policy", [ThompsonSpec(), ContextualSpec()])
def test_another_prior_moves_units(policy):
    prior = SegmentsSpec((Rule({"device": "phone"}, {"bold": 1.0}),))
    assert epochs(replace(HERO, policy=policy), policy=replace(policy, prior=prior)) == 1


# --- who is asked --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("audience", "opened"),
    [
        ({}, 0),
        (PHONES, 0),
        ({**NORDIC, **PHONES}, 0),
        ({"$or": [{**PHONES, **NORDIC}, {"vip": True}]}, 0),
        ({**PHONES, "country": {"$in": ["NO", "SE", "DK"]}}, 0),
        ({**PHONES, "country": {"$in": ["NO"]}}, 1),
        ({"$or": [PHONES, {"vip": True}], **NORDIC}, 0),
        ({"device": "tablet", **NORDIC}, 1),
        ({"$and": [PHONES, NORDIC, {"vip": True}]}, 1),
        ({"$not": PHONES}, 1),
    ],
)
def test_a_wider_audience_moves_nobody(audience, opened):
    assert epochs(HERO, audience=audience) == opened
    assert epochs(BANDIT, audience=audience) == opened


@pytest.mark.parametrize(
    ("layer", "opened"),
    [
        (None, 0),
        (LayerRange("home", 0.2, 0.5), 1),
        (LayerRange("home", 0.1, 0.6), 1),
        (LayerRange("shop", 0.2, 0.6), 1),
    ],
)
def test_leaving_a_layer_moves_nobody_and_another_part_of_it_does(layer, opened):
    assert epochs(HERO, layer=layer) == opened


def test_entering_a_layer_moves_units():
    assert epochs(edited(HERO, layer=None), layer=LayerRange("home")) == 1


# --- killing -------------------------------------------------------------------------------------------------------

ONCE = replace(HERO, sticky=Sticky())
RULES = replace(HERO, policy=SegmentsSpec((Rule({"device": "phone"}, {"plain": 0.5, "bold": 0.5}),)))


@pytest.mark.parametrize(("experiment", "opened"), [(HERO, 1), (BANDIT, 0), (ONCE, 0), (RULES, 0)])
def test_killing_a_variant_opens_an_epoch_where_units_keep_their_draw(experiment, opened):
    assert epochs(experiment, killed=("loud",)) == opened
    assert epochs(replace(experiment, killed=("loud",)), killed=("loud", "bold")) == opened


@pytest.mark.parametrize("experiment", [HERO, BANDIT, ONCE, RULES])
def test_a_variant_that_comes_back_opens_an_epoch(experiment):
    dead = replace(experiment, killed=("loud",))
    assert epochs(dead, killed=()) == 1
    assert epochs(dead, killed=("bold",)) == 1


def test_a_policy_that_learns_goes_on_with_what_it_learned_where_a_variant_is_killed():
    before = replace(running(BANDIT), snapshot="abc")
    after = update(before, replace(BANDIT, killed=("loud",)), before.etag, ANNA)[0]
    assert (after.epoch, after.snapshot) == (1, "abc")


# --- traffic -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("traffic", "opened"), [(0.5, 0), (0.50001, 0), (1.0, 0), (0.49999, 1), (0.1, 1)])
def test_more_traffic_moves_nobody(traffic, opened):
    assert epochs(HERO, traffic=traffic) == opened


shares = st.integers(1, 1000).map(lambda n: n / 1000)
ramps = st.lists(shares, min_size=2, max_size=5, unique=True).map(
    lambda found: tuple(RampStep(share) for share in sorted(found))
)
traffics = shares.map(lambda share: Funnel(traffic=share)) | ramps.map(lambda ramp: Funnel(ramp=ramp))


@given(traffics, st.lists(traffics, min_size=1, max_size=4), st.integers(-1, 4))
def test_an_edit_of_traffic_opens_an_epoch_where_there_is_less_of_it_than_was_live(first, later, step):
    state = running(replace(HERO, funnel=first))
    state = replace(state, step=min(step, len(first.ramp) - 1) if first.ramp else 0)
    for funnel in later:
        before = state
        state = update(before, replace(HERO, funnel=funnel), before.etag, ANNA)[0]
        assert state.epoch - before.epoch == (state.traffic < before.traffic)
        assert int(state.etag) == int(before.etag) + 1
        if funnel.ramp and state.step > 0:
            assert state.traffic <= before.traffic


# --- what any edit keeps -------------------------------------------------------------------------------------------

edits = st.sampled_from([*MOVING, *STAYING])


@given(st.lists(edits, max_size=6), st.sampled_from([HERO, BANDIT]), st.sampled_from(Status))
def test_revisions_and_etags_rise_by_one_and_epochs_by_one_at_most(wishes, first, status):
    state: ExperimentState = running(first, status)
    for field in wishes if status in (Status.DRAFT, Status.RUNNING, Status.PAUSED) else ():
        before = state
        state, change = update(before, changed(first, field), before.etag, ANNA)
        assert (state.revision, int(state.etag)) == (before.revision + 1, int(before.etag) + 1)
        assert before.epoch <= state.epoch <= before.epoch + (status is not Status.DRAFT and bool(change.fields))
        assert (change.revision, change.epoch, change.status) == (state.revision, state.epoch, status)
