"""A prior answers until something was learned, and changes nothing of what is learned."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from engine.errors import PolicyFailed
from engine.experiments import ContextField, Experiment, FieldType, Variant
from engine.metrics import Metric
from engine.policies import LearningPolicy, Policy, build, prior_policy
from engine.randomness import ONE
from engine.records import Assignment, Reason, Reward, Unit
from engine.specs import ContextualSpec, FixedSpec, LearningSpec, Rule, SegmentsSpec, SoftmaxSpec, ThompsonSpec

A, B = VARIANTS = Variant("a"), Variant("b")
NOW = datetime(2024, 1, 1, tzinfo=UTC)
PRIOR = SegmentsSpec((Rule({"device": "phone"}, {"a": 0.9, "b": 0.1}),), otherwise={"b": 1.0})
SPECS = {
    "thompson": ThompsonSpec(prior=PRIOR),
    "softmax": SoftmaxSpec(prior=PRIOR),
    "contextual": ContextualSpec(prior=PRIOR),
}
POLICIES = pytest.mark.parametrize("spec", SPECS.values(), ids=list(SPECS))


def experiment(spec: LearningSpec | FixedSpec | SegmentsSpec) -> Experiment:
    fields = (ContextField("device", FieldType.TEXT),)
    return Experiment("hero", VARIANTS, (Metric("click"),), context=fields, policy=spec)


def learner(spec: LearningSpec, blob: bytes = b"") -> LearningPolicy:
    made = build(experiment(spec), blob)
    assert isinstance(made, LearningPolicy)
    return made


def reward(variant: str = "a", value: float = 1.0) -> Reward:
    row = Assignment(
        "hero",
        variant,
        Reason.DRAWN,
        Unit("customer", "1"),
        NOW,
        NOW,
        is_draw=True,
        eligible=("a", "b"),
        distribution=(ONE // 2, ONE // 2),
        context={"device": "phone"},
    )
    return Reward(row, value, NOW, 1)


def on_phone(policy: Policy) -> tuple[float, ...]:
    return tuple(policy.distribution({"device": "phone"}, VARIANTS))


@POLICIES
def test_the_prior_answers_until_something_was_learned(spec):
    policy = learner(spec)
    assert on_phone(policy) == (0.9, 0.1)
    assert policy.distribution({}, VARIANTS) == (0.0, 1.0)
    assert policy.distribution({"device": "phone"}, (B,)) == (1.0,)
    policy.learn([])
    assert on_phone(policy) == (0.9, 0.1)
    policy.learn([reward()])
    plain = learner(replace(spec, prior=None))
    plain.learn([reward()])
    assert on_phone(policy) == on_phone(plain) != (0.9, 0.1)


@POLICIES
def test_what_is_learned_is_the_same_to_the_byte_with_a_prior_and_without(spec):
    policy, plain = learner(spec), learner(replace(spec, prior=None))
    assert (policy.library, policy.arguments) == (plain.library, plain.arguments)
    assert policy.serialize() == plain.serialize()
    for each in (policy, plain):
        each.learn([reward(), reward("b", 0.0), reward("b", 0.5)])
    assert policy.serialize() == plain.serialize()


@POLICIES
def test_predictions_are_the_learned_policys_from_the_start(spec):
    policy, plain = learner(spec), learner(replace(spec, prior=None))
    for _ in range(2):
        context = {"device": "phone"}
        assert policy.expected_rewards(context, VARIANTS) == plain.expected_rewards(context, VARIANTS)
        assert policy.contributions(context, A) == plain.contributions(context, A)
        policy.learn([reward()])
        plain.learn([reward()])


@POLICIES
def test_a_restored_policy_knows_no_prior_any_more(spec):
    taught = learner(spec)
    taught.learn([reward()])
    assert on_phone(learner(spec, taught.serialize())) == on_phone(taught)
    assert type(learner(spec, taught.serialize())) is type(learner(replace(spec, prior=None)))


@POLICIES
def test_a_reward_that_is_refused_leaves_the_prior_in_place(spec):
    policy = learner(spec)
    with pytest.raises(PolicyFailed):
        policy.learn([reward(), reward(value=2.0)])
    assert on_phone(policy) == (0.9, 0.1)


@POLICIES
def test_the_prior_is_a_policy_of_its_own(spec):
    prior = prior_policy(experiment(spec))
    assert prior is not None
    assert on_phone(prior) == (0.9, 0.1)


@pytest.mark.parametrize("spec", [FixedSpec(), PRIOR, ThompsonSpec(), ContextualSpec()])
def test_a_policy_without_a_prior_has_none(spec):
    assert prior_policy(experiment(spec)) is None


@POLICIES
def test_an_empty_prior_is_one_too(spec):
    prior = prior_policy(experiment(replace(spec, prior=SegmentsSpec())))
    assert prior is not None
    assert on_phone(prior) == (0.5, 0.5)
