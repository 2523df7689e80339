"""Replay by rejection: exactly for deterministic targets, by its distribution for others."""

import math

import numpy as np
import pytest

from analysis.estimate import Validity
from analysis.ope.estimators.replay import Replay
from analysis.ope.logged import Logged
from analysis.ope.weighed import weighed
from analysis.texts import text
from engine.errors import InvalidRequest
from tests.analysis.ope.estimators.making import case, distributions, drawn, names

WHAT = text("ope.reward")


def uniform(n, k, seed):
    rng = np.random.default_rng(seed)
    variant = drawn(rng, np.full((n, k), 1 / k))
    mean = np.linspace(0.1, 0.9, k)
    reward = (rng.random(n) < mean[variant]).astype(float)
    return Logged.of(names(k), variant, reward, np.full(n, 1 / k), probabilities=np.full((n, k), 1 / k)), mean


def test_of_a_uniform_log_a_deterministic_target_keeps_the_draws_that_agree():
    log, _ = uniform(5_000, 34, 1)
    wanted = np.random.default_rng(2).integers(0, 34, 5_000)
    replay = Replay.of(most=34.0, seed=7)
    replay.add(weighed(log, np.eye(34)[wanted]))
    agree = log.variant == wanted
    assert replay.n_kept == agree.sum()
    found = replay.estimate(WHAT)
    assert found.value == pytest.approx(log.reward[agree].mean(), rel=1e-12)
    assert found.n == agree.sum()
    half = 1.959964 * log.reward[agree].std(ddof=1) / math.sqrt(agree.sum())
    assert found.interval == pytest.approx((found.value - half, found.value + half), rel=1e-6)


def test_of_a_stochastic_target_a_share_of_one_in_m_is_kept_and_is_its_own():
    """Both are means of independent draws, so five standard errors are met but once in 1.7 million."""
    n, k = 40_000, 4
    log, mean = uniform(n, k, 3)
    target = distributions(np.random.default_rng(4), 1, k)[0]
    most = float(target.max() * k)
    replay = Replay.of(most, seed=5)
    replay.add(weighed(log, np.tile(target, (n, 1))))
    share = 1 / most
    assert abs(replay.n_kept / n - share) < 5 * math.sqrt(share * (1 - share) / n)
    value = float(target @ mean)
    found = replay.estimate(WHAT)
    assert abs(found.value - value) < 5 * math.sqrt(value * (1 - value) / replay.n_kept)


def test_the_same_draws_are_kept_whatever_the_blocks():
    log, target, _ = case(6)
    part = weighed(log, target)
    most = float(part.largest.max())
    whole, blocks = Replay.of(most, 1), Replay.of(most, 1)
    whole.add(part)
    for rows in (slice(0, 7), slice(7, 150), slice(150, 200)):
        blocks.add(part[rows])
    assert (blocks.n, blocks.n_kept) == (whole.n, whole.n_kept)
    assert blocks.estimate(WHAT).value == pytest.approx(whole.estimate(WHAT).value, rel=1e-12)


def test_replays_of_two_logs_add_up():
    log, target, _ = case(6)
    part = weighed(log, target)
    most = float(part.largest.max())
    one, other = Replay.of(most, 1), Replay.of(most, 2)
    one.add(part)
    other.add(part)
    both = one + other + Replay.of(most, 3)
    assert (both.n, both.n_kept) == (400, one.n_kept + other.n_kept)
    assert one.n == 200


def test_a_weight_above_the_largest_is_refused():
    log, target, _ = case(6)
    with pytest.raises(InvalidRequest, match="the largest must be at least that"):
        Replay.of(1.0, 1).add(weighed(log, target))


def test_nothing_that_was_kept_is_no_estimate():
    log, target, _ = case(6)
    replay = Replay.of(100.0, 1)
    assert replay.estimate(WHAT).validity is Validity.NOT_EVALUABLE
    replay.add(weighed(log, np.zeros_like(target)))
    assert replay.estimate(WHAT).value is None
