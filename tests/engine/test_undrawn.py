"""An explanation of an answer without a draw says why, checks what can be checked, and finds what was tampered with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.experiments import ContextField, Experiment, FieldType
from engine.explanation import Explanation, Verdict
from engine.funnel import Cap, ForcedRule, Funnel, Layer, LayerRange, Population, Rest, Sticky
from engine.recompute import Recomputer
from engine.records import Assignment, Reason, Unit
from engine.specs import Rule, SegmentsSpec, ThompsonSpec
from tests.engine.house import House, days, experiment

PRIOR = SegmentsSpec((Rule({"visits": {"$gte": 10}}, {"quiet": 0.9, "plain": 0.1}),), {"plain": 0.8, "bold": 0.2})
REQUIRED = (ContextField("visits", FieldType.NUMBER, required=True),)
LIVES_IN_NORWAY = Funnel(audience={"country": "NO"})
STAFF = (ForcedRule("quiet", {"staff": True}), ForcedRule("bold", {"country": "SE"}))
MAIL = Population(holdout=0.05, layers={"mail": Layer(holdout=0.05, cap=Cap(1, days(7)))})
NORWAY = {"country": "NO"}


@pytest.fixture
def house() -> House:
    return House()


def explained(house: House, row: Assignment) -> tuple[Explanation, dict[str, str]]:
    explanation = Recomputer(house.store, lambda *_: None).explain(row)
    return explanation, {step.name: step.finding for step in explanation.steps}


def logged(house: House, **asked: Any) -> Assignment:
    """Ask, and return the row of the log."""
    row = house.store.assignment(house.ask(**asked).assignment_id)
    assert row is not None
    return row


CASES: dict[str, tuple[Experiment, dict[str, Any], str]] = {
    "forced by a rule": (experiment(forced=STAFF), {"context": {"country": "SE"}}, "forced: by rule 2"),
    "forced by what is not kept": (experiment(forced=STAFF), {"context": {"staff": True}}, "does not keep"),
    "tested": (experiment(), {"qa_variant": "bold"}, "qa: asked for by somebody who tests"),
    "invalid": (
        experiment(funnel=LIVES_IN_NORWAY),
        {"context": {**NORWAY, "visits": "many"}},
        "context invalid: of another type than declared, or not given: visits",
    ),
    "missing": (experiment(context=REQUIRED), {"context": NORWAY}, "context missing: required and not given: visits"),
    "all excluded": (
        experiment(),
        {"excluded_variants": frozenset({"plain", "bold", "quiet"})},
        "no variants: the request excluded all",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_an_answer_without_a_draw_says_why(house: House, case: str) -> None:
    tested, asked, why = CASES[case]
    house.divide(replace(MAIL, layers={}))
    house.run(tested)
    row = logged(house, unit="u3", **asked)
    explanation, found = explained(house, row)
    assert explanation.verdict is Verdict.NOT_DRAWN
    assert why in found["reason"]
    assert found["answer"].startswith(row.variant)


def capped(house: House) -> Assignment:
    rest = Rest("click", days(1), days(3))
    funnel = Funnel(audience=NORWAY, layer=LayerRange("mail"), traffic=0.9, cap=Cap(2, days(30)), rest=rest)
    house.divide(MAIL)
    house.run(experiment(funnel=funnel))
    house.ask("u3", context=NORWAY, name="first")
    row = logged(house, unit="u3", context=NORWAY, name="second")
    assert row.reason is Reason.CAPPED
    return row


def test_a_capped_answer_says_what_was_in_force_and_is_passed_through_the_funnel_again(house: House) -> None:
    row = capped(house)
    explanation, found = explained(house, row)
    assert explanation.verdict is Verdict.NOT_DRAWN
    assert found["reason"] == (
        "capped: the unit had 2 exposures in 30d of this experiment, or 1 exposures in 7d of its layer, "
        "or no click within 1d and so left alone for 3d"
    )
    # One field was not given, and so what the audience read may have been another value, which is not kept.
    assert found["audience"] == "held, as logged: it reads what the log does not keep"
    assert found["passed"] == "holdout 0.95, layer holdout 0.95, layer 1, traffic 0.9"


def test_what_is_served_where_a_policy_fails_is_the_priors_likeliest(house: House) -> None:
    learning = experiment(policy=ThompsonSpec(prior=PRIOR))
    house.run(learning)
    live = house.engine.catalog.find("hero")
    house.engine.swap_in(replace(live, policy=None))
    for visits, variant in ((12.0, "quiet"), (3.0, "plain")):
        row = logged(house, context={"visits": visits}, name=variant)
        explanation, found = explained(house, row)
        assert (row.variant, row.reason, row.is_draw) == (variant, Reason.POLICY_FAILED, False)
        assert explanation.verdict is Verdict.NOT_DRAWN
        assert found["answer"] == f"{variant}, the prior's likeliest here"


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ({"variant": "bold"}, "answer"),
        ({"unit": Unit("customer", "somebody else")}, "passed"),
        ({"inclusion": ()}, "passed"),
        ({"request_id": "another"}, "request"),
        ({"revision": 7}, "definition"),
    ],
)
def test_what_differs_in_an_answer_without_a_draw_is_found(house: House, change: dict[str, Any], broken: str) -> None:
    row = capped(house)
    if "unit" in change:
        outside = (f"n{n}" for n in range(1000))
        change = {
            "unit": next(Unit("customer", name) for name in outside if house.decide(name).reason.is_logged is False)
        }
    explanation, _ = explained(house, replace(row, **change))
    assert explanation.verdict is Verdict.DIFFERS
    assert broken in [step.name for step in explanation.steps if not step.holds]


def test_nothing_of_a_forgotten_unit_is_made_again_whatever_its_reason(house: House) -> None:
    row = replace(capped(house), unit=Unit("customer", ""), request_id="", context={})
    explanation, found = explained(house, row)
    assert explanation.verdict is Verdict.FORGOTTEN
    assert found["reason"] == "capped"


def words(house: House, tested: Experiment, **asked: Any) -> str:
    house.run(tested)
    return explained(house, logged(house, **asked))[1]["distribution"]


def test_a_distribution_says_what_it_was_answered_by(house: House) -> None:
    rules = experiment("rules", policy=PRIOR)
    taught = experiment("taught", policy=ThompsonSpec(prior=PRIOR), sticky=Sticky())
    assert words(house, experiment()).startswith("fixed: plain 0.3333")
    assert words(house, rules, experiment_id="rules", context={"visits": 12.0}).startswith("segments (rule 1): ")
    assert words(house, experiment("again", policy=PRIOR), experiment_id="again").startswith("segments (otherwise): ")
    assert words(house, taught, experiment_id="taught").startswith(
        "thompson (nothing learned yet, its prior: otherwise)"
    )
