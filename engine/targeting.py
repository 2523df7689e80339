"""Conditions: data that a team writes, compiled once to a test of a request's context.

The style and the semantics are GrowthBook's: a map of clauses that all have to hold, each a dotted path into the
context with a value or operators, or `$and`, `$or`, `$nor`, `$not`. `condition_rules` says what is refused when a
condition is applied; what gets here all the same never raises, and holds for nobody where it makes no sense.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from engine.coercions import inside
from engine.conditions import fits, is_operators
from engine.expansion import Expansion
from engine.funnel import Condition
from engine.operators import OPERATORS, Test, always, equals, equals_in_any_case, negated, never
from engine.records import Value


def evaluate(
    condition: Condition, attributes: Mapping[str, Value], groups: Mapping[str, Sequence[Value]] | None = None
) -> bool:
    """Whether a condition holds for attributes, with the values of the groups that it names.

    Compiles it anew each time: what decides often keeps what `compile_condition` returns.

    >>> evaluate({"plan.tier": {"$ne": "free"}, "visits": {"$gte": 3}}, {"plan": {"tier": "gold"}, "visits": "12"})
    True
    """
    known = {name: tuple(values) for name, values in (groups or {}).items() if isinstance(values, list | tuple)}
    return compile_condition(Expansion({}, known).of(condition))(attributes)


def compile_condition(condition: Condition) -> Callable[[Mapping[str, Value]], bool]:
    """Return the test that a condition is; it never raises, whatever the context holds.

    A condition that is too deep or too large holds for nobody, and so does a segment that was not expanded. A field
    that is missing counts as 0 among numbers, as in GrowthBook: `{age: {$lt: 30}}` holds where `age` is missing, so
    `{age: {$exists: true, $lt: 30}}` is what asks for those who are known to be younger.

    >>> is_nordic = compile_condition({"country": {"$in": ["NO", "SE"]}})
    >>> is_nordic({"country": "SE"}), is_nordic({})
    (True, False)
    >>> compile_condition({"age": {"$lt": 30}})({}), compile_condition({"age": {"$exists": True, "$lt": 30}})({})
    (True, False)
    """
    return _condition(condition) if fits(condition) else never


def _condition(condition: Value) -> Test:
    if not isinstance(condition, Mapping):
        return never
    return _all([_clause(str(name), value) for name, value in condition.items()])


def _clause(name: str, value: Value) -> Test:
    if name in _LOGICAL:
        return _LOGICAL[name](value)
    return _field(name, _value(value))


def _conditions(join: Callable[[Sequence[Test]], Test]) -> Callable[[Value], Test]:
    return lambda value: join([_condition(each) for each in value]) if isinstance(value, list | tuple) else never


def _all(tests: Sequence[Test]) -> Test:
    if len(tests) < 2:
        return tests[0] if tests else always

    def holds(value: Value) -> bool:
        for test in tests:  # noqa: SIM110 - `all` with a generator takes twice as long
            if not test(value):
                return False
        return True

    return holds


def _any(tests: Sequence[Test]) -> Test:
    """No alternatives at all hold, as in GrowthBook."""
    if len(tests) < 2:
        return tests[0] if tests else always

    def holds(value: Value) -> bool:
        for test in tests:  # noqa: SIM110
            if test(value):
                return True
        return False

    return holds


_LOGICAL: Mapping[str, Callable[[Value], Test]] = {
    "$and": _conditions(_all),
    "$or": _conditions(_any),
    "$nor": _conditions(lambda tests: negated(_any(tests))),
    "$not": lambda value: negated(_condition(value)) if isinstance(value, Mapping) else never,
    "$segment": lambda name: never,  # noqa: ARG005
}


def _field(path: str, test: Test) -> Test:
    name, *names = path.split(".")

    def holds(value: Value) -> bool:
        return test(value.get(name) if isinstance(value, dict) else inside(value, name))

    def holds_inside(value: Value) -> bool:
        for each in (name, *names):
            value = value.get(each) if isinstance(value, dict) else inside(value, each)
        return test(value)

    return holds_inside if names else holds


def _value(value: Value) -> Test:
    if isinstance(value, Mapping) and is_operators(value):
        return _all([_operator(str(name), operand) for name, operand in value.items()])
    return equals(value)


def _operator(name: str, operand: Value) -> Test:
    make = _NESTED.get(name) or OPERATORS.get(name)
    return make(operand) if make else never


def _has_size(operand: Value) -> Test:
    test = _value(operand)
    return lambda value: isinstance(value, list | tuple) and test(len(value))


def _has_item(operand: Value) -> Test:
    """Operators ask about an item itself, a condition about what is inside it; null is no item."""
    test = _value(operand) if is_operators(operand) else _condition(operand)
    return lambda value: isinstance(value, list | tuple) and any(item is not None and test(item) for item in value)


def _has_all(test_of: Callable[[Value], Test], operand: Value) -> Test:
    if not isinstance(operand, list | tuple):
        return never
    tests = [test_of(each) for each in operand]
    return lambda value: isinstance(value, list | tuple) and all(any(map(test, value)) for test in tests)


def _value_in_any_case(value: Value) -> Test:
    return equals_in_any_case(value) if isinstance(value, str) else _value(value)


_NESTED: Mapping[str, Callable[[Value], Test]] = {
    "$not": lambda operand: negated(_value(operand)),
    "$size": _has_size,
    "$elemMatch": _has_item,
    "$all": partial(_has_all, _value),
    "$alli": partial(_has_all, _value_in_any_case),
}
