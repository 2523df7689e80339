"""The parts of an experiment as they are written in a file: each reader stands beside its writer.

A reader takes a Node; a writer returns plain data, without what a file can leave out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from engine.blocks import Node, duration_text
from engine.definition import combinations, default_reward
from engine.experiments import (
    Boundary,
    Brief,
    ContextField,
    Experiment,
    ExposureRule,
    Factor,
    FieldType,
    Looking,
    Plan,
    Variant,
)
from engine.form_pieces import (
    Reader,
    by_name,
    changed,
    names_or_fields,
    renamed,
    replaced,
    texts_by_name,
    value_of,
    word,
)
from engine.metrics import Aggregation, Better, Metric, MetricKind, RewardTerm, Role
from engine.records import ContextValue
from engine.reward_rules import default_scale


def exposure(node: Node) -> ExposureRule:
    """Read `assigned` or `reported`."""
    return word(ExposureRule)(node)


def brief(node: Node) -> Brief:
    """Read the brief."""
    return Brief(**node.block().read(**dict.fromkeys(Brief.__dataclass_fields__, Node.text)))


def brief_data(brief: Brief) -> dict[str, str]:
    """Return what the brief says."""
    return changed(brief, Brief())


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
    return word(FieldType)(node)


def context_data(declared: tuple[ContextField, ...]) -> dict[str, object]:
    """Return the declared fields by name."""
    return {field.name: _field_data(field) for field in declared}


def _field_data(field: ContextField) -> object:
    type_data: object = ["text"] if field.type is FieldType.TEXTS else field.type.value
    return {"type": type_data, "required": True} if field.required else type_data


def variants(node: Node) -> tuple[Variant, ...]:
    """Read the variants: names with fields, or a plain list of names."""
    return by_name(node, lambda name, block: Variant(name, **renamed(block.read(**_VARIANT), _VARIANT_FIELDS)))


def variants_data(experiment: Experiment) -> Mapping[str, Any] | list[str]:
    """Return the variants, or nothing where the factors generate them."""
    if experiment.factors and experiment.variants == tuple(combinations(experiment.factors)):
        return {}
    return names_or_fields({variant.name: _variant_data(variant) for variant in experiment.variants})


def _variant_data(variant: Variant) -> dict[str, Any]:
    own = replaced(changed(variant, Variant(variant.name)), payload=json.loads, features=_features_data, levels=dict)
    return renamed(own, _inverse(_VARIANT_FIELDS))


def _inverse(names: Mapping[str, str]) -> dict[str, str]:
    return {other: name for name, other in names.items()}


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


def metrics(node: Node) -> tuple[Metric, ...]:
    """Read the metrics: names with fields, or a plain list of names."""
    return by_name(node, lambda name, block: Metric(name, **block.read(**_METRIC)))


def metrics_data(metrics: tuple[Metric, ...]) -> Mapping[str, Any] | list[str]:
    """Return the metrics."""
    return names_or_fields({metric.name: _metric_data(metric) for metric in metrics})


def _metric_data(metric: Metric) -> dict[str, Any]:
    return replaced(
        changed(metric, Metric(metric.name)),
        kind=value_of,
        window=duration_text,
        after=duration_text,
        range=list,
        better=value_of,
        role=value_of,
        covariates=list,
    )


def two_numbers(node: Node) -> tuple[float, float]:
    """Read the least and the most of something."""
    if not isinstance(node.content, tuple) or len(node.content) != 2:
        raise node.wrong("the least and the most, such as [0, 200]")
    low, high = node.content
    return low.number(), high.number()


def plan(node: Node) -> Plan:
    """Read how the experiment is to be read: when it is looked at, and how many units are planned."""
    return Plan(**renamed(node.block().read(**_PLAN), _PLAN_FIELDS))


def plan_data(plan: Plan) -> dict[str, Any]:
    """Return what of the plan is not its default."""
    own = replaced(changed(plan, Plan()), looking=value_of, boundary=value_of)
    return renamed(own, _inverse(_PLAN_FIELDS))


def candidates_data(experiment: Experiment) -> dict[str, object] | None:
    """Return the declared features of candidates; None where requests bring none."""
    return None if experiment.candidates is None else context_data(experiment.candidates)


def reward(node: Node) -> tuple[RewardTerm, ...]:
    """Read the terms by metric: a weight, or a weight and what several outcomes come to."""
    return tuple(_term(metric, each) for metric, each in node.block("{click: 0.2, purchase: 0.8}").items())


def _term(metric: str, node: Node) -> RewardTerm:
    if not isinstance(node.content, Mapping):
        return RewardTerm(metric, node.number())
    given = node.block().read(weight=Node.number, aggregation=word(Aggregation))
    if "weight" not in given:
        raise node.wrong("a weight such as 0.8, or {weight: 0.8, aggregation: max}")
    return RewardTerm(metric, **given)


def reward_data(experiment: Experiment) -> dict[str, object]:
    """Return the terms by metric, or nothing where they are what an experiment without a reward gets."""
    given = () if experiment.reward == default_reward(experiment) else experiment.reward
    return {term.metric: _term_data(term) for term in given}


def _term_data(term: RewardTerm) -> object:
    if term.aggregation is Aggregation.SUM:
        return term.weight
    return {"weight": term.weight, "aggregation": term.aggregation.value}


def scale_data(experiment: Experiment) -> list[float] | None:
    """Return the reward's scale, or nothing where it is what the terms say."""
    scale = experiment.reward_scale
    return None if scale is None or scale == default_scale(experiment) else list(scale)


_VARIANT: Mapping[str, Reader] = {
    "payload": _payload,
    "features": _features,
    "levels": texts_by_name,
    "blank": Node.flag,
}
_VARIANT_FIELDS: Mapping[str, str] = {"blank": "is_blank"}
_METRIC: Mapping[str, Reader] = {
    "kind": word(MetricKind),
    "of": Node.text,
    "per": Node.text,
    "window": Node.duration,
    "after": Node.duration,
    "cap": Node.number,
    "winsor": Node.number,
    "range": two_numbers,
    "quantile": Node.number,
    "better": word(Better),
    "role": word(Role),
    "margin": Node.number,
    "effect": Node.number,
    "covariates": Node.texts,
}
_PLAN: Mapping[str, Reader] = {
    "look": word(Looking),
    "looks": Node.whole,
    "boundary": word(Boundary),
    "units": Node.whole,
    "power": Node.number,
}
_PLAN_FIELDS: Mapping[str, str] = {"look": "looking", "units": "n_units"}
