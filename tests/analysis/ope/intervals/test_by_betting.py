"""Bets on doubly robust scores: fair by enumeration, and what their ends are."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from analysis.ope.intervals.by_betting import ByBetting, intervals, is_bounded
from analysis.ope.weighed import Weighed
from analysis.sequential import betting
from tests.analysis.making_samples import HALVES
from tests.analysis.ope.intervals.drawing import World, always_one_of

ALPHA = 0.05
UNIT = (0.0, 1.0)


def ends(part, limits=UNIT, n_planned=1_000):
    bets = ByBetting(limits, n_planned)
    bets.add(part)
    return intervals([bets.look], limits, ALPHA)[0]


def steps(history):
    """Return the distribution, the target and the model of a draw after some (variant, reward): all of them learn."""
    liked = sum(int(reward) for variant, reward in history if variant == 0)
    p = np.array([[0.5, 0.3, 0.2], [0.05, 0.15, 0.8], [0.9, 0.08, 0.02]][int(liked)])
    q = np.array([0.2, 0.5, 0.9]) if len(history) % 2 else np.full(3, 0.1 * len(history))
    return p, q


@pytest.mark.parametrize("target", [(0.1, 0.2, 0.7), (0.6, -0.3, -0.3), (1.0, 0.0, -1.0)])
def test_no_rate_can_be_expected_to_gain_whatever_is_learned_and_however_rewards_drift(target):
    """Every log of three draws weighed by its chance: also rates that some draws allow only in part."""
    pi, rates = np.array(target), np.array([-8.0, -0.4, -0.05, 0.05, 0.4, 8.0])
    chances = np.array([[0.2, 0.6, 0.9], [0.7, 0.1, 0.3], [0.0, 1.0, 0.5]])
    limits = (0.0, 1.0) if pi.min() >= 0 else (-1.0, 1.0)
    expected = np.zeros(len(rates))
    for history in product(product(range(3), (0.0, 1.0)), repeat=3):
        chance, rows = 1.0, []
        for i, (variant, reward) in enumerate(history):
            p, q = steps(history[:i])
            chance *= p[variant] * (chances[i, variant] if reward else 1 - chances[i, variant])
            ratio = pi / p
            sides = np.stack([-ratio * q, ratio * (1 - q)])
            rows.append((pi @ q, ratio[variant] * (reward - q[variant]), max(-sides.min(), 0), max(sides.max(), 0)))
        predicted, residual, below, above = np.array(rows).T
        grown = betting.growth(rates, predicted, residual, (below, above), limits)
        expected += chance * np.exp(grown - rates * (chances @ pi).sum())
    assert (expected <= 1 + 1e-12).all()
    # The slow ones lose little, so that what is weighed is no empty bound.
    assert expected[[2, 3]].min() > 0.98


def test_the_ends_are_where_the_wealth_by_its_definition_is_one_in_alpha():
    world = always_one_of(4, 0.3)
    part = world.draw(400, np.random.default_rng(1))
    bets = ByBetting(UNIT, 1_000)
    bets.add(part)
    low, high = intervals([bets.look], UNIT, ALPHA)[0]
    offered = bets.look.offered
    for end in (low, high):
        wealth = np.zeros(())
        for rate, log_share in zip(offered.rates, offered.log_shares, strict=True):
            side, limit = (part.below, 0.0) if rate > 0 else (part.above, 1.0)
            # What a draw does not allow of the rate says no more than that the value is not beyond its limit.
            own = np.sign(rate) * np.minimum(abs(rate), 0.9 / side)
            gains = (1 + own * part.weight * (part.reward - part.predicted)) * np.exp(own * (part.expected - end))
            wealth = wealth + np.exp(log_share) * (gains * np.exp((rate - own) * (limit - end))).prod()
        assert wealth == pytest.approx(1 / ALPHA, rel=1e-6)


def test_it_is_near_the_sequence_of_a_fixed_design_where_that_one_applies():
    """Two variants, half each, and their difference: the same scores, with rates by another rule."""
    rng, n = np.random.default_rng(2), 4_000
    label = rng.integers(0, 2, n)
    values = (rng.random(n) < np.array([0.3, 0.4])[label]).astype(float)
    found = betting.scores(values, label, np.zeros(n, np.int64), HALVES, np.array([-1.0, 1.0]), value_range=UNIT)
    held = betting.sequence(found, np.array([n]), n, ALPHA)
    world = World(np.full(2, 0.5), np.array([0.0, 1.0]), np.array([0.3, 0.4]), np.zeros(2), np.array([1.0, 0.0]))
    drawn = world.draw(n, rng)
    sides = {"below": found.bound, "above": found.bound}
    part = replace(drawn, expected=found.predicted, score=found.predicted + found.residual, **sides)
    low, high = ends(part, (-1.0, 1.0), n)
    assert (low + high) / 2 == pytest.approx((held.low[0] + held.high[0]) / 2, abs=0.002)
    assert high - low == pytest.approx(held.high[0] - held.low[0], rel=0.1)


def test_where_it_is_cut_changes_nothing():
    part = always_one_of(20, 0.05).draw(3_000, np.random.default_rng(3))
    whole = ByBetting(UNIT, 1_000)
    whole.add(part)
    expected = intervals([whole.look], UNIT, ALPHA)[0]
    for cuts in ([1, 2, 3], [1_000, 1_000, 2_999], range(100, 3_000, 100)):
        pieces = ByBetting(UNIT, 1_000)
        for rows in np.split(np.arange(3_000), list(cuts)):
            pieces.add(part[rows])
        assert intervals([pieces.look], UNIT, ALPHA)[0] == pytest.approx(expected, abs=1e-9)


def test_a_draw_that_could_have_had_a_huge_weight_costs_little():
    """Rates that it rules out are bet in part, and the rest says that the value lies within its range."""
    part = always_one_of(4, 0.1).draw(5_000, np.random.default_rng(4))
    odd = part.above.copy()
    odd[2_000] = 1e6
    plain, wider = ends(part), ends(replace(part, above=odd))
    assert wider[0] == pytest.approx(plain[0], abs=1e-6)
    assert plain[1] < wider[1] < plain[1] + 10 / 5_000


def test_an_odd_first_draw_does_not_decide_which_rates_there_are():
    part = always_one_of(4, 0.1).draw(20_000, np.random.default_rng(10))
    odd = {name: getattr(part, name).copy() for name in ("below", "above", "noise")}
    for each in odd.values():
        each[0] = 1e6
    plain, wider = ends(part, n_planned=20_000), ends(replace(part, **odd), n_planned=20_000)
    assert 1 < (wider[1] - wider[0]) / (plain[1] - plain[0]) < 1.6


def test_rare_clicks_that_the_model_expects_allow_fast_bets_on_lower_ends():
    world = always_one_of(20, 0.01)
    part = world.draw(20_000, np.random.default_rng(5))
    low, high = ends(part, n_planned=20_000)
    mean = part.score.mean()
    assert mean - low < high - mean


def test_the_sequence_of_a_constant_reward_shrinks_as_one_in_n():
    """Once the model knows the constant, no residual is left; SNIPS says so at once, and this one soon."""
    halves = []
    for n in (1_000, 2_000, 4_000):
        world = always_one_of(4, 1.0)
        low, high = ends(world.draw(n, np.random.default_rng(6)))
        assert high == 1.0
        halves.append(1 - low)
    assert halves[0] == pytest.approx(2 * halves[1], rel=0.02)
    assert halves[1] == pytest.approx(2 * halves[2], rel=0.02)
    # log(1 / alpha), the share of the fastest rate, and what that rate allows: .9 / 4.
    assert halves[0] < 10 * 4 / 0.9 / 1_000


def test_what_no_draw_could_change_is_certain():
    world = World(np.full(2, 0.5), np.full(2, 0.5), np.full(2, 0.3), np.zeros(2), np.full(2, 0.5))
    part = world.draw(10, np.random.default_rng(7))
    bets = ByBetting((-1.0, 1.0), 1_000)
    bets.add(part)
    assert bets.look.offered is None
    assert intervals([bets.look] * 2, (-1.0, 1.0), ALPHA) == [(0.0, 0.0)] * 2
    assert bets.look.p_value == 1.0


def test_what_was_certain_before_the_first_bet_counts():
    """As if the rates had been known from the start: a difference of 0 for sure, and then draws that say something."""
    same = World(np.full(2, 0.5), np.full(2, 0.5), np.full(2, 0.3), np.full(2, 0.3), np.full(2, 0.5))
    other = World(np.full(2, 0.5), np.array([1.0, 0.0]), np.full(2, 0.3), np.full(2, 0.3), np.array([0.0, 1.0]))
    rng = np.random.default_rng(8)
    certain, told = same.draw(1_000, rng), other.draw(1_000, rng)
    (low, high), alone = ends(Weighed.joined([certain, told]), (-1.0, 1.0)), ends(told, (-1.0, 1.0))
    assert (low, high) == pytest.approx((alone[0] / 2, alone[1] / 2), rel=1e-9)


def test_bounds_are_needed_and_kept_to():
    world = always_one_of(4, 0.3)
    part = world.draw(50, np.random.default_rng(9))
    assert is_bounded(part)
    assert is_bounded(part[:0])
    assert not is_bounded(world.draw(50, np.random.default_rng(9), is_whole=False))
    assert not is_bounded(replace(part, score=part.score + part.above + 0.1))
