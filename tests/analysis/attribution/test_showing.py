"""What is shown of credit agrees with the credit, and the sentence says what randomisation leaves of it."""

import re

import numpy as np
import pytest

from analysis.attribution import showing
from analysis.attribution.credits import credit
from analysis.attribution.journeys import NONE, OTHERS, By, Journeys
from analysis.attribution.rules import by_name
from analysis.pages import languages
from analysis.texts import text
from tests.analysis.attribution.shown import RULES, WHY, effect, shared

NAMES = ("email", "search", "social")
MANY = tuple(f"channel {number:02}" for number in range(20))


@pytest.fixture(scope="module")
def given():
    return shared(NAMES)


def column(grid, place):
    return [row[place] for row in grid.rows]


def place_of(given, name):
    return given.touchpoints.index(name)


@pytest.mark.parametrize(("make", "part"), [(showing.credit_grid, 0), (showing.value_grid, 1)])
def test_each_rules_column_is_its_credit_and_sums_to_everything(given, make, part):
    grid = make(given, {}, By.CHANNEL)
    total = given.everything[:, part].sum()
    for number, rule in enumerate(RULES):
        shown = {row[0]: row[3 + number].value for row in grid.rows}
        assert sum(shown.values()) == pytest.approx(total, rel=1e-9)
        for name in NAMES:
            assert shown[name] == pytest.approx(given.of(rule).amounts[place_of(given, name), part])
        assert shown[NONE] == pytest.approx(given.untouched[:, part].sum())


def test_rows_are_ordered_by_credit_and_none_is_the_last(given):
    grid = showing.credit_grid(given, {}, By.CHANNEL)
    means = [sum(cell.value for cell in row[3:]) for row in grid.rows[:-1]]
    assert means == sorted(means, reverse=True)
    assert grid.rows[-1][:3] == (NONE, None, None)
    assert sum(cell.value for cell in column(grid, 1)[:-1]) == given.n_touches.sum()


def test_shares_sum_to_one(given):
    grid = showing.shares_grid(given, By.CHANNEL)
    for number in range(len(RULES)):
        assert sum(cell.value for cell in column(grid, 1 + number)) == pytest.approx(1, abs=1e-9)


def test_an_effect_stands_beside_the_credit_or_why_there_is_none(given):
    known = effect("email", 90.0, 30.0)
    grid = showing.credit_grid(given, {"email": known, "search": WHY}, By.CHANNEL)
    proven = {row[0]: row[2] for row in grid.rows}
    assert proven["email"] == known.total[0]
    assert (proven["search"].value, proven["search"].note) == (None, WHY)
    assert proven["social"].note == text("attribution.page.untested")
    assert showing.value_grid(given, {"email": known}, By.CHANNEL).rows[0][2] in (known.total[1], proven["social"])


def test_touchpoints_of_our_own_names_have_effects_too():
    """Their names are texts, which hold what is not hashable."""
    given = credit(Journeys.of([["a"], ["b"]], [1, 1]).among(("a", OTHERS), np.array([0, 1])), RULES)
    grid = showing.credit_grid(given, {OTHERS: effect(OTHERS, 5.0, 1.0)}, By.CHANNEL)
    assert {row[0]: row[2].value for row in grid.rows[:-1]} == {"a": None, OTHERS: 5.0}


def test_the_chart_shows_the_twelve_with_the_most_credit_and_counts_the_rest():
    given = shared(MANY)
    grid = showing.credit_grid(given, {"channel 00": effect("channel 00", 9.0, 3.0)}, By.CHANNEL)
    chart = grid.chart
    assert chart.names == tuple(row[0] for row in grid.rows[: showing.MOST_SHOWN])
    assert len(grid.rows) == len(MANY) + 1
    assert str(chart.caption).endswith("in the table alone: 8.")
    assert len(chart.series) == len(chart.estimates) == len(RULES) + 1
    assert [each.value for each in chart.estimates[0]] == [row[3].value for row in grid.rows[: showing.MOST_SHOWN]]
    assert chart.estimates[-1][chart.names.index("channel 00")].value == 9.0


def test_a_chart_without_any_effect_says_so(given):
    assert "for none of them" in str(showing.credit_grid(given, {}, By.CHANNEL).chart.caption)


def test_why_there_is_no_interval_is_said_once_under_the_table():
    few = credit(Journeys.of([["a"], ["b"], ["a", "b"]], [1, 1, 0]), RULES)
    grid = showing.credit_grid(few, {}, By.CHANNEL)
    assert not [cell for row in grid.rows for cell in row[3:] if cell.interval or cell.note]
    assert str(grid.note).count("Where there is no interval") == 1


def test_calibration_is_of_the_touchpoints_that_an_experiment_speaks_of(given):
    known = effect("email", 90.0, 30.0)
    grid = showing.calibration_grid(given, {"email": known, "search": WHY}, By.CHANNEL)
    assert column(grid, 0) == ["email"]
    for number, rule in enumerate(RULES):
        credited = given.of(rule).amounts[place_of(given, "email"), 0]
        assert grid.rows[0][1 + number].value == pytest.approx(90 / credited)


def test_the_commonest_journeys_have_their_rate_and_long_ones_lose_their_middle():
    paths = [["a", "b"]] * 3 + [[str(number) for number in range(10)]]
    grid = showing.journeys_grid(credit(Journeys.of(paths, [1, 1, 0, 1], [5.0, 6.0, 0.0, 1.0]), RULES), By.CHANNEL)
    assert [str(name) for name in column(grid, 0)] == ["a → b", "0 → 1 → 2 → 3 → … → 6 → 7 → 8 → 9"]
    assert [cell.value for cell in grid.rows[0][1:]] == pytest.approx([3, 2, 2 / 3, 11])


def test_every_rule_says_what_it_assumes_and_so_does_the_effect():
    said = showing.assumptions([by_name.rule(name) for name in by_name.RULES])
    assert len(said) == len(by_name.RULES) + 1
    for code in languages.CODES:
        words = [languages.load(code).say(part) for each in said for part in (each.term, each.meaning)]
        assert len(set(words)) == len(words)


EMAIL = 100.0
"""What rules credit e-mail with in the journeys below."""


def said(found):
    journeys = Journeys.of([["email"]] * 100 + [["search"]] * 50 + [["email"]] * 50, [1] * 150 + [0] * 50)
    return showing.sentence(credit(journeys, ["first", "last"]), found)


@pytest.mark.parametrize(
    ("value", "half", "finding"),
    [(30, 20, "above"), (10, 40, "none"), (-60, 20, "lost"), (160, 20, "below"), (90, 40, "within")],
)
def test_the_sentence_holds_credit_against_the_interval_of_the_effect(value, half, finding):
    found = said({"email": effect("email", value, half), "search": effect("search", 50, 10)})
    assert found.key == f"attribution.page.{finding}"
    assert found.args["name"] == "email"
    assert found.args["credit"].value == EMAIL
    assert str(found.args["total"]).replace("\N{MINUS SIGN}", "-") == f"{value} ({value - half} to {value + half})"


def test_what_lies_outside_of_its_interval_comes_before_what_is_only_far_from_its_middle():
    found = said({"email": effect("email", 40, 80), "search": effect("search", 20, 10)})
    assert (found.key, found.args["name"]) == ("attribution.page.above", "search")


def test_the_sentence_names_what_cannot_be_said():
    found = said({"email": effect("email", 30, 20), "search": WHY})
    assert str(found).endswith("Not evaluable: search.")
    assert said({"email": effect("email", 30, 20, is_known=False)}).key == "attribution.page.unproven"
    many = shared(MANY)
    assert str(showing.sentence(many, {MANY[0]: effect(MANY[0], 9, 3)})).endswith("and 14 more.")


def test_without_conversions_there_is_no_credit():
    nothing = credit(Journeys.of([["email"], ["search"]], [0, 0]), RULES)
    assert str(showing.sentence(nothing, {})) == "There are no conversions, so there is no credit to share."


@pytest.mark.parametrize("finding", ["above", "none", "lost", "below", "within"])
def test_no_word_of_cause_is_said_of_rules(finding):
    """Credit is what a rule says; what randomisation proves is the only effect."""
    words = str(text(f"attribution.page.{finding}", rule="x", name="x", credit="x", total="x"))
    assert "credits x with x conversions" in words
    assert not re.search(r"caus|because|drove|effect|brought|earned|thanks", words)
