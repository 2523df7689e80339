"""Tables with one row a unit: moments against numpy, reports against those of arrays, on every kind of frame."""

import duckdb
import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import stats

from analysis import report_on_units
from analysis.lifts.moments import Moments
from analysis.logs import unit_table
from engine import files
from engine.errors import InvalidRequest

KINDS = {
    "polars": pl.DataFrame,
    "polars lazy": lambda data: pl.DataFrame(data).lazy(),
    "pandas": pd.DataFrame,
    "arrow": pa.table,
    "duckdb": lambda data: duckdb.from_arrow(pa.table(data)),
}
EXPERIMENT = """
experiment: checkout
brief: {hypothesis: Fewer fields}
context: {past: number}
variants: [plain, short]
plan: {look: once}
metrics:
  order: {kind: conversion, role: goal}
  spend: {kind: revenue, cap: 100, covariates: [past]}
  basket: {kind: ratio, of: spend, per: order}
  recommend: {kind: nps}
"""


def table(n=4_000, seed=5):
    chance = np.random.default_rng(seed)
    is_short = chance.random(n) < 0.5
    past = chance.normal(20, 5, n)
    order = (chance.random(n) < 0.2 + 0.03 * is_short).astype(float)
    score = chance.integers(0, 11, n).astype(float)
    return {
        "variant": np.where(is_short, "short", "plain"),
        "order": order,
        "spend": order * np.abs(past + chance.normal(0, 40, n)),
        "past": past,
        "recommend": np.where(chance.random(n) < 0.3, score, np.nan),
    }


def missing_as_null(data):
    return {name: [None if value != value else value for value in column.tolist()] for name, column in data.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_every_frame_gives_the_moments_of_numpy(kind):
    data = table()
    columns, together = {"spend": nw.col("spend"), "past": nw.col("past")}, [["spend", "past"]]
    found = unit_table.gather(KINDS[kind](data), columns, together, ["plain", "short"]).moments
    values, label = np.stack([data["spend"], data["past"]], 1), (data["variant"] == "short").astype(int)
    expected = Moments.of(values, label, np.zeros(len(label), int), (2, 1))
    np.testing.assert_array_equal(found.n, expected.n)
    np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-12)
    np.testing.assert_allclose(found.m2, expected.m2, rtol=1e-10)


def test_nothing_cancels_far_from_zero():
    data = {"variant": ["a"] * 500 + ["b"] * 500, "x": 1e9 + np.arange(1000.0) % 7}
    found = unit_table.gather(pl.DataFrame(data), {"x": nw.col("x")}, [["x"]], ["a", "b"]).moments
    expected = [np.var(np.arange(1000)[half] % 7, ddof=1) for half in (slice(500), slice(500, None))]
    np.testing.assert_allclose(found.variance[:, 0, 0], expected, rtol=1e-6)


def test_strata_are_apart():
    data = {"variant": ["a", "a", "b", "b"], "epoch": [1, 2, 1, 2], "x": [1.0, 2.0, 3.0, 4.0]}
    found = unit_table.gather(pl.DataFrame(data), {"x": nw.col("x")}, [["x"]], ["a", "b"], stratum="epoch").moments
    assert found.mean[..., 0].tolist() == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize("kind", KINDS)
def test_the_report_has_the_numbers_of_scipy(kind):
    data = missing_as_null(table())
    report = report_on_units(KINDS[kind](data), files.load(EXPERIMENT))
    by_name = {metric.name: metric.tables[0].rows[1] for metric in report.metrics}
    spend, is_short = np.minimum(data["spend"], 100), np.array(data["variant"]) == "short"
    welch = stats.ttest_ind(spend[is_short], spend[~is_short], equal_var=False)
    expected = welch.confidence_interval(0.95)
    plain = by_name["spend"].plain
    assert (plain.low, plain.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert by_name["spend"].absolute.high - by_name["spend"].absolute.low < plain.high - plain.low
    scores = np.array([np.nan if score is None else score for score in data["recommend"]])
    nps = [100 * (np.mean(part >= 9) - np.mean(part <= 6)) for part in (scores[is_short], scores[~is_short])]
    given = [np.isfinite(part).mean() for part in (scores[is_short], scores[~is_short])]
    expected = nps[0] / given[0] - nps[1] / given[1]
    assert by_name["recommend"].absolute.value == pytest.approx(expected, abs=1e-9)
    assert report.decisions is not None


def test_rows_that_cannot_be_used_are_counted():
    data = table(400)
    data["spend"][:3] = [np.inf, np.nan, -np.inf]
    data["variant"] = data["variant"].astype(object)
    data["variant"][10:12] = "other"
    report = report_on_units(pl.DataFrame(missing_as_null(data)), files.load(EXPERIMENT))
    assert [count.n for count in report.health.left_out] == [3, 2]
    assert report.health.n_units == 395


def test_a_lost_share_of_a_variant_is_found():
    data = table(20_000)
    kept = (data["variant"] == "plain") | (np.arange(20_000) % 10 > 0)
    report = report_on_units(
        pl.DataFrame(missing_as_null({k: v[kept] for k, v in data.items()})), files.load(EXPERIMENT)
    )
    assert report.health.checks[0].holds is False
    assert "Do not decide" in str(report.verdict.sentence)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: [1, 2, 3], "is none"),
        (lambda: pl.DataFrame({"x": [1]}), "lacks a column"),
        (lambda: pl.DataFrame({"variant": ["plain"], "order": [1.0]}), "lacks a column"),
    ],
)
def test_bad_tables_are_answered_in_a_sentence(made, words):
    with pytest.raises(InvalidRequest, match=words):
        report_on_units(made(), files.load(EXPERIMENT))
