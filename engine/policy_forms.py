"""Policies as they are written in a file: each reader stands beside its writer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import partial
from typing import Any

from engine.blocks import Node, duration_text
from engine.experiments import Experiment
from engine.form_pieces import Reader, changed, condition, numbers_by_name, replaced, short, value_of, word
from engine.specs import (
    POLICY_SPECS,
    Explorer,
    FixedSpec,
    LearnerType,
    PolicySpec,
    Posterior,
    Rule,
    SegmentsSpec,
)


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
    written = _written(experiment.policy, experiment)
    return None if written == FixedSpec.kind else written


def shadow_data(experiment: Experiment) -> object:
    """Return its shadow policy as the policy is written, or nothing where it has none."""
    return _written(experiment.shadow, experiment) if experiment.shadow else None


def _written(policy: PolicySpec, experiment: Experiment) -> str | dict[str, Any]:
    settings = _settings_data(policy, [variant.name for variant in experiment.variants])
    return {policy.kind: settings} if settings else policy.kind


def _readers(spec: type[PolicySpec]) -> dict[str, Reader]:
    return {field.name: _SETTINGS[field.name] for field in fields(spec)}


def _settings_data(policy: PolicySpec, names: list[str]) -> dict[str, Any]:
    weights = partial(_in_order, names=names)
    settings = replaced(
        changed(policy, type(policy)()),
        weights=weights,
        otherwise=weights,
        shares=weights,
        publish_after=duration_text,
        half_life=duration_text,
        window=duration_text,
        posterior=value_of,
        explorer=value_of,
        learner=value_of,
        interactions=lambda all_parts: [list(parts) for parts in all_parts],
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


def _interactions(node: Node) -> tuple[tuple[str, ...], ...]:
    return tuple(item.texts() for item in node.items("[[context, context, variant]]"))


_SETTINGS: Mapping[str, Reader] = {
    "weights": numbers_by_name,
    "rules": _rules,
    "otherwise": numbers_by_name,
    "floor": Node.number,
    "control_share": Node.number,
    "prior_alpha": Node.number,
    "prior_beta": Node.number,
    "gamma": Node.number,
    "shares": numbers_by_name,
    "publish_every": Node.whole,
    "publish_after": Node.duration,
    "half_life": Node.duration,
    "window": Node.duration,
    "posterior": word(Posterior),
    "prior_mean": Node.number,
    "prior_weight": Node.number,
    "epsilon": Node.number,
    "width": Node.number,
    "temperature": Node.number,
    "explorer": word(Explorer),
    "learner": word(LearnerType),
    "n_models": Node.whole,
    "n_first": Node.whole,
    "learning_rate": Node.number,
    "interactions": _interactions,
    "prior": _prior,
}
