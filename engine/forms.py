"""The parts of an experiment as they are written in a file: each reader stands beside its writer.

A reader takes a Node; a writer returns plain data, without what a file can leave out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from enum import Enum
from typing import Any, TypeVar

from engine.blocks import Block, Node, duration_text
from engine.definition import combinations, default_reward
from engine.experiments import (
    POLICY_SPECS,
    Better,
    Boundary,
    Brief,
    ContextField,
    Experiment,
    ExposureRule,
    Factor,
    FieldType,
    FixedSpec,
    Looking,
    Metric,
    MetricKind,
    Plan,
    PolicySpec,
    RewardTerm,
    Role,
    Variant,
)
from engine.records import ContextValue

_T = TypeVar("_T")
_E = TypeVar("_E", bound=Enum)
Reader = Callable[[Node], Any]
"""Makes a part of an experiment of a value in a file."""


def only_one(node: Node) -> str:
    """Read one name where there can be no list of them, such as the control."""
    if not isinstance(node.content, str):
        raise node.wrong(f"one name: name one {node.name}")
    return node.content


def exposure(node: Node) -> ExposureRule:
    """Read `assigned` or `reported`."""
    return _word(ExposureRule)(node)


def brief(node: Node) -> Brief:
    """Read the brief."""
    return Brief(**node.block().read(**dict.fromkeys(Brief.__dataclass_fields__, Node.text)))


def brief_data(brief: Brief) -> dict[str, str]:
    """Return what the brief says."""
    return _changed(brief, Brief())


def context(node: Node) -> tuple[ContextField, ...]:
    """Read the declared fields of the context: a type, or a type and whether the field is required."""
    return tuple(_field(name, declared) for name, declared in node.block().items())


def _field(name: str, node: Node) -> ContextField:
    if not isinstance(node.content, Mapping):
        return ContextField(name, _field_type(node))
    given = node.block().read(type=_field_type, required=Node.flag)
    if "type" not in given:
        raise node.wrong("a type such as text, or {type: text, required: true}")
    return ContextField(name, **given)


def _field_type(node: Node) -> FieldType:
    if isinstance(node.content, tuple) and [item.content for item in node.content] == ["text"]:
        return FieldType.TEXTS
    if node.content not in ("number", "text", "flag"):
        raise node.wrong("number, text, flag or [text]")
    return _word(FieldType)(node)


def context_data(declared: tuple[ContextField, ...]) -> dict[str, object]:
    """Return the declared fields by name."""
    return {field.name: _field_data(field) for field in declared}


def _field_data(field: ContextField) -> object:
    type_data: object = ["text"] if field.type is FieldType.TEXTS else field.type.value
    return {"type": type_data, "required": True} if field.required else type_data


def variants(node: Node) -> tuple[Variant, ...]:
    """Read the variants: names with fields, or a plain list of names."""
    return _by_name(node, lambda name, block: Variant(name, **block.read(**_VARIANT)))


def variants_data(experiment: Experiment) -> Mapping[str, Any] | list[str]:
    """Return the variants, or nothing where the factors generate them."""
    if experiment.factors and experiment.variants == tuple(combinations(experiment.factors)):
        return {}
    return _names_or_fields({variant.name: _variant_data(variant) for variant in experiment.variants})


def _variant_data(variant: Variant) -> dict[str, Any]:
    changed = _changed(variant, Variant(variant.name))
    return _replaced(changed, payload=json.loads, features=_features_data, levels=dict)


def _payload(node: Node) -> str:
    return json.dumps(node.value(), ensure_ascii=False)


def _features(node: Node) -> dict[str, ContextValue]:
    return {name: _feature(each) for name, each in node.block().items()}


def _feature(node: Node) -> ContextValue:
    if isinstance(node.content, tuple):
        return node.texts()
    value = node.value()
    if isinstance(value, bool | str):
        return value
    if not isinstance(value, int | float):
        raise node.wrong("a number, text, true, false or a list of text")
    return node.number()


def _features_data(features: Mapping[str, ContextValue]) -> dict[str, object]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in features.items()}


def factors(node: Node) -> tuple[Factor, ...]:
    """Read the factors with their levels."""
    return tuple(Factor(name, levels.texts()) for name, levels in node.block().items())


def factors_data(factors: tuple[Factor, ...]) -> dict[str, list[str]]:
    """Return the levels by factor."""
    return {factor.name: list(factor.levels) for factor in factors}


def policy(node: Node) -> PolicySpec:
    """Read the word of a policy, alone or with its settings."""
    named = {node.content: None} if isinstance(node.content, str) else dict(node.block())
    if len(named) != 1 or not named.keys() <= POLICY_SPECS.keys():
        raise node.wrong(f"one of {', '.join(POLICY_SPECS)}, such as `policy: thompson`")
    ((word, settings),) = named.items()
    spec = POLICY_SPECS[word]
    return spec(**settings.block().read(**_settings(spec))) if settings else spec()


def _settings(spec: type[PolicySpec]) -> dict[str, Reader]:
    """Return a reader for every setting, by the type of the setting's default."""
    readers: dict[type, Reader] = {float: Node.number, int: Node.whole, dict: _numbers_by_name}
    defaults = spec()
    return {field.name: readers[type(getattr(defaults, field.name))] for field in fields(spec)}


def policy_data(policy: PolicySpec) -> object:
    """Return the word of a policy, with the settings that are not its defaults; nothing for an even test."""
    changed = _changed(policy, type(policy)())
    if not changed:
        return None if isinstance(policy, FixedSpec) else policy.kind
    return {policy.kind: _replaced(changed, weights=dict)}


def metrics(node: Node) -> tuple[Metric, ...]:
    """Read the metrics: names with fields, or a plain list of names."""
    return _by_name(node, lambda name, block: Metric(name, **block.read(**_METRIC)))


def metrics_data(metrics: tuple[Metric, ...]) -> Mapping[str, Any] | list[str]:
    """Return the metrics."""
    return _names_or_fields({metric.name: _metric_data(metric) for metric in metrics})


def _metric_data(metric: Metric) -> dict[str, Any]:
    return _replaced(
        _changed(metric, Metric(metric.name)),
        kind=_value_of,
        window=duration_text,
        after=duration_text,
        range=list,
        better=_value_of,
        role=_value_of,
        covariates=list,
    )


def _range(node: Node) -> tuple[float, float]:
    if not isinstance(node.content, tuple) or len(node.content) != 2:
        raise node.wrong("the least and the most, such as [0, 200]")
    low, high = node.content
    return low.number(), high.number()


def plan(node: Node) -> Plan:
    """Read how the experiment is to be read: when it is looked at, and how many units are planned."""
    return Plan(**{_PLAN_FIELDS.get(name, name): value for name, value in node.block().read(**_PLAN).items()})


def plan_data(plan: Plan) -> dict[str, Any]:
    """Return what of the plan is not its default."""
    written = {field: name for name, field in _PLAN_FIELDS.items()}
    changed = _replaced(_changed(plan, Plan()), looking=_value_of, boundary=_value_of)
    return {written.get(field, field): value for field, value in changed.items()}


def reward(node: Node) -> tuple[RewardTerm, ...]:
    """Read the weights by metric."""
    return tuple(RewardTerm(metric, weight) for metric, weight in _numbers_by_name(node).items())


def reward_data(experiment: Experiment) -> dict[str, float]:
    """Return the weights by metric, or nothing where they are what an experiment without a reward gets."""
    given = () if experiment.reward == default_reward(experiment) else experiment.reward
    return {term.metric: term.weight for term in given}


def _by_name(node: Node, make: Callable[[str, Block], _T]) -> tuple[_T, ...]:
    """Return one thing for every name, of a mapping of names to fields or of a plain list of names."""
    if isinstance(node.content, tuple):
        return tuple(make(item.text(), Block(node.name, item.file, item.line, {})) for item in node.items())
    return tuple(make(name, each.block()) for name, each in node.block().items())


def _names_or_fields(by_name: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any] | list[str]:
    return by_name if any(by_name.values()) else list(by_name)


def _texts_by_name(node: Node) -> dict[str, str]:
    return {name: each.text() for name, each in node.block().items()}


def _numbers_by_name(node: Node) -> dict[str, float]:
    return {name: each.number() for name, each in node.block().items()}


def _word(words: type[_E]) -> Callable[[Node], _E]:
    """Return the reader of one of some words."""
    known = {word.value: word for word in words}
    *others, last = known

    def read(node: Node) -> _E:
        if not isinstance(node.content, str) or node.content not in known:
            raise node.wrong(f"{', '.join(others)} or {last}")
        return known[node.content]

    return read


def _value_of(word: Enum) -> str:
    return str(word.value)


def _changed(record: _T, default: _T) -> dict[str, Any]:
    """Return the fields of a record in which it differs from another one."""
    values = {field.name: getattr(record, field.name) for field in fields(record)}  # type: ignore[arg-type]  # a dataclass
    return {name: value for name, value in values.items() if value != getattr(default, name)}


def _replaced(data: dict[str, Any], **writers: Callable[[Any], object]) -> dict[str, Any]:
    return {name: writers[name](value) if name in writers else value for name, value in data.items()}


_VARIANT: Mapping[str, Reader] = {"payload": _payload, "features": _features, "levels": _texts_by_name}
_METRIC: Mapping[str, Reader] = {
    "kind": _word(MetricKind),
    "of": Node.text,
    "per": Node.text,
    "window": Node.duration,
    "after": Node.duration,
    "cap": Node.number,
    "winsor": Node.number,
    "range": _range,
    "quantile": Node.number,
    "better": _word(Better),
    "role": _word(Role),
    "margin": Node.number,
    "effect": Node.number,
    "covariates": Node.texts,
}
_PLAN: Mapping[str, Reader] = {
    "look": _word(Looking),
    "looks": Node.whole,
    "boundary": _word(Boundary),
    "units": Node.whole,
    "power": Node.number,
}
_PLAN_FIELDS: Mapping[str, str] = {"look": "looking", "units": "n_units"}
