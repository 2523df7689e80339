"""Weights that steady scores of an adaptive log: by hand, by theory, and when it does not speak."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from analysis.adaptive import means
from analysis.adaptive.means import Mean
from analysis.estimate import Holds, Scale
from analysis.ope.intervals.steadied import Steadied
from analysis.ope.logged import Collection
from analysis.texts import text
from tests.analysis.ope.intervals import learning
from tests.analysis.ope.intervals.drawing import always_one_of

CLICKS = Collection(value_range=(0.0, 1.0), is_share=True)
RATES = np.array([0.2, 0.3, 0.5])


def estimate(*parts, is_difference=False):
    found = Steadied(CLICKS, is_difference=is_difference)
    for part in parts:
        found.add(part)
    return found.estimate(text("ope.reward"), Scale.SHARE)


def weights(noise):
    """Return the root of one over the mean noise of up to 1,000 draws before each, which is 1 at least."""
    before = [noise[max(place - 1_000, 0) : place].mean() if place else noise[0] for place in range(len(noise))]
    return np.maximum(before, 1.0) ** -0.5


def test_it_is_the_weighted_mean_and_its_interval_is_that_of_adaptive_means():
    part = learning.run(np.random.default_rng(1), 3_000, RATES).part
    by_hand = weights(part.noise)
    expected = Mean.of(part.score, by_hand / by_hand.sum())
    found = estimate(part)
    assert found.value == pytest.approx(expected.value, rel=1e-9)
    assert (found.low, found.high) == pytest.approx(means.interval(expected, 0.05), rel=1e-6)
    assert found.holds is Holds.ONCE
    assert found.note.key == "ope.sequence.steady"


def test_a_log_whose_noise_does_not_change_is_weighed_evenly():
    part = always_one_of(4, 0.3).draw(500, np.random.default_rng(2))
    assert estimate(part).value == pytest.approx(part.score.mean(), rel=1e-12)


def test_where_it_is_cut_changes_nothing():
    part = learning.run(np.random.default_rng(3), 2_500, RATES).part
    whole, cut = estimate(part), estimate(part[:1], part[1:1], part[1:1_300], part[1_300:])
    assert (cut.low, cut.value, cut.high) == pytest.approx((whole.low, whole.value, whole.high), rel=1e-9)


def test_no_weight_of_a_quiet_difference_is_above_one():
    part = learning.run(np.random.default_rng(4), 2_000, RATES).part
    quiet = replace(part, noise=part.noise / part.noise.max())
    assert estimate(quiet).value == pytest.approx(part.score.mean(), rel=1e-9)


def test_a_difference_has_a_p_value_that_fits_its_interval():
    for seed in range(5):
        part = learning.run(np.random.default_rng(seed), 800, RATES, is_difference=True).part
        found = estimate(part, is_difference=True)
        assert (found.p_value < 0.05) is not (found.low < 0 < found.high)


def test_it_says_why_it_does_not_speak():
    world = always_one_of(4, 0.3)
    rng = np.random.default_rng(5)
    assert estimate().note.key == "ope.sequence.nothing"
    assert estimate(world.draw(5, rng)).note.key == "ope.sequence.few"
    assert estimate(world.draw(500, rng, is_whole=False)).note.key == "ope.sequence.unknown"
    part = world.draw(500, rng)
    assert estimate(replace(part, score=np.full(500, 0.3))).note.key == "ope.sequence.alike"
    fixed = Steadied(replace(CLICKS, is_adaptive=False), is_difference=False)
    fixed.add(part)
    assert fixed.estimate(text("ope.reward"), Scale.SHARE).note.key == "ope.interval.fixed"


def test_it_covers_the_value_under_a_policy_that_learns():
    """Of 200 runs at least 180 cover with a chance of 0.999, if each does with .95."""
    rng, n_runs = np.random.default_rng(6), 200
    covered = 0
    for _ in range(n_runs):
        found = estimate(learning.run(rng, 1_000, RATES).part)
        covered += found.low <= RATES[-1] <= found.high
    assert covered >= stats.binom.ppf(0.001, n_runs, 0.95)
