"""What every policy promises (`engine/policies/base.py`), for each of SPECS."""

from __future__ import annotations

import gc
import math
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.experiments import Experiment
from engine.policies import LearningPolicy, Policy, build
from engine.randomness import quantise
from engine.specs import POLICY_SPECS, Explorer, LearnerType, Posterior, ThompsonSpec
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


@pytest.fixture(params=SPECS)
def experiment(request: pytest.FixtureRequest) -> Experiment:
    return experiment_with(SPECS[request.param])


@pytest.fixture
def policy(experiment: Experiment) -> Policy:
    return build(experiment)


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


def test_every_policy_is_here():
    assert {spec.kind for spec in SPECS.values()} == POLICY_SPECS.keys()
    assert {explorer for spec in SPECS.values() for explorer in chosen(experiment_with(spec))} == {
        *Explorer,
        *LearnerType,
    }
    assert {spec.posterior for spec in SPECS.values() if isinstance(spec, ThompsonSpec)} == set(Posterior)


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
