"""What a condition is refused for when it is applied, and that nothing surprises in what is accepted."""

import datetime
import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import expansion, operators, targeting
from engine.condition_rules import KINDS, LOGICAL, OF_FIELD, condition_problems
from engine.experiments import FieldType
from engine.funnel import Population
from tests.engine.condition_strategies import asked, conditions, contexts, operands, values

POPULATION = Population({"vip": {"visits": {"$gte": 10}}, "new": {"visits": 0}}, {"nordic": ("NO", "SE"), "h": (1, 2)})
NOBODYS = Population()
DECLARED = {
    "visits": FieldType.NUMBER,
    "country": FieldType.TEXT,
    "is_new": FieldType.FLAG,
    "tags": FieldType.TEXTS,
}


def problems(condition, declared=DECLARED, *, only_declared=False, population=POPULATION):
    return list(condition_problems(condition, declared, only_declared=only_declared, population=population))


def nested(levels):
    return {"a": 1} if levels == 1 else {"$not": nested(levels - 1)}


REFUSED = [
    # its size and form
    (nested(21), "it may nest 20 levels and have 1000 maps and lists at most"),
    ({"$or": [{"a": 1}] * 1000}, "it may nest 20 levels and have 1000 maps and lists at most"),
    ([], "[] must be a condition, such as {visits: {$gte: 3}}"),
    ({"$and": [{"a": 1}, "b"]}, "'b' must be a condition"),
    ({"$not": None}, "None must be a condition"),
    ({"$or": []}, "`$or` needs a list of conditions, such as $or: [{a: 1}, {b: 2}]"),
    ({"$and": {"a": 1}}, "`$and` needs a list of conditions"),
    ({"$nor": "a"}, "`$nor` needs a list of conditions"),
    ({"$ands": [{"a": 1}]}, "`$ands` is no operator between conditions: did you mean `$and`?"),
    ({"$zzzzz": 1}, "`$zzzzz` is no operator between conditions: there are $and, $or, $nor, $not, $segment"),
    ({"$gt": 1}, "`$gt` is no operator between conditions"),
    ({"": 1}, "`` must be a name, or several with a dot between them"),
    ({"a..b": 1}, "`a..b` must be a name"),
    ({"a.": 1}, "`a.` must be a name"),
    # what no file and no message could have
    ({"a": "\ud800"}, "'\\ud800' in it is no text that can be sent: write it in UTF-8"),
    ({"\ud800": math.nan}, "'\\ud800' in it is no text that can be sent"),
    ({"a": {"$in": ["\udfff"]}}, "'\\udfff' in it is no text that can be sent"),
    ({"$segment": "\ud800"}, "'\\ud800' in it is no text that can be sent"),
    ({"a": {"b": {"\ud800": 1}}}, "'\\ud800' in it is no text that can be sent"),
    ({1: 2}, "the name 1 in it must be text"),
    ({"a": {10**5000: 2}}, "the name a number of thousands of digits in it must be text"),
    ({"a": datetime.date(2026, 1, 1)}, "datetime.date(2026, 1, 1) in it must be a number, a text, a flag, null"),
    ({"a": {"$in": [b"x"]}}, "b'x' in it must be a number"),
    ({"a": math.nan}, "`a` is compared with nan, which must be a finite number"),
    ({"a": {"$lt": -math.inf}}, "`a` is compared with -inf, which must be a finite number"),
    ({"a": {"$in": [1, 10**400]}}, "`a` is compared with 1" + 59 * "0" + "..., which must be a finite number"),
    ({"a": 10**5000}, "`a` is compared with a number of thousands of digits, which must be a finite number"),
    ({"a": [1, [math.inf]]}, "every number in it must be finite"),
    ({"a": {"b": {"c": math.nan}}}, "every number in it must be finite"),
    ({"a": {"$all": [[math.nan]]}}, "every number in it must be finite"),
    # what is asked of a field
    ({"a": {"$near": 1}}, "`a` has the unknown operator `$near`"),
    ({"a": {"$gtt": 1}}, "`a` has the unknown operator `$gtt`: did you mean `$gt`?"),
    ({"a": {"$or": [{"$gt": 1}]}}, "`a` has the unknown operator `$or`"),
    ({"a": {"$gt": 1, "b": 2}}, "`a` mixes operators with names"),
    ({"a": {"b": {"$gt": 1}}}, "`a` has operators inside a value: write `a.b: {$gt: 1}` for `a: {b: {$gt: 1}}`"),
    ({"a": [{"$gt": 1}]}, "`a` has operators inside a value"),
    ({"a": {"$not": {"b": [{"$in": [1]}]}}}, "`a` has operators inside a value"),
    ({"a": {"$eq": [1]}}, "`a`: `$eq` compares with a number, a text or a flag, not with a list or a map"),
    ({"a": {"$ne": {}}}, "`a`: `$ne` compares with a number, a text or a flag"),
    ({"a": {"$lt": [1]}}, "`a`: `$lt` compares with a number, a text or a flag"),
    ({"a": {"$gte": None}}, "`a`: `$gte` compares with a number or a text, not with None"),
    ({"a": {"$lte": True}}, "`a`: `$lte` compares with a number or a text, not with True"),
    ({"a": {"$in": []}}, "`a`: `$in` needs a list of values that is not empty, such as $in: [a, b]"),
    ({"a": {"$nin": "b"}}, "`a`: `$nin` needs a list of values"),
    ({"a": {"$all": {}}}, "`a`: `$all` needs a list of values"),
    ({"a": {"$ini": [["b"]]}}, "`a`: `$ini` looks for numbers, texts and flags, and ['b'] is none"),
    ({"a": {"$nini": [{"b": 1}]}}, "`a`: `$nini` looks for numbers, texts and flags, and {'b': 1} is none"),
    ({"a": {"$alli": [{"$gtt": 1}]}}, "`a` has the unknown operator `$gtt`"),
    ({"a": {"$not": {"$lt": None}}}, "`a`: `$lt` compares with a number or a text"),
    ({"a": {"$size": None}}, "`a`: `$size` needs a number, or operators such as {$gte: 2}"),
    ({"a": {"$size": "many"}}, "`a.$size` is a number and is compared with 'many': compare it with a number"),
    ({"a": {"$size": [1]}}, "`a.$size` is declared as a number and cannot be a list"),
    ({"a": {"$size": {"b": 1}}}, "`a.$size` is declared as a number and cannot be a map"),
    ({"a": {"$size": {"$gt": True}}}, "`a.$size`: `$gt` compares with a number or a text"),
    ({"a": {"$elemMatch": {}}}, "`a`: `$elemMatch` needs operators or a condition, such as {$gt: 3} or {name: ann}"),
    ({"a": {"$elemMatch": [1]}}, "`a`: `$elemMatch` needs operators or a condition"),
    ({"a": {"$elemMatch": {"b": {"$in": []}}}}, "`b`: `$in` needs a list of values"),
    ({"a": {"$elemMatch": {"$gtt": 1}}}, "`a` has the unknown operator `$gtt`"),
    ({"a": {"$exists": 1}}, "`a`: `$exists` needs true or false"),
    ({"a": {"$type": "text"}}, "`a`: `$type` needs one of string, number, boolean, array, object, null"),
    ({"a": {"$type": "undefined"}}, "`a`: `$type` needs one of"),
    ({"a": {"$type": ["string"]}}, "`a`: `$type` needs one of"),
    ({"a": {"$regex": 1}}, "`a`: `$regex` needs a pattern as text"),
    ({"a": {"$regex": "("}}, "`a`: the pattern '(' cannot be used, mend it: missing )"),
    ({"a": {"$regexi": "(?=b)"}}, "`a`: the pattern '(?=b)' cannot be used, mend it: invalid perl operator"),
    ({"a": {"$regex": "b" * 1001}}, "1001 characters, and 1000 are the most"),
    ({"a": {"$vgt": 2.1}}, "`a`: `$vgt` needs a version as text, such as '2.10.0'"),
    *(({"a": {name: 2}}, f"`{name}` needs a version as text") for name in ("$veq", "$vne", "$vlt", "$vlte", "$vgte")),
    # what is named in the population
    ({"$segment": ["vip"]}, "`$segment` needs the name of a segment"),
    ({"$segment": "old"}, "there is no segment 'old' in the population: there are new, vip"),
    ({"a": {"$inGroup": ["NO"]}}, "`a`: `$inGroup` needs the name of a group"),
    ({"a": {"$notInGroup": "baltic"}}, "there is no group 'baltic' in the population: there are h, nordic"),
    ({"a": {"$elemMatch": {"$segment": "old"}}}, "`a` has the unknown operator `$segment`"),
    ({"a": {"$elemMatch": {"b": {"$inGroup": "old"}}}}, "there is no group 'old' in the population"),
    # the types that fields are declared with
    ({"visits": "many"}, "`visits` is a number and is compared with 'many': compare it with a number"),
    ({"visits": True}, "`visits` is a number and is compared with True"),
    ({"visits": {"$eq": "1"}}, "`visits` is a number and is compared with '1'"),
    ({"visits": {"$in": ["1"]}}, "`visits` is a number and is compared with '1'"),
    ({"visits": {"$gt": "x"}}, "`visits` is a number and is compared with 'x'"),
    ({"visits": [1]}, "`visits` is declared as a number and cannot be a list: say $in for one of several"),
    ({"visits": {"a": 1}}, "`visits` is declared as a number and cannot be a map"),
    ({"visits.a": 1}, "nothing can be inside `visits`, which is declared as a number"),
    ({"country": {"$ne": 1}}, "`country` is a text and is compared with 1: compare it with a text"),
    ({"country": {"$ini": [1]}}, "`country` is a text and is compared with 1"),
    ({"country": False}, "`country` is a text and is compared with False"),
    ({"is_new": "true"}, "`is_new` is a flag and is compared with 'true': compare it with a flag"),
    ({"is_new": {"$gt": 0}}, "`is_new` is declared as a flag and has no order: `$gt` cannot be asked of it"),
    ({"tags": {"$lt": "a"}}, "`tags` is declared as a list of texts and has no order: `$lt` cannot be asked of it"),
    ({"tags": "a"}, "`tags` is a list of texts: say $in for one of them, or $all"),
    ({"tags": {"$ne": "a"}}, "`tags` is a list of texts: say $in for one of them, or $all"),
    ({"tags": ["a", 1]}, "`tags` is a list of texts and is compared with ['a', 1]: compare it with texts"),
    ({"tags": {"$in": [1]}}, "`tags` is a text and is compared with 1: compare it with a text"),
    ({"tags": {"$elemMatch": {"$lt": True}}}, "`tags`: `$lt` compares with a number or a text, not with True"),
    ({"tags": {"$elemMatch": {"$eq": 1}}}, "`tags` is a text and is compared with 1"),
    ({"tags": {"$elemMatch": {"name": "a"}}}, "`tags` is a list of texts, and `$elemMatch` needs operators there"),
    *(
        ({name: {word: operand}}, f"and is no list: `{word}` cannot be asked of it")
        for name in ("visits", "country", "is_new")
        for word, operand in (("$size", 1), ("$all", ["a"]), ("$alli", ["a"]), ("$elemMatch", {"$eq": "a"}))
    ),
    ({"is_new": {"$vgt": "1.2"}}, "`is_new` is declared as a flag and is no version: `$vgt` cannot be asked of it"),
    ({"tags": {"$veq": "1.2"}}, "`tags` is declared as a list of texts and is no version"),
]


@pytest.mark.parametrize(("condition", "sentence"), REFUSED, ids=[str(number) for number in range(len(REFUSED))])
def test_what_could_not_be_meant_is_refused_by_one_sentence(condition, sentence):
    (found,) = problems(condition)
    assert sentence in found
    assert "\n" not in found
    found.encode()


def test_every_problem_is_named():
    assert len(problems({"a": {"$near": 1, "$in": []}, "visits": "x", "$or": []})) == 4


def test_only_declared_fields_may_be_read_where_it_is_said():
    (found,) = problems({"age": 1}, only_declared=True)
    assert found == "`age` must be declared in `context`: there are country, is_new, tags, visits"
    assert problems({"age.of": 1}, {}, only_declared=True) == ["`age` must be declared in `context`: there is none"]
    assert not problems({"age": 1, "age.of": 2})
    assert not problems({"visits": 1, "tags": {"$elemMatch": {"$regex": "^a"}}}, only_declared=True)


def test_names_are_looked_up_only_where_there_is_a_population():
    named = {"$segment": "old", "a": {"$inGroup": "old"}}
    assert not problems(named, population=None)
    assert problems(named, population=NOBODYS) == [
        "there is no segment 'old' in the population: there is none",
        "there is no group 'old' in the population: there is none",
    ]


ACCEPTED = [
    {},
    nested(20),
    {"$segment": "vip"},
    {"$nor": [{"$not": {"$segment": "vip"}}, {"country": {"$notInGroup": "nordic"}}]},
    {"visits": 1, "country": "NO", "is_new": False, "tags": ["a"]},
    {"visits": "1", "country": {"$lt": 5}},
    {"visits": None, "country": None, "is_new": None, "tags": None},
    {"visits": {"$gte": 1, "$lt": "1e3", "$ne": None, "$in": [1, None], "$type": "number", "$exists": True}},
    {"country": {"$regex": "^N", "$regexi": "^n", "$ini": ["no"], "$nini": ["se"], "$not": {"$eq": "FI"}}},
    {"tags": {"$size": {"$gt": 1}, "$all": ["a", {"$regex": "b"}], "$alli": ["A"], "$in": ["a"], "$nin": ["b"]}},
    {"tags": {"$elemMatch": {"$gt": "a", "$not": {"$eq": "c"}}}},
    {"a.b": {"c": [1, {"d": None}]}, "e": [], "f": {}},
    {"a": {"$elemMatch": {"b": {"$in": [1]}, "$or": [{"c": 1}, {"d": 2}]}}},
    {"app": {"$veq": "1", "$vne": "2", "$vlt": "1-rc", "$vlte": "v1", "$vgt": "1.2.3", "$vgte": "1+b"}},
]


@pytest.mark.parametrize("condition", ACCEPTED)
def test_what_can_be_meant_is_accepted(condition):
    assert problems(condition) == []


def refuse(value):
    raise AssertionError(f"asked whether something never holds, of {value!r}")


def answer(condition, contexts):
    """Evaluate, and fail where an operator could not read its operand."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (operators, targeting):
            patch.setattr(module, "never", refuse)
        test = targeting.compile_condition(expansion.expand(condition, POPULATION))
        return [test(context) for context in contexts]


SOME = [{"a": value} for value in (None, True, 3, "b", [], [1, "b", None, {"b": 1}, [2]], {"b": [1]})]
single = st.sampled_from([*OF_FIELD, *LOGICAL]).flatmap(
    lambda name: st.tuples(st.just(name), operands(name) | asked | values)
)


@settings(max_examples=1000)
@given(single)
def test_no_operator_of_an_accepted_condition_has_an_operand_that_it_cannot_read(asked_for):
    name, operand = asked_for
    condition = {name: operand} if name in LOGICAL else {"a": {name: operand}}
    found = problems(condition)
    assert all("\n" not in sentence and sentence.encode() for sentence in found)
    if not found:
        assert set(answer(condition, SOME)) <= {True, False}


@settings(max_examples=500)
@given(conditions, st.lists(contexts, max_size=3))
def test_whatever_is_accepted_answers_yes_or_no(condition, known):
    found = problems(condition)
    assert all("\n" not in sentence and sentence.encode() for sentence in found)
    if not found:
        assert set(answer(condition, known)) <= {True, False}


@pytest.mark.parametrize("name", OF_FIELD)
def test_each_operator_is_accepted_with_an_operand_and_refused_with_a_map_that_is_none(name):
    good = {
        "$exists": True,
        "$type": KINDS[0],
        "$elemMatch": {"$eq": 1},
        "$inGroup": "nordic",
        "$notInGroup": "nordic",
        **{key: ["b"] for key in ("$in", "$nin", "$ini", "$nini", "$all", "$alli")},
    }
    assert problems({"a": {name: good.get(name, "1")}}) == []
    assert problems({"a": {name: {"$b": 1}}})
    assert all(re.search("`a|there is no", sentence) for sentence in problems({"a": {name: {"$b": 1}}}))
