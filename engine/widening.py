"""Whether a condition holds for everybody whom another one held for, as far as their form alone shows it.

A condition is read as clauses that must all hold. A clause is one operator on one field, a choice of conditions, or a
condition that must not hold. What cannot be shown is taken for not so: an edit that is not surely wider opens an epoch.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import lru_cache
from typing import TypeGuard

from engine.conditions import is_operators
from engine.funnel import Condition
from engine.records import Value

_EQUALS = ""


@dataclass(frozen=True, slots=True)
class _Field:
    path: str
    operator: str
    expected: Hashable


@dataclass(frozen=True, slots=True)
class _AnyOf:
    choices: frozenset[_All]


@dataclass(frozen=True, slots=True)
class _Not:
    refused: _All


_Clause = _Field | _AnyOf | _Not
_All = frozenset[_Clause]


def is_wider(before: Condition, after: Condition) -> bool:
    """Whether `after` surely holds for everybody whom `before` held for, which includes the same condition.

    >>> nordic, adult = {"country": {"$in": ["NO", "SE"]}}, {"age": {"$gte": 18}}
    >>> is_wider({**nordic, **adult}, nordic), is_wider(nordic, {"$or": [nordic, adult]}), is_wider(nordic, adult)
    (True, True, False)
    """
    return _implies(_clauses(before), _clauses(after))


def exact(value: object) -> Hashable:
    """Return a form of a value or record in which no two different ones are equal, as True and 1 are in Python.

    >>> {"vip": True} == {"vip": 1.0}, exact({"vip": True}) == exact({"vip": 1.0})
    (True, False)
    """
    match value:
        case bool():
            return bool, value
        case Mapping():
            return frozenset((name, exact(each)) for name, each in value.items())
        case list() | tuple():
            return tuple(exact(each) for each in value)
        case _ if is_dataclass(value):
            return type(value), *(exact(getattr(value, each.name)) for each in fields(value))
        case _:
            return value


def _clauses(condition: Condition) -> _All:
    return frozenset(clause for name, value in condition.items() for clause in _split(name, value))


def _split(name: str, value: Value) -> Iterator[_Clause]:
    match name:
        case "$and" if _are_conditions(value):
            for each in value:
                yield from _clauses(each)
        case "$or" if _are_conditions(value):
            yield _AnyOf(frozenset(map(_clauses, value)))
        case "$nor" if _are_conditions(value):
            yield from (_Not(_clauses(each)) for each in value)
        case "$not" if isinstance(value, Mapping):
            yield _Not(_clauses(value))
        case _:
            yield from _of_field(name, value)


def _are_conditions(value: Value) -> TypeGuard[Sequence[Condition]]:
    """Whether these are conditions; none at all say nothing that could be compared clause by clause."""
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(each, Mapping) for each in value)


def _of_field(path: str, value: Value) -> Iterator[_Field]:
    if isinstance(value, Mapping) and is_operators(value):
        yield from (_Field(path, operator, exact(expected)) for operator, expected in value.items())
    else:
        yield _Field(path, _EQUALS, exact(value))


def _implies(known: _All, wanted: _All) -> bool:
    return all(_is_implied(known, clause) for clause in wanted)


# Conditions that nest deeply meet the same two parts again and again.
@lru_cache(maxsize=10_000)
def _is_implied(known: _All, wanted: _Clause) -> bool:
    return wanted in known or _by_choice(known, wanted) or any(_implies_clause(clause, wanted) for clause in known)


def _by_choice(known: _All, wanted: _Clause) -> bool:
    return isinstance(wanted, _AnyOf) and any(_implies(known, choice) for choice in wanted.choices)


def _implies_clause(known: _Clause, wanted: _Clause) -> bool:
    match known, wanted:
        case _AnyOf(choices), _:
            return all(_is_implied(choice, wanted) for choice in choices)
        case _Not(refused), _Not(still_refused):
            return _implies(still_refused, refused)
        case _Field(), _Field():
            return _has_more_values(known, wanted)
        case _:
            return False


def _has_more_values(known: _Field, wanted: _Field) -> bool:
    """Whether a list of values that are looked for has grown, or one of values that are refused has shrunk."""
    listed, now = known.expected, wanted.expected
    if (known.path, known.operator) != (wanted.path, wanted.operator):
        return False
    if not isinstance(listed, tuple) or not isinstance(now, tuple):
        return False
    match known.operator:
        case "$in":
            return set(listed) <= set(now)
        case "$nin":
            return set(listed) >= set(now)
        case _:
            return False
