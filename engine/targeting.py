"""Conditions: data that a team writes, compiled once to a test of a request's context.

The style and the semantics are GrowthBook's: a map of clauses that all have to hold, each a dotted path into the
context with a value or operators, or `$and`, `$or`, `$nor`, `$not`. `condition_rules` says what is refused when a
condition is applied; what gets here all the same never raises, and holds for nobody where it makes no sense.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from engine.coercions import inside
from engine.experiments import Experiment
from engine.funnel import Condition, ForcedRule, Population
from engine.operators import OPERATORS, Test, always, equals, equals_in_any_case, negated, never
from engine.records import Value
from engine.specs import FixedSpec, PolicySpec, Rule, SegmentsSpec

MAX_DEPTH = 20
"""How deeply the maps and lists of a condition nest, its segments' with it."""

MAX_SIZE = 1000
"""The most maps and lists of a condition, its segments' with it."""

MAX_CHAIN = 10
"""The most segments of which each names the next."""

LISTS = ("$and", "$or", "$nor")
"""What holds a list of conditions."""

IN_GROUP: Mapping[str, str] = {"$inGroup": "$in", "$notInGroup": "$nin"}
"""The operators that name a group, and those of its values."""

_NOBODY: Condition = {"$nor": ({},)}


def evaluate(
    condition: Condition, attributes: Mapping[str, Value], groups: Mapping[str, Sequence[Value]] | None = None
) -> bool:
    """Whether a condition holds for attributes, with the values of the groups that it names.

    Compiles it anew each time: what decides often keeps what `compile_condition` returns.

    >>> evaluate({"plan.tier": {"$ne": "free"}, "visits": {"$gte": 3}}, {"plan": {"tier": "gold"}, "visits": "12"})
    True
    """
    known = {name: tuple(values) for name, values in (groups or {}).items() if isinstance(values, list | tuple)}
    return compile_condition(_Expansion({}, known).of(condition))(attributes)


# --- compiling -----------------------------------------------------------------------------------------------------


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


def fits(condition: Value) -> bool:
    """Whether a condition nests no deeper, and has no more maps and lists, than any may.

    >>> fits({"a": [[1]]}), fits({"$and": [{"a": 1}] * 1000})
    (True, False)
    """
    depth = size = 0
    level: Sequence[Value] = _containers([condition])
    while level and depth < MAX_DEPTH and size + len(level) <= MAX_SIZE:
        depth, size = depth + 1, size + len(level)
        level = _containers(inner for value in level for inner in _items(value))
    return not level


def _containers(values: Iterable[Value]) -> list[Value]:
    return [value for value in values if isinstance(value, Mapping | list | tuple)]


def _items(value: Value) -> Iterable[Value]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list | tuple) else ()


def is_operators(value: Value) -> bool:
    """Whether a value is a map of operators alone; any other map is a literal.

    >>> is_operators({"$gt": 1}), is_operators({"$gt": 1, "b": 2}), is_operators({})
    (True, False, False)
    """
    return isinstance(value, Mapping) and bool(value) and all(str(name).startswith("$") for name in value)


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


# --- what a condition names in the population ----------------------------------------------------------------------


def expand(condition: Condition, population: Population) -> Condition:
    """Return the condition with its segments and groups written out; the same one where it names none.

    An unknown segment and one that names itself hold for nobody, an unknown group is empty.

    >>> population = Population({"vip": {"visits": {"$gte": 10}}}, {"nordic": ("NO", "SE")})
    >>> expand({"$segment": "vip"}, population)
    {'visits': {'$gte': 10}}
    >>> expand({"country": {"$inGroup": "nordic"}}, population)
    {'country': {'$in': ('NO', 'SE')}}
    """
    return _Expansion(population.segments, population.groups).of(condition)


class _Expansion:
    """One condition's way through the population, with the segments that were met, so that each is expanded once."""

    def __init__(self, segments: Mapping[str, Condition], groups: Mapping[str, Sequence[Value]]) -> None:
        self._segments = segments
        self._groups = groups
        self._expanded: dict[str, Condition] = {}
        self._chain = 0

    def of(self, condition: Condition) -> Condition:
        if not (isinstance(condition, Mapping) and fits(condition)):
            return condition
        return self._condition(condition)

    def _condition(self, condition: Condition) -> Condition:
        clauses = {name: self._clause(name, value) for name, value in condition.items() if name != "$segment"}
        if "$segment" not in condition:
            return _unless_changed(condition, clauses)
        segment = self._segment(condition["$segment"])
        return {"$and": (segment, clauses)} if clauses else segment

    def _segment(self, name: Value) -> Condition:
        if not isinstance(name, str) or name not in self._segments:
            return _NOBODY
        if name not in self._expanded:
            self._expanded[name] = _NOBODY  # what it is for itself
            self._chain += 1
            if self._chain <= MAX_CHAIN:
                self._expanded[name] = self.of(self._segments[name])
            self._chain -= 1
        return self._expanded[name]

    def _clause(self, name: str, value: Value) -> Value:
        if name in LISTS:
            return self._list(self._within, value)
        return self._within(value) if name == "$not" else self._value(value)

    def _within(self, condition: Value) -> Value:
        return self._condition(condition) if isinstance(condition, Mapping) else condition

    def _value(self, value: Value) -> Value:
        if not (isinstance(value, Mapping) and is_operators(value)):
            return value
        operands = {name: self._operand(name, operand) for name, operand in value.items()}
        return _unless_changed(value, {_renamed(name, operands): operand for name, operand in operands.items()})

    def _operand(self, name: str, operand: Value) -> Value:
        if name in IN_GROUP:
            return self._groups.get(operand, ()) if isinstance(operand, str) else ()
        if name in ("$not", "$size") or (name == "$elemMatch" and is_operators(operand)):
            return self._value(operand)
        if name == "$elemMatch":
            return self._within(operand)
        return self._list(self._value, operand) if name in ("$all", "$alli") else operand

    def _list(self, expand_each: Callable[[Value], Value], values: Value) -> Value:
        if not isinstance(values, list | tuple):
            return values
        items = [expand_each(value) for value in values]
        return values if all(map(operator.is_, items, values)) else items


def _renamed(name: str, operands: Mapping[str, Value]) -> str:
    """Return the operator of a group's values; where that one stands beside it already, the name stays."""
    renamed = IN_GROUP.get(name, name)
    return name if renamed in operands else renamed


def _unless_changed(before: Mapping[str, Value], after: Mapping[str, Value]) -> Mapping[str, Value]:
    """Return what was before where it is the same, so that a condition without names stays itself."""
    return after if any(after.get(name, before) is not value for name, value in before.items()) else before


def expanded(experiment: Experiment, population: Population) -> Experiment:
    """Return the experiment with all its conditions expanded; the same one where none names a segment or a group."""

    def changed(condition: Condition) -> Condition:
        return expand(condition, population)

    funnel, audience = experiment.funnel, changed(experiment.funnel.audience)
    forced = [changed(rule.when) for rule in experiment.forced]
    policy = _with_conditions(experiment.policy, changed)
    if audience is funnel.audience and policy is experiment.policy and _are_those(forced, experiment.forced):
        return experiment
    return replace(
        experiment,
        funnel=replace(funnel, audience=audience),
        forced=tuple(replace(rule, when=when) for rule, when in zip(experiment.forced, forced, strict=True)),
        policy=policy,
    )


def _with_conditions(policy: PolicySpec, change: Callable[[Condition], Condition]) -> PolicySpec:
    if isinstance(policy, SegmentsSpec):
        return _with_rules(policy, change)
    if isinstance(policy, FixedSpec) or policy.prior is None:
        return policy
    prior = _with_rules(policy.prior, change)
    return policy if prior is policy.prior else replace(policy, prior=prior)


def _with_rules(policy: SegmentsSpec, change: Callable[[Condition], Condition]) -> SegmentsSpec:
    conditions = [change(rule.when) for rule in policy.rules]
    if _are_those(conditions, policy.rules):
        return policy
    rules = (replace(rule, when=when) for rule, when in zip(policy.rules, conditions, strict=True))
    return replace(policy, rules=tuple(rules))


def _are_those(conditions: Iterable[Condition], rules: Iterable[ForcedRule | Rule]) -> bool:
    return all(when is rule.when for when, rule in zip(conditions, rules, strict=True))
