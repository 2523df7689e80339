"""A table may hold anything too: what cannot be used is counted or refused, in words."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import polars as pl
import pytest

from analysis import report_on_units
from analysis.document import Report, Word
from analysis.estimate import Holds
from engine.errors import InvalidRequest
from engine.experiments import Experiment, Looking, Plan, Variant
from engine.metrics import Metric, MetricKind
from engine.specs import ThompsonSpec

DAY = timedelta(days=1)
TEST = Experiment("hero", (Variant("a"), Variant("b")), (Metric("click", window=DAY),))
SCORED = replace(TEST, metrics=(Metric("csat", MetricKind.CSAT, DAY), Metric("nps", MetricKind.NPS, DAY)))
SLOW = Metric("slow", MetricKind.QUANTILE, DAY, quantile=0.9)
FRAMES = (pd.DataFrame, pl.DataFrame, pl.LazyFrame)


def table(kind=pd.DataFrame, n=200, **columns):
    rng = np.random.default_rng(1)
    return kind({"variant": ["a", "b"] * (n // 2), "click": (rng.random(n) < 0.2).astype(float)} | columns)


def row(found, metric=0):
    return found.metrics[metric].tables[0].rows[1]


def left_out(found):
    return sum(count.n for count in found.health.left_out)


@pytest.mark.parametrize("kind", FRAMES)
def test_shares_that_are_neither_nor_and_huge_numbers_are_left_out_and_counted(kind):
    found = report_on_units(table(kind, click=[0.0, 1.0, 0.0, 1.0, 0.5, 7.0, float("inf"), -1.0] * 25), TEST)
    assert (left_out(found), found.health.n_units) == (100, 100)
    spend = replace(TEST, metrics=(Metric("spend", MetricKind.REVENUE, DAY),))
    found = report_on_units(table(kind, spend=[1e200, -1e200, 3.0, 5.0] * 50), spend)
    assert (left_out(found), row(found).value.value) == (100, 5.0)


@pytest.mark.parametrize("kind", FRAMES)
def test_scores_may_be_missing_and_those_off_the_scale_are_counted(kind):
    scores = {"csat": [None, 3.0, 4.0, 5.0] * 50, "nps": [9.0, 6.0, 11.0, None] * 50}
    found = report_on_units(table(kind, **scores), SCORED)
    assert left_out(found) == 50
    nobody = report_on_units(table(kind, csat=[None] * 200, nps=[None] * 200), SCORED)
    assert "nobody gave one" in str(row(nobody).absolute.note)


@pytest.mark.parametrize("n", [0, 2])
def test_a_table_of_nearly_nothing_answers_in_words(n):
    found = report_on_units(table(n=n), TEST)
    assert found.verdict.word is Word.NOT_EVALUABLE
    assert Report.from_json(found.to_json()) == found


def test_rows_of_unknown_variants_alone_are_counted():
    found = report_on_units(pd.DataFrame({"variant": ["x", None], "click": [1.0, 0.0]}), TEST)
    assert (left_out(found), found.health.n_units) == (2, 0)


@pytest.mark.parametrize(
    ("given", "experiment", "words"),
    [
        (table(click=["yes", "no"] * 100), TEST, "'click' of the table must hold numbers"),
        (table(pl.LazyFrame, click=["yes", "no"] * 100), TEST, "'click' of the table must hold numbers"),
        (table(click=pd.Series(["yes", 3] * 100, dtype=object)), TEST, "not of numbers"),
        (table(), replace(TEST, policy=ThompsonSpec()), "report on the log"),
        (table(slow=1.0), replace(TEST, metrics=(SLOW,)), "nothing of quantiles"),
        (table().drop(columns="click"), TEST, "lacks a column"),
        ([1, 2], TEST, "this is none"),
    ],
)
def test_what_no_answer_can_be_had_from_is_refused(given, experiment, words):
    with pytest.raises(InvalidRequest, match=words):
        report_on_units(given, experiment)


def test_a_quantile_is_not_dropped_without_a_word():
    found = report_on_units(table(slow=1.0), replace(TEST, metrics=(*TEST.metrics, SLOW)))
    assert any("these metrics are not here: slow" in str(caution) for caution in found.verdict.cautions)


def test_planned_looks_cost_a_table_their_width():
    once = row(report_on_units(table(), replace(TEST, plan=Plan(Looking.ONCE)))).absolute
    planned = replace(TEST, plan=Plan(Looking.PLANNED, looks=4, n_units=200))
    found = row(report_on_units(table(), planned)).absolute
    assert found.holds is Holds.PLANNED
    assert found.high - found.low > 1.2 * (once.high - once.low)
    assert found.p_value == pytest.approx(min(1.0, 4 * once.p_value))
    assert "dates not known" in str(report_on_units(table(), planned).verdict.sentence)
