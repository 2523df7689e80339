"""Conditions: what holds for whom, what the population puts into them, and that nothing makes them raise."""

import math
import timeit
from collections import OrderedDict
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.experiments import Experiment, Variant
from engine.funnel import ForcedRule, Funnel, Population
from engine.specs import ContextualSpec, FixedSpec, Rule, SegmentsSpec, ThompsonSpec
from engine.targeting import (
    MAX_CHAIN,
    MAX_DEPTH,
    MAX_SIZE,
    compile_condition,
    evaluate,
    expand,
    expanded,
    fits,
    is_operators,
)
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


# --- what the population puts in -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "written_out"),
    [
        ({"$segment": "vip"}, {"visits": {"$gte": 10}}),
        ({"$segment": "vip", "a": 1}, {"$and": ({"visits": {"$gte": 10}}, {"a": 1})}),
        ({"$segment": "nordic vip"}, {"$and": ({"visits": {"$gte": 10}}, {"country": {"$in": ("NO", "SE")}})}),
        ({"$or": [{"a": 1}, {"$segment": "vip"}]}, {"$or": [{"a": 1}, {"visits": {"$gte": 10}}]}),
        ({"$not": {"$nor": ({"$segment": "vip"},)}}, {"$not": {"$nor": [{"visits": {"$gte": 10}}]}}),
        ({"$segment": "nobody"}, NOBODY),
        ({"$segment": ["vip"]}, NOBODY),
        ({"a": {"$inGroup": "nordic"}}, {"a": {"$in": ("NO", "SE")}}),
        ({"a": {"$notInGroup": "nordic"}}, {"a": {"$nin": ("NO", "SE")}}),
        ({"a": {"$inGroup": "nothing"}}, {"a": {"$in": ()}}),
        ({"a": {"$inGroup": ["NO"]}}, {"a": {"$in": ()}}),
        ({"a": {"$inGroup": "nordic", "$in": ["NO"]}}, {"a": {"$inGroup": ("NO", "SE"), "$in": ["NO"]}}),
        ({"a": {"$not": {"$inGroup": "first"}}}, {"a": {"$not": {"$in": (1.0, 2.0)}}}),
        ({"a": {"$size": {"$inGroup": "first"}}}, {"a": {"$size": {"$in": (1.0, 2.0)}}}),
        ({"a": {"$all": ["b", {"$inGroup": "first"}]}}, {"a": {"$all": ["b", {"$in": (1.0, 2.0)}]}}),
        ({"a": {"$elemMatch": {"$inGroup": "first"}}}, {"a": {"$elemMatch": {"$in": (1.0, 2.0)}}}),
        ({"a": {"$elemMatch": {"b": {"$inGroup": "first"}}}}, {"a": {"$elemMatch": {"b": {"$in": (1.0, 2.0)}}}}),
        (
            {"a": {"$elemMatch": {"$segment": "vip", "b": 1}}},
            {"a": {"$elemMatch": {"$and": ({"visits": {"$gte": 10}}, {"b": 1})}}},
        ),
    ],
)
def test_segments_and_groups_are_written_out(condition, written_out):
    assert expand(condition, POPULATION) == written_out


@pytest.mark.parametrize("condition", [*HOLDS, *DOES_NOT], ids=str)
def test_a_condition_that_names_nothing_stays_itself(condition):
    if "segment" not in str(condition):
        assert expand(condition, POPULATION) is condition


def test_a_value_that_looks_like_a_name_stays_a_value():
    literal = {"a": {"b": {"$inGroup": "nordic"}, "c": 1}, "d": [{"$segment": "vip"}]}
    assert expand(literal, POPULATION) is literal


@pytest.mark.parametrize(
    "segments",
    [
        {"a": {"$segment": "a"}},
        {"a": {"$segment": "b"}, "b": {"$or": [{"$segment": "c"}]}, "c": {"$not": {"$not": {"$segment": "a"}}}},
    ],
)
def test_a_segment_that_leads_back_to_itself_ends_and_holds_for_nobody(segments):
    assert not evaluate(expand({"$segment": "a"}, Population(segments)), ANN)


def chain(length):
    segments = {str(number): {"$segment": str(number + 1)} for number in range(1, length)}
    return Population({**segments, str(length): {"name": "ann"}})


def test_a_chain_of_segments_ends():
    assert expand({"$segment": "1"}, chain(MAX_CHAIN)) == {"name": "ann"}
    assert expand({"$segment": "1"}, chain(MAX_CHAIN + 1)) == NOBODY
    assert expand({"$segment": "1"}, chain(10_000)) == NOBODY


def test_segments_that_would_double_themselves_stay_small():
    doubling = {str(each): {"$and": [{"$segment": str(each + 1)}] * 2} for each in range(1, MAX_CHAIN)}
    population = Population({**doubling, str(MAX_CHAIN): {"$and": [{"name": "ann"}] * 500}})
    condition = expand({"$segment": "1"}, population)
    assert not fits(condition)
    assert not evaluate(condition, ANN)


VIP, WRITTEN_OUT = {"$segment": "vip"}, {"visits": {"$gte": 10}}
PLAIN = Experiment("hero", (Variant("plain"), Variant("bold")), ())


def by_rules(when):
    return SegmentsSpec((Rule({"a": 1}, {"plain": 1}), Rule(when, {"bold": 1})))


def experiment(when, policy=None):
    return Experiment(
        "hero",
        PLAIN.variants,
        (),
        funnel=Funnel(audience=when),
        forced=(ForcedRule("bold", {"b": 1}), ForcedRule("plain", when)),
        policy=policy or by_rules(when),
    )


@pytest.mark.parametrize(
    "policy_with",
    [by_rules, lambda when: ThompsonSpec(prior=by_rules(when)), lambda when: ContextualSpec(prior=by_rules(when))],
)
def test_all_conditions_of_an_experiment_are_written_out(policy_with):
    named, plain = experiment(VIP, policy_with(VIP)), experiment(WRITTEN_OUT, policy_with(WRITTEN_OUT))
    assert expanded(named, POPULATION) == plain
    assert expanded(plain, POPULATION) is plain
    assert expanded(replace(plain, funnel=named.funnel), POPULATION) == plain
    assert expanded(replace(plain, forced=named.forced), POPULATION) == plain
    assert expanded(replace(plain, policy=named.policy), POPULATION) == plain


@pytest.mark.parametrize("policy", [FixedSpec(), ThompsonSpec(), ContextualSpec(), SegmentsSpec()])
def test_an_experiment_without_names_stays_itself(policy):
    same = experiment({"a": 1}, policy)
    assert expanded(same, POPULATION) is same
    assert expanded(experiment(VIP, policy), POPULATION).policy is policy


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
