"""Lifts that hold at any look: which sequence, and when it is silent."""

import numpy as np
import pytest

from analysis import adaptive
from analysis.adaptive import estimates, sequences
from analysis.estimate import Holds
from analysis.sequential import asymptotic
from engine.experiments import Plan
from engine.metrics import Metric, MetricKind
from tests.analysis.adaptive import worlds


@pytest.fixture(scope="module")
def runs():
    return worlds.thompson([0.2, 0.3], 2, 4000, floor=0.06)


def anytime(runs, **changes):
    return sequences.anytime(runs.scored(worlds.empty(2, **changes), 0), 1, 0)


def test_which_one_is_a_matter_of_what_is_declared(runs):
    assert anytime(runs, floor=0.06).holds is Holds.ALWAYS
    assert anytime(runs, floor=0.06, plan=Plan(n_units=5_000)).holds is Holds.ALWAYS_IN_THE_LIMIT
    assert anytime(runs, floor=0.06, plan=Plan(n_units=20_000)).holds is Holds.ALWAYS
    unbounded = Metric("click", MetricKind.REVENUE)
    assert anytime(runs, floor=0.06, plan=Plan(n_units=20_000), metric=unbounded).holds is Holds.ALWAYS_IN_THE_LIMIT
    capped = Metric("click", MetricKind.REVENUE, cap=3.0)
    assert anytime(runs, floor=0.06, plan=Plan(n_units=20_000), metric=capped).holds is Holds.ALWAYS


def test_a_floor_that_some_draws_went_below_bounds_nothing(runs):
    """An earlier epoch had a lower one."""
    assert anytime(runs, floor=0.1, plan=Plan(n_units=20_000)).holds is Holds.ALWAYS_IN_THE_LIMIT


def test_it_is_wider_than_for_one_look_and_about_the_same_value(runs):
    found = runs.scored(worlds.empty(2, 0.02), 0)
    lift, sequence = estimates.lift(found, 1, 0).absolute, sequences.anytime(found, 1, 0)
    assert sequence.value == pytest.approx(lift.value, rel=1e-9)
    assert 1.3 < (sequence.high - sequence.low) / (lift.high - lift.low) < 2.5
    assert sequence.p_value > lift.p_value
    wider = sequences.anytime(found, 1, 0, family=3)
    assert wider.low < sequence.low < sequence.high < wider.high


def test_time_is_rows_where_the_noise_does_not_change():
    """An even split is then the sequence of a fixed design."""
    random = np.random.default_rng(0)
    n = 20_000
    values = (random.random(n) < 0.3).astype(float)
    found = worlds.scored(
        worlds.empty(2, 0.02), random.integers(0, 2, n), values, np.zeros(n, np.int64), np.array([[0.5, 0.5]])
    )
    sequence = sequences.anytime(found, 1, 0)
    difference = found.scores[:, 1] - found.scores[:, 0]
    error = difference.std() / np.sqrt(n)
    wanted = asymptotic.sequence(difference.mean(), error, n, asymptotic.N_TIGHTEST, 0.05)
    # The noise per row when it first spoke is known from some 120 rows, and counts under a root of a logarithm.
    assert sequence.high - sequence.low == pytest.approx(wanted[1] - wanted[0], rel=0.03)


def test_it_is_silent_until_both_sides_have_enough_outcomes(runs):
    found = worlds.scored(
        worlds.empty(2, 0.02),
        runs.variant[0][:60],
        runs.values[0][:60],
        np.zeros(60, np.int64),
        np.array([[0.5, 0.5]]),
    )
    sequence = sequences.anytime(found, 1, 0)
    assert sequence.interval is None
    assert sequence.note.key == "adaptive.silent"
    assert "20" in str(sequence.note)
    assert sequence.value is not None


@pytest.mark.parametrize("floor", [0.06, 0.1])
def test_over_time_it_ends_where_the_table_is(floor):
    runs = worlds.thompson([0.3, 0.4, 0.3], 1, 6000, floor=floor)
    found = runs.scored(worlds.empty(3, floor), 0)
    shown = adaptive.over_time(found)
    assert [band.name for band in shown.bands] == ["b", "c"]
    for place, band in enumerate(shown.bands, start=1):
        assert len(band.values) == len(shown.starts) == len(band.low)
        last = sequences.anytime(found, place, 0, family=2)
        assert (band.values[-1], band.low[-1], band.high[-1]) == pytest.approx((last.value, *last.interval))


def test_over_time_there_is_nothing_yet_at_first():
    runs = worlds.thompson([0.1, 0.2], 1, 12_000, floor=0.06)
    band = adaptive.over_time(runs.scored(worlds.empty(2, 0.06), 0)).bands[0]
    assert band.values[0] is not None or band.low[0] is None
    assert adaptive.over_time(worlds.scored(worlds.empty(2), *nothing())) is None


def test_without_any_draw_there_is_no_sequence():
    sequence = sequences.anytime(worlds.scored(worlds.empty(2), *nothing()), 1, 0)
    assert sequence.note.key == "adaptive.nothing_yet"


def nothing():
    none = np.zeros(0, np.int64)
    return none, np.zeros(0), none, np.array([[0.5, 0.5]])
