"""What a policy is: eligible variants and a context go in, a distribution comes out. It never draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from engine.experiments import Variant
from engine.records import Context, Reward


class Policy(Protocol):
    """Turns a context into a probability for each eligible variant.

    A policy knows neither store nor transport, keeps no reference to what it is given, and gives the same answer to
    the same question until it learns. The floor, the draw and the log are not its business.
    """

    def distribution(self, context: Context, eligible: Sequence[Variant]) -> Sequence[float]:
        """Return the probabilities of the eligible variants in their order, shape (k,), summing to 1.

        `eligible` is not empty and holds variants of the policy's experiment, in the experiment's order.
        """


@runtime_checkable
class LearningPolicy(Policy, Protocol):
    """A policy that learns from matured rewards and can be written down.

    Learning the same rewards in the same order gives the same bytes, also when the policy was written down and
    restored in between (as long as it is so at the same places).
    """

    library: str
    """Name and version of what computes the learned state; snapshots of another version are refused."""
    arguments: tuple[str, ...]
    """What the library was configured with."""

    def learn(self, rewards: Sequence[Reward]) -> None:
        """Learn from rewards in [0, 1], in order. The drawn propensity is the assignment's."""

    def serialize(self) -> bytes:
        """Return the learned state; `build(experiment, blob)` restores it."""

    def expected_rewards(self, context: Context, eligible: Sequence[Variant]) -> Sequence[float]:
        """Return the reward in [0, 1] that it predicts of each eligible variant, shape (k,)."""

    def contributions(self, context: Context, variant: Variant) -> Mapping[str, float]:
        """Return by how much each given field of the context moves the predicted reward; empty where it reads none.

        A linear model's prediction is the sum of these and of what it predicts of the variant in an empty context.
        """
