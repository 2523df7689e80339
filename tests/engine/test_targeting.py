"""Conditions: what holds for whom, and that nothing makes them raise."""

import math
import timeit
from collections import OrderedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.conditions import MAX_DEPTH, MAX_SIZE, fits, is_operators
from engine.expansion import expand
from engine.funnel import Population
from engine.targeting import compile_condition, evaluate
from tests.engine.condition_strategies import conditions, contexts, values

POPULATION = Population(
    {"vip": {"visits": {"$gte": 10}}, "nordic vip": {"$segment": "vip", "country": {"$inGroup": "nordic"}}},
    {"nordic": ("NO", "SE"), "first": (1.0, 2.0)},
)
ANN = {"name": "ann", "age": 30, "plan": {"tier": "gold", "seats": [1, {"of": "bob"}]}, "tags": ["a", "B", None]}
NOBODY = {"$nor": ({},)}


def nested(levels, innermost=None):
    return innermost or {"a": 1} if levels == 1 else {"$not": nested(levels - 1, innermost)}


# --- what holds ------------------------------------------------------------------------------------------------------

HOLDS = [
    {},
    {"name": "ann", "age": 30},
    {"age": {"$gt": 20, "$lt": 40}},
    {"plan.tier": "gold"},
    {"plan.seats.1.of": "bob"},
    {"plan.seats.length": 2},
    {"plan.seats": [1, {"of": "bob"}]},
    {"plan": {"seats": [1, {"of": "bob"}], "tier": "gold"}},
    {"nothing": None, "plan.nothing": None, "name.length": None, "plan.seats.2": None, "plan.seats.01": None},
    {"$and": []},
    {"$or": []},
    {"$or": [{"name": "bob"}, {"age": 30}]},
    {"$nor": [{"name": "bob"}, {"age": 31}]},
    {"$not": {"name": "bob"}},
    {"$not": {"$not": {}}},
    {"$not": {"name": "ann", "age": 31}},
    {"$and": [{"name": "ann"}], "$or": [{"age": 30}], "$nor": [{"age": 1}], "$not": {"age": 2}},
    {"age": {"$not": {"$lt": 30}}, "name": {"$not": "bob"}},
    {"name": {"$not": {"$regex": "("}}},
    {"tags": {"$size": 3}},
    {"tags": {"$size": {"$gt": 2, "$not": {"$in": [4]}}}},
    {"tags": {"$all": ["a", {"$regexi": "^b"}]}},
    {"tags": {"$all": []}},
    {"tags": {"$alli": ["A", "b"]}},
    {"tags": {"$all": [None]}},
    {"tags": {"$elemMatch": {"$eq": "B"}}},
    {"tags": {"$elemMatch": {}}},
    {"tags": {"$not": {"$elemMatch": {"$eq": "c"}}}},
    {"tags": {"$not": {"$elemMatch": {"$eq": None}}}},
    {"plan.seats": {"$elemMatch": {"of": "bob"}}},
    {"plan.seats": {"$elemMatch": {"of": {"$in": ["bob"]}, "$not": {"of": "ann"}}}},
    {"$field": {"$exists": False}},
]
DOES_NOT = [
    {"name": "ann", "age": 31},
    {"plan.tier.of": "gold"},
    {"plan.seats.1": 1},
    {"$or": [{"name": "bob"}, {"age": 31}]},
    {"$nor": []},
    {"$nor": [{"name": "bob"}, {"age": 30}]},
    {"$not": {}},
    {"$and": [{"name": "ann"}], "$or": [{"age": 31}]},
    {"age": {"$not": {}, "$gt": 31}},
    {"tags": {"$size": 2}},
    {"name": {"$size": 3}},
    {"age": {"$all": [30]}},
    {"tags": {"$all": ["a", "b"]}},
    {"tags": {"$alli": ["a", "c"]}},
    {"name": {"$elemMatch": {"$eq": "a"}}},
    {"plan.seats": {"$elemMatch": {"of": "ann"}}},
    {"tags": {"$elemMatch": {"$eq": None}}},
    # what makes no sense
    {"name": {"$bogus": "ann"}},
    {"tags": {"$elemMatch": {"$or": [{"a": None}]}}},
    {"tags": {"$all": "a"}},
    {"$and": {}},
    {"$or": {"name": "ann"}},
    {"$nor": None},
    {"$not": []},
    {"$or": ["name"]},
    {"$segment": "vip"},
    {"name": {"$segment": "vip"}},
    {1: 2},
    [],
    "name",
    None,
]


@pytest.mark.parametrize("condition", HOLDS, ids=str)
def test_it_holds(condition):
    assert evaluate(condition, ANN) is True
    assert evaluate({"$not": condition}, ANN) is False


@pytest.mark.parametrize("condition", DOES_NOT, ids=str)
def test_it_does_not_hold(condition):
    assert evaluate(condition, ANN) is False


def test_a_missing_field_counts_as_nought_among_numbers():
    assert evaluate({"age": {"$lt": 30}}, {})
    assert not evaluate({"age": {"$lt": 30, "$exists": True}}, {})
    assert not evaluate({"age": {"$lt": 0}}, {"age": None})


def test_any_map_and_any_sequence_will_do_as_context():
    context = OrderedDict(plan=OrderedDict(seats=(1, OrderedDict(of="bob"))))
    assert evaluate({"plan.seats.1.of": "bob", "plan.seats": {"$size": 2, "$in": [1]}}, context)
    assert evaluate({"a": None}, None)


def test_groups_are_those_that_are_given():
    inside, outside = {"id": {"$inGroup": "g"}}, {"id": {"$notInGroup": "g"}}
    for groups, is_in in (
        ({"g": [1, 2]}, True),
        ({"g": (1,)}, True),
        ({"g": [2]}, False),
        ({"g": 1}, False),
        (None, False),
    ):
        assert evaluate(inside, {"id": 1}, groups) is is_in
        assert evaluate(outside, {"id": 1}, groups) is not is_in


def test_only_a_map_of_operators_alone_is_one():
    assert is_operators({"$a": 1, "$b": 2})
    assert not any(map(is_operators, ({"$a": 1, "b": 2}, {}, {1: 2}, [], "$a", None)))


# --- sizes -----------------------------------------------------------------------------------------------------------


def test_what_is_too_deep_or_too_large_holds_for_nobody():
    assert fits(nested(MAX_DEPTH))
    assert evaluate(nested(MAX_DEPTH), {"a": 2}) is True
    for odd_and_even in (MAX_DEPTH + 1, MAX_DEPTH + 2, 100_000):
        deep = {"a": 1}
        for _ in range(odd_and_even - 1):
            deep = {"$not": deep}
        assert evaluate(deep, {"a": 1}) is evaluate(deep, {"a": 2}) is False
    assert evaluate({"$or": [{"a": 1}] * (MAX_SIZE - 2)}, {"a": 1})
    assert not evaluate({"$or": [{"a": 1}] * (MAX_SIZE - 1)}, {"a": 1})


def test_a_condition_within_itself_holds_for_nobody():
    endless = {"a": 1}
    endless["$and"] = [endless]
    assert not evaluate(endless, {"a": 1})
    assert expand(endless, POPULATION) is endless


# --- names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("condition", [*HOLDS, *DOES_NOT], ids=str)
def test_a_condition_that_names_nothing_stays_itself(condition):
    if "segment" not in str(condition):
        assert expand(condition, POPULATION) is condition


# --- whatever comes --------------------------------------------------------------------------------------------------

ODD = [
    None,
    10**400,
    -(10**5000),
    math.nan,
    math.inf,
    "\ud800",
    "\x00",
    b"x",
    {1, 2},
    object(),
    [[[None]]],
    {"a": {"a": 1}},
]
groups = st.dictionaries(st.sampled_from("gh"), st.lists(values, max_size=3), max_size=2)
populations = st.builds(Population, st.dictionaries(st.sampled_from(["g", "h", "vip"]), conditions, max_size=3), groups)


@settings(max_examples=500)
@given(conditions, st.lists(contexts | values, max_size=3), populations)
def test_no_condition_and_no_context_raises(condition, known, population):
    for each in (condition, expand(condition, population)):
        holds = compile_condition(each)
        assert {holds(context) for context in known} <= {True, False}
    assert evaluate(condition, {}, population.groups) in (True, False)


@given(conditions)
def test_no_odd_value_raises(condition):
    holds = compile_condition(condition)
    deep = None
    for _ in range(5000):
        deep = {"a": [deep], "b": deep}
    assert {holds({"a": value, "b": [value]}) for value in [*ODD, deep]} <= {True, False}


@given(conditions, contexts)
def test_a_condition_and_its_opposite_never_both_hold(condition, context):
    assert not (evaluate(condition, context) and evaluate({"$not": condition}, context))


def seconds(test, context):
    return min(timeit.repeat(lambda: test(context), number=200, repeat=5))


def test_a_list_of_many_values_is_no_slower_than_a_short_one():
    context = {"id": "9999", "tags": ["x"]}
    for field, name in (("id", "$in"), ("id", "$ini"), ("tags", "$nin")):
        short, long = (compile_condition({field: {name: [str(each) for each in range(n)]}}) for n in (2, 100_000))
        assert seconds(long, context) < 20 * seconds(short, context)


def test_what_is_compiled_is_much_faster_than_compiling():
    condition = {"$or": [{"country": {"$in": ["NO", "SE"]}}, {"plan.tier": {"$regex": "^g"}}], "age": {"$gte": 18}}
    assert 3 * seconds(compile_condition(condition), ANN) < seconds(lambda context: evaluate(condition, context), ANN)
