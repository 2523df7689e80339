"""Policies between the contract and the engine, in pairs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from armlift.v1 import experiment_pb2 as contract

from engine.errors import InvalidExperiment
from engine.service.funnels import from_condition, to_condition
from engine.service.values import from_duration, to_duration
from engine.service.words import (
    EXPLORER_OF,
    EXPLORERS,
    LEARNER_TYPE_OF,
    LEARNER_TYPES,
    POSTERIOR_OF,
    POSTERIORS,
    known,
)
from engine.specs import (
    ContextFreeSpec,
    ContextualSpec,
    EpsilonGreedySpec,
    FixedSpec,
    LearningSpec,
    LinearSpec,
    PolicySpec,
    Rule,
    SegmentsSpec,
    SoftmaxSpec,
    ThompsonSpec,
    Ucb1Spec,
)

_ContextFree = contract.ThompsonPolicy | contract.EpsilonGreedyPolicy | contract.Ucb1Policy | contract.SoftmaxPolicy
_Learning = _ContextFree | contract.LinearPolicy | contract.ContextualPolicy


def to_policy(message: contract.Policy) -> PolicySpec:
    """Return the policy.

    Raises:
        InvalidExperiment: it is not set.
    """
    kind = message.WhichOneof("kind")
    if kind is None:
        raise InvalidExperiment(f"the experiment's policy is not set: send one of {', '.join(_READERS)}")
    return _READERS[kind](getattr(message, kind))


def from_policy(policy: PolicySpec) -> contract.Policy:
    """Return the message of a policy."""
    return contract.Policy(**{policy.kind: _WRITERS[type(policy)](policy)})


def _to_fixed(message: contract.FixedPolicy) -> FixedSpec:
    return FixedSpec(dict(message.weights))


def _from_fixed(policy: FixedSpec) -> contract.FixedPolicy:
    return contract.FixedPolicy(weights=policy.weights)


def _to_segments(message: contract.SegmentsPolicy) -> SegmentsSpec:
    rules = tuple(Rule(to_condition(rule.when), dict(rule.weights)) for rule in message.rules)
    return SegmentsSpec(rules, dict(message.otherwise), message.floor)


def _from_segments(policy: SegmentsSpec) -> contract.SegmentsPolicy:
    rules = [contract.Rule(when=from_condition(rule.when), weights=rule.weights) for rule in policy.rules]
    return contract.SegmentsPolicy(rules=rules, otherwise=policy.otherwise, floor=policy.floor)


def _to_learning(message: _Learning) -> dict[str, Any]:
    """Return what every policy that learns has; a client that does not know a field yet leaves it out."""
    after = to_duration(message.publish_after) if message.HasField("publish_after") else LearningSpec().publish_after
    return {
        "floor": message.floor,
        "control_share": message.control_share,
        "shares": dict(message.shares),
        "publish_every": message.publish_every,
        "publish_after": after,
        "prior": _to_segments(message.prior) if message.HasField("prior") else None,
    }


def _from_learning(policy: LearningSpec) -> dict[str, Any]:
    return {
        "floor": policy.floor,
        "control_share": policy.control_share,
        "shares": policy.shares,
        "publish_every": policy.publish_every,
        "publish_after": from_duration(policy.publish_after),
        "prior": _from_segments(policy.prior) if policy.prior else None,
    }


def _to_context_free(message: _ContextFree) -> dict[str, Any]:
    forgets, drift = message.drift.WhichOneof("forgets"), message.drift
    return {
        **_to_learning(message),
        "half_life": to_duration(drift.half_life) if forgets == "half_life" else None,
        "window": to_duration(drift.window) if forgets == "window" else None,
    }


def _from_context_free(policy: ContextFreeSpec) -> dict[str, Any]:
    drift = None
    if policy.half_life is not None:
        drift = contract.Drift(half_life=from_duration(policy.half_life))
    elif policy.window is not None:
        drift = contract.Drift(window=from_duration(policy.window))
    return {**_from_learning(policy), "drift": drift}


def _to_epsilon_greedy(message: contract.EpsilonGreedyPolicy) -> EpsilonGreedySpec:
    return EpsilonGreedySpec(**_to_context_free(message), epsilon=message.epsilon)


def _from_epsilon_greedy(policy: EpsilonGreedySpec) -> contract.EpsilonGreedyPolicy:
    return contract.EpsilonGreedyPolicy(**_from_context_free(policy), epsilon=policy.epsilon)


def _to_ucb1(message: contract.Ucb1Policy) -> Ucb1Spec:
    return Ucb1Spec(**_to_context_free(message), width=message.width)


def _from_ucb1(policy: Ucb1Spec) -> contract.Ucb1Policy:
    return contract.Ucb1Policy(**_from_context_free(policy), width=policy.width)


def _to_softmax(message: contract.SoftmaxPolicy) -> SoftmaxSpec:
    return SoftmaxSpec(**_to_context_free(message), temperature=message.temperature)


def _from_softmax(policy: SoftmaxSpec) -> contract.SoftmaxPolicy:
    return contract.SoftmaxPolicy(**_from_context_free(policy), temperature=policy.temperature)


def _to_thompson(message: contract.ThompsonPolicy) -> ThompsonSpec:
    default = ThompsonSpec()
    return ThompsonSpec(
        **_to_context_free(message),
        posterior=known(POSTERIOR_OF, message.posterior, "posterior"),
        prior_alpha=message.prior_alpha,
        prior_beta=message.prior_beta,
        prior_mean=message.prior_mean if message.prior_weight else default.prior_mean,
        prior_weight=message.prior_weight or default.prior_weight,
    )


def _from_thompson(policy: ThompsonSpec) -> contract.ThompsonPolicy:
    return contract.ThompsonPolicy(
        **_from_context_free(policy),
        posterior=POSTERIORS[policy.posterior],
        prior_alpha=policy.prior_alpha,
        prior_beta=policy.prior_beta,
        prior_mean=policy.prior_mean,
        prior_weight=policy.prior_weight,
    )


def _to_linear(message: contract.LinearPolicy) -> LinearSpec:
    return LinearSpec(**_to_learning(message), width=message.width, prior_weight=message.prior_weight)


def _from_linear(policy: LinearSpec) -> contract.LinearPolicy:
    return contract.LinearPolicy(**_from_learning(policy), width=policy.width, prior_weight=policy.prior_weight)


def _to_contextual(message: contract.ContextualPolicy) -> ContextualSpec:
    default = ContextualSpec()
    return ContextualSpec(
        **_to_learning(message),
        explorer=known(EXPLORER_OF, message.explorer, "explorer"),
        learner=known(LEARNER_TYPE_OF, message.learner, "learner"),
        gamma=message.gamma,
        epsilon=message.epsilon or default.epsilon,
        temperature=message.temperature or default.temperature,
        n_models=message.n_models or default.n_models,
        n_first=message.n_first or default.n_first,
        learning_rate=message.learning_rate or default.learning_rate,
        interactions=tuple(tuple(each.parts) for each in message.interactions),
    )


def _from_contextual(policy: ContextualSpec) -> contract.ContextualPolicy:
    return contract.ContextualPolicy(
        **_from_learning(policy),
        explorer=EXPLORERS[policy.explorer],
        learner=LEARNER_TYPES[policy.learner],
        gamma=policy.gamma,
        epsilon=policy.epsilon,
        temperature=policy.temperature,
        n_models=policy.n_models,
        n_first=policy.n_first,
        learning_rate=policy.learning_rate,
        interactions=[contract.Interaction(parts=parts) for parts in policy.interactions],
    )


_READERS: Mapping[str, Callable[[Any], PolicySpec]] = {
    "fixed": _to_fixed,
    "segments": _to_segments,
    "thompson": _to_thompson,
    "epsilon_greedy": _to_epsilon_greedy,
    "ucb1": _to_ucb1,
    "softmax": _to_softmax,
    "linear": _to_linear,
    "contextual": _to_contextual,
}
_WRITERS: Mapping[type[PolicySpec], Callable[[Any], Any]] = {
    FixedSpec: _from_fixed,
    SegmentsSpec: _from_segments,
    ThompsonSpec: _from_thompson,
    EpsilonGreedySpec: _from_epsilon_greedy,
    Ucb1Spec: _from_ucb1,
    SoftmaxSpec: _from_softmax,
    LinearSpec: _from_linear,
    ContextualSpec: _from_contextual,
}
