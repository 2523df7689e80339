import math

import numpy as np
import pytest
from scipy import stats

from analysis.attribution.incremental import saying
from analysis.attribution.incremental.contrasts import Contrast
from analysis.attribution.incremental.scoring import MIN_DOERS, Scores
from analysis.ope.intervals import gamma
from analysis.ope.intervals.gamma import Spread

NAN = float("nan")


def drawn(random, n, chance):
    is_control = random.random(n) < chance
    return Contrast.of_all(is_control, np.broadcast_to(chance, (n,)).astype(float))


def test_weights_of_all_draws_and_of_variants_are_those_that_the_formulas_say():
    is_control, chance = np.array([True, False, True]), np.array([0.25, 0.25, 1.0])
    assert Contrast.of_all(is_control, chance).weight.tolist() == [-3.0, 1.0, 0.0]
    of_one = Contrast(np.array([False, True, False]), np.array([0.5, 0.5, 0.0]), is_control, chance)
    assert of_one.weight.tolist() == [-2.0, 1.0, 0.0]
    assert of_one.kept.tolist() == [0.0, 1.0, 0.0]


def test_the_effective_number_is_that_of_the_rarer_side_whatever_was_drawn():
    # Of 100 doers at a control of 1/10, ten are the control's: that is its number, whoever drew it.
    for share_drawn in (0.0, 0.1, 0.5):
        contrast = drawn(np.random.default_rng(1), 100, 0.1)
        of = Contrast.of_all(np.arange(100) < 100 * share_drawn, contrast.chance)
        assert of.effective(np.ones(100)) == pytest.approx(10.0)
    assert drawn(np.random.default_rng(1), 100, 0.9).effective(np.ones(100)) == pytest.approx(10.0)
    assert drawn(np.random.default_rng(1), 100, 0.1).effective(np.zeros(100)) == 0.0


def test_steps_are_what_one_doer_more_moves():
    # A doer of 2 whom the control's draw of 1/5 weighs: the chosen add 2, and the control takes off 5 * 2 - 2.
    up, down, held = drawn(np.random.default_rng(1), 50, 0.2).steps(np.full(50, 2.0))
    assert (up, down, held) == pytest.approx((2.0, 8.0, 2.0))


def test_the_total_and_its_interval_are_written_out():
    contrast = Contrast.of_all(np.arange(40) % 2 == 0, np.full(40, 0.5))
    did = (np.arange(40) % 3 == 0).astype(float)
    scores = Scores.of(contrast, did, 0.25, np.arange(40))
    on_top = np.where(np.arange(40) % 2 == 0, -1.0, 1.0) * (did - 0.25)
    error = on_top - on_top.mean()
    size = np.abs(did - 0.25)
    step = (size**3).sum() / (size**2).sum()
    spread = Spread(on_top.mean(), (error**2).sum() / 40 / 39, (error**3).sum() / 40**3, step / 40, step / 40)
    assert scores.total == pytest.approx(on_top.sum())
    assert scores.interval(0.05) == pytest.approx(tuple(40 * end for end in gamma.interval(spread, 0.05)))


@pytest.mark.parametrize("lift", [0.0, 0.5, 1.0, 3.0])
def test_the_relative_lift_leaves_0_out_where_the_total_does(lift):
    random = np.random.default_rng(int(10 * lift))
    for _ in range(20):
        contrast = drawn(random, 400, 0.5)
        did = (random.random(400) < np.where(contrast.chosen, 0.1 * (1 + lift), 0.1)).astype(float)
        scores = Scores.of(contrast, did, 0.1, np.arange(400))
        low, high = scores.interval(0.05)
        ends = scores.ratios(0.05)
        if ends is not None:
            assert ends[0] < scores.ratio < ends[1]
            assert (ends[0] > 1) == (low > 0)
            assert (ends[1] < 1) == (high < 0)


def test_a_ratio_to_what_may_be_nothing_is_not_identified():
    chosen = np.arange(60) < 30
    contrast = Contrast(chosen, np.full(60, 0.5), ~chosen, np.full(60, 0.5))
    scores = Scores.of(contrast, chosen.astype(float), 0.0, np.arange(60))
    assert math.isnan(scores.ratio)
    assert scores.ratios(0.05) is None
    found = saying.relative(scores, saying.Said("order", None))
    assert (found.value, str(found.note)) == (None, "not identified: what it is relative to may be zero")


def test_where_nobody_chosen_did_anything_the_lift_is_down_to_all_of_it():
    chosen = np.arange(400) < 200
    contrast = Contrast(chosen, np.full(400, 0.5), ~chosen, np.full(400, 0.5))
    scores = Scores.of(contrast, (np.arange(400) >= 380).astype(float), 0.0, np.arange(400))
    assert scores.ratio == 0.0
    low, high = scores.ratios(0.05)
    assert low == 0.0
    # Three of a Poisson count, the rule of three, of 20 expected: with the error of the 20 some more.
    assert 3 / 20 < high < 9 / 20


def test_rows_of_one_unit_count_as_one():
    contrast = drawn(np.random.default_rng(2), 300, 0.5)
    did = (np.random.default_rng(3).random(300) < 0.3).astype(float)
    alone = Scores.of(contrast, did, 0.3, np.arange(300))
    twice = Contrast.of_all(*(np.concatenate([each, each]) for each in (contrast.is_control, contrast.chance)))
    both = Scores.of(twice, np.concatenate([did, did]), 0.3, np.concatenate([np.arange(300)] * 2))
    assert both.total == pytest.approx(2 * alone.total)
    assert both.n == 300
    widths = [high - low for low, high in (both.interval(0.05), alone.interval(0.05))]
    # Doubled rows say nothing more: the interval doubles, and one unit more is at least as large as two rows.
    assert widths[0] >= 2 * 0.99 * widths[1]


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e9])
def test_in_another_unit_of_money_intervals_are_the_same(scale):
    random = np.random.default_rng(5)
    contrast, did = drawn(random, 500, 0.3), random.lognormal(0, 1, 500)
    one, other = (Scores.of(contrast, did * factor, factor, np.arange(500)) for factor in (1.0, scale))
    assert other.interval(0.05) == pytest.approx(tuple(scale * end for end in one.interval(0.05)))
    assert other.effective == pytest.approx(one.effective)
    assert other.p_value == pytest.approx(one.p_value)
    assert other.ratios(0.05) == pytest.approx(one.ratios(0.05))


def test_in_large_samples_it_is_the_normal_interval():
    random = np.random.default_rng(6)
    contrast, did = drawn(random, 100_000, 0.5), random.normal(1, 1, 100_000)
    scores = Scores.of(contrast, did, 1.0, np.arange(100_000))
    half = stats.norm.isf(0.025) * (contrast.weight * (did - 1.0)).std() * math.sqrt(100_000)
    assert scores.interval(0.05) == pytest.approx((scores.total - half, scores.total + half), abs=0.02 * half)


def test_fewer_than_enough_doers_and_numbers_too_large_say_nothing():
    contrast = drawn(np.random.default_rng(1), 100, 0.5)
    few = Scores.of(contrast, (np.arange(100) < 2 * MIN_DOERS - 1).astype(float), 0.0, np.arange(100))
    assert saying.why_not(few).key == "attribution.incremental.few"
    enough = Scores.of(contrast, (np.arange(100) < 2 * MIN_DOERS).astype(float), 0.0, np.arange(100))
    assert saying.why_not(enough) is None
    large = Scores.of(contrast, np.full(100, 1e80), 0.0, np.arange(100))
    assert saying.why_not(large).key == "ope.interval.too_large"
