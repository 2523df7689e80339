from dataclasses import replace

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from analysis.deciding import decisions, multiplicity
from analysis.document import MetricReport, Row, Table, Word
from analysis.estimate import Estimate, Holds, Scale, Validity, not_evaluable
from analysis.texts import text
from engine.experiments import Experiment, Looking, Plan, Variant
from engine.metrics import Better, Metric, Role

NO_WORDS = text("method.none")
VALUE = Estimate(1.0, 0.9, 1.1, 900, NO_WORDS, NO_WORDS)


def estimate(value, p, low=None, high=None, **changes):
    ends = (value - 0.1, value + 0.1) if low is None else (low, high)
    return Estimate(value, *ends, 900, NO_WORDS, NO_WORDS, p_value=p, **changes)


def row(name, once, always=None, relative=(-0.02, 0.02)):
    return Row(
        name,
        Word.NOT_CLEAR,
        VALUE,
        absolute=estimate(*once),
        relative=estimate(0.0, None, *relative, scale=Scale.RELATIVE),
        anytime=None if always is None else estimate(*always, holds=Holds.ALWAYS),
    )


def report(name, *rows, kind="conversion"):
    table = Table("variants", NO_WORDS, NO_WORDS, "a", (Row("a", Word.BASELINE, VALUE), *rows))
    return MetricReport(name, kind, "", NO_WORDS, (table,), ())


def experiment(*metrics, looking=Looking.ONCE):
    return Experiment("e", (Variant("a"), Variant("b"), Variant("c")), metrics, control="a", plan=Plan(looking))


GOALS = (Metric("buy", role=Role.GOAL), Metric("stay", role=Role.GOAL, better=Better.LOWER))


def words(grid):
    return [row[-1] for row in grid.rows]


def test_goals_are_one_family_of_holms():
    reports = [
        report("buy", row("b", (0.3, 0.01)), row("c", (-0.2, 0.02))),
        report("stay", row("b", (0.3, 0.001)), row("c", (0.1, 0.4))),
    ]
    grid = decisions.table(experiment(*GOALS), reports)
    expected = multipletests([0.01, 0.02, 0.001, 0.4], method="holm")[1]
    assert [row[5].value for row in grid.rows] == pytest.approx(expected)
    assert words(grid) == [Word.BETTER, Word.WORSE, Word.WORSE, Word.NOT_CLEAR]
    assert [row[:2] for row in grid.rows] == [("buy", "b"), ("buy", "c"), ("stay", "b"), ("stay", "c")]
    assert "Holm's adjustment over their 4 comparisons" in str(grid.note)


def test_looking_at_any_time_decides_by_what_holds_then():
    reports = [report("buy", row("b", (0.3, 0.001), (0.3, 0.2)))]
    once = decisions.table(experiment(GOALS[0]), [report("buy", row("b", (0.3, 0.001)))])
    always = decisions.table(experiment(GOALS[0], looking=Looking.ANY), reports)
    early = decisions.table(experiment(GOALS[0]), reports)
    assert words(once) == [Word.BETTER]
    assert words(early) == [Word.NOT_CLEAR], "what is to be read once and still runs"
    assert early.note == always.note
    assert words(always) == [Word.NOT_CLEAR]
    assert always.rows[0][3].holds is Holds.ALWAYS
    assert "any look" in str(always.note)


def test_secondary_metrics_are_looked_through_for_discoveries():
    metrics = (GOALS[0], *(Metric(name) for name in "wxyz"))
    p = [0.02, 0.025, 0.03, 0.9]
    reports, sequences = (
        [
            report(name, row("b", (0.3, value), (0.3, value) if is_watched else None))
            for name, value in zip(("buy", *"wxyz"), (0.4, *p), strict=True)
        ]
        for is_watched in (False, True)
    )
    grid = decisions.table(experiment(*metrics), reports)
    assert [row[5].value for row in grid.rows[1:]] == pytest.approx(multipletests(p, method="fdr_bh")[1])
    assert words(grid) == [Word.NOT_CLEAR, Word.BETTER, Word.BETTER, Word.BETTER, Word.NOT_CLEAR]
    # As sequences they become e-values, of which a p-value of .02 makes too small ones.
    always = decisions.table(experiment(*metrics, looking=Looking.ANY), sequences)
    assert set(words(always)) == {Word.NOT_CLEAR}
    expected = multiplicity.e_benjamini_hochberg(multiplicity.e_values(np.array(p)))
    assert [row[5].value for row in always.rows[1:]] == pytest.approx(expected)


def test_a_comparison_that_cannot_be_made_counts_in_its_family():
    nothing = replace(row("c", (0.1, 0.1)), absolute=not_evaluable(text("decision.no_interval"), NO_WORDS))
    grid = decisions.table(experiment(GOALS[0]), [report("buy", row("b", (0.3, 0.03)), nothing)])
    assert grid.rows[0][5].value == pytest.approx(0.06)
    assert words(grid) == [Word.NOT_CLEAR, Word.NOT_EVALUABLE]
    assert grid.rows[1][4:6] == (None, None)


def test_without_a_sequence_nothing_is_decided_at_any_look():
    grid = decisions.table(experiment(GOALS[0], looking=Looking.ANY), [report("buy", row("b", (0.3, 0.001)))])
    assert words(grid) == [Word.NOT_EVALUABLE]
    assert "no interval that holds at any look" in str(grid.rows[0][3].note)
    assert grid.rows[0][3].value == 0.3


def test_a_naive_difference_has_no_word():
    naive = estimate(0.3, 0.001, validity=Validity.NAIVE)
    assert decisions.word(naive, Better.HIGHER) is Word.NOT_EVALUABLE
    assert decisions.decided(naive, 0.001, Better.HIGHER) is Word.NOT_EVALUABLE


@pytest.mark.parametrize(
    ("interval", "better", "word"),
    [
        ((-0.02, 0.02), Better.HIGHER, Word.HOLDS),
        ((-0.12, 0.02), Better.HIGHER, Word.NOT_CLEAR),
        ((-0.12, -0.06), Better.HIGHER, Word.BREACHED),
        ((0.06, 0.12), Better.LOWER, Word.BREACHED),
    ],
)
def test_guardrails_are_read_off_their_margin(interval, better, word):
    metrics = (GOALS[0], Metric("speed", role=Role.GUARDRAIL, margin=0.05, better=better))
    reports = [report("speed", row("b", (0.0, 0.9), relative=interval)), report("buy", row("b", (0.3, 0.001)))]
    grid = decisions.table(experiment(*metrics), reports)
    assert words(grid) == [Word.BETTER, word]
    assert "at most 5" in str(grid.rows[1][2])
    assert grid.rows[1][3].scale is Scale.RELATIVE


def test_a_guardrail_at_any_look_is_wider():
    metrics = (GOALS[0], Metric("speed", role=Role.GUARDRAIL, margin=0.05))
    wide = replace(row("b", (0.0, 0.9)), anytime=estimate(0.0, 0.9, -0.3, 0.3))
    found = decisions.table(experiment(*metrics, looking=Looking.ANY), [report("speed", wide)])
    assert found.rows[0][3].interval == pytest.approx((-0.06, 0.06))
    assert words(found) == [Word.NOT_CLEAR]


def test_the_primary_metric_is_a_goal_where_none_is_declared():
    grid = decisions.table(experiment(Metric("buy")), [report("buy", row("b", (0.3, 0.001)))])
    assert str(grid.rows[0][2]) == "goal"


def test_nothing_that_compares_is_no_table():
    alone = Table("served", NO_WORDS, NO_WORDS, "", (Row("all", Word.NOT_COMPARED, VALUE),))
    only = MetricReport("buy", "conversion", "", NO_WORDS, (alone,), ())
    assert only.compared is None
    assert decisions.table(experiment(GOALS[0]), [only]) is None


@pytest.mark.parametrize(
    ("low", "high", "better", "word"),
    [
        (0.1, 0.3, Better.HIGHER, Word.BETTER),
        (0.1, 0.3, Better.LOWER, Word.WORSE),
        (-0.3, -0.1, Better.HIGHER, Word.WORSE),
        (-0.3, -0.1, Better.LOWER, Word.BETTER),
        (-0.1, 0.1, Better.LOWER, Word.NOT_CLEAR),
        (0.0, 0.1, Better.HIGHER, Word.NOT_CLEAR),
    ],
)
def test_a_word_is_read_off_an_interval(low, high, better, word):
    assert decisions.word(estimate((low + high) / 2, None, low, high), better) is word


def test_without_an_interval_there_is_no_word():
    assert decisions.word(not_evaluable(NO_WORDS, NO_WORDS), Better.HIGHER) is Word.NOT_EVALUABLE
