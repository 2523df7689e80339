"""What a condition names in the population, written out: segments and groups."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from engine.conditions import IN_GROUP, LISTS, MAX_CHAIN, fits, is_operators
from engine.experiments import Experiment
from engine.funnel import Condition, ForcedRule, Population
from engine.records import Value
from engine.specs import FixedSpec, PolicySpec, Rule, SegmentsSpec

_NOBODY: Condition = {"$nor": ({},)}


def expand(condition: Condition, population: Population) -> Condition:
    """Return the condition with its segments and groups written out; the same one where it names none.

    An unknown segment and one that names itself hold for nobody, an unknown group is empty.

    >>> population = Population({"vip": {"visits": {"$gte": 10}}}, {"nordic": ("NO", "SE")})
    >>> expand({"$segment": "vip"}, population)
    {'visits': {'$gte': 10}}
    >>> expand({"country": {"$inGroup": "nordic"}}, population)
    {'country': {'$in': ('NO', 'SE')}}
    """
    return Expansion(population.segments, population.groups).of(condition)


class Expansion:
    """One condition's way through the population, with the segments that were met, so that each is expanded once."""

    def __init__(self, segments: Mapping[str, Condition], groups: Mapping[str, Sequence[Value]]) -> None:
        self._segments = segments
        self._groups = groups
        self._expanded: dict[str, Condition] = {}
        self._chain = 0

    def of(self, condition: Condition) -> Condition:
        """Return the condition expanded; one that is too deep or too large stays as it is."""
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
