"""What each operator asks of a value, with JavaScript's coercions: tables of what holds."""

import itertools
import math
from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.coercions import as_number, as_text, as_version, in_order, is_nan, is_true, kind_of
from engine.operators import OPERATORS, equals, equals_in_any_case, never
from tests.engine.condition_strategies import scalars, values

HUGE = 10**400
DEEP = None
for _ in range(100_000):
    DEEP = [DEEP]
OF_LIST = ("$in", "$nin", "$ini", "$nini")


def holds(name, operand, value):
    return OPERATORS[name](operand)(value)


# --- values without an operator --------------------------------------------------------------------------------------

LITERALS = [
    # literal, what it equals, what it does not
    ("a", ["a", ["a"]], ["A", "", None, ["a", "a"], {"a": 1}]),
    ("1", ["1", 1, 1.0, [1], ["1"], [[1]]], ["1.0", True, None]),
    ("", ["", [], [None], [[]]], [None, 0, False, " "]),
    ("null", ["null", None], [0, [None]]),
    ("true", ["true", True], [1, "True"]),
    ("a,b", ["a,b", ["a", "b"]], [["a", ["c"]]]),
    ("1e+21", [1e21, 10**21], [1e20]),
    ("100000000000000000000", [1e20, 10**20], ["1e20"]),
    ("[object Object]", [{}, {"a": 1}, [{}]], [[]]),
    ("Infinity", [math.inf, HUGE], [-HUGE]),
    ("NaN", [math.nan], [None]),
    ("0", [0, -0.0, [0]], [None, False, ""]),
    (1, [1, 1.0, "1", " 1 ", "1e0", "0x1", True, [1], ["1"]], ["one", 2, None, {}, [1, 1]]),
    (0, [0, -0.0, "0", "", " ", None, False, [], [None], "\n"], ["a", {}, True, [0, 0]]),
    (1.5, [1.5, "1.5", "15e-1", [1.5]], [1, "1,5", "1.5.0"]),
    (255, ["0xff", "0XFF", "0b11111111", "0o377"], ["ff", "-0xff", "0x", "2_55"]),
    (math.inf, [math.inf, "Infinity", "+Infinity", "1e999"], ["inf", "infinity", -math.inf, "-Infinity"]),
    (math.nan, [], [math.nan, "NaN", None, 0]),
    (True, [True, 1, "a", "0", [], {}, -1, HUGE], [False, 0, "", None, math.nan]),
    (False, [False, 0, "", math.nan, -0.0], [None, True, 1, "0", []]),
    (None, [None], [0, False, "", "null", [], {}]),
    ([1, "a"], [[1, "a"], [1.0, "a"], (1, "a")], [["a", 1], [1], [1, "a", 2], "1,a", None, [True, "a"]]),
    ([], [[], ()], [None, "", 0, {}, [None]]),
    ([None], [[None], [math.nan], [math.inf]], [[0], []]),
    ({}, [{}, OrderedDict()], [None, [], {"a": None}]),
    ({"a": [1], "b": None}, [{"b": None, "a": [1.0]}], [{"a": [1]}, {"a": [1], "b": 0}, {"a": [True], "b": None}]),
]


@pytest.mark.parametrize(("literal", "equal", "other"), LITERALS)
def test_a_value_is_equal_after_coercion_to_the_literals_type(literal, equal, other):
    assert [value for value in equal if not equals(literal)(value)] == []
    assert [value for value in other if equals(literal)(value)] == []


def test_in_any_case_texts_alone_lose_theirs():
    assert equals_in_any_case("É1")("é1")
    assert equals_in_any_case("TRUE")(True)
    assert equals_in_any_case(1)("1")
    assert not equals_in_any_case("a")(["b"])


# --- operators -------------------------------------------------------------------------------------------------------

TABLE = [
    # operator, operand, for what it holds, for what not
    ("$eq", 1, [1, 1.0], ["1", True, None, [1]]),
    ("$eq", True, [True], [1, "true", None]),
    ("$eq", None, [None], [0, "", False, []]),
    ("$eq", [1], [], [[1], 1]),
    ("$eq", {}, [], [{}, None]),
    ("$eq", math.nan, [], [math.nan]),
    ("$ne", "a", ["b", None, 1, ["a"]], ["a"]),
    ("$ne", 1, ["1", True, None], [1.0]),
    ("$ne", None, [0, ""], [None]),
    ("$ne", math.nan, [math.nan, 1], []),
    ("$lt", 10, [9, "9", "", None, True, [], [3]], [10, "10", "a", {}, math.nan, HUGE, [1, 2]]),
    ("$lt", "10", ["1", "09", 9, None, [1]], ["9", "a", 10, "10"]),
    ("$lt", "b", ["a", "B", "", ["a", "c"], {}], ["b", "c", None, 1, True]),
    ("$lt", HUGE, [1, HUGE - 1, "1", -math.inf], [HUGE, math.inf]),
    ("$lte", 0, [0, None, False, "", -1, []], [1, True, "a"]),
    ("$lte", "\U0001f600", ["\U0001f600", "z", "\ud83d"], ["\uffff", "\ue000"]),
    ("$gt", "z", ["é", "\U0001f600"], ["a", "z", 5]),
    ("$gt", 30, [31, "31", [31]], [30, None, "thirty", {}]),
    ("$gte", 0, [0, None, "", False, True, "1"], [-1, "a", math.nan]),
    ("$in", [1, "a", None], [1, 1.0, "a", None, ["b", "a"], [None]], ["1", True, "A", [], ["b"], [[1]], {}, HUGE]),
    ("$in", [True], [True, [True]], [1, "true"]),
    ("$in", [HUGE], [HUGE], [1, math.inf]),
    ("$in", [math.nan, [1], {}], [], [math.nan, [1], {}, [[1]]]),
    ("$in", [], [], [None, [], 1]),
    ("$nin", [1, "a"], [2, "A", None, [], ["b"], {}], [1, ["a"]]),
    ("$ini", ["A", 1], ["a", "A", 1, ["b", "a"]], ["1", True, "b", None]),
    ("$nini", ["A", 1], ["b", "1", None, []], ["a", "A", 1, ["a"]]),
    ("$inGroup", ["a", 1], ["a", 1, ["a"]], ["1", None]),
    ("$inGroup", "unknown", [], ["unknown", None, []]),
    ("$notInGroup", ["a", 1], ["1", None], ["a", ["a"]]),
    ("$notInGroup", "unknown", ["unknown", None], []),
    ("$exists", True, [0, "", False, [], {}], [None]),
    ("$exists", False, [None], [0, "", False]),
    ("$type", "number", [1, 1.5, HUGE, math.nan], ["1", True, None]),
    ("$type", "boolean", [True, False], [1, None]),
    ("$type", "array", [[], ()], [{}, "a"]),
    ("$type", "object", [{}, OrderedDict()], [[], None]),
    ("$type", "null", [None], [0, ""]),
    ("$type", "string", ["", "a"], [1, None]),
    ("$regex", "^a+$", ["a", "aa", ["a"]], ["A", "b", "", None, 1, {}]),
    ("$regex", "null", [None, "null"], [0]),
    ("$regex", "^1,2$", [[1, 2]], [12]),
    ("$regexi", "^A", ["a", "Ab"], ["b"]),
    ("$veq", "1.2.3", ["1.2.3", "v1.2.3", "1.2.3+b", "1-2-3"], ["1.2.3-rc", "1.2", None]),
    ("$veq", "0", [None, True, [], {}, "", 0, "v0"], ["0.0"]),
    ("$vne", "1.2.3", ["1.2.4", None], ["1.2.3"]),
    ("$vlt", "1.10.0", ["1.9.9", "1.10.0-rc.1", None, 1.1], ["1.10.0", "2", 2]),
    ("$vgt", "1.2.3-5-Foo", ["1.2.3-5-foo", "1.2.3"], ["1.2.3-5", None]),
    ("$vgte", "2", [2, "2", "2.1", 3], [1, "1.9"]),
    ("$vlte", "2.0.0", ["2.0.0", "v2.0.0-a", "1.99999.0"], ["2.0.1", "10.0.0"]),
]


@pytest.mark.parametrize(("name", "operand", "those", "others"), TABLE)
def test_an_operator_holds_for_those_and_not_for_others(name, operand, those, others):
    assert [value for value in those if holds(name, operand, value) is not True] == []
    assert [value for value in others if holds(name, operand, value) is not False] == []


def test_every_operator_is_in_the_table():
    assert {name for name, *_ in TABLE} == set(OPERATORS)


@pytest.mark.parametrize("name", OF_LIST)
@pytest.mark.parametrize("operand", [None, 1, "a", {"a": 1}, True])
def test_what_needs_a_list_holds_for_nobody_without_one(name, operand):
    assert OPERATORS[name](operand) is never


@pytest.mark.parametrize("operand", ["(", "(?=a)", "a" * 1001, 1, None, ["a"], True])
@pytest.mark.parametrize("name", ["$regex", "$regexi"])
def test_what_is_no_pattern_matches_nothing(name, operand):
    assert OPERATORS[name](operand) is never


@pytest.mark.parametrize("name", OPERATORS)
def test_a_value_that_is_nested_very_deeply_is_no_trouble(name):
    for operand in ("a", 1, ["a", None], "^a", "1.2.3"):
        assert holds(name, operand, DEEP) in (True, False)
        assert holds(name, operand, {"a": DEEP}) in (True, False)


@pytest.mark.parametrize("name", OPERATORS)
@given(values, values)
def test_no_operand_and_no_value_raises(name, operand, value):
    assert holds(name, operand, value) in (True, False)


@given(scalars | values, scalars | values)
def test_opposites_never_agree(operand, value):
    for name, opposite in (("$eq", "$ne"), ("$veq", "$vne"), ("$inGroup", "$notInGroup")):
        assert holds(name, operand, value) is not holds(opposite, operand, value)
    for name, opposite in (("$in", "$nin"), ("$ini", "$nini")):
        assert holds(name, [operand], value) is not holds(opposite, [operand], value)


@given(scalars, scalars)
def test_what_is_less_or_equal_is_not_greater(left, right):
    assert not (holds("$lt", right, left) and holds("$gte", right, left))
    assert not (holds("$lte", right, left) and holds("$gt", right, left))
    assert not (holds("$lt", right, left) and not holds("$lte", right, left))


# --- coercions -------------------------------------------------------------------------------------------------------


@given(values)
def test_every_value_has_a_text_a_number_a_truth_and_a_kind(value):
    assert isinstance(as_text(value), str)
    assert isinstance(as_number(value), int | float)
    assert is_true(value) in (True, False)
    assert kind_of(value) in ("null", "boolean", "number", "string", "array", "object")
    assert is_nan(value) is (kind_of(value) == "number" and value != value)
    assert as_version(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_comes_back_from_its_text(number):
    assert as_number(as_text(number)) == number


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (1e300, "1e+300"),
        (1e-6, "0.000001"),
        (-1.5e-5, "-0.000015"),
        (1e-7, "1e-7"),
        (5e-324, "5e-324"),
        (-0.0, "0"),
        (123456789.125, "123456789.125"),
    ],
)
def test_a_number_is_written_as_javascript_writes_it(number, text):
    assert as_text(number) == text


@pytest.mark.parametrize("text", ["٣", "1_000", "1e", "e1", ".", "+", "0x", "0b2", "--1", "1 2", "inf", "nan", "1f"])
def test_what_javascript_reads_as_no_number_is_none(text):
    assert math.isnan(as_number(text))


@given(st.text(st.characters(codec=None)), st.text(st.characters(codec=None)))
def test_texts_sort_by_their_utf_16_units(left, right):
    def units(text):
        data = text.encode("utf-16-be", "surrogatepass")
        return [high << 8 | low for high, low in zip(data[::2], data[1::2], strict=True)]

    assert (in_order(left) < in_order(right)) is (units(left) < units(right))
    assert holds("$lt", right, left) is (units(left) < units(right))


def test_versions_sort_as_those_of_packages():
    ascending = ["0.9.0", "0.10.0", "1.0.0-0", "1.0.0-1", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-beta.2"]
    ascending += ["1.0.0-beta.11", "1.0.0-rc.1", "v1.0.0+build", "1.0.1", "1.1.0", "2.0.0", "10.0.0", "99999.0.0"]
    for before, after in itertools.pairwise(ascending):
        assert holds("$vlt", after, before)
        assert holds("$vgt", before, after)
