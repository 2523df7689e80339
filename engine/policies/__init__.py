"""Policies: `build` makes the one that an experiment asks for."""

from __future__ import annotations

from engine.experiments import ContextualSpec, Experiment, FixedSpec, ThompsonSpec
from engine.policies.base import LearningPolicy, Policy
from engine.policies.fixed import FixedPolicy
from engine.policies.thompson import ThompsonPolicy

__all__ = ["LearningPolicy", "Policy", "build"]


def build(experiment: Experiment, blob: bytes = b"") -> Policy:
    """Return the experiment's policy, with the learned state in `blob`, or untaught where it is empty.

    Raises:
        SnapshotRefused: the blob is no state of this policy.
    """
    match experiment.policy:
        case FixedSpec():
            return FixedPolicy(experiment)
        case ThompsonSpec():
            return ThompsonPolicy(experiment, blob)
        case ContextualSpec():
            # Loaded here alone: a server of plain tests needs no Vowpal Wabbit.
            from engine.policies.contextual import ContextualPolicy

            return ContextualPolicy(experiment, blob)
