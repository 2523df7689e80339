"""Policies between the contract and the engine, in pairs."""

from __future__ import annotations

from armlift.v1 import experiment_pb2 as contract

from engine.errors import InvalidExperiment
from engine.service.funnels import from_condition, to_condition
from engine.specs import ContextualSpec, FixedSpec, PolicySpec, Rule, SegmentsSpec, ThompsonSpec


def to_policy(message: contract.Policy) -> PolicySpec:
    """Return the policy.

    Raises:
        InvalidExperiment: it is not set.
    """
    match message.WhichOneof("kind"):
        case "fixed":
            return FixedSpec(dict(message.fixed.weights))
        case "segments":
            return _to_segments(message.segments)
        case "thompson":
            return _to_thompson(message.thompson)
        case "contextual":
            return _to_contextual(message.contextual)
        case _:
            raise InvalidExperiment("the experiment's policy is not set: send fixed, segments, thompson or contextual")


def from_policy(policy: PolicySpec) -> contract.Policy:
    """Return the message of a policy."""
    match policy:
        case FixedSpec():
            return contract.Policy(fixed=contract.FixedPolicy(weights=policy.weights))
        case SegmentsSpec():
            return contract.Policy(segments=_from_segments(policy))
        case ThompsonSpec():
            return contract.Policy(thompson=_from_thompson(policy))
        case ContextualSpec():
            return contract.Policy(contextual=_from_contextual(policy))


def _to_segments(message: contract.SegmentsPolicy) -> SegmentsSpec:
    rules = tuple(Rule(to_condition(rule.when), dict(rule.weights)) for rule in message.rules)
    return SegmentsSpec(rules, dict(message.otherwise), message.floor)


def _from_segments(policy: SegmentsSpec) -> contract.SegmentsPolicy:
    rules = [contract.Rule(when=from_condition(rule.when), weights=rule.weights) for rule in policy.rules]
    return contract.SegmentsPolicy(rules=rules, otherwise=policy.otherwise, floor=policy.floor)


def _to_thompson(message: contract.ThompsonPolicy) -> ThompsonSpec:
    return ThompsonSpec(
        floor=message.floor,
        control_share=message.control_share,
        prior_alpha=message.prior_alpha,
        prior_beta=message.prior_beta,
        publish_every=message.publish_every,
        prior=_to_segments(message.prior) if message.HasField("prior") else None,
    )


def _from_thompson(policy: ThompsonSpec) -> contract.ThompsonPolicy:
    return contract.ThompsonPolicy(
        floor=policy.floor,
        control_share=policy.control_share,
        prior_alpha=policy.prior_alpha,
        prior_beta=policy.prior_beta,
        publish_every=policy.publish_every,
        prior=_from_segments(policy.prior) if policy.prior else None,
    )


def _to_contextual(message: contract.ContextualPolicy) -> ContextualSpec:
    return ContextualSpec(
        floor=message.floor,
        control_share=message.control_share,
        gamma=message.gamma,
        publish_every=message.publish_every,
        prior=_to_segments(message.prior) if message.HasField("prior") else None,
    )


def _from_contextual(policy: ContextualSpec) -> contract.ContextualPolicy:
    return contract.ContextualPolicy(
        floor=policy.floor,
        control_share=policy.control_share,
        gamma=policy.gamma,
        publish_every=policy.publish_every,
        prior=_from_segments(policy.prior) if policy.prior else None,
    )
