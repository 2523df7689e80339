from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from engine.specs import SoftmaxSpec
from tests.engine.policies.choosing import NAMES, after, reward

MEANS = (0.125, 0.5, 0.25)


@pytest.mark.parametrize("temperature", [0.05, 0.1, 1.0, 50.0])
def test_it_is_scipys_softmax_of_the_means(temperature):
    rewards = [reward(name, mean) for name, mean in zip(NAMES, MEANS, strict=False)] * 3
    expected = softmax([mean / temperature for mean in MEANS])
    assert after(SoftmaxSpec(temperature=temperature), rewards) == pytest.approx(expected, abs=1e-12)


def test_a_variant_without_a_reward_is_as_likely_as_the_best():
    low, best, unseen = after(SoftmaxSpec(), [reward("a", 0.2), reward("b", 0.4)])
    assert best == unseen == pytest.approx(low * math.e**2)


@pytest.mark.parametrize(("temperature", "expected"), [(1e-6, (0.0, 1.0, 0.0)), (1e12, (1 / 3,) * 3)])
def test_extreme_temperatures_are_safe(temperature, expected):
    rewards = [reward("a", 0.0), reward("b", 1.0), reward("c", 0.0)]
    assert after(SoftmaxSpec(temperature=temperature), rewards) == pytest.approx(expected, abs=1e-12)


_REWARDS = st.lists(st.tuples(st.sampled_from(NAMES[:5]), st.floats(0, 1)), max_size=30)


@given(st.floats(1e-6, 1e12), _REWARDS)
def test_any_rewards_leave_a_distribution(temperature, rewards):
    answer = after(SoftmaxSpec(temperature=temperature), [reward(*each) for each in rewards], 5)
    assert math.fsum(answer) == pytest.approx(1, abs=1e-12)
    assert min(answer) >= 0
