from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from scipy import stats

from analysis.deciding import novelty
from analysis.deciding.novelty import Days
from analysis.estimate import Scale
from analysis.lifts.moments import Moments
from analysis.logs import crediting, frames
from engine.experiments import Experiment, Variant
from engine.metrics import Metric, MetricKind

METRIC = Metric("buy", window=timedelta(days=8))
SPENT = Metric("spent", kind=MetricKind.REVENUE, window=timedelta(days=8))
NAMES = ("a", "b", "c")
EDGES = np.array([0, 1, 2, 4, 8])


def drawn(rng, n, ratios, n_labels=2, base=(4.0, 2.0, 1.0, 0.5)):
    """Amounts of n units in four stretches, of which the ratio to the control is `ratios`; a unit's own level stays."""
    label = rng.integers(0, n_labels, n)
    level = rng.gamma(4, 0.25, n)[:, None]
    mean = level * np.asarray(base) * np.where(label[:, None] > 0, np.asarray(ratios), 1.0)
    return Days(EDGES, rng.poisson(mean).astype(float), label, np.zeros(n, np.int64))


def moments(days, n_labels=2):
    return Moments.of(days.values, days.label, days.stratum, (n_labels, int(days.stratum.max()) + 1))


def trend(days):
    return novelty.trend(days, moments(days), 1, 0)


def said(days, names=NAMES[:2], metric=SPENT):
    rows = novelty.grid(days, metric, names, 0).rows
    return [row[4].key for row in rows if row[4] is not None]


def test_a_stretchs_difference_against_scipys_welch():
    days = drawn(np.random.default_rng(1), 900, [1.3, 1.2, 1.1, 1.0])
    rows = novelty.grid(days, SPENT, NAMES[:2], 0).rows
    for place, row in enumerate(rows[:4]):
        sides = [days.values[days.label == side, place] for side in (1, 0)]
        expected = stats.ttest_ind(*sides, equal_var=False).confidence_interval(1 - 0.05 / 4)
        assert row[2].interval == pytest.approx((expected.low, expected.high))
    assert [str(row[0]) for row in rows[:4]] == ["day 0", "day 1", "days 2 to 3", "days 4 to 7"]


@pytest.mark.parametrize(
    ("ratios", "key"),
    [
        ([1.5, 1.3, 1.15, 1.0], "novelty.fades"),
        ([0.6, 0.7, 0.85, 1.0], "novelty.fades"),
        ([1.2, 1.4, 1.7, 2.0], "novelty.grows"),
        ([1.0, 1.1, 1.25, 1.45], "novelty.changes"),
    ],
)
def test_a_trend_has_its_word(ratios, key):
    assert said(drawn(np.random.default_rng(2), 20_000, ratios)) == [key]


def test_a_trend_that_is_known_is_found():
    # The log of the ratio falls by log(1.25) from stretch to stretch.
    found = trend(drawn(np.random.default_rng(3), 40_000, 2 * 0.8 ** np.arange(4)))
    assert abs(found.slope - np.log(0.8)) < 4 * found.slope_error
    assert abs(found.first - np.log(2)) < 4 * found.first_error
    assert found.slope_error < 0.02


def test_a_constant_effect_on_falling_numbers_is_no_trend():
    # 400 worlds with the same ratio on all days and units that differ; alarms within 3.3 standard errors of the level.
    rng = np.random.default_rng(4)
    alarms = sum(trend(drawn(rng, 1_500, [1.3] * 4)).p_value < novelty.ALARM for _ in range(400))
    assert abs(alarms / 400 - 0.05) <= stats.norm.isf(0.0005) * np.sqrt(0.05 * 0.95 / 400)


def test_the_standard_error_is_that_of_repeated_samples():
    rng = np.random.default_rng(5)
    found = [trend(drawn(rng, 1_500, [1.2, 1.1, 1.0, 0.9])) for _ in range(300)]
    seen = np.std([one.slope for one in found], ddof=1)
    # The standard error of a standard deviation of 300 is its 1 / sqrt(600).
    assert np.mean([one.slope_error for one in found]) == pytest.approx(seen, rel=3.3 / np.sqrt(600))


def test_several_variants_are_adjusted_together():
    days = drawn(np.random.default_rng(6), 9_000, [1.5, 1.3, 1.15, 1.0], 3)
    rows = novelty.grid(days, SPENT, NAMES, 0).rows
    assert len(rows) == 4 * 2 + 2
    assert [row[1] for row in rows[-2:]] == ["b", "c"]
    assert said(days, NAMES) == ["novelty.fades"] * 2


def test_a_change_is_shown_as_a_factor():
    days = drawn(np.random.default_rng(7), 20_000, [1.6, 1.4, 1.2, 1.0])
    change = novelty.grid(days, SPENT, NAMES[:2], 0).rows[-1][3]
    found = trend(days)
    assert change.value == pytest.approx(np.expm1(found.slope))
    assert change.p_value == pytest.approx(found.p_value)
    assert change.scale is Scale.RELATIVE
    assert change.high < 0


def test_strata_are_weighted_alike_on_both_sides():
    # Two strata of other splits and levels with a ratio of 1 throughout: pooled, the variant would be far ahead.
    rng = np.random.default_rng(8)
    stratum = rng.integers(0, 2, 20_000)
    label = (rng.random(20_000) < np.where(stratum == 1, 0.9, 0.1)).astype(np.int64)
    values = rng.poisson(np.where(stratum[:, None] == 1, 4.0, 1.0) * np.ones(4)).astype(float)
    found = trend(Days(EDGES, values, label, stratum))
    assert abs(found.first) < 4 * found.first_error < 0.1


@pytest.mark.parametrize(
    "values",
    [np.zeros((60, 4)), np.ones((60, 4)), -np.ones((60, 4)), np.eye(60)[:, :4], np.tile(np.arange(60.0)[:, None], 4)],
)
def test_too_little_for_a_trend_is_said(values):
    days = Days(EDGES, values, np.arange(60) % 2, np.zeros(60, np.int64))
    rows = novelty.grid(days, SPENT, NAMES[:2], 0).rows
    assert rows[-1][3] is None
    assert str(rows[-1][4]) == "too few units with “spent” in two stretches of days for a trend"
    assert all(row[2].interval or row[2].note for row in rows[:-1])


def test_one_label_alone_compares_with_nothing():
    days = Days(EDGES, np.ones((5, 4)), np.zeros(5, np.int64), np.zeros(5, np.int64))
    assert novelty.grid(days, SPENT, NAMES[:2], 0) is None


@pytest.fixture(scope="module")
def log(new_log):
    """Three units that count and one whose window is open; days since the exposure of what they bring."""
    made = new_log(Experiment("e", (Variant("a"), Variant("b")), (METRIC, SPENT), control="a"))
    brought = {
        "twice a day": [(0.1, 2.0), (0.9, 3.0), (1.5, 4.0)],
        "late": [(2.0, 5.0), (3.9, 6.0), (7.9, 7.0), (8.0, 100.0)],
        "early": [(-1.0, 50.0)],
        "open": [(0.5, 9.0)],
    }
    for unit, outcomes in brought.items():
        start = 5.0 if unit == "open" else 0.0
        made.assign(unit, start)
        for age, value in outcomes:
            made.observe(unit, "buy", start + age, value)
            made.observe(unit, "spent", start + age, value)
    made.end(12.0)
    return made


def by_days(log, metric):
    frame = frames.read(log.store, "e")
    rows = frame.assignments
    subjects = crediting.units(frame, rows.is_usable, rows.variant, rows.stratum, rows.at)
    return novelty.days(frame, subjects, metric)


def test_amounts_are_per_day_of_each_stretch(log):
    found = by_days(log, SPENT)
    assert found.edges.tolist() == [0, 1, 2, 4, 8]
    assert found.values.tolist() == [[5, 4, 0, 0], [0, 0, 5.5, 1.75], [0, 0, 0, 0]]


def test_conversions_are_the_share_of_days_with_any(log):
    assert by_days(log, METRIC).values.tolist() == [[1, 1, 0, 0], [0, 0, 1, 0.25], [0, 0, 0, 0]]


def test_a_cap_bounds_each_stretch(log):
    found = by_days(log, replace(SPENT, cap=4.0))
    assert found.values.tolist() == [[4, 4, 0, 0], [0, 0, 2, 1], [0, 0, 0, 0]]


@pytest.mark.parametrize(
    "metric",
    [
        Metric("buy", window=timedelta(hours=47)),
        Metric("buy", kind=MetricKind.RETENTION, after=timedelta(days=1)),
        Metric("buy", kind=MetricKind.NPS),
    ],
)
def test_what_does_not_come_day_by_day_has_no_days(log, metric):
    assert by_days(log, metric) is None
