"""Lifts of sets of experiments in one table: each question asked once, and all of them one family."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.attribution import lifting
from analysis.attribution.incremental.effect import Effect
from analysis.attribution.lifting import Together, n_questions, together
from analysis.document import Word
from analysis.estimate import Estimate, Scale, error_rate, not_evaluable
from analysis.texts import text
from engine.experiments import Brief, Experiment, Variant
from engine.metrics import Better, Metric

NONE = text("method.none")


def experiment(name, **brief):
    return Experiment(name, (Variant("a"), Variant("b")), (Metric("order"),), brief=Brief(**brief))


def effect(z, family=1, base=100.0, name=""):
    """Return an effect of z standard errors of 10, with the normal interval that a family needs."""
    value = 10 * z
    half = 10 * stats.norm.isf(error_rate(0.95, family) / 2)
    p = 2 * stats.norm.sf(abs(z))
    ends = value, value - half, value + half
    total = Estimate(*ends, 900, NONE, NONE, Scale.DIFFERENCE, family=family, p_value=p)
    relative = Estimate(*(each / base for each in ends), 900, NONE, NONE, Scale.RELATIVE, family=family, p_value=p)
    return Effect(name, (), (total, total), (total, total), relative, 900, None)


def unknown():
    nothing = not_evaluable(text("not_evaluable.nobody"), NONE)
    return Effect("", (), (nothing, nothing), (nothing, nothing), nothing, 0, None)


def rows_of(scores, family=None):
    """Return a question for each of some z values."""
    return [
        (Together("experiment", f"e{place}", (f"e{place}",)), effect(z, family or len(scores)))
        for place, z in enumerate(scores)
    ]


def table(rows, better=Better.HIGHER):
    return lifting.grid(rows, n_questions(each for each, _ in rows), better)


def words(grid):
    return [row[-1] for row in grid.rows]


def test_experiments_are_put_together_by_what_their_briefs_say():
    mail = experiment("letter", channel="mail", segment="members", moment="sunday")
    found = together([experiment("hero", channel="web", segment="members"), experiment("row", channel="web"), mail])
    assert [(each.dimension, each.name, each.experiments) for each in found] == [
        ("channel", "web", ("hero", "row")),
        ("channel", "mail", ("letter",)),
        ("experiment", "hero", ("hero",)),
        ("experiment", "row", ("row",)),
        ("experiment", "letter", ("letter",)),
        ("segment", "members", ("hero", "letter")),
        ("moment", "sunday", ("letter",)),
    ]
    assert n_questions(found) == 5


def test_what_does_not_compare_by_unit_is_no_question_and_is_in_none_of_others():
    found = together([experiment("hero", channel="web"), experiment("row", channel="web")], refused=["row"])
    assert [each.experiments for each in found] == [("hero",), ("hero",), ("row",)]
    assert n_questions(found, ["row"]) == 1
    alone = together([experiment("row", channel="web")], refused=["row"])
    assert n_questions(alone, ["row"]) == 0


def test_words_are_holms():
    """Sorted p times 3, 2 and 1, never falling: by hand."""
    p = np.array([0.012, 0.03, 0.02])
    grid = table(rows_of(stats.norm.isf(p / 2) * [1, 1, -1]))
    assert [row[-2].value for row in grid.rows] == pytest.approx([0.036, 0.04, 0.04])
    assert words(grid) == [Word.BETTER, Word.BETTER, Word.WORSE]


def test_a_question_with_several_names_is_asked_once():
    rows = rows_of([2.5, 1.0])
    twice = [*rows, (Together("moment", "sunday", ("e0",)), rows[0][1])]
    grid = table(twice)
    assert [row[-2].value for row in grid.rows] == pytest.approx(
        [2 * 2 * stats.norm.sf(2.5), 2 * stats.norm.sf(1.0), 2 * 2 * stats.norm.sf(2.5)]
    )
    assert [str(name) for name in grid.chart.names] == ["e0 (experiment)", "e1 (experiment)"]
    assert len(grid.chart.words) == len(grid.chart.estimates) == 2


def test_of_an_outcome_that_is_better_when_there_is_less_of_it_more_is_worse():
    assert words(table(rows_of([4.0, -4.0]), Better.LOWER)) == [Word.WORSE, Word.BETTER]


def test_what_cannot_be_evaluated_says_why_and_takes_no_part():
    rows = [*rows_of([3.0], family=2), (Together("channel", "web", ("x", "y")), unknown())]
    grid = table(rows)
    assert words(grid) == [Word.BETTER, Word.NOT_EVALUABLE]
    assert grid.rows[0][-2].value == pytest.approx(2 * stats.norm.sf(3.0))
    assert grid.rows[1][-2] is None
    assert words(table([rows[1]])) == [Word.NOT_EVALUABLE]


def test_a_lift_over_next_to_nothing_has_no_interval_and_the_word_is_that_of_the_total():
    found = effect(5.0)
    silent = not_evaluable(text("not_evaluable.not_identified"), NONE, scale=Scale.RELATIVE)
    bare = Effect("", (), found.total, found.per_unit, silent, 900, None)
    grid = table([(Together("experiment", "e", ("e",)), bare)])
    assert words(grid) == [Word.BETTER]


def test_where_holm_is_clearer_than_the_interval_the_note_says_so():
    """At z = 5 and 2.1 of two: 0.036 is above .025, so the interval for both holds 0, and Holm's p is .036."""
    grid = table(rows_of([5.0, 2.1]))
    assert words(grid) == [Word.BETTER, Word.BETTER]
    assert grid.rows[1][5].low < 0
    assert "reaches 0: e1 (experiment)." in str(grid.note)
    assert "reaches 0" not in str(table(rows_of([5.0, 5.0])).note)


def test_a_long_name_leaves_its_dimension_to_be_read():
    name = "customers who consented to personalisation"
    grid = table([(Together("segment", name, ("e",)), effect(1.0))])
    (label,) = map(str, grid.chart.names)
    assert label.endswith("… (segment)")
    assert grid.rows[0][1] == name


@given(st.lists(st.floats(-6, 6), min_size=1, max_size=8))
def test_an_interval_that_leaves_zero_out_never_stands_beside_not_clear(scores):
    grid = table(rows_of(scores))
    for row in grid.rows:
        low, high = row[5].interval
        if low > 0:
            assert row[-1] is Word.BETTER
        if high < 0:
            assert row[-1] is Word.WORSE


def test_where_nothing_has_an_effect_a_table_is_wrong_in_at_most_one_of_twenty():
    """Six questions, of which the sixth is the sum of two others: Holm needs no independence.

    Of 600 tables at most .05 + 4 * sqrt(.05 * .95 / 600) = .0856 may have a word or an interval beside 0; and as five
    questions are independent, at least 1 - (1 - .05 / 6)**5 = .041, less 4 * sqrt(.041 * .959 / 600), have: .0086.
    """
    random, n, n_words, n_intervals = np.random.default_rng(5), 600, 0, 0
    for _ in range(n):
        z = random.normal(size=5)
        grid = table(rows_of([*z, (z[0] + z[1]) / math.sqrt(2)]))
        n_words += any(word in (Word.BETTER, Word.WORSE) for word in words(grid))
        n_intervals += any(not row[5].low <= 0 <= row[5].high for row in grid.rows)
    assert 0.0086 < n_words / n < 0.0856
    # With no effect at all Holm's first step is Bonferroni's.
    assert n_intervals == n_words
