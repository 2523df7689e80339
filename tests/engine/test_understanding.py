from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from engine.experiments import ContextField, Experiment, FieldType, Variant
from engine.metrics import Metric
from engine.randomness import ONE
from engine.records import Assignment, Candidate, Group, Reason, Reward, Unit
from engine.understanding import Understanding

FIELDS = (ContextField("visits", FieldType.NUMBER), ContextField("likes", FieldType.TEXTS))
EXPERIMENT = Experiment("hero", (Variant("a"), Variant("b")), (Metric("click"),), context=FIELDS)
AT = datetime(2026, 1, 1, tzinfo=UTC)
ROW = Assignment(
    "hero",
    "a",
    Reason.DRAWN,
    Unit("customer", "7"),
    AT,
    AT,
    is_draw=True,
    eligible=("a", "b"),
    distribution=(ONE // 4, 3 * ONE // 4),
    context={"visits": 1.0, "likes": ("x",)},
)
ARTICLES = replace(EXPERIMENT, candidates=(ContextField("price", FieldType.NUMBER),))


def reward(**fields) -> Reward:
    return Reward(replace(ROW, **fields), 1.0, AT, 1)


def test_what_is_understood_as_it_is_stays_the_same_object():
    given = reward()
    assert Understanding(EXPERIMENT).of(given) is given
    brought = (Candidate("x", {"price": 2.0}), Candidate("y"))
    given = reward(variant="x", eligible=("x", "y"), candidates=brought)
    assert Understanding(ARTICLES).of(given) is given


@pytest.mark.parametrize(
    "fields",
    [
        {"variant": "gone", "eligible": ("a", "gone")},
        {"is_draw": False, "eligible": (), "distribution": ()},
        {"group": Group.CONTROL},
        {"unit": Unit("customer", "")},
        {"variant": "x", "eligible": ("x", "a"), "candidates": (Candidate("x"),)},
    ],
    ids=[
        "its variant is gone",
        "no draw",
        "the control group",
        "a forgotten unit",
        "a candidate, and none are declared",
    ],
)
def test_there_is_nothing_to_learn_of(fields):
    assert Understanding(EXPERIMENT).of(reward(**fields)) is None


def test_variants_that_are_gone_are_left_out_and_the_propensity_stays():
    found = Understanding(EXPERIMENT).of(reward(eligible=("gone", "a"), distribution=(3 * ONE // 4, ONE // 4)))
    assert found is not None
    assert found.assignment.eligible == ("a",)
    assert found.assignment.propensity == 0.25


def test_values_of_another_type_than_today_count_as_missing():
    fields = (ContextField("visits", FieldType.TEXT), ContextField("likes", FieldType.TEXTS))
    found = Understanding(replace(EXPERIMENT, context=fields)).of(reward())
    assert found is not None
    assert found.assignment.context == {"likes": ("x",)}
    brought = (Candidate("x", {"price": "dear", "old": 1.0}), Candidate("y", {"price": 2.0}))
    found = Understanding(ARTICLES).of(reward(variant="x", eligible=("x", "y"), candidates=brought))
    assert found is not None
    assert found.assignment.candidates == (Candidate("x"), Candidate("y", {"price": 2.0}))
