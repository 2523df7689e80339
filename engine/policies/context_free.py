"""What the policies that learn averages share: they tally rewards by variant and choose by the tallies alone."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial

from engine.errors import PolicyFailed, SnapshotRefused
from engine.experiments import Experiment, Variant
from engine.policies.memories import Memory, remembered, restored
from engine.policies.tallies import Statistic, Tally
from engine.records import Context, Reward
from engine.specs import ContextFreeSpec

Choose = Callable[[Sequence[Tally]], Sequence[float]]
"""From the tallies of the eligible variants to their probabilities, shape (k,), whatever their order."""


class ContextFreePolicy(ABC):
    """Learns how good each variant is on average, from rewards in [0, 1], and reads no context.

    A distribution depends on the tallies of the eligible variants alone: leaving one out, or another order, changes
    nothing of what is known of the others.
    """

    library = "averages 1"

    def __init__(
        self,
        experiment: Experiment,
        blob: bytes,
        statistic: Statistic,
        choose: Choose,
        *,
        is_sealed: bool = True,
    ) -> None:
        spec = experiment.policy
        assert isinstance(spec, ContextFreeSpec)
        self.arguments = self.arguments_of(experiment)
        self._seal = [spec.kind, *self.arguments] if is_sealed else []
        self._statistic, self._choose = statistic, choose
        names = [variant.name for variant in experiment.variants]
        self._memory = self._restored(blob, spec, names) if blob else remembered(spec, statistic, names)
        if blob and self.serialize() != blob:
            raise SnapshotRefused("the learned state is not what this policy writes: learn it anew")
        self._hold()

    @classmethod
    @abstractmethod
    def said(cls, experiment: Experiment) -> tuple[str, ...]:
        """Return its own settings, as they are written with what was learned."""

    @classmethod
    def arguments_of(cls, experiment: Experiment) -> tuple[str, ...]:
        """Return what it is configured with: its own settings, and how soon it forgets."""
        assert isinstance(experiment.policy, ContextFreeSpec)
        return (*cls.said(experiment), *_drift(experiment.policy))

    def distribution(self, context: Context, eligible: Sequence[Variant]) -> Sequence[float]:  # noqa: ARG002 reads none
        """Return the probabilities of the eligible variants in their order, shape (k,), summing to 1."""
        return self._over(tuple([variant.name for variant in eligible]))

    def learn(self, rewards: Sequence[Reward]) -> None:
        """Learn from rewards in [0, 1], in order.

        Raises:
            PolicyFailed: a reward lies outside [0, 1] or names no variant; then nothing was learned.
        """
        for reward in rewards:
            _check(reward, self._tallies)
        for reward in rewards:
            self._memory.add(reward.assignment.variant, reward.value, reward.matures_at)
        self._hold()

    def serialize(self) -> bytes:
        """Return what was learned as canonical JSON; floats survive it exactly.

        It says what it is the state of, so that no other policy takes it for its own.
        """
        state = self._memory.state()
        written = {"policy": self._seal, "variants": state} if self._seal else state
        return json.dumps(written, sort_keys=True, separators=(",", ":")).encode()

    def expected_rewards(self, context: Context, eligible: Sequence[Variant]) -> Sequence[float]:  # noqa: ARG002
        """Return the mean reward in [0, 1] of each eligible variant, shape (k,), the prior's part included.

        A half where there is neither a reward nor a prior.
        """
        return tuple(self._statistic.mean(self._tallies[variant.name]) for variant in eligible)

    def contributions(self, context: Context, variant: Variant) -> Mapping[str, float]:  # noqa: ARG002 reads none
        """Return nothing: no field of the context moves a prediction."""
        return {}

    def _restored(self, blob: bytes, spec: ContextFreeSpec, names: Sequence[str]) -> Memory:
        try:
            written = json.loads(blob)
            return restored(spec, self._statistic, names, written["variants"] if self._seal else written)
        except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError) as error:
            raise SnapshotRefused("the learned state is none of this experiment's variants: learn it anew") from error

    def _hold(self) -> None:
        self._tallies = self._memory.tallies()
        # Bound to the tallies and not to self: a replaced policy is freed at once.
        self._over = lru_cache(maxsize=1024)(partial(_chosen, self._choose, self._tallies))


def _chosen(choose: Choose, tallies: Mapping[str, Tally], names: tuple[str, ...]) -> Sequence[float]:
    return choose([tallies[name] for name in names])


def _check(reward: Reward, known: Mapping[str, Tally]) -> None:
    if not 0.0 <= reward.value <= 1.0:
        raise PolicyFailed(f"a reward must be in [0, 1] and one is {reward.value!r}: check the metrics' caps")
    if reward.assignment.variant not in known:
        raise PolicyFailed(f"a reward is for {reward.assignment.variant!r}, which is no variant of the experiment")


def _drift(spec: ContextFreeSpec) -> tuple[str, ...]:
    """Return how soon it forgets, in seconds of the log's time."""
    forgets = {"half_life": spec.half_life, "window": spec.window}
    return tuple(f"{name}={after.total_seconds()!r}" for name, after in forgets.items() if after is not None)
