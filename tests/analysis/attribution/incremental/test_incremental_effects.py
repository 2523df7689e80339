from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.attribution.incremental import effect, variants
from analysis.attribution.sums import N_GROUPS, groups
from tests.analysis.attribution.incremental.making_units import did, draws, units, world

THREE = ("a", "b", "c")


def test_by_propensities_alone_each_draw_of_the_control_stands_for_all_that_could_have_been_it():
    # 40 of 100 units drew the control at 2/5: w is 5/2 there. 10 of them order for 3, and 30 of the others for 4.
    drawn = np.repeat([0, 1], [40, 60])
    done = did([*range(10), *range(40, 70)], 5, [3.0] * 10 + [4.0] * 30)
    found = effect(units([draws("hero", range(100), 1, drawn, [0.4, 0.6])], done), ["hero"], "web")
    conversions, value = found.plain
    assert conversions.value == pytest.approx(40 - 2.5 * 10)
    assert value.value == pytest.approx(10 * 3 + 30 * 4 - 2.5 * 10 * 3)
    assert found.n_units == conversions.n == 100
    assert found.per_unit[0].value == pytest.approx(found.total[0].value / 100)


def test_over_several_experiments_the_chances_of_the_controls_multiply():
    # All units drew in both experiments; w is 4 for the quarter that drew both controls.
    first, second = np.repeat([0, 0, 1, 1], 20), np.repeat([0, 1, 0, 1], 20)
    both = [draws(name, range(80), day, drawn, [0.5, 0.5]) for name, day, drawn in (("x", 1, first), ("y", 2, second))]
    done = did([*range(6), *range(20, 30), *range(60, 75)], 5, 1.0)
    found = effect(units(both, done), ["x", "y"], "web")
    assert found.plain[0].value == pytest.approx(31 - 4 * 6)
    # What is drawn after the window cannot have changed what was done in it.
    short = effect(units(both, did(done.unit, 1.5, 1.0), timedelta(hours=12)), ["x", "y"], "web")
    assert short.plain[0].value == pytest.approx(31 - 2 * 16)


def test_the_first_draw_in_the_set_opens_the_window_and_open_windows_are_left_out():
    at = np.where(np.arange(100) < 80, 1.0, 99.0)
    done = did(np.arange(100), np.where(np.arange(100) % 2, 3.0, 0.5), 1.0)
    of = units([draws("hero", range(100), at, np.arange(100) // 2 % 2, [0.5, 0.5])], done, timedelta(days=7))
    found = effect(of, ["hero"], "web")
    assert found.n_units == 80
    # 40 units ordered after their draw; 20 of them had drawn the control.
    assert found.plain[0].value == pytest.approx(40 - 2 * 20)


def test_with_an_even_split_plain_is_the_difference_of_means():
    drawn = np.arange(200) % 2
    values = np.where(drawn, 1.0 + np.arange(200) % 7, 2.0 + np.arange(200) % 3)
    of = units([draws("hero", range(200), 1, drawn, [0.5, 0.5])], did(range(200), 2, values))
    (found,) = variants(of, "hero")
    difference = values[drawn == 1].mean() - values[drawn == 0].mean()
    assert found.plain[1].value / found.n_units == pytest.approx(difference, rel=1e-12)
    assert found.name == "hero/b"


@settings(max_examples=20)
@given(st.integers(0, 2**32), st.lists(st.floats(0.1, 1.0), min_size=3, max_size=3))
def test_what_variants_brought_adds_up_to_what_their_experiment_did(seed, weights):
    random, shares = np.random.default_rng(seed), np.array(weights) / sum(weights)
    drawn = random.choice(3, 300, p=shares)
    who = random.integers(0, 300, 400)
    of = units([draws("hero", range(300), random.random(300), drawn, shares, THREE)], did(who, 2, random.random(400)))
    whole, parts = effect(of, ["hero"], "web"), variants(of, "hero")
    assert [part.name for part in parts] == ["hero/b", "hero/c"]
    for place in (0, 1):
        for which in ("total", "plain"):
            values = [getattr(each, which)[place].value for each in (whole, *parts)]
            if None not in values:
                assert values[0] == pytest.approx(sum(values[1:]), rel=1e-9, abs=1e-9)


def test_groups_of_units_add_to_the_total_what_its_error_is_made_of():
    found = effect(world(np.random.default_rng(3), 20_000, (0.5, 0.5)).units, ["e0", "e1"], "web")
    influence = found.influence
    assert influence.shape == (N_GROUPS, 2)
    assert influence.sum(axis=0) == pytest.approx([0, 0], abs=1e-6)
    low, high = found.total[0].interval
    error = np.sqrt(N_GROUPS / (N_GROUPS - 1) * (influence[:, 0] ** 2).sum())
    # The spread of 512 groups is known to 3 %; the gamma interval is up to a tenth wider than the normal one.
    assert 0.9 < (high - low) / (2 * 1.96 * error) < 1.25
    assert np.flatnonzero(influence[:, 0]).tolist() <= sorted(set(groups(np.arange(20_000)).tolist()))


def test_a_model_of_what_is_known_before_takes_variance_off_and_leaves_what_is_estimated():
    random = np.random.default_rng(8)
    n = 4000
    busy = random.random(n) < 0.5
    before, after = np.flatnonzero(busy), np.flatnonzero(busy & (random.random(n) < 0.8))
    done = did([*before, *after], [0.0] * len(before) + [5.0] * len(after), 1.0)
    of = units([draws("hero", range(n), 1, random.integers(0, 2, n), [0.5, 0.5])], done)
    found = effect(of, ["hero"], "web")
    widths = [high - low for low, high in (found.total[0].interval, found.plain[0].interval)]
    # Of 0.4 * (1 - 0.2) + 0.2 * 0.4 = 0.4 for each unit squared, what its model leaves is 0.5 * 0.8 * 0.2 = 0.08.
    assert widths[0] / widths[1] == pytest.approx(np.sqrt(0.08 / 0.4), rel=0.1)


def test_the_interval_covers_what_is_known_of_a_world_of_correlated_experiments():
    random, runs = np.random.default_rng(21), 60
    missed = 0
    for _ in range(runs):
        made = world(random, 3000, (0.5, 0.3), 0.03)
        low, high = effect(made.units, ["e0", "e1"], "all").total[0].interval
        missed += not low <= made.on_top <= high
    # At 95 % more than 9 of 60 are missed with a probability of 0.0006.
    assert missed <= 9


def test_of_a_large_additive_world_the_effect_of_two_experiments_is_what_both_added():
    made = world(np.random.default_rng(4), 60_000, (0.5, 0.5), 0.3)
    found = effect(made.units, ["e0", "e1"], "all")
    low, high = found.total[0].interval
    assert abs(found.total[0].value - made.on_top) < 4 * (high - low) / (2 * 1.96)
    assert made.on_top > 10 * (high - low) / (2 * 1.96)
    assert found.relative.interval[0] > 0


def test_a_family_makes_intervals_wider_and_says_its_size():
    of = world(np.random.default_rng(3), 5000, (0.5,), 0.05).units
    alone, among = (effect(of, ["e0"], "web", family=size) for size in (1, 8))
    assert among.total[0].family == among.relative.family == 8
    assert among.total[0].interval[0] < alone.total[0].interval[0]
    assert among.relative.interval[1] > alone.relative.interval[1]
    assert among.total[0].p_value == alone.total[0].p_value


def test_refunds_lower_the_value_and_count_for_nothing():
    drawn = np.arange(100) % 2
    done = did([*range(100), *range(1, 100, 2)], [2.0] * 100 + [3.0] * 50, [5.0] * 100 + [-5.0] * 50)
    found = effect(units([draws("hero", range(100), 1, drawn, [0.5, 0.5])], done), ["hero"], "web")
    assert found.plain[0].value == pytest.approx(0.0)
    assert found.plain[1].value == pytest.approx(-250.0)
