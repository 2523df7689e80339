import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from analysis.designs import fixed
from analysis.estimate import Scale
from analysis.lifts import lift, uncapped
from analysis.lifts.cells import Shape, side
from analysis.logs import crediting, frames, metrics
from analysis.logs.crediting import Counted
from analysis.logs.metrics import Sample
from analysis.pages.languages import load
from engine.experiments import ContextField, Experiment, FieldType, Variant
from engine.metrics import Metric, MetricKind

DAY = timedelta(days=1)
WEEK = 7 * DAY
SPEND = Metric("spend", MetricKind.REVENUE, WEEK)
ORDER = Metric("order", MetricKind.CONVERSION, WEEK, of="spend")
TEST = Experiment("hero", (Variant("a"), Variant("b")), (SPEND,))


def read(log, end=30.0):
    log.end(end)
    frame = frames.read(log.store, "hero")
    return frame, fixed.arrivals(frame).subjects


def sampled(new_log, metric, brought, others=()):
    """Return the sample of units "0", "1", ... that were assigned on day 0 and brought (day, value) each."""
    log = new_log(replace(TEST, metrics=(metric, *others)))
    for unit in range(len(brought)):
        log.assign(str(unit), 0.0)
    for unit, events in enumerate(brought):
        for at, value in events:
            log.observe(str(unit), metric.outcome or others[0].outcome, at, value)
    frame, subjects = read(log)
    return metrics.sample(frame, subjects, metric)


# --- each kind, by hand --------------------------------------------------------------------------------------------

EVENTS = [[(0.5, 20.0), (1.0, 5.0)], [], [(8.0, 9.0)], [(2.0, -3.0), (3.0, 1.0)]]


@pytest.mark.parametrize(
    ("metric", "values", "uncut"),
    [
        (ORDER, [1, 0, 0, 1], [1, 0, 0, 1]),
        (SPEND, [25, 0, 0, -2], [25, 0, 0, -2]),
        (replace(SPEND, cap=10.0), [10, 0, 0, -2], [25, 0, 0, -2]),
        (replace(SPEND, winsor=0.75), [0, 0, 0, -2], [25, 0, 0, -2]),
        (replace(SPEND, window=10 * DAY, winsor=0.75), [9, 0, 9, -2], [25, 0, 9, -2]),
        (Metric("times", MetricKind.COUNT, WEEK), [25, 0, 0, -2], [25, 0, 0, -2]),
        (Metric("times", MetricKind.COUNT, WEEK, after=DAY), [5, 0, 0, -2], [5, 0, 0, -2]),
        (Metric("back", MetricKind.RETENTION, 9 * DAY, after=1.5 * DAY), [0, 0, 1, 1], [0, 0, 1, 1]),
        (Metric("p90", MetricKind.QUANTILE, WEEK, quantile=0.9), [25, 0, 0, -2], [25, 0, 0, -2]),
        (Metric("p90", MetricKind.QUANTILE, WEEK, quantile=0.9, cap=8.0), [8, 0, 0, -2], [25, 0, 0, -2]),
    ],
)
def test_a_value_for_each_unit(new_log, metric, values, uncut):
    found = sampled(new_log, metric, EVENTS)
    assert (found.values.tolist(), found.uncapped.tolist(), found.per) == (values, uncut, None)
    assert found.is_cut is (metric.cap is not None or metric.winsor is not None)
    assert (found.uncapped is found.values) is not found.is_cut


@pytest.mark.parametrize(
    ("kind", "values"),
    [(MetricKind.CSAT, [19, 0, 6]), (MetricKind.CES, [19, 0, 6]), (MetricKind.NPS, [100, 0, -100])],
)
def test_scores_have_their_sum_above_the_line_and_their_number_below(new_log, kind, values):
    found = sampled(new_log, Metric("score", kind, WEEK), [[(1.0, 10.0), (2.0, 9.0), (3.0, 0.0)], [], [(1.0, 6.0)]])
    assert (found.values.tolist(), found.per.tolist()) == (values, [3, 0, 1])
    assert (found.uncapped is found.values, found.is_cut) == (True, False)


def test_a_score_between_six_and_nine_is_neither_for_nor_against(new_log):
    scores = [6.0, 6.5, 7.0, 8.0, 8.9, 9.0]
    found = sampled(new_log, Metric("score", MetricKind.NPS, WEEK), [[(1.0, score)] for score in scores])
    assert found.values.tolist() == [-100, 0, 0, 0, 0, 100]


def test_a_ratio_has_both_its_metrics_by_their_own_rules(new_log):
    ratio = Metric("basket", MetricKind.RATIO, WEEK, of="spend", per="order")
    found = sampled(new_log, ratio, EVENTS, (replace(SPEND, cap=10.0), ORDER))
    assert (found.values.tolist(), found.per.tolist()) == ([10, 0, 0, -2], [1, 0, 0, 1])
    assert (found.uncapped.tolist(), found.uncapped_per is found.per) == ([25, 0, 0, -2], True)
    assert (found.is_cut, found.cut) == (True, None)


@pytest.mark.parametrize(("grace", "end", "n_open"), [(0, 7.0, 0), (0, 6.9, 1), (1, 7.9, 1), (1, 8.0, 0)])
def test_a_unit_whose_window_is_open_is_counted_and_left_out(new_log, grace, end, n_open):
    log = new_log(replace(TEST, grace=grace * DAY))
    log.assign("late", 0.0)
    log.assign("early", -20.0)
    frame, subjects = read(log, end)
    found = metrics.sample(frame, subjects, SPEND)
    assert (found.n_open, found.row.tolist()) == (n_open, [1, 0][: 2 - n_open])


def test_a_sample_comes_in_the_order_in_which_windows_open(new_log):
    log = new_log(TEST)
    for unit, at in {"third": 3.0, "first": 1.0, "second": 1.0}.items():
        log.observe(log.assign(unit, at), "spend", at, at)
    frame, subjects = read(log)
    found = metrics.sample(frame, subjects, SPEND)
    assert (found.row.tolist(), found.values.tolist()) == ([1, 2, 0], [1, 1, 3])
    assert (np.diff(found.since) >= 0).all()
    assert (found.unit_key == frame.assignments.unit_key[found.row]).all()


def test_no_subjects_are_no_values(new_log):
    for metric in (SPEND, replace(SPEND, winsor=0.9), ORDER, Metric("score", MetricKind.NPS)):
        log = new_log(replace(TEST, metrics=(metric,)))
        frame, subjects = read(log)
        found = metrics.sample(frame, subjects, metric)
        assert (len(found), found.n_open) == (0, 0)
        assert not metrics.cells(found, metric, 2).moments.n.any()


# --- covariates ----------------------------------------------------------------------------------------------------


def test_covariates_are_those_of_the_first_assignment_and_what_is_missing_is_filled_and_counted(new_log):
    metric = replace(SPEND, covariates=("visits", "member", "unknown"))
    fields = (
        ContextField("visits", FieldType.NUMBER),
        ContextField("member", FieldType.FLAG),
        ContextField("unknown", FieldType.NUMBER),
    )
    log = new_log(replace(TEST, metrics=(metric,), context=fields))
    log.assign("one", 0.0, context={"visits": 4.0, "member": True})
    log.assign("one", 1.0, context={"visits": 40.0, "member": False})
    log.assign("two", 2.0, context={"visits": 8.0, "member": False})
    log.assign("three", 3.0)
    frame, subjects = read(log)
    found = metrics.sample(frame, subjects, metric)
    assert found.covariates.tolist() == [[4, 1, 0], [8, 0, 0], [6, 0.5, 0]]
    assert found.n_filled == (1, 1, 3)
    assert [str(words) for words in metrics.filled(found, metric)][::2] == [
        "1 unit had no “visits” at its first assignment: it is given the mean of the others.",
        "3 units had no “unknown” at their first assignment: they are given the mean of the others.",
    ]
    cells = metrics.cells(found, metric, 2)
    assert cells.covariates == ("visits", "member", "unknown")
    assert cells.moments.mean.shape[-1] == 4


# --- cells ---------------------------------------------------------------------------------------------------------


def made(values, per=None, label=None, counted=Counted.UNIT):
    n = len(values)
    place = np.arange(n)
    label = np.zeros(n, np.int64) if label is None else label
    per = None if per is None else np.asarray(per, float)
    values = np.asarray(values, float)
    none = np.zeros((n, 0))
    return Sample(label, place % 3, place, place, place, values, values, per, none, 0, counted, uncapped_per=per)


@pytest.mark.parametrize(
    ("kind", "shape", "scale"),
    [
        (MetricKind.CONVERSION, Shape.SHARE, Scale.SHARE),
        (MetricKind.RETENTION, Shape.SHARE, Scale.SHARE),
        (MetricKind.COUNT, Shape.MEAN, Scale.AMOUNT),
        (MetricKind.REVENUE, Shape.MEAN, Scale.AMOUNT),
        (MetricKind.RATIO, Shape.RATIO, Scale.AMOUNT),
        (MetricKind.CSAT, Shape.RATIO, Scale.AMOUNT),
        (MetricKind.CES, Shape.RATIO, Scale.AMOUNT),
        (MetricKind.NPS, Shape.RATIO, Scale.AMOUNT),
    ],
)
def test_columns_and_shape_follow_the_kind(kind, shape, scale):
    per = np.arange(1, 13) if shape is Shape.RATIO else None
    found = metrics.cells(made(np.arange(12), per), Metric("m", kind), 2)
    assert (found.shape, found.scale, found.n_strata) == (shape, scale, 3)
    assert found.moments.mean.shape == (2, 3, 2 if shape is Shape.RATIO else 1)
    pooled = metrics.cells(made(np.arange(12), per), Metric("m", kind), 2, stratified=False)
    assert (pooled.n_strata, pooled.moments.mean[0, 0, 0]) == (1, 5.5)


def test_the_cells_of_a_quantile_are_those_of_the_mean_and_say_so():
    quantile = Metric("load", MetricKind.QUANTILE, quantile=0.9)
    found = metrics.cells(made(np.arange(12)), quantile, 1)
    assert (found.shape, str(found.estimand)[:12]) == (Shape.MEAN, "mean “load” ")


def test_an_nps_has_the_variance_of_a_multinomial():
    # One score a unit: with shares p of promoters and d of detractors, n / (n - 1) * 100**2 * (p + d - (p - d)**2) / n.
    n, promoters, detractors = 400, 180, 90
    values = 100.0 * np.repeat([1, 0, -1], [promoters, n - promoters - detractors, detractors])
    score = Metric("score", MetricKind.NPS)
    found = lift.value(metrics.cells(made(values, np.ones(n)), score, 1, stratified=False), side(1, [0]))
    p, d = promoters / n, detractors / n
    assert found.value == pytest.approx(100 * (p - d), rel=1e-12)
    error = 100 * math.sqrt((p + d - (p - d) ** 2) / (n - 1))
    assert np.ptp(found.interval) / 2 / error == pytest.approx(1.966, abs=0.001)  # Student's t of 399


def test_a_ratio_has_the_variance_of_the_delta_method():
    rng = np.random.default_rng(3)
    per = rng.poisson(4, 500) + 1.0
    values = per * rng.normal(2, 0.5, 500)
    ratio = Metric("r", MetricKind.RATIO, of="x", per="y")
    cells = metrics.cells(made(values, per), ratio, 1, stratified=False)
    (var_x, cov), (_, var_y) = np.cov(values, per)
    r = values.sum() / per.sum()
    error = math.sqrt((var_x - 2 * r * cov + r**2 * var_y) / 500) / per.mean()
    found = lift.value(cells, side(1, [0]))
    assert found.value == pytest.approx(r, rel=1e-12)
    assert np.ptp(found.interval) / 2 / error == pytest.approx(1.965, abs=0.001)


# --- large values --------------------------------------------------------------------------------------------------


def test_what_is_cut_stands_beside_what_is_not(new_log):
    metric = replace(SPEND, cap=10.0)
    found = sampled(new_log, metric, [[(1.0, float(value))] for value in (4, 8, 16, 32) * 20])
    declared, free = metrics.cells(found, metric, 2), metrics.uncapped(found, metric, 2)
    cut = metrics.share_cut(found, 2)
    n = np.bincount(found.label, minlength=2)
    assert (cut * n).sum() == 40
    grid = uncapped.grid(("a", "b"), declared, free, cut, 0)
    assert [row[0] for row in grid.rows] == ["a", "b"]
    assert [len(row) for row in grid.rows] == [len(grid.columns)] * 2
    by_hand = [np.minimum(found.uncapped, 10)[found.label == label].mean() for label in (0, 1)]
    assert [row[2].value for row in grid.rows] == pytest.approx(by_hand)
    assert grid.rows[1][3].value == pytest.approx(found.uncapped[found.label == 1].mean())
    assert (grid.rows[0][4], grid.rows[1][4].value) == (None, pytest.approx(by_hand[1] - by_hand[0]))
    assert len(uncapped.grid(("a", "b"), declared, free, cut, None).columns) == 4
    assert metrics.uncapped(found, ORDER, 2) is not None
    assert metrics.uncapped(made([1.0, 2.0]), SPEND, 2) is None


def test_the_winsorising_cut_is_the_same_for_all_variants(new_log):
    metric = replace(SPEND, winsor=0.9)
    found = sampled(new_log, metric, [[(1.0, float(value))] for value in range(1, 101)])
    assert (found.cut, found.values.max(), (found.values == 90).sum()) == (90, 90, 11)


# --- words ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "counted", "cut", "words"),
    [
        (ORDER, Counted.UNIT, None, "share of units with “order” within 7 days of the first exposure"),
        (ORDER, Counted.ASSIGNMENT, None, "share of assignments with “order” within 7 days of the exposure"),
        (
            replace(SPEND, cap=50.0),
            Counted.UNIT,
            50.0,
            "mean “spend” of a unit within 7 days of the first exposure, at most 50 from each",
        ),
        (
            replace(SPEND, winsor=0.99),
            Counted.UNIT,
            50.0,
            "mean “spend” of a unit within 7 days of the first exposure, at most 50 from each "
            "(the 0.99 quantile of all variants together)",
        ),
        (
            Metric("back", MetricKind.RETENTION, 30 * DAY, after=WEEK),
            Counted.UNIT,
            None,
            "share of units that came back (“back”) from 7 days to 30 days after the first exposure",
        ),
    ],
)
def test_an_estimand_says_what_is_counted_and_when(metric, counted, cut, words):
    assert str(metrics.estimand(metric, counted, cut)) == words


@pytest.mark.parametrize("kind", MetricKind)
@pytest.mark.parametrize("counted", Counted)
def test_every_kind_has_its_words(kind, counted):
    metric = Metric("m", kind, of="x", per="y", quantile=0.5 if kind is MetricKind.QUANTILE else None)
    words = load("en").say(metrics.estimand(metric, counted))
    assert "7 days" in words
    assert counted.value in words


def test_the_parts_of_a_ratio_may_be_of_units_that_came_late(new_log):
    later = replace(ORDER, after=2 * DAY)
    ratio = Metric("basket", MetricKind.RATIO, WEEK, of="spend", per="order")
    found = sampled(new_log, ratio, EVENTS, (SPEND, later))
    assert (found.values.tolist(), found.per.tolist()) == ([25, 0, 0, -2], [0, 0, 0, 1])
    assert crediting.micros(DAY) == 86_400_000_000
