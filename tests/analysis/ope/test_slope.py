"""SLOPE against its algorithm, and where it must say that it chose nothing."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.ope.estimators.layout import Layout
from analysis.ope.logged import Logged
from analysis.ope.slope import CLIPPED, LEVELS, SHRUNK, SWITCH, slope
from analysis.ope.totals import Totals
from analysis.ope.weighed import weighed
from tests.analysis.ope.estimators.making import drawn, names, part_of


def found_of(part, candidates=CLIPPED):
    return slope(candidates, Layout.of(*candidates).totals(part))


def steep(n, seed, rate=0.5):
    """Return draws of a log that hardly ever makes the draw that the target always makes, and that brings most."""
    rng = np.random.default_rng(seed)
    p = np.tile([0.01, 0.49, 0.5], (n, 1))
    variant = drawn(rng, p)
    reward = (rng.random(n) < rate * np.array([1.0, 0.2, 0.2])[variant]).astype(float)
    log = Logged.of(names(3), variant, reward, p[np.arange(n), variant], probabilities=p)
    return weighed(log, np.tile([0.9, 0.05, 0.05], (n, 1)), np.full((n, 3), rate * 0.2))


def algorithm(values, errors, level):
    """Algorithm 1 of Su et al. (2020) as it is written, by trying every point that intervals end at."""
    width = stats.norm.isf((1 - level) / len(values) / 2) * errors
    low, high = values - 2 * width, values + 2 * width
    for last in range(len(values), 0, -1):
        if any(((low[:last] <= point) & (point <= high[:last])).all() for point in (*low, *high)):
            return last - 1
    raise AssertionError


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.5, 0.95]))
def test_it_is_the_papers_algorithm(seed, level):
    rng = np.random.default_rng(seed)
    terms = [rng.normal(rng.normal(0, 0.5), scale, 50) for scale in np.linspace(2, 0.1, 6)]
    totals = Totals.of(terms)
    found = slope(CLIPPED[:6], totals, level)
    assert found.place == algorithm(totals.mean, np.std(terms, axis=1, ddof=1) / math.sqrt(50), level)


@pytest.mark.parametrize("candidates", [CLIPPED, SWITCH, SHRUNK], ids=["clipped", "switch", "shrunk"])
def test_where_the_log_shows_the_bias_it_stops_before_it(candidates):
    found = found_of(steep(200_000, 1), candidates)
    assert not found.is_degenerate
    assert found.chosen.level > candidates[-1].level
    assert found.note.key in ("ope.slope.chosen", "ope.slope.nothing")


@pytest.mark.parametrize("candidates", [CLIPPED, SWITCH], ids=["clipped", "switch"])
def test_where_errors_hide_the_bias_it_says_that_the_smallest_level_is_no_choice(candidates):
    """Of 400 draws some four are of what the target nearly always draws."""
    found = found_of(steep(400, 2), candidates)
    assert found.is_degenerate
    assert found.values[0] > 2 * found.values[-1]
    assert found.values[found.place] == found.values[-1]
    assert found.note.key == "ope.slope.degenerate"
    assert "no choice" in str(found.note)


def test_where_no_level_changes_anything_it_says_so():
    even = replace(steep(400, 2), weight=np.ones(400), reward=np.arange(400) % 2 * 1.0)
    found = found_of(even)
    assert (found.place, found.is_degenerate, found.note.key) == (0, False, "ope.slope.same")


def test_levels_above_all_weights_are_one_candidate():
    part = part_of(4)
    found = found_of(part)
    assert part.weight.max() < 200
    assert found.values[0] == found.values[1]
    assert found.place != 1


def test_levels_fall_from_all_weights():
    assert LEVELS[0] == math.inf
    assert list(LEVELS) == sorted(LEVELS, reverse=True)
    assert [each.level for each in SHRUNK] == [level**2 for level in LEVELS]


def test_two_logs_are_chosen_from_as_one():
    part = steep(20_000, 3)
    layout = Layout.of(*CLIPPED)
    halves = layout.totals(part[:10_000]) + layout.totals(part[10_000:])
    added, whole = slope(CLIPPED, halves), found_of(part)
    assert added.place == whole.place
    np.testing.assert_allclose(added.widths, whole.widths, rtol=1e-9)


def test_one_unit_is_nothing_to_choose_from():
    part = steep(1, 1)
    assert found_of(part) is None
