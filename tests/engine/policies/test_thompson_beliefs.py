"""Thompson sampling of normal rewards and of counts: what is learned, against the textbook's posteriors."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from scipy.stats import t

from engine.errors import SnapshotRefused
from engine.policies.posteriors import Gamma, StudentT, from_narrowest, probability_of_best
from engine.policies.thompson import PRIOR_FREEDOM, PRIOR_VARIANCE, ThompsonPolicy
from engine.specs import Posterior, ThompsonSpec
from tests.engine.policies.choosing import NAMES, after, experiment_of, reward

GAUSSIAN = ThompsonSpec(posterior=Posterior.GAUSSIAN, prior_mean=0.25, prior_weight=4.0)
COUNTS = ThompsonSpec(posterior=Posterior.GAMMA_POISSON, prior_alpha=2.0, prior_beta=0.5)
VALUES = {"a": [0.2, 0.4, 0.9], "b": [0.5], "c": []}


def taught(spec, **experiment):
    policy = ThompsonPolicy(replace(experiment_of(spec), **experiment))
    policy.learn([reward(name, value) for name, values in VALUES.items() for value in values])
    return policy


def students_t(values, mean=0.25, weight=4.0):
    """Murphy, "Conjugate Bayesian analysis of the Gaussian distribution" (2007), equations 85 to 89 and 93."""
    n, alpha, beta = len(values), PRIOR_FREEDOM / 2, PRIOR_FREEDOM * PRIOR_VARIANCE / 2
    average = np.mean(values) if values else 0.0
    mean_n = (weight * mean + n * average) / (weight + n)
    alpha_n = alpha + n / 2
    within = np.sum((np.array(values) - average) ** 2) / 2
    beta_n = beta + within + weight * n * (average - mean) ** 2 / (2 * (weight + n))
    return mean_n, np.sqrt(beta_n / (alpha_n * (weight + n))), 2 * alpha_n


def test_normal_rewards_have_students_posterior():
    shapes = [students_t(values) for values in VALUES.values()]
    policy = taught(GAUSSIAN)
    expected = probability_of_best(from_narrowest(shapes), StudentT)
    assert policy.distribution({}, experiment_of(GAUSSIAN).variants) == pytest.approx(expected, abs=1e-12)
    means = [mean for mean, _, _ in shapes]
    assert policy.expected_rewards({}, experiment_of(GAUSSIAN).variants) == pytest.approx(means)


def test_students_posterior_is_that_of_a_sampled_normal_inverse_gamma():
    values, n, z = VALUES["a"], 200_000, 4.5
    mean, scale, freedom = students_t(values)
    rng = np.random.default_rng(5)
    # Precision ~ Gamma(alpha, rate beta), mean | precision ~ normal(mean_n, 1 / (kappa precision)).
    beta = scale**2 * (freedom / 2) * 7.0
    precision = rng.gamma(freedom / 2, size=n) / beta
    sampled = rng.normal(mean, 1 / np.sqrt(7.0 * precision))
    for share in (0.05, 0.3, 0.5, 0.8, 0.99):
        found = np.mean(sampled < t(freedom, mean, scale).ppf(share))
        assert abs(found - share) < z * np.sqrt(share * (1 - share) / n)


def test_equal_first_rewards_are_not_taken_for_certain():
    rewards = [reward("a", 0.0)] * 3 + [reward("b", value) for value in (1.0, 0.0, 0.0)]
    lucky, spread = after(replace(GAUSSIAN, prior_mean=0.5, prior_weight=1.0), rewards, 2)
    assert 0.05 < lucky < spread


def test_counts_have_a_gamma_posterior_on_the_rewards_own_scale():
    policy = taught(COUNTS, reward_scale=(0.0, 20.0))
    shapes = [(2.0 + 20.0 * sum(values), 0.5 + len(values)) for values in VALUES.values()]
    variants = experiment_of(COUNTS).variants
    assert policy.distribution({}, variants) == pytest.approx(probability_of_best(shapes, Gamma), abs=1e-12)
    expected = [shape / rate / 20.0 for shape, rate in shapes]
    assert policy.expected_rewards({}, variants) == pytest.approx(expected)


def test_a_prediction_of_counts_stays_a_reward():
    # The prior's mean is 4, and the scale ends at 1.
    assert taught(COUNTS).expected_rewards({}, experiment_of(COUNTS).variants)[2] == 1.0


@pytest.mark.parametrize(
    ("spec", "scale", "arguments"),
    [
        (GAUSSIAN, None, ("posterior=gaussian", "prior_mean=0.25", "prior_weight=4.0")),
        (COUNTS, (0.0, 20.0), ("posterior=gamma_poisson", "prior_alpha=2.0", "prior_beta=0.5", "most=20.0")),
        (
            ThompsonSpec(half_life=timedelta(hours=1)),
            None,
            ("prior_alpha=1.0", "prior_beta=1.0", "half_life=3600.0"),
        ),
        (ThompsonSpec(window=timedelta(days=1)), None, ("prior_alpha=1.0", "prior_beta=1.0", "window=86400.0")),
    ],
)
def test_it_says_what_it_believes_in_its_arguments_and_its_state(spec, scale, arguments):
    policy = taught(spec, reward_scale=scale)
    assert policy.arguments == arguments
    assert json.loads(policy.serialize())["policy"] == ["thompson", *arguments]


def test_the_state_of_another_scale_is_refused():
    blob = taught(COUNTS, reward_scale=(0.0, 20.0)).serialize()
    with pytest.raises(SnapshotRefused):
        ThompsonPolicy(replace(experiment_of(COUNTS), reward_scale=(0.0, 10.0)), blob)


def test_what_was_learned_without_drift_is_written_as_it_always_was():
    """Bytes of the first version: alpha and beta by variant and nothing else."""
    policy = taught(ThompsonSpec())
    assert policy.serialize() == b'{"a":[2.5,2.5],"b":[1.5,1.5],"c":[1.0,1.0]}'


@pytest.mark.parametrize("posterior", Posterior)
@pytest.mark.parametrize("value", [0.0, 1.0, 0.3])
def test_thousands_of_rewards_of_no_variance_leave_a_distribution(posterior, value):
    spec = ThompsonSpec(posterior=posterior)
    policy = ThompsonPolicy(experiment_of(spec, 4))
    policy.learn([reward(name, value) for name in NAMES[:2] for _ in range(5_000)] + [reward("c", value)])
    answer = policy.distribution({}, experiment_of(spec, 4).variants)
    assert sum(answer) == pytest.approx(1)
    assert answer[0] == answer[1]
