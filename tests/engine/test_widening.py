"""Wider conditions: what the rule calls wider held for everybody before, whatever the conditions are."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.expansion import expand
from engine.funnel import Population
from engine.targeting import compile_condition
from engine.widening import exact, is_wider

PHONES, NORDIC, VIP = {"device": "phone"}, {"country": {"$in": ["NO", "SE"]}}, {"vip": True}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (PHONES, {}),
        ({**PHONES, **VIP}, VIP),
        ({"$and": [PHONES, {"$and": [VIP]}]}, VIP),
        ({**PHONES, **VIP}, {"$and": [VIP, PHONES]}),
        (PHONES, {"$or": [PHONES, VIP]}),
        ({**PHONES, **VIP}, {"$or": [VIP, NORDIC]}),
        ({"$or": [PHONES, VIP]}, {"$or": [NORDIC, VIP, PHONES]}),
        ({"$or": [PHONES, {**VIP, **NORDIC}]}, {"$or": [VIP, PHONES]}),
        ({"$or": [{**PHONES, **VIP}, {**VIP, **NORDIC}]}, VIP),
        (NORDIC, {"country": {"$in": ["DK", "SE", "NO"]}}),
        ({"country": {"$nin": ["NO", "SE"]}}, {"country": {"$nin": ["SE"]}}),
        ({"visits": {"$gte": 3, "$lt": 9}}, {"visits": {"$gte": 3}}),
        ({"$not": VIP}, {"$not": {**VIP, **PHONES}}),
        ({"$nor": [VIP, PHONES]}, {"$nor": [VIP]}),
        ({"$nor": [VIP, PHONES]}, {"$not": VIP}),
        ({"$segment": "vip", **PHONES}, {"$segment": "vip"}),
    ],
)
def test_wider(before, after):
    assert is_wider(before, after)
    assert exact(before) == exact(after) or not is_wider(after, before) or is_the_same(before, after)


def is_the_same(one, other):
    contexts = ({}, PHONES, VIP, {**PHONES, **VIP}, {"country": "NO"}, {"country": "DK"})
    return all(compile_condition(one)(each) == compile_condition(other)(each) for each in contexts)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, PHONES),
        (VIP, {"vip": 1.0}),
        (VIP, {"$not": {"$not": PHONES}}),
        (PHONES, {"device": "tablet"}),
        ({"country": {"$in": ["NO", "DK"]}}, NORDIC),
        ({"$or": [PHONES, VIP]}, PHONES),
        ({"$not": {**VIP, **PHONES}}, {"$not": VIP}),
        ({"visits": {"$gte": 3}}, {"visits": {"$gte": 2}}),  # wider, but not by its form
        (PHONES, {"$or": []}),  # wider, too
        ({"$segment": "vip"}, {"$segment": "staff"}),
    ],
)
def test_not_surely_wider(before, after):
    assert not is_wider(before, after)


def test_what_all_experiments_share_is_compared_as_it_is_written_out():
    staff = Population({"team": {"mail": {"$inGroup": "staff"}}}, {"staff": ("ann",)})
    more = Population({"team": {"$or": [{"mail": {"$inGroup": "staff"}}, VIP]}}, {"staff": ("ben", "ann")})
    asked = {"$or": [{"$segment": "team"}, PHONES], "$segment": "team"}
    assert is_wider(expand(asked, staff), expand(asked, more))
    assert not is_wider(expand(asked, more), expand(asked, staff))


def test_a_condition_that_nests_and_branches_is_compared_in_a_moment():
    before = after = {"a": 1.0}
    for level in range(9):
        before = {"$or": [{"$and": [before, {"b": level}]}, {"c": level, **before}]}
        after = {"$or": [{"$and": [after, {"b": level}]}, {"c": level, **after}, {"d": level}]}
    assert is_wider(before, after)
    assert not is_wider(after, before)


# --- the property --------------------------------------------------------------------------------------------------

values = st.sampled_from([None, True, 1.0, 2.0, "1", "a"])
lists = st.lists(values, max_size=2)
tests = st.one_of(
    st.dictionaries(st.sampled_from(["$eq", "$ne", "$gt", "$lte"]), values, max_size=2),
    lists.map(lambda some: {"$in": some}),
    lists.map(lambda some: {"$nin": some}),
    lists.map(lambda some: {"$in": some, "$exists": True}),
    st.sampled_from([{"$exists": False}, {"$not": {"$size": 1.0}}, {}, {"b": 1.0}]),
)
leaves = st.dictionaries(st.sampled_from(["a", "b", "a.b"]), values | tests, max_size=2)


def within(conditions):
    some = st.lists(conditions, max_size=3)
    return st.one_of(
        st.builds(lambda all_of, more: {**more, "$and": all_of}, some, leaves),
        st.builds(lambda any_of, more: {**more, "$or": any_of}, some, leaves),
        st.builds(lambda none_of, more: {**more, "$nor": none_of}, some, leaves),
        st.builds(lambda no, more: {**more, "$not": no}, conditions, leaves),
    )


conditions = st.recursive(leaves, within, max_leaves=5)
MISSING = object()
KNOWN = [MISSING, None, True, 1.0, 2.0, "", "1", "a", [], ["a", 1.0], {}, {"b": 1.0}]
CONTEXTS = [{name: value for name, value in (("a", a), ("b", b)) if value is not MISSING} for a in KNOWN for b in KNOWN]
"""What there can be of two fields, so that a pair of conditions that differ is told apart."""


@st.composite
def edited(draw, condition):
    """A condition after an edit as a person makes them, or an edit of a part of it."""
    other = draw(conditions)
    edits = [{**condition, **other}, {"$or": [condition, other]}, {"$and": [condition, other]}, other]
    for name, value in condition.items():
        edits.append({each: inner for each, inner in condition.items() if each != name})
        if name in ("$and", "$or", "$nor"):
            edits.append({**condition, name: [*value, other]})
            edits.append({**condition, name: [*value[:-1], *map(draw, map(edited, value[-1:]))]})
        elif name == "$not":
            edits.append({**condition, name: draw(edited(value))})
        elif isinstance(value, dict):
            more = {each: [*inner, draw(values)] for each, inner in value.items() if isinstance(inner, list)}
            edits.append({**condition, name: {**value, **more}})
            edits.append({**condition, name: dict(list(value.items())[:1])})
    return draw(st.sampled_from(edits))


pairs = conditions.flatmap(lambda before: st.tuples(st.just(before), edited(before)))


def is_sound(before, after):
    if not is_wider(before, after):
        return True
    held, holds = compile_condition(before), compile_condition(after)
    return all(holds(context) for context in CONTEXTS if held(context))


@settings(max_examples=400)
@given(pairs)
@example(({"$not": {}}, {"$not": {"a": 1.0}}))
@example(({"$or": []}, {"$or": [{"a": 1.0}]}))
def test_what_is_called_wider_holds_for_everybody_it_held_for(pair):
    assert is_sound(*pair)
    assert is_sound(*pair[::-1])


@given(st.sampled_from(["$eq", "$in", "$nin"]), lists, lists)
def test_lists_of_values_are_wider_one_way_or_the_other(operator, some, others):
    one, other = {"a": {operator: some}}, {"a": {operator: [*some, *others]}}
    assert is_sound(one, other)
    assert is_sound(other, one)
    assert operator == "$eq" or is_wider(one, other) or is_wider(other, one)


@given(conditions, conditions)
def test_any_condition_is_as_wide_as_itself_and_narrower_than_a_choice_of_it(one, other):
    assert is_wider(one, one)
    assert is_wider(one, {"$or": [other, one]})
    assert is_wider({"$and": [one, other]}, one)
    assert is_wider(one, {})
