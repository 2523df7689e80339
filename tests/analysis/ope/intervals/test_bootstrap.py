"""The bootstrap over units."""

import numpy as np
import pytest
from scipy import stats

from analysis.ope.estimators.ips import Ips
from analysis.ope.estimators.snips import Snips
from analysis.ope.intervals.bootstrap import groups, interval


def sums(weight, reward):
    return np.stack([np.ones(len(weight)), weight, weight * reward], axis=1)


def test_snips_of_a_constant_reward_has_no_width():
    weight = np.random.default_rng(1).exponential(size=200)
    assert interval(sums(weight, 1.0), Snips(), 0.05, seed=2) == (1.0, 1.0)


def test_it_agrees_with_scipys():
    random = np.random.default_rng(3)
    score = random.exponential(size=150)
    ours = interval(np.stack([np.ones(150), score], axis=1), Ips(), 0.05, seed=4, n_samples=20_000)
    theirs = stats.bootstrap((score,), np.mean, n_resamples=20_000, method="BCa", random_state=5).confidence_interval
    # An end's share is known to sqrt(.025 * .975 / 20,000), which moves it by that over the density at 1.96 (.058)
    # standard errors: .019; both have it, and four of these are allowed.
    error = score.std() / np.sqrt(150)
    np.testing.assert_allclose(ours, theirs, atol=4 * np.sqrt(2) * 0.019 * error)


def test_the_same_seed_gives_the_same_interval():
    found = [interval(sums(np.arange(1.0, 30.0), 0.5), Ips(), 0.05, seed=seed) for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]


def test_groups_of_units_keep_the_sums_and_the_interval():
    random = np.random.default_rng(6)
    table = np.stack([random.integers(1, 4, 40_000), random.gamma(0.3, 1.0, 40_000)], axis=1).astype(float)
    np.testing.assert_allclose(groups(table, 512).sum(axis=0), table.sum(axis=0))
    mean = table[:, 1].sum() / table[:, 0].sum()
    error = np.sqrt(((table[:, 1] - table[:, 0] * mean) ** 2).sum()) / table[:, 0].sum()
    found = interval(groups(table, 512), Ips(), 0.05, seed=7, n_samples=2000)
    # The spread from 512 groups is known to 1 / sqrt(1,024) of itself, and the samples' ends to a thirtieth of the
    # width: four times both.
    np.testing.assert_allclose(found, stats.norm(mean, error).ppf([0.025, 0.975]), atol=4 * 0.075 * 1.96 * error)


def test_a_sample_without_a_value_gives_none():
    weight = np.array([1.0, 0.0, 0.0])
    with np.errstate(all="raise"):
        assert interval(sums(weight, 1.0), Snips(), 0.05, seed=1) is None


@pytest.mark.parametrize("shift", [0.0, 5.0])
def test_it_moves_with_the_scores(shift):
    score = np.random.default_rng(8).exponential(size=50)
    plain, moved = (interval(np.stack([np.ones(50), score + by], axis=1), Ips(), 0.05, seed=9) for by in (0.0, shift))
    np.testing.assert_allclose(np.array(plain) + shift, moved, rtol=1e-9)
