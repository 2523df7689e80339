"""From a log to the table of its variants: which draws are in it, and what it says."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

import analysis
from analysis import adaptive
from analysis.adaptive.scored import is_by_assignment
from analysis.document import Word
from analysis.logs import crediting, frames, metrics
from analysis.logs.simple_log import START, simple_log
from analysis.texts import Text
from engine.experiments import ContextField, Experiment, FieldType, Looking, Plan, Variant
from engine.metrics import Better, Metric, MetricKind, RewardTerm
from engine.specs import ContextualSpec, ThompsonSpec

CLICK = Metric("click", window=timedelta(days=1))
THREE = (Variant("a"), Variant("b"), Variant("c"))


def bandit(**changes):
    made = Experiment("hero", THREE, (CLICK,), control="a", default="a", policy=ThompsonSpec(floor=0.1))
    return replace(made, **changes)


def filled(new_log, experiment, n=400, rates=(0.2, 0.4, 0.2), contexts=None):
    """A log whose draws favour b from the middle on."""
    random = np.random.default_rng(4)
    log = new_log(experiment)
    for place in range(n):
        shares = (1 / 3, 1 / 3, 1 / 3) if place < n / 2 else (0.2, 0.7, 0.1)
        context = {} if contexts is None else contexts(place)
        made = log.assign(f"unit {place}", at=place / 100, shares=shares, context=context)
        if random.random() < rates["abc".index(made.variant)]:
            log.observe(made, "click", at=place / 100 + 0.5)
    log.end(at=n / 100 + 2)
    return log


def scored(log):
    frame = frames.read(log.store, "hero")
    subjects = crediting.assignments(frame, adaptive.draws(frame) & frame.assignments.is_exposed)
    metric = frame.experiment.metrics[0]
    return adaptive.scored(frame, metrics.sample(frame, subjects, metric), metric)


@pytest.fixture
def found(new_log):
    return scored(filled(new_log, bandit()))


def said(texts):
    return [str(each) for each in texts if isinstance(each, Text)]


def test_a_table_of_every_variant_against_the_control(found):
    table = adaptive.variants(found)
    assert [row.name for row in table.rows] == ["a", "b", "c"]
    assert (table.baseline, table.rows[0].word) == ("a", Word.BASELINE)
    assert sum(row.value.n for row in table.rows) == 400
    assert table.rows[1].absolute.family == table.rows[1].anytime.family == 2
    assert table.rows[1].absolute.value == pytest.approx(table.rows[1].value.value - table.rows[0].value.value)
    estimand = str(table.rows[1].absolute.estimand)
    assert "“click”" in estimand
    assert "“b” rather than “a”" in estimand
    for row in table.rows:
        for estimate in filter(None, (row.value, row.absolute, row.relative, row.anytime)):
            assert all(said((estimate.method, estimate.estimand, estimate.note)))


def test_the_word_is_read_off_what_the_plan_allows(new_log):
    log = filled(new_log, bandit(), n=600, rates=(0.1, 0.9, 0.1))
    any_look = adaptive.variants(scored(log)).rows
    assert any_look[1].word is Word.BETTER
    assert any_look[2].word is Word.NOT_CLEAR
    lower = replace(CLICK, better=Better.LOWER), Metric("order")
    once = bandit(plan=Plan(Looking.ONCE), metrics=lower, reward=(RewardTerm("order", 1.0),))
    assert adaptive.variants(scored(filled(new_log, once, n=600, rates=(0.1, 0.9, 0.1)))).rows[1].word is Word.WORSE


def test_only_the_policys_own_draws_whose_window_has_closed(new_log):
    log = new_log(bandit(policy=ThompsonSpec(floor=0.1, control_share=0.5)))
    shares = (0.5, 0.3, 0.2)
    made = [log.assign(f"unit {place}", at=0.01 * place, shares=shares) for place in range(40)]
    log.default("unlucky", at=0.1)
    log.assign("late", at=5, shares=shares)
    log.end(at=5.5)
    found = scored(log)
    assert len(found.drawn) == sum(each.group.value == "policy" for each in made)
    assert found.drawn.patterns.tolist() == [pytest.approx(shares, abs=1e-9)]


def test_the_order_is_that_of_the_log_and_not_of_exposure(found):
    assert (np.diff(found.row) > 0).all()
    shuffled = np.random.default_rng(0).permutation(len(found.sample))
    columns = {name: getattr(found.sample, name)[shuffled] for name in ("label", "values", "row")}
    again = adaptive.scored(found.frame, replace(found.sample, **columns), found.metric)
    np.testing.assert_array_equal(again.scores, found.scores)


def test_the_context_is_read_where_it_is_declared(new_log):
    fields = (
        ContextField("device", FieldType.TEXT),
        ContextField("visits", FieldType.NUMBER),
        ContextField("tags", FieldType.TEXTS),
    )
    experiment = bandit(context=fields, policy=ContextualSpec(floor=0.1))
    log = filled(new_log, experiment, contexts=lambda place: {"device": "xy"[place % 2], "visits": float(place)})
    found = scored(log)
    assert found.reads_context
    assert found.drawn.context.numbers[:3].tolist() == [[0.0], [1.0], [2.0]]
    assert found.drawn.context.codes[:4, 0].tolist() == [0, 1, 0, 1]
    assert adaptive.variants(found).rows[1].absolute.interval is not None


def test_weights_are_shown(found):
    grid = adaptive.weights(found)
    assert len(grid.rows) == 3
    assert {len(row) for row in grid.rows} == {len(grid.columns)}
    assert grid.rows[2][4].value == pytest.approx(10, rel=1e-6)
    assert all(said((grid.title, grid.note, *grid.columns)))
    assert grid.rows[0][6] is None
    assert grid.rows[1][6].interval is not None
    sizes = 1 / found.drawn.propensity[found.drawn.variant == 2]
    assert grid.rows[2][2].value == round(sizes.sum() ** 2 / (sizes**2).sum())


def test_an_empty_log_has_words_for_everything(new_log):
    log = new_log(bandit())
    log.end(at=1)
    found = scored(log)
    rows = adaptive.variants(found).rows
    assert [row.word for row in rows] == [Word.BASELINE, Word.NOT_EVALUABLE, Word.NOT_EVALUABLE]
    assert all(str(row.value.note) for row in rows)
    assert [row[1].value for row in adaptive.weights(found).rows] == [0, 0, 0]
    assert adaptive.over_time(found) is None


def test_metrics_of_an_assignment():
    kinds = [kind for kind in MetricKind if is_by_assignment(Metric("m", kind))]
    assert kinds == [MetricKind.CONVERSION, MetricKind.COUNT, MetricKind.REVENUE]


def test_a_variant_that_was_killed_is_compared_by_the_draws_that_could_have_been_it():
    rng = np.random.default_rng(1)
    n, rates = 12_000, np.array([0.2, 0.3, 0.25])
    shares = np.array([[0.4, 0.3, 0.3], [0.5, 0.0, 0.5]])[np.arange(n) // (n // 2)]
    variant = (rng.random(n)[:, None] > shares.cumsum(axis=1)).sum(axis=1).clip(max=2)
    log = simple_log(
        bandit(),
        {"variant": variant, "distribution": shares, "assigned_at": START + np.arange(n)},
        {"row": np.flatnonzero(rng.random(n) < rates[variant])},
    )
    found = analysis.report(log, "hero", in_full=False)
    assert found.health.checks[0].holds
    rows = {row.name: row for row in found.metrics[0].tables[0].rows}
    for name, lift in (("b", 0.1), ("c", 0.05)):
        assert rows[name].absolute.low < lift < rows[name].absolute.high
    # The draws of both that were made while b could still be drawn, and those of both at any time.
    early = variant[: n // 2]
    assert rows["b"].absolute.n == int((early < 2).sum())
    assert rows["c"].absolute.n == int((variant != 1).sum())
