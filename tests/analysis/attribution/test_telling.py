"""The sentence says which rule is furthest from what randomisation proves, and of what nothing is proven."""

import re

import pytest

from analysis.attribution import telling
from analysis.attribution.credits import credit
from analysis.attribution.journeys import By, Journeys
from analysis.attribution.levels import Level
from analysis.texts import text
from tests.analysis.attribution.shown import RULES, WHY, effect, shared

MANY = tuple(f"channel {number:02}" for number in range(20))

EMAIL = 100.0
"""What rules credit e-mail with in the journeys below."""


def said(found):
    journeys = Journeys.of([["email"]] * 100 + [["search"]] * 50 + [["email"]] * 50, [1] * 150 + [0] * 50)
    return telling.sentence(Level(By.CHANNEL, credit(journeys, ["first", "last"]), found))


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
    assert str(telling.sentence(Level(By.CHANNEL, many, {MANY[0]: effect(MANY[0], 9, 3)}))).endswith("and 14 more.")


def test_of_one_touchpoint_alone_every_rule_says_the_same():
    alone = Level(By.CHANNEL, shared(("email",)), {"email": effect("email", 30, 20)})
    credited = [each[0][0].value for each in alone.amounts]
    assert credited == pytest.approx([credited[0]] * len(RULES))
    assert str(telling.sentence(alone)).endswith("Every rule says the same, because there is nothing else to credit.")


def test_without_conversions_there_is_no_credit():
    nothing = credit(Journeys.of([["email"], ["search"]], [0, 0]), RULES)
    assert (
        str(telling.sentence(Level(By.CHANNEL, nothing, {})))
        == "There are no conversions, so there is no credit to share."
    )


@pytest.mark.parametrize("finding", ["above", "none", "lost", "below", "within"])
def test_no_word_of_cause_is_said_of_rules(finding):
    """Credit is what a rule says; what randomisation proves is the only effect."""
    words = str(text(f"attribution.page.{finding}", rule="x", name="x", credit="x", total="x"))
    assert "credits x with x conversions" in words
    assert not re.search(r"caus|because|drove|effect|brought|earned|thanks", words)
