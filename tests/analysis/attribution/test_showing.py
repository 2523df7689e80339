"""What is shown of credit agrees with the credit, and says once why something is not known."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.attribution import showing
from analysis.attribution.credits import credit
from analysis.attribution.journeys import NONE, OTHERS, By, Journeys
from analysis.attribution.levels import Level
from analysis.attribution.rules import by_name
from analysis.pages import languages
from analysis.texts import text
from tests.analysis.attribution.shown import RULES, WHY, effect, shared

NAMES = ("email", "search", "social")
LONG = "a → b \N{MULTIPLICATION SIGN} 3 → 0 → 1 → … 4 more … → 6 → 7 → 8 → 9"
MANY = tuple(f"channel {number:02}" for number in range(20))
EMAIL = {"email": effect("email", 90.0, 30.0)}


@pytest.fixture(scope="module")
def given():
    return shared(NAMES)


@pytest.fixture(scope="module")
def level(given):
    return Level(By.CHANNEL, given, EMAIL)


def column(grid, place):
    return [row[place] for row in grid.rows]


def by_key(level):
    return {grid.key: grid for grid in showing.grids(level)}


@pytest.mark.parametrize(("key", "part"), [("credit-channel", 0), ("value-channel", 1)])
def test_each_rules_column_is_its_credit_and_sums_to_everything(given, level, key, part):
    grid = by_key(level)[key]
    total = given.everything[:, part].sum()
    for number, rule in enumerate(RULES):
        shown = {row[0]: row[3 + number].value for row in grid.rows}
        assert sum(shown.values()) == pytest.approx(total, rel=1e-9)
        for place, name in enumerate(given.touchpoints):
            assert shown[name] == pytest.approx(given.of(rule).amounts[place, part])
        assert shown[NONE] == pytest.approx(given.untouched[:, part].sum())


def test_rows_are_ordered_by_credit_and_none_is_the_last(given, level):
    grid = showing.credit_grid(level)
    means = [sum(cell.value for cell in row[3:]) for row in grid.rows[:-1]]
    assert means == sorted(means, reverse=True)
    assert grid.rows[-1][:3] == (NONE, None, None)
    assert sum(cell.value for cell in column(grid, 1)[:-1]) == given.n_touches.sum()


@pytest.mark.parametrize("key", ["shares-channel", "shares-value-channel"])
def test_shares_have_intervals_and_sum_to_one(level, key):
    grid = by_key(level)[key]
    assert all(cell.interval for row in grid.rows for cell in row[1:])
    for number in range(len(RULES)):
        assert sum(cell.value for cell in column(grid, 1 + number)) == pytest.approx(1, abs=1e-9)


def test_all_tables_are_of_one_bootstrap(given):
    drawn = Level(By.CHANNEL, given, EMAIL, "bootstrap")
    own = next(pair for pair in drawn.amounts[0] if pair[0].interval)
    assert all("bootstrap" in str(each.method) for each in own)
    assert drawn.amounts is drawn.amounts
    cells = [cell for grid in (showing.credit_grid(drawn), showing.value_grid(drawn)) for cell in column(grid, 3)]
    assert all(each in cells for each in own)


def test_an_effect_stands_beside_the_credit_or_why_there_is_none(given):
    grid = showing.credit_grid(Level(By.CHANNEL, given, {**EMAIL, "search": WHY}))
    proven = {row[0]: row[2] for row in grid.rows}
    assert proven["email"] == EMAIL["email"].total[0]
    assert (proven["search"].value, proven["search"].note) == (None, WHY)
    assert proven["social"].note == text("attribution.page.untested")


def test_touchpoints_of_our_own_names_have_effects_too():
    """Their names are texts, which hold what is not hashable."""
    given = credit(Journeys.of([["a"], ["b"]], [1, 1]).among(("a", OTHERS), np.array([0, 1])), RULES)
    grid = showing.credit_grid(Level(By.CHANNEL, given, {OTHERS: effect(OTHERS, 5.0, 1.0)}))
    assert {row[0]: row[2].value for row in grid.rows[:-1]} == {"a": None, OTHERS: 5.0}


def test_one_reason_why_nothing_is_proven_is_said_once_and_fills_no_column(given):
    known = showing.credit_grid(Level(By.CHANNEL, given, EMAIL))
    for effects, why in (({}, text("attribution.page.untested")), (dict.fromkeys(NAMES, WHY), WHY)):
        level = Level(By.CHANNEL, given, effects)
        grid = showing.credit_grid(level)
        assert grid.columns == (*known.columns[:2], *known.columns[3:])
        assert str(grid.note).count(str(why)) == 1
        assert not any(key.startswith("calibration") for key in by_key(level))
    differing = showing.credit_grid(Level(By.CHANNEL, given, {"email": WHY}))
    assert differing.columns == known.columns


def test_the_chart_shows_the_twelve_with_the_most_credit_and_counts_the_rest():
    grid = showing.credit_grid(Level(By.CHANNEL, shared(MANY), {MANY[0]: effect(MANY[0], 9.0, 3.0)}))
    chart = grid.chart
    assert chart.names == tuple(row[0] for row in grid.rows[: showing.MOST_SHOWN])
    assert len(grid.rows) == len(MANY) + 1
    assert str(chart.caption).endswith("in the table alone: 8.")
    assert len(chart.series) == len(chart.estimates) == len(RULES) + 1
    assert [each.value for each in chart.estimates[0]] == [row[3].value for row in grid.rows[: showing.MOST_SHOWN]]
    assert chart.estimates[-1][chart.names.index(MANY[0])].value == 9.0


def test_a_chart_without_any_effect_says_so(given):
    assert "not evaluable for any of them" in str(showing.credit_grid(Level(By.CHANNEL, given, {})).chart.caption)


def test_why_there_is_no_interval_is_said_once_under_the_table():
    few = credit(Journeys.of([["a"], ["b"], ["a", "b"]], [1, 1, 0]), RULES)
    grid = showing.credit_grid(Level(By.CHANNEL, few, {}))
    assert not [cell for row in grid.rows for cell in row[2:] if cell.interval or cell.note]
    assert str(grid.note).count("Where there is no interval") == 1


@pytest.mark.parametrize(("key", "part"), [("calibration-channel", 0), ("calibration-value-channel", 1)])
def test_calibration_is_of_the_touchpoints_of_which_something_is_proven(given, key, part):
    effects = {**EMAIL, "search": WHY, "social": effect("social", 9.0, 3.0, is_known=False)}
    grid = by_key(Level(By.CHANNEL, given, effects))[key]
    assert column(grid, 0) == ["email"]
    place = given.touchpoints.index("email")
    for number, rule in enumerate(RULES):
        proven = EMAIL["email"].total[part].value
        assert grid.rows[0][1 + number].value == pytest.approx(proven / given.of(rule).amounts[place, part])


def test_what_is_worth_nothing_of_its_own_has_no_tables_of_value(level):
    plain = credit(Journeys.of([["email"], ["search"]] * 40, [1, 0] * 40), RULES)
    assert not [key for key in by_key(Level(By.CHANNEL, plain, EMAIL)) if "value" in key]
    assert {grid.key for grid in showing.further(level)} == {"credit-channel", "value-channel"}
    assert all(grid.is_folded for grid in showing.further(level))


def test_the_commonest_journeys_have_their_rate_and_long_ones_lose_their_middle():
    paths = [["a", "b"]] * 3 + [["a", "b", "b", "b", *(str(number) for number in range(10))]]
    found = credit(Journeys.of(paths, [1, 1, 0, 1], [5.0, 6.0, 0.0, 1.0]), RULES)
    grid = showing.journeys_grid(Level(By.CHANNEL, found, {}))
    assert [str(name) for name in column(grid, 0)] == ["a → b", LONG]
    assert [cell.value for cell in grid.rows[0][1:]] == pytest.approx([3, 2, 2 / 3, 11])


def test_every_rule_says_what_it_assumes_and_so_does_the_effect():
    rules = [by_name.rule(name) for name in by_name.RULES]
    said = showing.assumptions(rules)
    assert len(said) == len(by_name.RULES) + 1
    for code in languages.CODES:
        words = [languages.load(code).say(part) for each in said for part in (each.term, each.meaning)]
        assert len(set(words)) == len(words)
    *_, same, _ = showing.assumptions(rules[:2], rules[2:3])
    assert str(same.meaning).startswith("Here the same as the last touch")


def test_folding_changes_nothing_but_where_a_table_is(level):
    assert replace(next(showing.further(level)), is_folded=False) == showing.credit_grid(level)


def test_that_a_rule_samples_and_by_how_much_is_said_under_its_table():
    journeys = Journeys.of([[name, MANY[0]] for name in MANY] * 5, [1, 0] * 50)
    found = Level(By.CHANNEL, credit(journeys, ["last", "shapley_rate"]), {})
    note = str(by_key(found)["credit-channel"].note)
    assert "is sampled: its standard error by that alone is" in note
    assert "is sampled" not in str(by_key(Level(By.CHANNEL, credit(journeys, ["last"]), {}))["credit-channel"].note)
