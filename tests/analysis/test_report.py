import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from scipy import stats

import analysis
from analysis.document import REPORT_VERSION, Word
from analysis.estimate import Validity
from engine.errors import InvalidRequest
from engine.experiments import Experiment, ExposureRule, Factor, Looking, Plan, Status, Variant
from engine.metrics import Metric, MetricKind, RewardTerm
from engine.records import Reason, Source
from engine.specs import FixedSpec, ThompsonSpec

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CLICK, SPEND = Metric("click", window=DAY), Metric("spend", MetricKind.REVENUE, DAY)
TEST = Experiment("hero", (Variant("a"), Variant("b")), (CLICK,))
BANDIT = replace(TEST, experiment_id="offer", policy=ThompsonSpec(control_share=0.3))


def run(new_log, experiment, n, rate, rng, span=5.0):
    """Return a log of n units, of which `rate[variant]` click; it ends when all windows are closed."""
    log = new_log(experiment)
    for i in range(n):
        made = log.assign(f"unit {i}", span * i / n)
        if rng.random() < rate.get(made.variant, 0.1):
            log.observe(made, "click", span * i / n + 0.1)
    log.end(span + 2)
    return log


def rows(report, metric=0, table=0):
    return {str(row.name): row for row in report.metrics[metric].tables[table].rows}


@pytest.mark.parametrize(
    ("looking", "how"),
    [
        (Looking.ONCE, "; Newcomb, 95 %; holds at one look that was planned beforehand."),
        (Looking.ANY, "; confidence sequence by bets on the declared range, 95 %; holds at any look."),
    ],
)
def test_a_clear_difference_is_told_with_metric_interval_and_method(new_log, looking, how):
    log = run(new_log, replace(TEST, plan=Plan(looking)), 600, {"a": 0.1, "b": 0.4}, np.random.default_rng(11))
    log.move(Status.CONCLUDED)
    found = analysis.report(log.store, "hero")
    assert found.verdict.word is Word.BETTER
    sentence = str(found.verdict.sentence)
    assert sentence.startswith("click: b did better than a by +")
    assert "Measured on everybody in the experiment, 2024-10-04 to 2024-10-08: difference in " in sentence
    assert sentence.endswith(how)
    assert "so far" not in sentence


def test_a_running_test_says_so_far_and_holds_at_any_look_whatever_was_planned(new_log):
    once = replace(TEST, plan=Plan(Looking.ONCE))
    found = analysis.report(run(new_log, once, 100, {}, np.random.default_rng(12)).store, "hero")
    assert str(found.verdict.sentence).startswith("click, so far: it is not clear whether b differs from a: ")
    assert str(found.verdict.sentence).endswith("holds at any look.")


def test_the_verdict_is_about_the_heaviest_metric_of_the_reward(new_log):
    metrics = (CLICK, Metric("buy", window=DAY))
    reward = (RewardTerm("click", 0.2), RewardTerm("buy", 0.8))
    log = new_log(replace(TEST, metrics=metrics, reward=reward))
    assert analysis.report(log.store, "hero").verdict.sentence.args["about"].args["metric"] == "buy"


def test_revenue_against_scipy_and_the_uncapped_mean_beside(new_log):
    rng = np.random.default_rng(13)
    log = new_log(replace(TEST, metrics=(replace(SPEND, cap=50.0),)))
    spent = {"a": [], "b": []}
    for i in range(300):
        made = log.assign(f"unit {i}")
        spent[made.variant].append(float(rng.lognormal(2, 1)))
        log.observe(made, "spend", 0.5, spent[made.variant][-1])
    log.end(2)
    report = analysis.report(log.store, "hero")
    found = rows(report)
    capped = {name: np.minimum(values, 50) for name, values in spent.items()}
    expected = stats.ttest_ind(capped["b"], capped["a"], equal_var=False).confidence_interval(0.95)
    assert found["b"].absolute.interval == pytest.approx((expected.low, expected.high), rel=1e-9)
    assert found["b"].value.value == pytest.approx(capped["b"].mean(), rel=1e-9)
    (cut,) = [grid for grid in report.metrics[0].grids if str(grid.title) == "Large values"]
    assert cut.rows[1][3].value == pytest.approx(np.mean(spent["b"]), rel=1e-9)


def test_the_interval_of_a_fixed_test_covers_the_truth(new_log):
    # Of 200 runs a 95 % interval misses 10; 3.29 standard errors (0.0154 each) above that are 20, or 0.1007.
    rng, runs, missed = np.random.default_rng(14), 200, 0
    for run_number in range(runs):
        experiment = replace(TEST, experiment_id=f"hero-{run_number}")
        log = run(new_log, experiment, 120, {"a": 0.3, "b": 0.45}, rng)
        low, high = rows(analysis.report(log.store, experiment.experiment_id, in_full=False))["b"].absolute.interval
        missed += not low <= 0.15 <= high
    assert missed / runs < 0.05 + 3.29 * np.sqrt(0.05 * 0.95 / runs)


def test_the_contrast_of_groups_covers_nothing_where_the_policy_only_moves_traffic(new_log):
    # Both variants are equal, and the probabilities follow the clicks: a misread propensity would show as a lift.
    rng, runs, missed = np.random.default_rng(15), 150, 0
    for run_number in range(runs):
        log = new_log(replace(BANDIT, experiment_id=f"offer-{run_number}"))
        likely = 0.5
        for i in range(120):
            made = log.assign(f"unit {i}", i / 100, [1 - likely, likely])
            if rng.random() < 0.3:
                log.observe(made, "click", i / 100)
                likely = float(np.clip(likely + (0.05 if made.variant == "b" else -0.05), 0.1, 0.9))
        log.end(5)
        found = rows(analysis.report(log.store, log.experiment.experiment_id, in_full=False))
        low, high = found["the policy group"].absolute.interval
        missed += not low <= 0 <= high
    assert missed / runs < 0.05 + 3.29 * np.sqrt(0.05 * 0.95 / runs)


def test_a_bandits_variants_are_naive_and_its_groups_compare(new_log):
    log = run(new_log, BANDIT, 400, {"a": 0.1, "b": 0.5}, np.random.default_rng(16))
    found = analysis.report(log.store, "offer")
    groups, _, naive = found.metrics[0].tables
    assert all(row.value.validity is Validity.NAIVE and row.absolute is None for row in naive.rows)
    assert "do not compare" in str(naive.note)
    assert str(found.verdict.sentence).startswith(
        "click, so far: the policy group did better than the control group by +"
    )
    assert groups.rows[1].absolute.validity is Validity.VALID
    assert found.allocation.floor == 0.01
    assert {"Variants of the assigned draws", "Groups"} <= {str(check.title) for check in found.health.checks}


def test_a_bandit_without_a_control_group_compares_its_variants_alone(new_log):
    log = run(new_log, replace(BANDIT, policy=ThompsonSpec()), 200, {"a": 0.1, "b": 0.5}, np.random.default_rng(17))
    found = analysis.report(log.store, "offer")
    variants, served, naive = found.metrics[0].tables
    assert variants.baseline == "a"
    assert "AIPW" in str(variants.rows[1].absolute.method)
    assert all(row.absolute is None for table in (served, naive) for row in table.rows)


def test_answers_without_a_draw_leave_the_variants_and_stay_in_the_groups(new_log):
    log = new_log(BANDIT)
    for i in range(40):
        log.assign(f"unit {i}")
        log.default(f"other {i}", reason=Reason.POLICY_SLOW)
    log.default("forced", reason=Reason.FORCED)
    log.end(3)
    found = analysis.report(log.store, "offer")
    left = {str(count.what): count.n for count in found.health.left_out}
    assert left["answers that were not drawn (the policy was too slow)"] == 40
    assert left["answers that were not drawn (forced)"] == 1
    groups, _, naive = found.metrics[0].tables
    assert sum(row.value.n for row in groups.rows) == 81
    assert sum(row.value.n for row in naive.rows) < 40


def test_open_windows_are_counted_and_not_mixed_in(new_log):
    log = new_log(TEST)
    for i in range(10):
        log.assign(f"old {i}", 0.0)
        log.assign(f"young {i}", 4.5)
    log.end(5)
    found = analysis.report(log.store, "hero")
    assert sum(row.value.n for row in rows(found).values()) == 10
    assert any(str(note).startswith("10 are not in it yet") for note in found.metrics[0].notes)


def test_unequal_exposure_switches_to_intention_to_treat_and_says_so(new_log):
    log = new_log(replace(TEST, exposure=ExposureRule.REPORTED))
    for i in range(400):
        made = log.assign(f"unit {i}")
        if made.variant == "a" or i % 2:
            log.expose(made, 0.1)
    log.end(3)
    found = analysis.report(log.store, "hero")
    assert any("intention to treat" in str(caution) for caution in found.verdict.cautions)
    assert sum(row.value.n for row in rows(found).values()) == 400
    exposed = next(check for check in found.health.checks if str(check.title) == "Variants of the exposed draws")
    assert exposed.holds is None
    assert "all assigned units are compared" in str(exposed.sentence)
    assert found.verdict.word is Word.NOT_CLEAR


def test_equal_exposure_counts_exposed_units_alone(new_log):
    log = new_log(replace(TEST, exposure=ExposureRule.REPORTED))
    for i in range(400):
        made = log.assign(f"unit {i}")
        if i % 4:
            log.expose(made, 0.1)
    log.end(3)
    found = analysis.report(log.store, "hero")
    assert sum(row.value.n for row in rows(found).values()) == 300
    assert {str(count.what): count.n for count in found.health.left_out}[
        "units that were assigned and never exposed"
    ] == 100


def test_factors_have_a_table_each(new_log):
    factors = (Factor("headline", ("plain", "urgent")), Factor("image", ("empty", "product", "people")))
    rate = {"urgent-empty": 0.6, "urgent-product": 0.6, "urgent-people": 0.6}
    log = run(new_log, replace(TEST, variants=(), factors=factors), 900, rate, np.random.default_rng(18))
    combinations, headline, image = analysis.report(log.store, "hero").metrics[0].tables
    assert [len(table.rows) for table in (combinations, headline, image)] == [6, 2, 3]
    assert headline.rows[1].word is Word.BETTER
    assert headline.rows[1].absolute.value == pytest.approx(0.5, abs=0.1)


def test_epochs_are_strata_and_units_of_two_variants_stay_in_their_first(new_log):
    log = new_log(TEST)
    for i in range(200):
        log.assign(f"unit {i}")
    log.update(replace(log.experiment, policy=FixedSpec({"a": 0.2, "b": 0.8})))
    for i in range(400):
        log.assign(f"unit {i}", 1.0)
    log.end(5)
    found = analysis.report(log.store, "hero")
    left = {str(count.what): count.n for count in found.health.left_out}
    assert left["units that met several variants: counted with their first one alone"] > 20
    assert "stratified by 2 epochs or distributions" in str(rows(found)["b"].absolute.method)
    assert sum(row.value.n for row in rows(found).values()) == 400


def test_a_change_of_the_kind_of_policy_leaves_the_earlier_draws_out(new_log):
    log = new_log(TEST)
    log.assign("early")
    log.update(replace(log.experiment, policy=ThompsonSpec(), reward=(RewardTerm("click", 1.0),)))
    log.assign("late", 1.0)
    log.end(3)
    found = analysis.report(log.store, "hero")
    left = {str(count.what): count.n for count in found.health.left_out}
    assert left == {"draws of another kind of policy, in an earlier revision": 1}


def test_a_source_that_is_not_live_is_said(new_log):
    log = new_log(TEST)
    log.assign("one", source=Source.IMPORTED)
    found = analysis.report(log.store, "hero")
    assert any("imported" in str(caution) for caution in found.verdict.cautions)
    assert [str(source.what) for source in found.health.sources] == ["imported from another system's log"]


@pytest.mark.parametrize("n", [0, 1, 2, 5])
@pytest.mark.parametrize("experiment", [TEST, BANDIT])
def test_little_or_nothing_has_an_answer_in_words(new_log, experiment, n):
    metrics = (CLICK, SPEND, Metric("capped", MetricKind.REVENUE, DAY, cap=5.0))
    log = new_log(replace(experiment, metrics=metrics))
    for i in range(n):
        log.assign(f"unit {i}")
    log.end(3)
    found = analysis.report(log.store, experiment.experiment_id)
    assert str(found.verdict.sentence)
    for page in (analysis.to_html(found), analysis.to_markdown(found), found.to_json()):
        assert "nan" not in page.lower().replace("&nan", "")


def test_the_json_makes_the_same_report_again(new_log):
    for experiment in (TEST, BANDIT):
        log = run(new_log, experiment, 60, {}, np.random.default_rng(19))
        found = analysis.report(log.store, experiment.experiment_id)
        assert analysis.Report.from_json(found.to_json()) == found
        assert json.loads(found.to_json())["version"] == REPORT_VERSION


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 1}', '{"version": 99}', "null"])
def test_what_is_no_report_of_this_version_is_refused(text):
    with pytest.raises(InvalidRequest):
        analysis.Report.from_json(text)
