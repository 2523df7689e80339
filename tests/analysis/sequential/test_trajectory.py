from dataclasses import replace

import numpy as np
import pytest

from analysis.estimate import Holds, Scale
from analysis.sequential import Compared, Watched, anytime, lift_over_time
from engine.experiments import Plan
from engine.metrics import Metric, MetricKind
from tests.analysis.making_samples import HALVES, MINUS, PLUS, cells, conversions, difference, sample

CLICK = Metric("click")
ONE = (Compared("bold", PLUS, MINUS),)


def over_time(of, metric=CLICK, probabilities=HALVES, compared=ONE):
    watched = Watched(of, metric, Plan(), probabilities)
    return lift_over_time(watched, compared, cells(of), difference)


@pytest.mark.parametrize("holds", [Holds.ALWAYS, Holds.ALWAYS_IN_THE_LIMIT])
def test_the_last_moment_is_the_difference_at_any_look(holds):
    of = conversions(np.random.default_rng(1), 5_000, hours=20 * 24)
    probabilities = HALVES if holds is Holds.ALWAYS else None
    found = over_time(of, probabilities=probabilities)
    last = anytime(Watched(of, CLICK, Plan(), probabilities), PLUS, MINUS, difference(cells(of)))
    (band,) = found.bands
    assert last.holds is holds
    assert (band.name, band.values[-1]) == ("bold", pytest.approx(last.value))
    assert (band.low[-1], band.high[-1]) == pytest.approx((last.low, last.high))
    assert len(found.starts) == len(band.values) == len(band.low) == len(band.high) == 21
    assert (found.scale, found.reference) == (Scale.POINTS, 0.0)


def test_each_moment_knows_what_had_come_by_then():
    of = conversions(np.random.default_rng(2), 5_000, hours=30)
    found = over_time(of)
    n = int((of.since < 10 * 3_600_000_000).sum())
    early = replace(of, **{name: getattr(of, name)[:n] for name in ("label", "stratum", "values", "covariates")})
    then = anytime(Watched(early, CLICK, Plan(), HALVES), PLUS, MINUS, difference(cells(early)))
    assert found.bands[0].values[9] == pytest.approx(then.value)
    assert (found.bands[0].low[9], found.bands[0].high[9]) == pytest.approx((then.low, then.high))


def test_a_moment_too_early_is_left_open():
    of = conversions(np.random.default_rng(3), 400, hours=30)
    found = over_time(of, Metric("spend", MetricKind.REVENUE))
    (band,) = found.bands
    assert (band.values[0], band.low[0], band.high[0]) == (None, None, None)
    assert band.values[-1] is not None


@pytest.mark.parametrize("n", [0, 1])
def test_one_stretch_of_time_has_no_chart(n):
    assert over_time(sample(np.ones(n), np.zeros(n, np.int64))) is None


def test_hours_in_which_nobody_came_keep_what_was_known():
    of = conversions(np.random.default_rng(4), 2_000, hours=30)
    quiet = replace(of, since=np.where(of.since > 10 * 3_600_000_000, 30 * 3_600_000_000, of.since))
    (band,) = over_time(quiet).bands
    assert band.low[11] == band.low[29] != band.low[30]
