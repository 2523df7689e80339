"""What a learned policy with a prior is before it has learned anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.experiments import Variant
from engine.policies.base import LearningPolicy, Policy
from engine.records import Context, Reward


class UntaughtPolicy:
    """Answers as the prior until it has learned a reward, and from then on as the learned policy.

    The prior changes answers alone: what is learned and written down is the learned policy's to the byte.
    """

    def __init__(self, learned: LearningPolicy, prior: Policy) -> None:
        self.library = learned.library
        self.arguments = learned.arguments
        self._learned = learned
        self._answering = prior

    def distribution(self, context: Context, eligible: Sequence[Variant]) -> Sequence[float]:
        """Return the probabilities of the eligible variants in their order, shape (k,), summing to 1.

        Raises:
            PolicyFailed: the learned policy cannot read the context.
        """
        return self._answering.distribution(context, eligible)

    def learn(self, rewards: Sequence[Reward]) -> None:
        """Learn from rewards in [0, 1], in order.

        Raises:
            PolicyFailed: as the learned policy says; then nothing was learned, and the prior goes on answering.
        """
        self._learned.learn(rewards)
        if rewards:
            self._answering = self._learned

    def serialize(self) -> bytes:
        """Return the learned state, which knows nothing of the prior."""
        return self._learned.serialize()

    def expected_rewards(self, context: Context, eligible: Sequence[Variant]) -> Sequence[float]:
        """Return what the learned policy predicts, shape (k,): the prior predicts nothing."""
        return self._learned.expected_rewards(context, eligible)

    def contributions(self, context: Context, variant: Variant) -> Mapping[str, float]:
        """Return what moves the learned policy's prediction."""
        return self._learned.contributions(context, variant)
