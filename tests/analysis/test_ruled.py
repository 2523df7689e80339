"""A test whose distribution goes by rules over the context: variants compare only where both could be drawn."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

import analysis
from analysis.designs import fixed
from analysis.document import Word
from analysis.estimate import Holds
from analysis.logs import frames
from analysis.logs.crediting import Counted
from analysis.logs.simple_log import START, simple_log
from engine.experiments import ContextField, Experiment, FieldType, Looking, Plan, Variant
from engine.funnel import Sticky
from engine.metrics import Metric
from engine.specs import FixedSpec, Rule, SegmentsSpec

RULES = SegmentsSpec(
    rules=(Rule({"vip": True}, {"a": 0.9, "b": 0.1}), Rule({"where": "north"}, {"c": 1.0})),
    otherwise={"a": 0.5, "c": 0.5},
)
SHARES = np.array([[0.9, 0.1, 0.0], [0.0, 0.0, 1.0], [0.5, 0.0, 0.5]])
"""The distributions of VIPs, of the north, and of all others."""
BASE, EFFECT = np.array([0.5, 0.1, 0.2]), np.array([0.0, 0.06, 0.1])
"""Chances of a click by segment, and what variants add: VIPs get b alone and click most."""
HERO = Experiment(
    "hero",
    (Variant("a"), Variant("b"), Variant("c")),
    (Metric("click", window=timedelta(days=1)),),
    policy=RULES,
    context=(ContextField("vip", FieldType.FLAG), ContextField("where", FieldType.TEXT)),
    plan=Plan(Looking.ONCE),
)


def ruled(experiment=HERO, n=30_000, n_units=None, seed=1, **columns):
    rng = np.random.default_rng(seed)
    unit = np.arange(n) if n_units is None else rng.integers(0, n_units, n)
    segment = unit % 3
    variant = (rng.random(n)[:, None] > SHARES[segment].cumsum(axis=1)).sum(axis=1).clip(max=2)
    clicked = rng.random(n) < BASE[segment] + EFFECT[variant]
    given = {
        "variant": variant,
        "unit_key": unit + 1,
        "assigned_at": START + np.arange(n),
        "distribution": SHARES[segment],
    }
    context = {"vip": (segment == 0).astype(float), "where": np.where(segment == 1, "north", "south").tolist()}
    return simple_log(experiment, given | columns, {"row": np.flatnonzero(clicked)}, context=context)


def rows(report):
    return {row.name: row for row in report.metrics[0].compared.rows}


def test_each_variant_compares_where_it_and_the_control_could_be_drawn():
    found = rows(analysis.report(ruled(), "hero"))
    for name, effect in (("b", EFFECT[1]), ("c", EFFECT[2])):
        assert found[name].absolute.low < effect < found[name].absolute.high
    # As they stand the means mislead: c's are of people who click less.
    assert found["c"].value.value < found["a"].value.value
    assert found["c"].word is Word.BETTER


@pytest.mark.parametrize("looking", [Looking.ANY, Looking.PLANNED])
def test_so_do_sequences_and_planned_looks(looking):
    planned = replace(HERO, plan=Plan(looking, looks=2, n_units=30_000))
    found = rows(analysis.report(ruled(planned), "hero", in_full=False))
    for name, effect in (("b", EFFECT[1]), ("c", EFFECT[2])):
        shown = found[name].anytime or found[name].absolute
        assert shown.low < effect < shown.high
        assert (shown.holds is Holds.ALWAYS) is (looking is Looking.ANY)


def test_the_report_says_of_how_many_each_difference_is():
    report = analysis.report(ruled(), "hero")
    (said,) = [str(each) for each in report.verdict.cautions if each.key == "caution.partly"]
    assert "a difference of those who could get both it and a: b (10,000), c (10,000)." in said
    assert any("10,000 of those counted are in no difference" in str(note) for note in report.metrics[0].notes)
    even = replace(HERO, policy=FixedSpec())
    fair = analysis.report(ruled(even, variant=np.arange(30_000) % 3, distribution=np.full(3, 1 / 3)), "hero")
    assert not [each for each in fair.verdict.cautions if each.key == "caution.partly"]


def test_variants_that_are_never_drawn_together_are_not_compared():
    apart = np.array([[1.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.0, 0.5, 0.5]])
    n = 6000
    variant = np.where(np.arange(n) % 3 == 0, 0, 1 + np.arange(n) // 3 % 2)
    report = analysis.report(ruled(n=n, variant=variant, distribution=apart[np.arange(n) % 3]), "hero")
    for name in ("b", "c"):
        assert rows(report)[name].word is Word.NOT_EVALUABLE
        assert "drawn from the same distribution" in str(rows(report)[name].absolute.note)
    assert report.verdict.word is Word.NOT_EVALUABLE


def test_the_counts_are_checked_against_each_rows_own_distribution():
    n = 30_000
    whole = analysis.report(ruled(n=n), "hero", in_full=False).health.checks[0]
    assert whole.holds
    assert [round(share.expected) for share in whole.shares] == [14_000, 1_000, 15_000]
    mixed = SHARES[np.random.default_rng(2).permutation(n) % 3]
    assert analysis.report(ruled(n=n, distribution=mixed), "hero", in_full=False).verdict.word is Word.NOT_EVALUABLE


def test_units_that_come_again_are_drawn_again_and_their_errors_are_summed():
    log = ruled(n=20_000, n_units=6000)
    assert fixed.arrivals(frames.read(log, "hero")).subjects.counted is Counted.ASSIGNMENT
    found = rows(analysis.report(log, "hero"))
    assert "by unit" in str(found["c"].absolute.method) or "cluster" in str(found["c"].absolute.method)
    for name, effect in (("b", EFFECT[1]), ("c", EFFECT[2])):
        assert found[name].absolute.low < effect < found[name].absolute.high


def test_where_it_is_sticky_units_count_once():
    sticky = replace(HERO, sticky=Sticky())
    log = ruled(sticky, n=20_000, n_units=6000)
    arrival = fixed.arrivals(frames.read(log, "hero"))
    assert arrival.subjects.counted is Counted.UNIT
    assert len(arrival.subjects) == len(np.unique(log.tables["assignments"]["unit_key"]))


def test_it_can_be_written_in_every_language():
    report = analysis.report(ruled(n=3000), "hero")
    for language in ("en", "pl", "ru", "zh"):
        assert "c" in analysis.to_markdown(report, language)
        assert analysis.to_html(report, language)
