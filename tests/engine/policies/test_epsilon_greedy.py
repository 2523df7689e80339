from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.policies.epsilon_greedy import EpsilonGreedyPolicy
from engine.specs import EpsilonGreedySpec
from tests.engine.policies.choosing import NAMES, after, experiment_of, reward

GREEDY = EpsilonGreedySpec(epsilon=0.3)
ONE_EACH = [reward("a", 0.0), reward("b", 1.0), reward("c", 0.0)]


def test_the_best_mean_gets_all_but_epsilon_which_is_spread_evenly():
    assert after(GREEDY, ONE_EACH) == pytest.approx((0.1, 0.8, 0.1))


def test_the_mean_counts_and_not_the_sum():
    assert after(GREEDY, [*ONE_EACH, *[reward("a", 0.5)] * 9]) == pytest.approx((0.1, 0.8, 0.1))


def test_equal_means_share_evenly():
    assert after(GREEDY, [*ONE_EACH, reward("c", 1.0), reward("b", 0.0)]) == pytest.approx((0.1, 0.45, 0.45))


def test_a_variant_without_a_reward_is_tried_first():
    assert after(GREEDY, [reward("a", 1.0)]) == pytest.approx((0.1, 0.45, 0.45))
    assert after(GREEDY, [reward("a", 1.0), reward("b", 1.0)]) == pytest.approx((0.1, 0.1, 0.8))


def test_without_epsilon_it_is_greedy():
    assert after(EpsilonGreedySpec(epsilon=0.0), ONE_EACH) == (0.0, 1.0, 0.0)
    assert after(EpsilonGreedySpec(epsilon=1.0), ONE_EACH) == pytest.approx((1 / 3,) * 3)


def test_among_some_variants_the_best_of_them_is_the_best():
    experiment = experiment_of(GREEDY)
    policy = EpsilonGreedyPolicy(experiment)
    policy.learn([*ONE_EACH, reward("c", 1.0)])
    assert policy.distribution({}, experiment.variants[::2]) == pytest.approx((0.15, 0.85))


def test_predictions_are_means_and_a_half_where_there_is_none():
    experiment = experiment_of(GREEDY)
    policy = EpsilonGreedyPolicy(experiment)
    policy.learn([reward("a", 0.25), reward("a", 0.5), reward("b", 0.0)])
    assert policy.expected_rewards({}, experiment.variants) == (0.375, 0.0, 0.5)
    assert policy.contributions({"visits": 3.0}, experiment.variants[0]) == {}


def test_it_says_what_it_is():
    policy = EpsilonGreedyPolicy(experiment_of(GREEDY, 2))
    policy.learn([reward("a", 0.25)])
    assert policy.arguments == ("epsilon=0.3",)
    assert (
        policy.serialize() == b'{"policy":["epsilon_greedy","epsilon=0.3"],"variants":{"a":[0.25,1.0],"b":[0.0,0.0]}}'
    )


@given(st.floats(0, 1), st.lists(st.tuples(st.sampled_from(NAMES[:5]), st.floats(0, 1)), max_size=30))
def test_every_variant_has_its_part_of_epsilon(epsilon, rewards):
    answer = after(EpsilonGreedySpec(epsilon=epsilon), [reward(*each) for each in rewards], 5)
    assert math.fsum(answer) == pytest.approx(1, abs=1e-12)
    assert min(answer) >= epsilon / 5
