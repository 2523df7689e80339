import time
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.meta_analysis import combine_effects

from analysis.deciding import segments
from analysis.document import Word
from analysis.estimate import Scale
from analysis.logs.metrics import Sample
from engine.columns import encoded
from engine.experiments import ContextField, Experiment, FieldType, Variant
from engine.metrics import Metric, MetricKind

METRIC = Metric("buy", window=timedelta(days=7))
REVENUE = Metric("spent", kind=MetricKind.REVENUE)
NAMES = ("a", "b", "c")


def sample(label, values, stratum=None, per=None):
    n = len(label)
    zeros = np.zeros(n, np.int64)
    return Sample(
        label=np.asarray(label),
        stratum=zeros if stratum is None else stratum,
        since=zeros,
        unit_key=np.arange(n),
        row=np.arange(n),
        values=np.asarray(values, float),
        uncapped=np.asarray(values, float),
        per=per,
        covariates=np.empty((n, 0)),
        n_open=0,
    )


def made(rng, n, effects, n_labels=2, rate=0.2):
    """Conversions of n units in a segment each, of which `effects` says what labels beyond the first add."""
    code = rng.integers(0, len(effects), n)
    label = rng.integers(0, n_labels, n)
    values = rng.random(n) < rate + np.where(label > 0, np.asarray(effects)[code], 0)
    return code, sample(label, values)


def grid(code, found, names, metric=METRIC, labels=NAMES[:2], **changes):
    return segments.grid(segments.cut(code, names), found, metric, "channel", names=labels, control=0, **changes)


def test_a_segments_lift_against_scipys_welch():
    rng = np.random.default_rng(1)
    code, label = rng.integers(0, 2, 400), rng.integers(0, 2, 400)
    values = rng.lognormal(size=400)
    found = grid(code, sample(label, values), ["mail", "web"], REVENUE)
    sizes = np.bincount(code)
    for row, which in zip(found.rows, np.argsort(-sizes, kind="stable"), strict=True):
        sides = [values[(code == which) & (label == side)] for side in (1, 0)]
        expected = stats.ttest_ind(*sides, equal_var=False).confidence_interval(1 - 0.05 / 2)
        assert row[3].interval == pytest.approx((expected.low, expected.high))
        assert row[2].value == sizes[which]


def test_the_test_is_cochrans_over_the_segments_differences():
    rng = np.random.default_rng(2)
    code, found = made(rng, 30_000, [0.0, 0.05, 0.1])
    differences, variances = [], []
    for which in range(3):
        sides = [found.values[(code == which) & (found.label == side)] for side in (1, 0)]
        differences.append(sides[0].mean() - sides[1].mean())
        smoothed = [(side.sum() + 1) / (len(side) + 2) for side in sides]
        variances.append(sum(p * (1 - p) / (len(side) + 2) for p, side in zip(smoothed, sides, strict=True)))
    weights = 1 / np.array(variances)
    mean = np.average(differences, weights=weights)
    statistic = float(weights @ (np.array(differences) - mean) ** 2)
    note = grid(code, found, ["mail", "web", "app"]).note
    assert note.key == "segment.differ"
    assert note.args["statistic"].value == pytest.approx(statistic)
    assert note.args["p"].value == pytest.approx(stats.chi2.sf(statistic, 2))
    assert "Segments alone are no verdict" in str(note)


@pytest.mark.parametrize("n_labels", [2, 3])
def test_the_test_keeps_its_level(n_labels):
    # An effect that is the same in all segments: 120 worlds, and the share of alarms is within 3.3 standard errors.
    rng = np.random.default_rng(3)
    alarms = 0
    for _ in range(120):
        code, found = made(rng, 2_000, [0.05] * 4, n_labels)
        alarms += grid(code, found, list("wxyz"), labels=NAMES[:n_labels]).note.key == "segment.differ"
    assert abs(alarms / 120 - 0.05) <= stats.norm.isf(0.0005) * np.sqrt(0.05 * 0.95 / 120)


def test_fields_that_are_looked_through_raise_the_p_value():
    code, found = made(np.random.default_rng(4), 5_000, [0.05, 0.05])
    once, thrice = (grid(code, found, ["mail", "web"], n_fields=n).note.args["p"].value for n in (1, 3))
    assert thrice == pytest.approx(min(1, 3 * once))


def test_shrunk_differences_lie_between_the_segments_own_and_the_mean():
    code, found = made(np.random.default_rng(5), 60_000, [0.0, 0.05, 0.1])
    rows = grid(code, found, ["mail", "web", "app"]).rows
    own, shrunk = (np.array([row[place].value for row in rows]) for place in (3, 4))
    assert np.ptp(shrunk) < np.ptp(own)
    assert (np.argsort(own) == np.argsort(shrunk)).all()


def test_shrunk_differences_against_statsmodels():
    code, found = made(np.random.default_rng(5), 60_000, [0.0, 0.05, 0.1])
    rows = grid(code, found, ["mail", "web", "app"]).rows
    own = np.array([row[3].value for row in rows])
    sizes = np.argsort(-np.bincount(code), kind="stable")
    sides = [[found.values[(code == which) & (found.label == side)] for side in (0, 1)] for which in sizes]
    smoothed = [[((side.sum() + 1) / (len(side) + 2), len(side) + 2) for side in pair] for pair in sides]
    variances = np.array([sum(p * (1 - p) / n for p, n in pair) for pair in smoothed])
    pooled = combine_effects(own, variances, method_re="dl")
    expected = (own / variances + pooled.mean_effect_re / pooled.tau2) / (1 / variances + 1 / pooled.tau2)
    np.testing.assert_allclose([row[4].value for row in rows], expected, rtol=1e-9)


def test_at_most_twelve_are_shown_and_the_others_are_counted():
    code = np.concatenate([np.repeat(np.arange(30), np.arange(40, 100, 2)), np.full(7, -1)])
    found = segments.cut(code, [f"s{place}" for place in range(30)])
    assert [str(name) for name in found.names[:2]] == ["s29", "s28"]
    assert str(found.names[12]) == "all others: 18 smaller ones"
    assert str(found.names[13]) == "not known"
    assert found.n_merged == 18
    counted = np.bincount(found.code)
    assert counted[13] == 7
    assert counted.sum() == len(code)


def test_texts_and_flags_of_the_context():
    words = encoded(["web", "app", None, "web", "fax"])
    found = segments.of_field(words, np.array([0, 3, 2, 1]))
    assert [str(name) for name in found.names] == ["web", "app", "not known"]
    assert found.code.tolist() == [0, 0, 2, 1]
    flags = segments.of_field(np.array([0.0, 0.0, 1.0, np.nan]), np.array([0, 1, 2, 3]))
    assert [str(name) for name in flags.names] == ["no", "yes", "not known"]
    assert flags.code.tolist() == [0, 0, 1, 2]


def test_names_that_do_not_occur_are_no_segments():
    found = segments.cut(np.array([2, 2, 0]), ["x", "y", "z"])
    assert found.names == ("z", "x")
    assert found.n_merged == 0


def test_missing_values_and_no_values_at_all():
    assert [str(name) for name in segments.cut(np.full(3, -1), ["x"]).names] == ["not known"]
    nothing = segments.cut(np.zeros(0, np.int64), [])
    assert nothing.names == ()
    assert segments.grid(nothing, sample(np.zeros(0, np.int64), []), METRIC, "f", names=NAMES[:2], control=0) is None


def test_small_segments_are_shown_and_stay_out_of_the_test():
    rng = np.random.default_rng(6)
    code, found = made(rng, 4_000, [0.05, 0.05])
    code[:9] = 2
    shown = grid(code, found, ["mail", "web", "fax"])
    assert [row[0] for row in shown.rows][-1] == "fax"
    assert shown.rows[-1][4] is None
    assert "One segment is too small for the test." in str(shown.note)
    alone = grid(np.zeros(200, np.int64), sample(found.label[:200], found.values[:200]), ["mail"])
    assert alone.note.key == "segment.untested"


def test_strata_compare_within_themselves():
    # The second stratum has another split and another level: pooled, every segment would show a lift.
    rng = np.random.default_rng(7)
    n = 20_000
    stratum, code = rng.integers(0, 2, n), rng.integers(0, 2, n)
    label = (rng.random(n) < np.where(stratum == 1, 0.9, 0.1)).astype(np.int64)
    values = rng.normal(5 * stratum, 1)
    found = grid(code, sample(label, values, stratum), ["mail", "web"], REVENUE)
    assert all(row[3].low < 0 < row[3].high for row in found.rows)
    assert all(abs(row[3].value) < 0.2 for row in found.rows)


def test_a_ratio_and_three_labels():
    rng = np.random.default_rng(8)
    label, code = rng.integers(0, 3, 3_000), rng.integers(0, 2, 3_000)
    per = rng.poisson(3, 3_000) + 1.0
    found = sample(label, rng.poisson(per), per=per)
    metric = Metric("rate", kind=MetricKind.RATIO, of="x", per="y")
    shown = grid(code, found, ["mail", "web"], metric, labels=NAMES)
    assert [row[1] for row in shown.rows] == ["b", "c", "b", "c"]
    assert shown.note.args["freedom"].value == 2
    assert [str(name) for name in shown.chart.names][:2] == [f"{row[1]}, {row[0]}" for row in shown.rows[:2]]


def test_no_segment_has_a_word():
    code, found = made(np.random.default_rng(9), 20_000, [0.0, 0.2])
    shown = grid(code, found, ["mail", "web"])
    assert set(shown.chart.words) == {Word.NOT_COMPARED}
    assert not any(isinstance(cell, Word) for row in shown.rows for cell in row)
    assert shown.rows[0][3].scale is Scale.POINTS


@pytest.mark.parametrize("label", [[0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 1]])
def test_too_little_to_compare_has_an_answer(label):
    found = grid(np.zeros(4, np.int64), sample(label, [1, 0, 0, 1]), ["mail"])
    assert found is None or all(row[3].interval or row[3].note for row in found.rows)


@pytest.mark.parametrize("values", [np.zeros(200), np.ones(200)])
@pytest.mark.parametrize("metric", [METRIC, REVENUE])
def test_values_that_are_all_the_same(values, metric):
    found = grid(np.arange(200) % 2, sample(np.arange(200) // 2 % 2, values), ["mail", "web"], metric)
    assert found.note.key == "segment.untested"
    assert all(row[3].interval or row[3].note for row in found.rows)


def test_covariates_are_not_used():
    code, found = made(np.random.default_rng(11), 2_000, [0.0, 0.1])
    covariates = np.random.default_rng(12).normal(size=(2_000, 1))
    adjusted = grid(code, replace(found, covariates=covariates), ["mail", "web"], replace(METRIC, covariates=("x",)))
    assert adjusted == grid(code, found, ["mail", "web"])


def test_a_quantile_has_no_segments():
    metric = Metric("p90", kind=MetricKind.QUANTILE, quantile=0.9)
    assert grid(np.zeros(4, np.int64), sample([0, 1, 0, 1], [1, 2, 3, 4]), ["mail"], metric) is None


def test_a_million_different_values_are_quick_and_have_an_answer():
    n = 1_000_000
    rng = np.random.default_rng(10)
    found = sample(rng.integers(0, 2, n), rng.random(n) < 0.1)
    names = [str(place) for place in range(n)]
    start = time.process_time()
    shown = grid(rng.permutation(n), found, names)
    assert time.process_time() - start < 1.0
    assert len(shown.rows) == 13
    assert str(shown.rows[-1][0]) == "all others: 999,988 smaller ones"
    assert shown.note.key == "segment.untested"


def test_fields_are_declared_ones_or_texts_and_flags_channel_first():
    context = tuple(
        ContextField(name, kind)
        for name, kind in [
            ("device", FieldType.TEXT),
            ("visits", FieldType.NUMBER),
            ("channel", FieldType.TEXT),
            ("vip", FieldType.FLAG),
        ]
    )
    experiment = Experiment("e", (Variant("a"),), (METRIC,), context=context)
    assert segments.fields(experiment) == ("channel", "device", "vip")
    assert segments.fields(replace(experiment, segments=("vip", "channel"))) == ("channel", "vip")
    assert segments.fields(replace(experiment, context=())) == ()
