"""What each operator asks of one value: from the operand, once, to a test that is fast and never raises.

The tests for the commonest operands, texts and numbers, look at the value's class first and leave all coercion to those
values that need it. An operand that an operator cannot have makes a test that never holds.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from engine.coercions import as_number, as_text, as_version, in_order, is_nan, is_same, is_true, kind_of
from engine.patterns import compile_pattern
from engine.records import Value

Test = Callable[[Value], bool]
"""Whether something holds for a value."""

_Relation = Callable[[Any, Any], bool]


def never(value: Value) -> bool:  # noqa: ARG001
    """Hold for nothing."""
    return False


def always(value: Value) -> bool:  # noqa: ARG001
    """Hold for everything."""
    return True


def negated(test: Test) -> Test:
    """Return a test that holds where this one does not."""
    return lambda value: not test(value)


def equals(literal: Value) -> Test:
    """Return the test of a value that is written without an operator: it coerces to the literal's type.

    >>> equals(1)("1"), equals("1")(1), equals([1])([1.0]), equals(None)(0)
    (True, True, True, False)
    """
    if isinstance(literal, str):
        return lambda value: value == literal if value.__class__ is str else as_text(value) == literal
    if isinstance(literal, bool):
        return lambda value: value is not None and is_true(value) is literal
    if isinstance(literal, int | float):
        return lambda value: value == literal if value.__class__ is float else as_number(value) == literal
    if literal is None:
        return lambda value: value is None
    return lambda value: is_same(value, literal)


def equals_in_any_case(literal: Value) -> Test:
    """Return the test of a value that is written without an operator, where the case of text does not count."""
    if not isinstance(literal, str):
        return equals(literal)
    lower = literal.lower()
    return lambda value: as_text(value).lower() == lower


def _is(literal: Value) -> Test:
    """Types must agree; a list or map is no other, as in JavaScript."""
    if isinstance(literal, str):
        return lambda value: value == literal
    if literal is None or isinstance(literal, bool):
        return lambda value: value is literal
    if isinstance(literal, int | float):
        return lambda value: value == literal and value.__class__ is not bool
    return never


def _is_not(literal: Value) -> Test:
    if isinstance(literal, str):
        return lambda value: value != literal
    return negated(_is(literal))


def _ordered(relation: _Relation, bound: Value) -> Test:
    """Two texts compare as texts, all else as numbers, of which a missing field is 0: `{$lt: 30}` holds for it."""
    if isinstance(bound, str | list | tuple | Mapping):
        return _ordered_by_text(relation, as_text(bound))
    number = as_number(bound)

    def holds(value: Value) -> bool:
        return relation(value if value.__class__ is float or value.__class__ is int else as_number(value), number)

    return holds


def _ordered_by_text(relation: _Relation, bound: str) -> Test:
    number = as_number(bound)
    # Where one of two texts is plain ASCII, all orders agree.
    rank: Callable[[str], str | bytes] = str if bound.isascii() else in_order
    ranked = rank(bound)

    def holds(value: Value) -> bool:
        if isinstance(value, str | list | tuple | Mapping):
            return relation(rank(as_text(value)), ranked)
        return relation(as_number(value), number)

    return holds


def _versions(relation: _Relation, bound: Value) -> Test:
    version = as_version(bound)
    rank: Callable[[str], str | bytes] = str if version.isascii() else in_order
    ranked = rank(version)
    if rank is str:
        return lambda value: relation(as_version(value), version)
    return lambda value: relation(rank(as_version(value)), ranked)


def _key(value: Value) -> object:
    """Return what tells a scalar from all others in a set, where Python takes True for 1; None for what is never in."""
    if value is None or isinstance(value, bool):
        return (value,)
    if isinstance(value, str) or (isinstance(value, int | float) and not is_nan(value)):
        return value
    return None


def _folded_key(value: Value) -> object:
    return value.lower() if isinstance(value, str) else _key(value)


def is_one_of(values: Iterable[Value]) -> Test:
    """Return a test whether a value, or any item of a list, is one of these; their types must agree.

    >>> is_one_of(["a", 1])("a"), is_one_of(["a", 1])([True, 1]), is_one_of(["a", 1])("1")
    (True, True, False)
    """
    keys = {_key(value) for value in values} - {None}

    def holds(value: Value) -> bool:
        if value.__class__ is str:
            return value in keys
        return _any_in(keys, _key, value)

    return holds


def _is_one_of_in_any_case(values: Iterable[Value]) -> Test:
    return partial(_any_in, {_folded_key(value) for value in values} - {None}, _folded_key)


def _any_in(keys: set[object], key: Callable[[Value], object], value: Value) -> bool:
    if isinstance(value, list | tuple):
        return not keys.isdisjoint(map(key, value))
    return key(value) in keys


def _of_list(make: Callable[[Iterable[Value]], Test]) -> Callable[[Value], Test]:
    return lambda operand: make(operand) if isinstance(operand, list | tuple) else never


def _of_list_negated(make: Callable[[Iterable[Value]], Test]) -> Callable[[Value], Test]:
    return lambda operand: negated(make(operand)) if isinstance(operand, list | tuple) else never


def _in_group(operand: Value) -> Test:
    """A group's values stand here already; a name that is left is that of no group."""
    return is_one_of(operand if isinstance(operand, list | tuple) else ())


def _exists(wanted: Value) -> Test:
    return (lambda value: value is not None) if is_true(wanted) else (lambda value: value is None)


def _type(word: Value) -> Test:
    return lambda value: kind_of(value) == word


def _matches(ignore_case: bool, pattern: Value) -> Test:
    if not isinstance(pattern, str):
        return never
    try:
        is_in = compile_pattern(pattern, ignore_case=ignore_case)
    except ValueError:
        return never
    return lambda value: is_in(as_text(value))


OPERATORS: Mapping[str, Callable[[Value], Test]] = {
    "$eq": _is,
    "$ne": _is_not,
    "$lt": partial(_ordered, operator.lt),
    "$lte": partial(_ordered, operator.le),
    "$gt": partial(_ordered, operator.gt),
    "$gte": partial(_ordered, operator.ge),
    "$in": _of_list(is_one_of),
    "$nin": _of_list_negated(is_one_of),
    "$ini": _of_list(_is_one_of_in_any_case),
    "$nini": _of_list_negated(_is_one_of_in_any_case),
    "$inGroup": _in_group,
    "$notInGroup": lambda operand: negated(_in_group(operand)),
    "$exists": _exists,
    "$type": _type,
    "$regex": partial(_matches, False),
    "$regexi": partial(_matches, True),
    "$veq": partial(_versions, operator.eq),
    "$vne": partial(_versions, operator.ne),
    "$vlt": partial(_versions, operator.lt),
    "$vlte": partial(_versions, operator.le),
    "$vgt": partial(_versions, operator.gt),
    "$vgte": partial(_versions, operator.ge),
}
"""The operators that ask something of one value alone; those that hold other conditions are in `targeting`."""
