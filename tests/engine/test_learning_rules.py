"""Policies that learn, and shadows: every rule that refuses."""

import math
from dataclasses import replace
from datetime import timedelta

import pytest

from engine.definition import define
from engine.errors import InvalidExperiment
from engine.experiments import ContextField, Experiment, FieldType, Variant
from engine.metrics import Metric, RewardTerm
from engine.specs import (
    ContextualSpec,
    EpsilonGreedySpec,
    Explorer,
    FixedSpec,
    LearnerType,
    LinearSpec,
    Posterior,
    Rule,
    SegmentsSpec,
    SoftmaxSpec,
    ThompsonSpec,
    Ucb1Spec,
)

FIELDS = (ContextField("visits", FieldType.NUMBER), ContextField("new", FieldType.FLAG))
HERO = Experiment("hero", (Variant("plain"), Variant("bold"), Variant("loud")), (Metric("click"),), context=FIELDS)
DAY, LONG = timedelta(days=1), timedelta(days=40_000)
COUNTS, GAUSSIAN = Posterior.GAMMA_POISSON, Posterior.GAUSSIAN
AVERAGES = (ThompsonSpec, EpsilonGreedySpec, Ucb1Spec, SoftmaxSpec)
LEARNERS = (*AVERAGES, LinearSpec, ContextualSpec)


def shares(floor=0.02, **by_name):
    return ThompsonSpec(shares=by_name, floor=floor)


def complaint(**changes):
    with pytest.raises(InvalidExperiment) as caught:
        define(replace(HERO, **changes))
    return str(caught.value)


REFUSED = [
    (ThompsonSpec(publish_after=-DAY), "`publish_after` must not be negative"),
    (ThompsonSpec(publish_after=LONG), "`publish_after` must not be negative, and have 36500 days at most"),
    (shares(third=0.2), "`shares` names 'third', which is no variant"),
    (shares(bold=0.0), "the share of 'bold' is 0 and must be in (0, 1)"),
    (shares(bold=1.0), "the share of 'bold' is 1 and must be in (0, 1)"),
    (shares(bold=math.nan), "the share of 'bold' is nan and must be in (0, 1)"),
    (shares(bold=-0.5), "the share of 'bold' is -0.5"),
    (shares(bold=0.5, loud=0.5), "`shares` and the floor sum to 1.02 and must leave room for what is learned"),
    (shares(bold=0.5, floor=0.6), "`shares` and the floor sum to 1.1"),
    (shares(plain=0.2, bold=0.2, loud=0.2), "`shares` holds every variant: leave one out"),
    (ThompsonSpec(half_life=DAY, window=DAY), "`half_life` and `window` both say what is forgotten"),
    (ThompsonSpec(half_life=timedelta(0)), "`half_life` must be longer than nothing"),
    (Ucb1Spec(window=-DAY), "`window` must be longer than nothing"),
    (SoftmaxSpec(window=LONG), "`window` must be longer than nothing, and have 36500 days at most"),
    (ThompsonSpec(prior_alpha=0.5), "`prior_alpha` is 0.5 and must be from 1 to 1e+12"),
    (ThompsonSpec(prior_beta=math.inf), "`prior_beta` is inf and must be from 1 to 1e+12"),
    (ThompsonSpec(prior_mean=0.3), "`prior_mean` is no part of the prior of `posterior: beta`, which has prior_alpha"),
    (ThompsonSpec(posterior=GAUSSIAN, prior_mean=1.5), "`prior_mean` is 1.5 and must be from 0 to 1"),
    (ThompsonSpec(posterior=GAUSSIAN, prior_weight=0.0), "`prior_weight` is 0 and must be from 1e-06 to 1e+12"),
    (ThompsonSpec(posterior=GAUSSIAN, prior_mean=math.nan), "`prior_mean` is nan"),
    (
        ThompsonSpec(posterior=GAUSSIAN, prior_alpha=3.0),
        "`prior_alpha` is no part of the prior of `posterior: gaussian`",
    ),
    (ThompsonSpec(posterior=COUNTS, prior_alpha=0.5), "`prior_alpha` is 0.5 and must be from 1"),
    (ThompsonSpec(posterior=COUNTS, prior_beta=0.0), "`prior_beta` is 0 and must be from 1e-06"),
    (ThompsonSpec(posterior=COUNTS, prior_weight=3.0), "`prior_weight` is no part of the prior"),
    (EpsilonGreedySpec(epsilon=-0.1), "epsilon is -0.1 and must be in [0, 1]"),
    (EpsilonGreedySpec(epsilon=1.1), "epsilon is 1.1"),
    (EpsilonGreedySpec(epsilon=math.nan), "epsilon is nan"),
    (Ucb1Spec(width=0.0), "the width is 0 and must be from 1e-06"),
    (Ucb1Spec(width=math.inf), "the width is inf"),
    (SoftmaxSpec(temperature=0.0), "the temperature is 0 and must be from 1e-06"),
    (SoftmaxSpec(temperature=math.nan), "the temperature is nan"),
    (LinearSpec(width=0.0), "the width is 0"),
    (LinearSpec(prior_weight=-1.0), "`prior_weight` is -1"),
    (ContextualSpec(explorer=Explorer.SQUARECB, learner=LearnerType.IPS), "squarecb cannot learn by `ips`"),
]


@pytest.mark.parametrize(("policy", "part"), REFUSED, ids=[f"{n} {part}" for n, (_, part) in enumerate(REFUSED)])
def test_every_rule_refuses_a_policy_and_a_shadow(policy, part):
    assert part in complaint(policy=policy)
    assert f"the shadow: {part}" in complaint(shadow=policy)


@pytest.mark.parametrize("spec", LEARNERS)
@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"floor": 0.0}, "the floor is 0 and must be in (0, 1]"),
        ({"floor": 1.5}, "the floor is 1.5"),
        ({"control_share": 1.0}, "the control share is 1 and must be in [0, 1)"),
        ({"publish_every": 0}, "`publish_every` must be at least 1"),
        ({"shares": {"third": 0.1}}, "`shares` names 'third'"),
        ({"prior": SegmentsSpec()}, "the prior says nothing"),
    ],
)
def test_every_policy_that_learns_obeys_the_same_rules(spec, changes, part):
    assert part in complaint(policy=spec(**changes))


@pytest.mark.parametrize("spec", LEARNERS)
def test_what_is_left_out_is_right(spec):
    assert define(replace(HERO, policy=spec())).policy == spec()
    assert define(replace(HERO, shadow=spec())).shadow == spec()


@pytest.mark.parametrize("spec", AVERAGES)
def test_what_averages_may_forget(spec):
    define(replace(HERO, policy=spec(half_life=DAY)))
    define(replace(HERO, policy=spec(window=DAY), shadow=spec(half_life=timedelta(microseconds=1))))


def test_what_may_be_held():
    define(replace(HERO, policy=shares(bold=0.3, loud=0.6)))
    define(replace(HERO, policy=shares(plain=0.3, floor=0.5)))


def test_no_share_of_a_killed_variant():
    assert "'bold', which is killed: take its share away" in complaint(policy=shares(bold=0.3), killed=("bold",))
    assert "`shares` holds every variant" in complaint(policy=shares(plain=0.3, bold=0.3), killed=("loud",))
    define(replace(HERO, policy=shares(bold=0.3), killed=("loud",)))


def test_counts_begin_at_nought():
    costs = {"reward": (RewardTerm("click", -0.5),), "policy": ThompsonSpec(posterior=COUNTS)}
    assert "`posterior: gamma_poisson` counts from 0, and the reward's scale begins at -0.5" in complaint(**costs)
    define(replace(HERO, policy=ThompsonSpec(posterior=COUNTS), reward_scale=(0.0, 20.0)))
    define(replace(HERO, reward=costs["reward"], policy=ThompsonSpec(posterior=GAUSSIAN)))


def test_a_shadow_holds_nobody():
    assert "the shadow's control share is 0.1 and must be 0" in complaint(shadow=ThompsonSpec(control_share=0.1))
    assert "the shadow serves nobody, so that its `shares`" in complaint(shadow=shares(bold=0.1))


def test_any_policy_may_be_a_shadow():
    rules = SegmentsSpec((Rule({"new": True}, {"bold": 1.0}),))
    for shadow in (FixedSpec({"plain": 0.5, "bold": 0.3, "loud": 0.2}), rules, ThompsonSpec(prior=rules)):
        assert define(replace(HERO, shadow=shadow)).shadow == shadow


def test_the_conditions_of_a_shadow_have_one_form():
    written = SegmentsSpec((Rule({"visits": {"$in": (1, 2)}}, {}),))
    plain = SegmentsSpec((Rule({"visits": {"$in": [1.0, 2.0]}}, {}),))
    assert define(replace(HERO, shadow=written)).shadow == plain
    assert define(replace(HERO, shadow=ThompsonSpec(prior=written))).shadow.prior == plain
    assert "the shadow: rule 1: `country` must be declared" in complaint(
        shadow=SegmentsSpec((Rule({"country": "NO"}, {}),))
    )
