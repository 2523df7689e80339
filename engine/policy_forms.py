"""Policies as they are written in a file: each reader stands beside its writer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import partial
from typing import Any

from engine.blocks import Node
from engine.experiments import Experiment
from engine.form_pieces import Reader, changed, condition, numbers_by_name, replaced, short
from engine.specs import POLICY_SPECS, FixedSpec, PolicySpec, Rule, SegmentsSpec


def policy(node: Node) -> PolicySpec:
    """Read the word of a policy, alone or with its settings."""
    named = {node.content: None} if isinstance(node.content, str) else dict(node.block())
    if len(named) != 1 or not named.keys() <= POLICY_SPECS.keys():
        raise node.wrong(f"one of {', '.join(POLICY_SPECS)}, such as `policy: thompson`")
    ((word, settings),) = named.items()
    spec = POLICY_SPECS[word]
    return spec(**settings.block().read(**_readers(spec))) if settings else spec()


def policy_data(experiment: Experiment) -> object:
    """Return the word of its policy, with the settings that are not its defaults; nothing for an even test."""
    policy = experiment.policy
    settings = _settings_data(policy, [variant.name for variant in experiment.variants])
    if not settings:
        return None if isinstance(policy, FixedSpec) else policy.kind
    return {policy.kind: settings}


def _readers(spec: type[PolicySpec]) -> dict[str, Reader]:
    return {field.name: _SETTINGS[field.name] for field in fields(spec)}


def _settings_data(policy: PolicySpec, names: list[str]) -> dict[str, Any]:
    weights = partial(_in_order, names=names)
    settings = replaced(
        changed(policy, type(policy)()),
        weights=weights,
        otherwise=weights,
        rules=partial(_rules_data, names=names),
        prior=partial(_settings_data, names=names),
    )
    return {name: short(value) for name, value in settings.items()}


def _in_order(weights: Mapping[str, float], names: list[str]) -> dict[str, float]:
    """Return the weights in the order of the variants: the wire keeps none."""
    return {name: weights[name] for name in names if name in weights}


def _prior(node: Node) -> SegmentsSpec:
    return SegmentsSpec(**node.block().read(**_readers(SegmentsSpec)))


def _rules(node: Node) -> tuple[Rule, ...]:
    return tuple(_rule(item) for item in node.items())


def _rule(node: Node) -> Rule:
    left_out: dict[str, Any] = {"when": {}, "weights": {}}
    return Rule(**left_out | node.block().read(when=condition, weights=numbers_by_name))


def _rules_data(rules: tuple[Rule, ...], names: list[str]) -> list[dict[str, Any]]:
    return [replaced(changed(rule, Rule({}, {})), weights=partial(_in_order, names=names)) for rule in rules]


_SETTINGS: Mapping[str, Reader] = {
    "weights": numbers_by_name,
    "rules": _rules,
    "otherwise": numbers_by_name,
    "floor": Node.number,
    "control_share": Node.number,
    "prior_alpha": Node.number,
    "prior_beta": Node.number,
    "gamma": Node.number,
    "publish_every": Node.whole,
    "prior": _prior,
}
