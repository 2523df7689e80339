"""What every policy that learns promises (`engine/policies/base.py`), for each of SPECS that does."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from engine.errors import PolicyFailed, SnapshotRefused
from engine.experiments import Experiment, Variant
from engine.policies import LearningPolicy, build, prior_policy
from engine.randomness import quantise
from engine.specs import Explorer, LearnerType
from tests.conformance.policy_cases import (
    CONTEXTS,
    SPECS,
    VARIANTS,
    ask_all,
    chosen,
    experiment_with,
    reward_of,
    some_rewards,
)

KEEPS_MORE = {Explorer.BAG, Explorer.COVER, Explorer.RND, Explorer.EPSILON_DECAY, LearnerType.DR}
"""Of these Vowpal Wabbit keeps something that it does not write down, such as the state of its random numbers."""


@pytest.fixture(params=[name for name, spec in SPECS.items() if spec.learns])
def learning_experiment(request: pytest.FixtureRequest) -> Experiment:
    return experiment_with(SPECS[request.param])


@pytest.fixture
def learner(learning_experiment: Experiment) -> Callable[..., LearningPolicy]:
    def make(blob: bytes = b"") -> LearningPolicy:
        made = build(learning_experiment, blob)
        assert isinstance(made, LearningPolicy)
        return made

    return make


def test_an_untaught_policy_that_learns_prefers_nobody_or_what_its_prior_does(learning_experiment, learner):
    prior = prior_policy(learning_experiment)
    expected = ask_all(prior) if prior else [[1 / len(answer)] * len(answer) for answer in ask_all(learner())]
    # rnd's models begin with random weights, always the same ones: 0.096 from even here. See `explorers.warning`.
    tolerance = 0.1 if Explorer.RND in chosen(learning_experiment) else 1e-6
    for answer, wanted in zip(ask_all(learner()), expected, strict=True):
        assert answer == pytest.approx(wanted, abs=tolerance)


def test_learning_does_not_change_its_input(learner):
    rewards = some_rewards(50)
    before = copy.deepcopy(rewards)
    learner().learn(rewards)
    assert rewards == before


def test_the_same_rewards_in_the_same_order_give_the_same_bytes(learner):
    first, second = learner(), learner()
    first.learn(some_rewards(100))
    second.learn(some_rewards(100))
    assert first.serialize() == second.serialize() != learner().serialize()


def test_how_rewards_are_cut_into_calls_does_not_matter(learner):
    rewards = some_rewards(60)
    at_once, one_by_one = learner(), learner()
    at_once.learn(rewards)
    for reward in rewards:
        one_by_one.learn([reward])
    one_by_one.learn([])
    assert one_by_one.serialize() == at_once.serialize()


def taught(learner, *, restores, asks):
    """Return the bytes after three batches, with or without a restart and questions around each."""
    policy = learner()
    for start in range(0, 90, 30):
        if restores:
            policy = learner(policy.serialize())
        if asks:
            ask_all(policy)
        policy.learn(some_rewards(90)[start : start + 30])
        if asks:
            ask_all(policy)
    return policy.serialize()


@pytest.mark.parametrize("restores", [False, True])
def test_questions_leave_no_trace_in_the_bytes(learner, restores):
    assert taught(learner, restores=restores, asks=True) == taught(learner, restores=restores, asks=False)


def test_restoring_leaves_no_trace_in_the_bytes(learning_experiment, learner):
    if not KEEPS_MORE.isdisjoint(chosen(learning_experiment)):
        pytest.skip("its bytes are the same where it was restored at the same places, as the test above shows")
    assert taught(learner, restores=True, asks=True) == taught(learner, restores=False, asks=False)


def test_writing_down_changes_nothing(learner):
    policy = learner()
    policy.learn(some_rewards(40))
    before = ask_all(policy)
    assert policy.serialize() == policy.serialize()
    assert ask_all(policy) == before


def test_a_restored_policy_gives_the_same_distributions_and_the_same_bytes(learner):
    policy = learner()
    policy.learn(some_rewards(120))
    blob = policy.serialize()
    restored = learner(blob)
    assert ask_all(restored) == ask_all(policy)
    assert restored.serialize() == blob


@pytest.mark.parametrize(
    "harm",
    [
        lambda blob: blob[:-5],
        lambda blob: blob[: len(blob) // 2],
        lambda blob: blob + b"\0",
        lambda _: b"\0",
        lambda _: b"garbage",
        lambda _: b"{}",
        lambda _: b"\xff" * 1000,
    ],
    ids=["cut by 5", "cut in half", "longer", "nought", "garbage", "no variants", "ones"],
)
def test_a_harmed_blob_is_refused(learner, harm):
    policy = learner()
    policy.learn(some_rewards(30))
    with pytest.raises(SnapshotRefused):
        learner(harm(policy.serialize()))


def test_the_state_of_other_variants_is_refused(learning_experiment, learner):
    others = replace(learning_experiment, variants=(*VARIANTS[:3], Variant("another")))
    with pytest.raises(SnapshotRefused):
        build(others, learner().serialize())


@pytest.mark.parametrize(
    "name", ["thompson", "gaussian", "counts", "thompson that fades", "epsilon greedy", "ucb1", "softmax", "contextual"]
)
def test_the_state_of_another_policy_is_refused(learning_experiment, learner, name):
    if replace(learning_experiment.policy, prior=None) == SPECS[name]:
        pytest.skip("it is this policy's own")
    if name == "thompson" and learning_experiment.policy == SPECS["thompson that expects little"]:
        pytest.skip("its state says nothing of its prior: its arguments do, by which a snapshot is verified")
    with pytest.raises(SnapshotRefused):
        build(experiment_with(SPECS[name]), learner().serialize())


@pytest.mark.parametrize("value", [-0.001, 1.001, math.nan, math.inf])
def test_a_reward_outside_0_and_1_is_refused_and_nothing_of_its_batch_learned(learner, value):
    policy = learner()
    good = some_rewards(3)
    before = policy.serialize()
    with pytest.raises(PolicyFailed):
        policy.learn([*good, replace(good[0], value=value)])
    assert policy.serialize() == before


def test_a_reward_of_no_variant_is_refused(learner):
    policy = learner()
    with pytest.raises(PolicyFailed):
        policy.learn([reward_of(0, {}, ("plain", "gone"), (2**31, 2**31), "gone", 1.0)])


def test_a_better_variant_gets_more_over_time(learning_experiment, learner):
    policy = learner()
    names = [variant.name for variant in VARIANTS]
    weights = quantise([0.25] * 4)
    shares = []
    rng = np.random.default_rng(4)
    for batch in range(3):
        drawn = rng.integers(4, size=400)
        value = rng.random(400) < np.where(drawn == 2, 0.6, 0.2)
        policy.learn(
            [reward_of(batch * 400 + i, {}, names, weights, names[drawn[i]], float(value[i])) for i in range(400)]
        )
        shares.append(policy.distribution({}, VARIANTS)[2])
    predicted = policy.expected_rewards({}, VARIANTS)
    assert predicted[2] == max(predicted)
    explorers = chosen(learning_experiment)
    if Explorer.REGCB in explorers:
        # It is even among the variants that it has not given up, and those are the best and others for long.
        assert shares[2] == pytest.approx(max(policy.distribution({}, VARIANTS)))
    elif Explorer.COVER not in explorers:
        # Cover's models are right too, but its policies disagree for good: from seed to seed they give the best variant
        # 0.2 to 0.8 here, and no more after twice as many rewards. No bound would hold, which is what its warning says.
        assert shares[0] > 0.5
        assert shares[2] > 0.9


def test_predictions_are_rewards_and_follow_their_variants(learner):
    policy = learner()
    policy.learn(some_rewards(200))
    for context in CONTEXTS:
        predicted = policy.expected_rewards(context, VARIANTS)
        assert all(0.0 <= reward <= 1.0 for reward in predicted)
        assert list(policy.expected_rewards(context, VARIANTS[::-1]))[::-1] == pytest.approx(list(predicted), abs=1e-6)


def test_contributions_are_of_given_fields(learner):
    policy = learner()
    policy.learn(some_rewards(200))
    for context in CONTEXTS:
        for variant in VARIANTS:
            moved = policy.contributions(context, variant)
            assert moved.keys() <= context.keys()
            assert all(map(math.isfinite, moved.values()))
