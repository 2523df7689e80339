from __future__ import annotations

import gc
import itertools
import weakref
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.experiments import ContextField, Experiment, FieldType, Variant
from engine.metrics import Metric
from engine.policies.segments import SegmentsPolicy
from engine.randomness import ONE, quantise
from engine.specs import Rule, SegmentsSpec

A, B, C = VARIANTS = Variant("a"), Variant("b"), Variant("c")
FIELDS = (
    ContextField("age", FieldType.NUMBER),
    ContextField("plan", FieldType.TEXT),
    ContextField("member", FieldType.FLAG),
    ContextField("likes", FieldType.TEXTS),
)
OLD = Rule({"age": {"$gte": 60}}, {"a": 0.9, "b": 0.1})
PRO = Rule({"plan": "pro"}, {"c": 1.0})


def policy(*rules: Rule, otherwise: dict[str, float] | None = None) -> SegmentsPolicy:
    spec = SegmentsSpec(rules, otherwise or {})
    return SegmentsPolicy(Experiment("hero", VARIANTS, (Metric("click"),), context=FIELDS, policy=spec))


def test_the_first_rule_that_holds_decides():
    rules = policy(OLD, PRO, otherwise={"b": 0.5, "c": 0.5})
    assert rules.distribution({"age": 70.0, "plan": "pro"}, VARIANTS) == (0.9, 0.1, 0.0)
    assert rules.distribution({"age": 40.0, "plan": "pro"}, VARIANTS) == (0.0, 0.0, 1.0)
    assert rules.distribution({"age": 40.0, "plan": "free"}, VARIANTS) == (0.0, 0.5, 0.5)
    assert policy(PRO, OLD).distribution({"age": 70.0, "plan": "pro"}, VARIANTS) == (0.0, 0.0, 1.0)


def test_without_rules_or_weights_all_are_as_likely():
    assert policy().distribution({}, VARIANTS) == (1 / 3, 1 / 3, 1 / 3)
    assert policy(OLD).distribution({}, (A, C)) == (0.5, 0.5)
    assert policy(Rule({"plan": "pro"}, {}), otherwise={"a": 1.0}).distribution({"plan": "pro"}, (B, C)) == (0.5, 0.5)


def test_weights_keep_their_ratios_among_the_eligible():
    rules = policy(Rule({}, {"a": 0.1, "b": 0.3, "c": 0.6}))
    assert rules.distribution({}, (A, B)) == pytest.approx((0.25, 0.75), abs=1e-15)
    assert rules.distribution({}, (C, A)) == pytest.approx((6 / 7, 1 / 7), abs=1e-15)


def test_a_rule_that_leaves_the_eligible_no_chance_is_passed_over():
    rules = policy(OLD, PRO, otherwise={"b": 1.0})
    old_pro = {"age": 70.0, "plan": "pro"}
    assert rules.distribution(old_pro, (B, C)) == (1.0, 0.0)
    assert rules.distribution(old_pro, (C,)) == (1.0,)
    assert rules.distribution({"plan": "pro"}, (A, B)) == (0.0, 1.0)
    assert rules.distribution({}, (A, C)) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("condition", "context"),
    [
        ({"age": {"$gte": 18, "$lt": 30}}, {"age": 18.0}),
        ({"plan": {"$in": ["team", "school"]}}, {"plan": "team"}),
        ({"member": True}, {"member": True}),
        ({"likes": {"$elemMatch": {"$eq": "jazz"}}}, {"likes": ("pop", "jazz")}),
        ({"likes": {"$in": ["jazz"]}}, {"likes": ("pop", "jazz")}),
        ({"likes": {"$size": 2}}, {"likes": ("pop", "jazz")}),
        ({"$or": [{"age": {"$exists": False}}, {"age": {"$gt": 60}}]}, {}),
        ({"$not": {"plan": "pro"}}, {"plan": "free"}),
    ],
)
def test_conditions_read_every_type_of_declared_field(condition, context):
    rules = policy(Rule(condition, {"a": 1.0}), otherwise={"b": 1.0})
    assert rules.distribution(context, VARIANTS) == (1.0, 0.0, 0.0)
    assert rules.distribution({"age": 30.0, "plan": "pro", "member": False, "likes": ("pop",)}, VARIANTS)[1] == 1.0


_CONTEXTS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "age": st.floats(allow_nan=False, allow_infinity=False),
        "plan": st.sampled_from(["pro", "free", ""]),
        "member": st.booleans(),
        "likes": st.lists(st.text(max_size=3), max_size=3).map(tuple),
    },
)
_WEIGHTS = st.dictionaries(st.sampled_from("abc"), st.floats(0.0, 1.0))
_CONDITIONS = st.sampled_from([{}, {"age": {"$lt": 0}}, {"plan": "pro"}, {"member": True}, {"likes": {"$size": 1}}])
_RULES = st.lists(st.builds(Rule, _CONDITIONS, _WEIGHTS), max_size=4)


@given(_RULES, _WEIGHTS, _CONTEXTS, st.permutations(VARIANTS), st.integers(1, 3))
def test_any_rules_leave_a_distribution_over_the_eligible(rules, otherwise, context, order, n_eligible):
    answer = policy(*rules, otherwise=otherwise).distribution(context, order[:n_eligible])
    assert len(answer) == n_eligible
    assert sum(quantise(answer, 0.05)) == ONE


def test_what_is_remembered_is_bounded_and_freed_with_the_policy():
    variants = tuple(Variant(str(i)) for i in range(60))
    spec = SegmentsSpec((Rule({"plan": "pro"}, {"0": 1.0}),))
    rules = SegmentsPolicy(Experiment("hero", variants, (Metric("click"),), context=FIELDS, policy=spec))
    for pair in itertools.combinations(variants, 2):
        rules.distribution({"plan": "pro"}, pair)
    assert rules._over.cache_info().currsize == 1024
    gone = weakref.ref(rules)
    gc.disable()
    try:
        del rules
        assert gone() is None
    finally:
        gc.enable()
