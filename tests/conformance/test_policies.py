"""What every policy promises (`engine/policies/base.py`): a new policy adds one line to SPECS."""

from __future__ import annotations

import copy
import gc
import math
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import PolicyFailed, SnapshotRefused
from engine.experiments import ContextField, Experiment, FieldType, Metric, Variant
from engine.policies import LearningPolicy, Policy, build, prior_policy
from engine.randomness import draw, quantise
from engine.records import Assignment, Context, DrawKey, Reason, Reward, Unit
from engine.specs import ContextualSpec, FixedSpec, PolicySpec, Rule, SegmentsSpec, ThompsonSpec

RULES = SegmentsSpec(
    (
        Rule({"visits": {"$gte": 3}}, {"plain": 0.25, "bold: now|": 0.75}),
        Rule({"$or": [{"member": False}, {"likes: |": {"$in": ["b", "é ü 東京 🙂"]}}]}, {"grün": 1.0}),
    ),
    otherwise={"plain": 0.7, "last one": 0.3},
)
SPECS: dict[str, PolicySpec] = {
    "fixed": FixedSpec(),
    "fixed with weights": FixedSpec({"plain": 0.5, "bold: now|": 0.3, "grün": 0.15, "last one": 0.05}),
    "segments": RULES,
    "segments without rules": SegmentsSpec(),
    "thompson": ThompsonSpec(),
    "thompson that expects little": ThompsonSpec(prior_alpha=2.5, prior_beta=40.0),
    "thompson after rules": ThompsonSpec(prior=RULES),
    "contextual": ContextualSpec(),
    "contextual, greedy": ContextualSpec(gamma=1000.0),
    "contextual after rules": ContextualSpec(prior=RULES),
}

VARIANTS = (
    Variant("plain"),
    Variant("bold: now|", features={"price": 1e9, "tags": ("a b", "c|d"), "new": True}),
    Variant("grün", features={"price": 0.0, "kind": "U:1\n|A x"}),
    Variant("last one", levels={"size": "big"}),
)
FIELDS = (
    ContextField("visits", FieldType.NUMBER),
    ContextField("plan", FieldType.TEXT),
    ContextField("member", FieldType.FLAG),
    ContextField("likes: |", FieldType.TEXTS),
)
CONTEXTS: list[Context] = [
    {},
    {"visits": 3.0, "plan": "pro", "member": True, "likes: |": ("a", "b")},
    {"visits": -1e30, "plan": "New York:1 |A id=x\nshared |U y", "member": False, "likes: |": ()},
    {"visits": 0.0, "plan": "", "likes: |": ("", "é ü 東京 🙂", "é ü 東京 🙂")},
    {"plan": "x" * 5000, "unknown field": "ignored"},
]
START = datetime(2024, 1, 1, tzinfo=UTC)


def experiment_with(spec: PolicySpec) -> Experiment:
    return Experiment("hero", VARIANTS, (Metric("click"),), context=FIELDS, policy=spec)


@pytest.fixture(params=SPECS)
def experiment(request: pytest.FixtureRequest) -> Experiment:
    return experiment_with(SPECS[request.param])


@pytest.fixture(params=[name for name, spec in SPECS.items() if spec.learns])
def learning_experiment(request: pytest.FixtureRequest) -> Experiment:
    return experiment_with(SPECS[request.param])


@pytest.fixture
def policy(experiment: Experiment) -> Policy:
    return build(experiment)


@pytest.fixture
def learner(learning_experiment: Experiment) -> Callable[..., LearningPolicy]:
    def make(blob: bytes = b"") -> LearningPolicy:
        made = build(learning_experiment, blob)
        assert isinstance(made, LearningPolicy)
        return made

    return make


def reward_of(
    seq: int, context: Context, eligible: Sequence[str], weights: Sequence[int], chosen: str, value: float
) -> Reward:
    assignment = Assignment(
        "hero",
        chosen,
        Reason.DRAWN,
        Unit("customer", str(seq)),
        START,
        START,
        assignment_id=f"{seq:032x}",
        draw_key=DrawKey.ASSIGNMENT,
        is_draw=True,
        eligible=tuple(eligible),
        distribution=tuple(weights),
        context=context,
        seq=seq,
    )
    return Reward(assignment, value, START + timedelta(seconds=seq), 1)


def some_rewards(n: int, seed: int = 0) -> list[Reward]:
    """Rewards of random draws: of all variants or three of them, in any of the contexts, whole or in between."""
    rng = np.random.default_rng(seed)
    rewards = []
    for seq in range(n):
        names = [variant.name for variant in VARIANTS]
        if rng.random() < 0.3:
            names.pop(int(rng.integers(4)))
        weights = quantise(list(rng.dirichlet(np.ones(len(names)))), 0.1)
        chosen = names[draw(weights, int(rng.integers(2**32)))]
        value = float(rng.choice([0.0, 1.0, rng.random()]))
        rewards.append(reward_of(seq, CONTEXTS[rng.integers(len(CONTEXTS))], names, weights, chosen, value))
    return rewards


def ask_all(policy: Policy) -> list[tuple[float, ...]]:
    subsets = [VARIANTS, VARIANTS[1:], VARIANTS[:3], VARIANTS[::3], VARIANTS[2:3]]
    return [tuple(policy.distribution(context, subset)) for context in CONTEXTS for subset in subsets]


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_a_distribution_has_one_probability_for_each_eligible_variant(policy, context, size):
    for start in range(5 - size):
        probabilities = policy.distribution(context, VARIANTS[start : start + size])
        assert len(probabilities) == size
        assert all(0.0 <= probability <= 1.0 for probability in probabilities)
        assert abs(math.fsum(probabilities) - 1.0) < 1e-12
        assert sum(quantise(probabilities, 0.02)) == 2**32


def test_probabilities_follow_their_variants_through_subsets_and_orders(experiment):
    policy = build(experiment)
    if isinstance(policy, LearningPolicy):
        policy.learn(some_rewards(200))
    for context in CONTEXTS:
        ahead = policy.distribution(context, VARIANTS)
        back = policy.distribution(context, VARIANTS[::-1])
        assert list(back)[::-1] == pytest.approx(list(ahead), abs=1e-6)


def test_the_same_question_gets_the_same_answer_to_the_bit(experiment, policy):
    first = ask_all(policy)
    assert ask_all(policy) == first
    assert ask_all(build(experiment)) == first


def test_what_is_asked_in_between_changes_no_answer(policy):
    before = policy.distribution(CONTEXTS[1], VARIANTS)
    ask_all(policy)
    assert policy.distribution(CONTEXTS[1], VARIANTS) == before


def test_a_question_keeps_and_changes_nothing_of_what_it_is_given(policy):
    context = dict(CONTEXTS[1])
    eligible = list(VARIANTS)
    before = policy.distribution(context, eligible)
    assert (context, eligible) == (CONTEXTS[1], list(VARIANTS))
    context["visits"] = 1e6
    eligible.pop()
    assert policy.distribution(CONTEXTS[1], VARIANTS) == before


def test_a_policy_that_is_replaced_is_freed_at_once(experiment):
    policy = build(experiment)
    ask_all(policy)
    gone = weakref.ref(policy)
    gc.disable()
    try:
        del policy
        assert gone() is None
    finally:
        gc.enable()


def test_an_untaught_policy_that_learns_prefers_nobody_or_what_its_prior_does(learning_experiment, learner):
    prior = prior_policy(learning_experiment)
    expected = ask_all(prior) if prior else [[1 / len(answer)] * len(answer) for answer in ask_all(learner())]
    for answer, wanted in zip(ask_all(learner()), expected, strict=True):
        assert answer == pytest.approx(wanted, abs=1e-6)


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


def test_questions_and_restoring_leave_no_trace_in_the_bytes(learner):
    rewards = some_rewards(90)
    undisturbed = learner()
    undisturbed.learn(rewards)
    disturbed = learner()
    for start in range(0, 90, 30):
        disturbed = learner(disturbed.serialize())
        ask_all(disturbed)
        disturbed.learn(rewards[start : start + 30])
        ask_all(disturbed)
    assert disturbed.serialize() == undisturbed.serialize()


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


def test_the_state_of_another_policy_is_refused(learning_experiment, learner):
    other = ContextualSpec(gamma=7.0) if isinstance(learning_experiment.policy, ThompsonSpec) else ThompsonSpec()
    with pytest.raises(SnapshotRefused):
        build(replace(learning_experiment, policy=other), learner().serialize())


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


def test_a_better_variant_gets_more_over_time(learner):
    policy = learner()
    names = [variant.name for variant in VARIANTS]
    weights = quantise([0.25] * 4)
    shares = []
    rng = np.random.default_rng(4)
    for batch in range(3):
        chosen = rng.integers(4, size=400)
        value = rng.random(400) < np.where(chosen == 2, 0.6, 0.2)
        policy.learn(
            [reward_of(batch * 400 + i, {}, names, weights, names[chosen[i]], float(value[i])) for i in range(400)]
        )
        shares.append(policy.distribution({}, VARIANTS)[2])
    assert shares[0] > 0.5
    assert shares[2] > 0.9


_TEXT = st.text(max_size=20)
_NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
_CONTEXTS = st.fixed_dictionaries(
    {},
    optional={"visits": _NUMBERS, "plan": _TEXT, "member": st.booleans(), "likes: |": st.lists(_TEXT).map(tuple)},
)


@pytest.mark.parametrize("name", SPECS)
def test_any_context_leaves_a_distribution(name):
    policy = build(experiment_with(SPECS[name]))
    names = [variant.name for variant in VARIANTS]
    numbers = iter(range(10**9))

    @given(_CONTEXTS, _CONTEXTS, st.integers(0, 3), st.floats(0, 1), st.integers(1, 2**32 - 3))
    def check(asked, taught, chosen, value, weight):
        rest = (2**32 - weight) // 3
        weights = [rest] * 4
        weights[chosen] = 2**32 - 3 * rest
        if isinstance(policy, LearningPolicy):
            policy.learn([reward_of(next(numbers), taught, names, weights, names[chosen], value)])
        for context in (asked, taught):
            probabilities = policy.distribution(context, VARIANTS)
            assert sum(quantise(probabilities, 0.02)) == 2**32
            assert min(probabilities) >= 0.0

    check()
    assert sum(quantise(policy.distribution({}, VARIANTS), 0.02)) == 2**32
