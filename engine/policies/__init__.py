"""Policies: `build` makes the one that an experiment asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

from engine.errors import SnapshotRefused
from engine.experiments import Experiment
from engine.policies.base import LearningPolicy, Policy
from engine.policies.epsilon_greedy import EpsilonGreedyPolicy
from engine.policies.fixed import FixedPolicy
from engine.policies.linear import LinearPolicy
from engine.policies.segments import SegmentsPolicy
from engine.policies.softmax import SoftmaxPolicy
from engine.policies.thompson import ThompsonPolicy
from engine.policies.ucb1 import Ucb1Policy
from engine.policies.untaught import UntaughtPolicy
from engine.specs import (
    ContextualSpec,
    EpsilonGreedySpec,
    FixedSpec,
    LearningSpec,
    LinearSpec,
    PolicySpec,
    SegmentsSpec,
    SoftmaxSpec,
    ThompsonSpec,
    Ucb1Spec,
)

__all__ = ["LearningPolicy", "Policy", "build", "configuration", "learned_policy", "prior_policy"]


def build(experiment: Experiment, blob: bytes = b"") -> Policy:
    """Return the experiment's policy, with the learned state in `blob`, or untaught where it is empty.

    An untaught policy with a prior answers as the prior.

    Raises:
        SnapshotRefused: the blob is no state of this policy.
    """
    if not experiment.policy.learns:
        return _UNLEARNED[type(experiment.policy)](experiment)
    learned = learned_policy(experiment, blob)
    prior = None if blob else prior_policy(experiment)
    return UntaughtPolicy(learned, prior) if prior else learned


def learned_policy(experiment: Experiment, blob: bytes = b"") -> LearningPolicy:
    """Return the experiment's policy without its prior, of which the learned state knows nothing.

    Raises:
        SnapshotRefused: the policy does not learn, or the blob is no state of it.
    """
    return _learns_by(experiment)(experiment, blob)


def configuration(experiment: Experiment) -> tuple[str, tuple[str, ...]]:
    """Return library and arguments of what learns for the experiment, and make none: a model takes milliseconds.

    Raises:
        SnapshotRefused: the policy does not learn.
    """
    made = _learns_by(experiment)
    return made.library, made.arguments_of(experiment)


def prior_policy(experiment: Experiment) -> Policy | None:
    """Return the prior of the experiment's policy as a policy of its own, or None where it has none.

    >>> from engine.experiments import Variant
    >>> from engine.metrics import Metric
    >>> variants = Variant("a"), Variant("b")
    >>> spec = ThompsonSpec(prior=SegmentsSpec(otherwise={"a": 0.8, "b": 0.2}))
    >>> prior = prior_policy(Experiment("hero", variants, (Metric("click"),), policy=spec))
    >>> prior.distribution({}, variants) if prior else None
    (0.8, 0.2)
    """
    spec = experiment.policy
    prior = spec.prior if isinstance(spec, LearningSpec) else None
    return SegmentsPolicy(replace(experiment, policy=prior)) if prior else None


class _Makes(Protocol):
    """The class of a policy that learns."""

    library: str

    def __call__(self, experiment: Experiment, blob: bytes) -> LearningPolicy:
        """Return the policy with the learned state in `blob`."""

    def arguments_of(self, experiment: Experiment) -> tuple[str, ...]:
        """Return what the library is configured with."""


def _learns_by(experiment: Experiment) -> _Makes:
    if isinstance(experiment.policy, ContextualSpec):
        # Loaded here alone: a server of plain tests needs no Vowpal Wabbit.
        from engine.policies.contextual import ContextualPolicy

        return ContextualPolicy
    made = _LEARNED.get(type(experiment.policy))
    if made is None:
        raise SnapshotRefused(f"{experiment.experiment_id!r} has a policy that does not learn: it needs no snapshot")
    return made


_UNLEARNED: Mapping[type[PolicySpec], Callable[[Experiment], Policy]] = {
    FixedSpec: FixedPolicy,
    SegmentsSpec: SegmentsPolicy,
}
_LEARNED: Mapping[type[PolicySpec], _Makes] = {
    ThompsonSpec: ThompsonPolicy,
    EpsilonGreedySpec: EpsilonGreedyPolicy,
    Ucb1Spec: Ucb1Policy,
    SoftmaxSpec: SoftmaxPolicy,
    LinearSpec: LinearPolicy,
}
