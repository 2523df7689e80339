"""Whatever a log holds, its report answers in words: no traceback, no NaN, no silent drop, no contradiction."""

import html
import re
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

import analysis
from analysis.document import Report, Word
from analysis.logs.simple_log import simple_log
from analysis.pages import spreadsheets, wording
from engine.experiments import Experiment, ExposureRule, Factor, Looking, Plan, Status, Variant
from engine.metrics import Better, Metric, MetricKind, RewardTerm, Role
from engine.records import Group
from engine.specs import FixedSpec, ThompsonSpec

DAY = timedelta(days=1)
CLICK = Metric("click", window=DAY, role=Role.GOAL)
SPEND = Metric("spend", MetricKind.REVENUE, DAY)
TEST = Experiment("hero", (Variant("a"), Variant("b")), (CLICK,))
EVERY_KIND = (
    CLICK,
    replace(SPEND, cap=100.0),
    Metric("times", MetricKind.COUNT, DAY),
    Metric("back", MetricKind.RETENTION, DAY, after=DAY / 24, of="click"),
    Metric("basket", MetricKind.RATIO, DAY, of="spend", per="click"),
    Metric("csat", MetricKind.CSAT, DAY),
    Metric("nps", MetricKind.NPS, DAY),
    Metric("slow", MetricKind.QUANTILE, DAY, of="spend", quantile=0.9),
    Metric("error", window=DAY, role=Role.GUARDRAIL, margin=0.1, better=Better.LOWER),
)
OUTCOMES = {"click": 1.0, "spend": 5.0, "times": 2.0, "csat": 4.0, "nps": 9.0, "error": 1.0}
PLANS = (Plan(), Plan(Looking.ONCE), Plan(Looking.PLANNED, n_units=40))
BROKEN = re.compile(r"\b(nan|inf|None)\b")
LONG = re.compile(r"\d[\d,]{13,}")
"""Eleven digits or more, with their marks."""


def answered(report):
    """Check that a report can be written everywhere, reads back as the same bytes, and shows no broken number."""
    written = report.to_json()
    again = Report.from_json(written)
    assert again == report
    assert again.to_json() == written
    page = analysis.to_html(report)
    assert page == analysis.to_html(again)
    shown = html.unescape(re.sub(r"<style.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL))
    markdown = analysis.to_markdown(report)
    assert not [each for text in (shown, markdown) for each in LONG.findall(text)]
    assert not [
        each for text in (shown, markdown, *spreadsheets.sheets(report).values()) for each in BROKEN.findall(text)
    ]
    return report


def report(experiment, variant, outcomes=None, status=Status.RUNNING, exposures=None, **columns):
    log = simple_log(experiment, {"variant": np.asarray(variant, np.int64)} | columns, outcomes, exposures)
    log = replace(log, experiment_state=replace(log.experiment_state, status=status))
    return answered(analysis.report(log, experiment.experiment_id))


def rows(found, metric=0, table=0):
    return {str(row.name): row for row in found.metrics[metric].tables[table].rows}


def left_out(found):
    return {str(count.what): count.n for count in found.health.left_out}


def of_all(n):
    """Return one outcome of each kind for each of n rows."""
    names = [name for name in OUTCOMES for _ in range(n)]
    return {"row": np.tile(np.arange(n), len(OUTCOMES)), "metric": names, "value": [OUTCOMES[name] for name in names]}


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.looking.value)
@pytest.mark.parametrize(
    ("variant", "outcomes"),
    [([], None), ([1], None), ([0] * 30, None), ([0, 1] * 25, None), ([0, 1] * 25, of_all(50))],
    ids=["nobody", "one unit", "an empty variant", "nobody does anything", "everybody does the same"],
)
def test_every_kind_of_metric_answers_in_words(variant, outcomes, plan):
    found = report(replace(TEST, metrics=EVERY_KIND, plan=plan), variant, outcomes)
    for metric in found.metrics:
        for row in metric.tables[0].rows[1:]:
            read = row.anytime or row.absolute
            assert row.word in (Word.NOT_CLEAR, Word.NOT_EVALUABLE)
            assert (row.word is Word.NOT_EVALUABLE) == (read.interval is None)
            assert read.interval or str(read.note)


def test_two_sides_that_are_each_the_same_differ_by_what_is_seen():
    found = report(replace(TEST, metrics=EVERY_KIND), [0, 1] * 300, of_all(600))
    assert rows(found, 1)["b"].anytime.value == 0
    quantile = rows(found, 7)["b"].anytime
    assert quantile.interval is None, "a single value says nothing of other looks"
    assert "how far it reaches at any look is unknown" in str(quantile.note)


def test_scores_that_nobody_gave_are_told_from_a_division():
    found = report(replace(TEST, metrics=EVERY_KIND), [0, 1] * 20)
    assert "nobody gave one" in str(rows(found, 5)["b"].absolute.note)


def test_scores_that_are_all_the_same_have_no_spread_however_rounding_falls():
    rng = np.random.default_rng(1)
    for _ in range(20):
        row = np.flatnonzero(rng.random(61) < 0.42)
        metrics = (Metric("csat", MetricKind.CSAT, DAY),)
        log = simple_log(replace(TEST, metrics=metrics), {"variant": np.arange(61) % 2}, {"row": row, "value": 3.1})
        assert rows(analysis.report(log, "hero", in_full=False))["b"].absolute.interval is None


def test_numbers_that_cannot_be_summed_are_counted_and_large_ones_are_short():
    values = np.tile([np.nan, np.inf, 1e200, 1e59, 3e11], 60)
    found = report(replace(TEST, metrics=(SPEND,)), [0, 1] * 150, {"row": np.arange(300), "value": values})
    assert left_out(found)["outcomes whose value is not a finite number"] == 120
    assert left_out(found)["outcomes whose value is too large for any sum: credited to nobody"] == 60


def test_a_control_mean_near_zero_has_a_lift_that_can_be_read_or_none():
    rng = np.random.default_rng(2)
    variant = np.arange(400) % 2
    tiny = np.where(variant == 0, 1e-9 * (1 + rng.random(400)), rng.random(400))
    found = report(replace(TEST, metrics=(SPEND,)), variant, {"row": np.arange(400), "value": tiny})
    assert "e10 %" in str(wording.whole(rows(found)["b"].relative))
    around = np.where(variant == 0, rng.standard_normal(400), 5.0 + rng.standard_normal(400))
    found = report(replace(TEST, metrics=(SPEND,)), variant, {"row": np.arange(400), "value": around})
    assert "may be zero" in str(rows(found)["b"].relative.note)


def test_windows_that_are_all_open_are_no_empty_experiment():
    now = analysis.report(simple_log(TEST, {"variant": np.arange(40) % 2}, ended_at=0), "hero")
    assert str(now.verdict.sentence).endswith("too early: the windows of all 40 that came are still open.")
    bandit = replace(TEST, policy=ThompsonSpec())
    log = simple_log(bandit, {"variant": np.arange(40) % 2, "distribution": [0.5, 0.5]}, ended_at=0)
    assert "no draw's window has closed yet" in str(answered(analysis.report(log, "hero")).verdict.sentence)


def test_an_empty_combination_silences_the_levels_that_average_it():
    variants = tuple(Variant(f"{h}{i}", levels={"h": h, "i": i}) for h in "xy" for i in "pq")
    factors = (Factor("h", ("x", "y")), Factor("i", ("p", "q")))
    of_four = replace(TEST, variants=variants, factors=factors)
    rng = np.random.default_rng(3)
    found = report(of_four, rng.integers(0, 3, 90), {"row": np.arange(40)})
    for table in (1, 2):
        row = list(rows(found, table=table).values())[1]
        assert row.word is Word.NOT_EVALUABLE
        assert "nobody is in some of what it averages" in str(row.absolute.note)


def test_groups_of_which_one_is_empty_in_a_bandit_do_not_compare():
    bandit = replace(TEST, policy=ThompsonSpec(control_share=0.3))
    variant = np.arange(200) % 2
    found = report(bandit, variant * 0, {"row": np.arange(50)}, group_name="control", distribution=[0.5, 0.5])
    assert found.verdict.word is Word.NOT_EVALUABLE
    assert rows(found)["the policy group"].word is Word.NOT_EVALUABLE


def test_a_failed_check_leaves_no_word_anywhere():
    rng = np.random.default_rng(4)
    variant = np.where(rng.random(600) < 0.75, 0, 1)
    found = report(TEST, variant, {"row": np.flatnonzero(variant)})
    assert str(found.verdict.sentence).startswith("Do not decide from this yet.")
    assert [row[-1] for row in found.decisions.rows] == [Word.NOT_EVALUABLE]
    assert rows(found)["b"].word is Word.NOT_EVALUABLE
    assert "Nothing is decided while a check fails" in str(found.decisions.note)


def test_unequal_exposure_is_answered_by_intention_to_treat_and_stops_nothing():
    rng = np.random.default_rng(5)
    variant = rng.integers(0, 2, 900)
    exposed = np.flatnonzero(rng.random(900) < np.where(variant == 0, 0.9, 0.4))
    clicked = np.flatnonzero(rng.random(900) < np.where(variant == 0, 0.5, 0.2))
    reported = replace(TEST, exposure=ExposureRule.REPORTED)
    found = report(reported, variant, {"row": clicked}, exposures={"row": exposed})
    assert found.verdict.word is Word.WORSE
    assert sum(row.value.n for row in rows(found).values()) == 900
    assert "all assigned units are compared" in str(found.health.checks[1].sentence)


def test_units_after_the_last_look_are_in_no_difference_and_that_is_said():
    rng = np.random.default_rng(6)
    variant = rng.integers(0, 2, 1000)
    planned = replace(TEST, plan=Plan(Looking.PLANNED, looks=2, n_units=600))
    found = report(planned, variant, {"row": np.flatnonzero(rng.random(1000) < 0.2)})
    compared = rows(found)["b"]
    assert compared.absolute.n == compared.relative.n == 600
    assert "400 that came later are not in it" in analysis.to_markdown(found)


def test_the_relative_lift_stands_at_the_look_that_the_difference_has_reached():
    rng = np.random.default_rng(7)
    variant, early = rng.integers(0, 2, 2000), np.arange(2000) < 500
    rate = np.where(early & (variant == 1), 0.5, 0.2)
    planned = replace(TEST, plan=Plan(Looking.PLANNED, looks=4, n_units=2000))
    compared = rows(report(planned, variant, {"row": np.flatnonzero(rng.random(2000) < rate)}))["b"]
    assert compared.absolute.n == compared.relative.n == 500


def test_a_guardrail_speaks_beside_the_verdict():
    rng = np.random.default_rng(8)
    variant = np.arange(4000) % 2
    failed = np.flatnonzero(rng.random(4000) < np.where(variant == 1, 0.4, 0.2))
    clicked = np.flatnonzero(rng.random(4000) < np.where(variant == 1, 0.3, 0.1))
    metrics = (EVERY_KIND[-1], replace(CLICK, role=Role.SECONDARY))
    outcomes = {
        "row": np.r_[failed, clicked],
        "metric": ["error"] * len(failed) + ["click"] * len(clicked),
    }
    found = report(replace(TEST, metrics=metrics), variant, outcomes)
    assert found.primary == "click", "a guardrail is no goal"
    assert found.verdict.word is Word.BETTER
    assert [str(each) for each in found.verdict.cautions] == ["A guardrail is breached: “error” of b."]


def test_a_paused_experiment_is_not_over():
    found = report(TEST, [0, 1] * 50, {"row": np.arange(20)}, status=Status.PAUSED)
    assert str(found.verdict.sentence).startswith("click, so far")


def log_of(new_log, *revisions):
    """Return a log in which each revision gets two hundred units of its own."""
    rng = np.random.default_rng(9)
    log = new_log(revisions[0])
    for place, experiment in enumerate(revisions):
        if place:
            log.update(experiment)
        for i in range(200):
            made = log.assign(f"unit {place} {i}", 2 * place + i / 200)
            if rng.random() < 0.3:
                log.observe(made, "click", 2 * place + i / 200)
    log.end(9)
    return log


def test_a_renamed_control_leaves_units_that_are_counted(new_log):
    found = answered(
        analysis.report(log_of(new_log, TEST, replace(TEST, variants=(Variant("c"), Variant("b")))).store, "hero")
    )
    compared = rows(found)
    assert compared["a"].word is Word.NOT_EVALUABLE
    assert compared["b"].absolute.n == 200
    assert any("200 of those counted are in no difference" in str(note) for note in found.metrics[0].notes)


def test_a_test_that_became_a_bandit_compares_the_groups_that_there_were(new_log):
    bandit = replace(TEST, policy=ThompsonSpec(control_share=0.3), reward=(RewardTerm("click", 1.0),))
    found = answered(analysis.report(log_of(new_log, TEST, bandit).store, "hero"))
    assert sum(row.value.n for row in rows(found).values()) == 200
    counted = left_out(found)
    assert counted["units from before a control group was kept apart: not in the comparison of groups"] == 200
    assert counted["draws of another kind of policy, in an earlier revision"] == 200


def test_a_variant_whose_weight_changed_compares_within_epochs_alone(new_log):
    uneven = replace(TEST, policy=FixedSpec({"a": 0.9, "b": 0.1}))
    found = answered(analysis.report(log_of(new_log, TEST, uneven).store, "hero"))
    assert "in 2 epoch" in str(rows(found)["b"].absolute.method) or "stratified by 2" in str(
        rows(found)["b"].absolute.method
    )


def test_a_bandits_control_group_may_bring_nothing(new_log):
    log = new_log(replace(TEST, policy=ThompsonSpec(control_share=0.3)))
    for i in range(300):
        made = log.assign(f"unit {i}", i / 300)
        if made.group is Group.POLICY and i % 3:
            log.observe(made, "click", i / 300)
    log.end(5)
    found = answered(analysis.report(log.store, "hero"))
    assert found.verdict.word is Word.BETTER
    assert "fewer than 5 conversions" in str(rows(found)["the policy group"].relative.note)
