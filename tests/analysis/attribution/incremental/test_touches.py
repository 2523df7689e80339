import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from analysis.attribution.incremental import per_touch
from analysis.estimate import Holds
from analysis.logs.simple_log import START, simple_log
from engine.errors import UnknownExperiment
from engine.experiments import Experiment, Variant
from engine.metrics import Metric
from engine.specs import FixedSpec, ThompsonSpec

HOUR, DAY = 3_600_000_000, 86_400_000_000
BANDIT = Experiment("offer", (Variant("a"), Variant("b")), (Metric("order"),), policy=ThompsonSpec())


def bandit(drawn, chance, unit, at, orders=(), end=100.0, **changes):
    """Return a log of draws at some days, with orders (unit, day, value)."""
    who, when, value = np.array(orders, np.float64).reshape(-1, 3).T
    even = np.broadcast_to(chance, (len(drawn),))
    rows = {"variant": np.asarray(drawn), "unit_key": np.asarray(unit), "distribution": np.stack([even, 1 - even], 1)}
    done = {"unit_key": who.astype(np.int64), "occurred_at": START + (when * DAY).astype(np.int64), "value": value}
    times = START + (np.asarray(at) * DAY).astype(np.int64)
    ended_at = START + int(end * DAY)
    return simple_log(replace(BANDIT, **changes), rows | {"assigned_at": times}, done, ended_at=ended_at)


def test_each_draw_is_weighed_by_its_own_chance_and_counts_what_came_within_its_window():
    # Each of 40 units is drawn on day 0 and on day 5, the control first with 1/4 and then with 1/2.
    unit, at = np.tile(np.arange(1, 41), 2), np.repeat([0.0, 5.0], 40)
    drawn = np.concatenate([np.arange(40) % 4 > 0, np.arange(40) % 2]).astype(int)
    orders = [(key, 6.0, 2.0) for key in range(1, 41)] + [(key, 13.0, 9.0) for key in range(1, 41)]
    found = per_touch(bandit(drawn, np.where(at > 0, 0.5, 0.25), unit, at, orders), "offer", "order")
    (of_b,) = found.effects
    # Orders of day 6 lie in both windows, those of day 13 in neither.
    weights = np.where(drawn == 1, 1.0, np.where(at > 0, -1.0, -3.0))
    assert of_b.n_touches == 50
    assert of_b.plain[0].value == pytest.approx(weights.sum() / 50)
    assert of_b.plain[1].value == pytest.approx(2 * weights.sum() / 50)
    assert of_b.name == "offer/b"
    # The bandit runs, and may be read at any time.
    assert {each.holds for each in (*of_b.per_touch, *of_b.plain)} == {Holds.ALWAYS_IN_THE_LIMIT}


def test_windows_that_are_open_and_draws_without_a_control_are_left_out_and_counted():
    at = np.repeat([0.0, 2.0, 9.0], [60, 10, 20])
    chance = np.where(at == 2.0, 0.0, 0.5)
    drawn = np.where(at == 2.0, 1, np.arange(90) % 2)
    orders = [(key, 1.0, 1.0) for key in range(1, 61)]
    found = per_touch(bandit(drawn, chance, np.arange(1, 91), at, orders, end=10), "offer", "order")
    assert {str(each.what): each.n for each in found.left_out if each.n} == {
        "draws whose window is still open": 20,
        "draws that could not have been the control's": 10,
    }
    assert found.effects[0].n_touches == 30


@pytest.mark.parametrize(("effect", "window"), [(0.0, 7.0), (0.15, 0.5)])
def test_what_a_touch_brings_is_found_where_a_policy_learned(effect, window):
    random = np.random.default_rng(31)
    n, units = 12_000, 1500
    at = np.sort(random.random(n)) * 30
    unit = random.integers(1, units + 1, n)
    # The policy moves towards b, as one that learns does, and busy units order more whatever they get.
    chance = 0.8 - 0.5 * at / 30
    drawn = (random.random(n) >= chance).astype(int)
    busy = random.gamma(2.0, 0.5, units + 1)
    rows = np.flatnonzero(random.random(n) < 0.05 * busy[unit] + effect * drawn)
    orders = np.stack([unit[rows], at[rows] + 0.1, np.ones(len(rows))], axis=1)
    found = per_touch(bandit(drawn, chance, unit, at, orders, 60), "offer", "order", timedelta(days=window))
    low, high = found.effects[0].per_touch[0].interval
    # What is drawn later has nothing to do with this draw, so a touch adds its own effect, within 4 standard errors.
    assert abs(found.effects[0].per_touch[0].value - effect) < 4 * (high - low) / (2 * 1.96)
    assert high - low < 0.2


def test_a_unit_that_is_drawn_again_and_again_says_no_more_than_once():
    random = np.random.default_rng(5)
    drawn = random.integers(0, 2, 200)
    orders = [(key, 1.0, 1.0) for key in range(1, 201) if random.random() < 0.4]
    once = per_touch(bandit(drawn, 0.5, np.arange(1, 201), np.zeros(200), orders), "offer", "order")
    many = [np.tile(each, 5) for each in (drawn, np.arange(1, 201))]
    often = per_touch(bandit(many[0], 0.5, many[1], np.zeros(1000), orders), "offer", "order")
    (one,), (five,) = once.effects, often.effects
    assert five.plain[0].value == pytest.approx(one.plain[0].value)
    widths = [high - low for low, high in (five.plain[0].interval, one.plain[0].interval)]
    assert widths[0] >= 0.99 * widths[1]


def said(found):
    """Return the one reason that no effect is known, and hold that none is."""
    every = [each for of in found.effects for each in (*of.per_touch, *of.plain, of.relative)]
    assert {each.value for each in every} == {None}
    (reason,) = {str(each.note) for each in every}
    return reason


def test_where_a_unit_is_drawn_once_its_touches_share_one_draw():
    test = replace(BANDIT, policy=FixedSpec())
    log = simple_log(test, {"variant": np.arange(100) % 2}, {"row": np.arange(50)})
    assert said(per_touch(log, "offer", "order")).startswith("all touches of a unit share one draw")


def test_what_cannot_be_told_says_why():
    nobody = bandit([], 0.5, [], [])
    assert said(per_touch(nobody, "offer", "order")) == "nobody was drawn in it"
    early = bandit(np.arange(40) % 2, 0.5, np.arange(1, 41), np.full(40, 99.0))
    assert said(per_touch(early, "offer", "order")) == "too early: no window has closed yet"
    control = bandit(np.zeros(40, int), 1.0, np.arange(1, 41), np.zeros(40))
    assert said(per_touch(control, "offer", "order")) == "it was not drawn"
    unordered = bandit(np.arange(40) % 2, 0.5, np.arange(1, 41), np.zeros(40))
    assert said(per_touch(unordered, "offer", "order")).startswith("by the effective number, fewer than 5 units")
    lost = bandit((np.arange(3000) % 10 > 0).astype(int), 0.5, np.arange(1, 3001), np.zeros(3000))
    assert said(per_touch(lost, "offer", "order")).startswith("its counts do not fit")


def test_what_an_answer_of_several_variants_brings_is_not_told_by_touch(new_log):
    log = new_log(replace(BANDIT, slots=2))
    for i in range(10):
        log.assign(f"unit {i}", 0)
    assert said(per_touch(log.store, "offer", "order")).startswith("an answer is of several variants")


def test_an_experiment_that_is_not_there_is_an_error():
    with pytest.raises(UnknownExperiment):
        per_touch(bandit([0], 0.5, [1], [0.0]), "other", "order")


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e300])
def test_values_that_are_no_numbers_are_left_out_and_counted(value):
    orders = [(key, 1.0, 1.0) for key in range(1, 41)] + [(1, 1.0, value)]
    found = per_touch(bandit(np.arange(40) % 2, 0.5, np.arange(1, 41), np.zeros(40), orders), "offer", "order")
    assert found.left_out[0].n == 1
    assert found.effects[0].per_touch[1].value is not None
