"""UCB1 against the algorithm as it is written in the paper."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.policies.ucb1 import Ucb1Policy
from engine.specs import Ucb1Spec
from tests.engine.policies.choosing import NAMES, after, experiment_of, reward

PLAIN = Ucb1Spec()


def play_as_in_the_paper(outcomes: np.ndarray, n: int) -> list[int]:
    """Auer, Cesa-Bianchi and Fischer (2002), figure 1, by its own words: outcomes (n, k) are what each pull would give.

    "Initialization: play each machine once. Loop: play machine j that maximizes x_j + sqrt(2 ln n / n_j), where x_j is
    the average reward obtained from machine j, n_j is the number of times machine j has been played so far, and n is
    the overall number of plays done so far."
    """
    k = outcomes.shape[1]
    pulls, sums, played = [0] * k, [0.0] * k, []
    for step in range(n):
        if step < k:
            machine = step
        else:
            machine = max(range(k), key=lambda j: sums[j] / pulls[j] + math.sqrt(2 * math.log(step) / pulls[j]))
        pulls[machine] += 1
        sums[machine] += outcomes[step, machine]
        played.append(machine)
    return played


def test_it_plays_what_the_paper_plays():
    n = 600
    # Rewards are no round numbers, so that no two bounds are the same once each variant was played.
    outcomes = np.random.default_rng(7).random((n, 4)) * [0.4, 0.9, 0.5, 0.7]
    experiment = experiment_of(PLAIN, 4)
    policy, played = Ucb1Policy(experiment), []
    for step in range(n):
        answer = policy.distribution({}, experiment.variants)
        if step >= 4:
            assert max(answer) == 1.0
        played.append(int(np.argmax(answer)))
        policy.learn([reward(NAMES[played[-1]], float(outcomes[step, played[-1]]), step)])
    assert played == play_as_in_the_paper(outcomes, n)
    assert len(set(played[100:])) > 1


def test_variants_without_a_reward_share_everything():
    assert after(PLAIN, []) == pytest.approx((1 / 3,) * 3)
    assert after(PLAIN, [reward("b", 1.0)]) == (0.5, 0.0, 0.5)
    assert after(PLAIN, [reward("b", 1.0), reward("a", 1.0)]) == (0.0, 0.0, 1.0)


def test_equal_bounds_share_evenly():
    assert after(PLAIN, [reward(name, 0.5) for name in "abc"]) == pytest.approx((1 / 3,) * 3)


def test_a_wide_bound_tries_and_a_narrow_one_trusts():
    rewards = [*[reward("a", 0.6)] * 50, *[reward("b", 0.5)] * 5]
    assert after(Ucb1Spec(width=1.0), rewards, 2) == (0.0, 1.0)
    assert after(Ucb1Spec(width=0.01), rewards, 2) == (1.0, 0.0)


def test_with_a_half_life_the_counts_are_discounted():
    # D-UCB: after three half-lives the mean of a counts for an eighth, b for one.
    hour = 3600.0
    spec = Ucb1Spec(half_life=timedelta(hours=1))
    rewards = [*[reward("a", 0.9)] * 8, *[reward("b", 0.6, 3 * hour)] * 4]
    bounds: Sequence[float] = [mean + math.sqrt(2 * math.log(1 + 4) / n) for mean, n in [(0.9, 1.0), (0.6, 4.0)]]
    assert bounds[0] > bounds[1]
    assert after(spec, rewards, 2) == (1.0, 0.0)
    assert after(PLAIN, rewards, 2) == (0.0, 1.0)


def test_what_faded_alike_is_doubted_alike_so_that_the_means_decide():
    spec = Ucb1Spec(half_life=timedelta(hours=1))
    rewards = [reward("a", 0.9), reward("b", 0.4), reward("c", 0.0, 40 * 3600.0)]
    # The logarithm of their number is next to 0, and so is what c could be better than it looks.
    assert after(spec, rewards) == (1.0, 0.0, 0.0)


@given(st.lists(st.tuples(st.sampled_from(NAMES[:5]), st.sampled_from([0.0, 0.5, 1.0])), max_size=40))
def test_any_rewards_leave_a_distribution_of_equal_parts(rewards):
    answer = after(PLAIN, [reward(*each) for each in rewards], 5)
    assert math.fsum(answer) == pytest.approx(1, abs=1e-12)
    assert len({share for share in answer if share}) == 1
