"""An explanation of a learned draw says what was predicted, and what in the context moved it most."""

from __future__ import annotations

import re

import pytest

from engine.experiments import ContextField, FieldType
from engine.explanation import Verdict
from engine.records import Assignment, Candidate, Context, Group, Reward
from engine.specs import ContextualSpec, FixedSpec, LearningSpec, Rule, SegmentsSpec, ThompsonSpec
from tests.engine.house import NOW, House, experiment

NUMBERS = tuple(ContextField(f"f{n}", FieldType.NUMBER) for n in range(6))
FIELDS = (*NUMBERS, ContextField("device", FieldType.TEXT))


def taught(spec: LearningSpec, **fields: object) -> House:
    """Return a house in which `bold` is worth it on a phone, and `plain` elsewhere."""
    house = House()
    house.run(experiment(context=FIELDS, policy=spec, **fields))
    rewards = []
    for n in range(400):
        device = ("phone", "desk")[n % 2]
        row = house.ask(f"u{n}", context=context(device, n))
        rewards.append(Reward(row, float((row.variant == "bold") == (device == "phone")), NOW, 1))
    house.teach("hero", [reward for reward in rewards if reward.assignment.group is Group.POLICY])
    return house


def context(device: str, n: int = 1) -> Context:
    return {"device": device, **{f"f{place}": float((n + place) % 3) for place in range(6)}}


def said(house: House, row: Assignment) -> dict[str, str]:
    explanation = house.explain(row)
    assert explanation.verdict is Verdict.REPRODUCED
    return {step.name: step.finding for step in explanation.steps}


def test_a_contextual_draw_says_its_predictions_and_the_fields_that_moved_them_most() -> None:
    house = taught(ContextualSpec())
    row = next(row for n in range(50) if (row := house.ask(f"p{n}", context=context("phone"))).variant == "bold")
    found = said(house, row)
    predicted = dict(pair.split(" ") for pair in found["predicted"].removeprefix("reward ").split(", "))
    assert list(predicted) == ["plain", "bold", "quiet"]
    assert float(predicted["bold"]) > float(predicted["plain"]) + 0.3
    assert found["because"].startswith("device +0.")
    assert found["because"].endswith(" to the reward predicted of bold")
    numbers = [abs(float(number)) for number in re.findall(r"[+-][0-9][0-9.e-]*", found["because"])]
    assert len(numbers) == 5
    assert numbers == sorted(numbers, reverse=True)
    assert list(found).index("predicted") < list(found).index("distribution") < list(found).index("because")


def test_a_policy_that_reads_no_context_has_no_because() -> None:
    house = taught(ThompsonSpec())
    found = said(house, house.ask("later", context=context("phone")))
    assert found["predicted"].startswith("reward plain 0.")
    assert "because" not in found


PRIOR = SegmentsSpec((Rule({"f1": {"$gte": 1}}, {"bold": 1.0}),), {"plain": 1.0})


@pytest.mark.parametrize("spec", [FixedSpec(), PRIOR, ThompsonSpec(), ThompsonSpec(prior=PRIOR), ContextualSpec()])
def test_where_nothing_was_learned_nothing_is_predicted(spec: FixedSpec | SegmentsSpec | LearningSpec) -> None:
    house = House()
    house.run(experiment(context=FIELDS, policy=spec))
    assert {"predicted", "because"}.isdisjoint(said(house, house.ask(context=context("desk"))))


def test_the_control_group_was_drawn_by_no_prediction() -> None:
    house = taught(ContextualSpec(control_share=0.5))
    rows = [house.ask(f"c{n}", context=context("phone")) for n in range(20)]
    for row in rows:
        assert ("predicted" in said(house, row)) == (row.group is Group.POLICY)
    assert {row.group for row in rows} == set(Group)


def test_of_many_candidates_the_best_are_named() -> None:
    declared = (ContextField("price", FieldType.NUMBER),)
    house = House()
    house.run(experiment(context=FIELDS, policy=ContextualSpec(), candidates=declared))
    brought = tuple(Candidate(f"c{n}", {"price": n / 100}) for n in range(100))
    row = house.ask("before", candidates=brought)
    house.teach("hero", [Reward(row, 1.0, NOW, 1)])
    found = said(house, house.ask("after", candidates=brought))
    assert len(re.findall(r"c\d+ ", found["predicted"])) == 5
    assert found["predicted"].endswith(" and 95 others")
    assert found["distribution"].endswith(" and 95 others")
