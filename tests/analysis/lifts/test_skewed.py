"""The correction of a comparison for skewness: where it is made, to which side, and that it agrees with itself."""

import numpy as np
import pytest

from analysis.estimate import error_rate
from analysis.lifts import lift, skewed
from tests.analysis.making_samples import MINUS, PLUS, cells, sample


def compared(values, label, family=1):
    of = sample(values, label)
    moments = cells(of)
    found = lift.compare(moments, PLUS, MINUS, family)
    return found, skewed.corrected(found, of, moments, PLUS, MINUS)


def rare(seed, n=4_000, share=0.1):
    rng = np.random.default_rng(seed)
    label = (rng.random(n) < share).astype(np.int64)
    return (rng.random(n) < 0.05) * rng.lognormal(3, 1, n), label


def test_symmetric_values_keep_welch():
    rng = np.random.default_rng(1)
    found, corrected = compared(rng.standard_normal(400), rng.integers(0, 2, 400))
    assert corrected is found


def test_the_interval_reaches_further_to_where_large_values_are():
    found, corrected = compared(*rare(2))
    welch, hall = found.absolute, corrected.absolute
    assert "Hall" in str(hall.method)
    assert hall.value == welch.value
    assert hall.high - hall.value > welch.high - welch.value
    assert hall.high - hall.value > 1.2 * (hall.value - hall.low)


def test_swapped_sides_mirror_the_interval():
    values, label = rare(3)
    _, one = compared(values, label)
    _, other = compared(values, 1 - label)
    assert (other.absolute.low, other.absolute.high) == pytest.approx((-one.absolute.high, -one.absolute.low), rel=1e-9)
    assert other.absolute.p_value == pytest.approx(one.absolute.p_value, rel=1e-9)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("family", [1, 3])
def test_difference_relative_lift_and_p_value_leave_out_zero_together(seed, family):
    values, label = rare(seed, share=0.15)
    _, found = compared(values * (1 + 0.8 * label), label, family)
    absolute, relative = found.absolute, found.relative
    leaves_out = absolute.low > 0 or absolute.high < 0
    assert leaves_out == (absolute.p_value < error_rate(0.95, family))
    assert leaves_out == (relative.low > 0 or relative.high < 0)


def test_it_covers_where_welch_does_not():
    """Twenty buyers in the small variant: Welch covers 93 %, 95 % is asked for within three standard errors."""
    n_runs = 300
    covered = np.zeros((n_runs, 2), np.bool_)
    for seed in range(n_runs):
        values, label = rare(1_000 + seed)
        for place, each in enumerate(compared(np.minimum(values, 100), label)):
            covered[seed, place] = each.absolute.low <= 0 <= each.absolute.high
    welch, hall = covered.mean(axis=0)
    print(f"Welch covers {welch:.3f}, Hall {hall:.3f}")
    assert hall >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / n_runs)
    assert hall > welch
