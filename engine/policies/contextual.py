"""The contextual bandit: a linear model of the reward with products of context and variant features, and an explorer.

SquareCB: Foster and Rakhlin, "Beyond UCB: Optimal and Efficient Contextual Bandits with Regression Oracles", 2020.
Learner types: Bietti, Agarwal and Langford, "A Contextual Bandit Bake-off", 2021. Explorers: `explorers.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from engine.errors import PolicyFailed
from engine.experiments import Experiment, Variant
from engine.policies.columns import features_of_all
from engine.policies.explorers import has_many_models, told_propensity, vw_arguments
from engine.policies.features import BITS, ContextEncoder, schema
from engine.policies.vowpal import LIBRARY, Lesson, Workspace
from engine.records import Assignment, Context, Reward
from engine.specs import ContextualSpec


class ContextualPolicy:
    """Learns which variant is best in which context, from rewards in [0, 1].

    Untaught, every eligible variant is equally likely (but see `explorers.warning` of rnd). The variants are the
    experiment's own, or candidates that a request brings along.

    >>> from engine.metrics import Metric
    >>> variants = Variant("a"), Variant("b")
    >>> policy = ContextualPolicy(Experiment("hero", variants, (Metric("click"),), policy=ContextualSpec()))
    >>> [round(probability, 6) for probability in policy.distribution({}, variants)]
    [0.5, 0.5]
    >>> [round(probability, 6) for probability in policy.distribution({}, [Variant("x", features={"price": 2.0})])]
    [1.0]
    """

    library = LIBRARY

    def __init__(self, experiment: Experiment, blob: bytes = b"") -> None:
        spec = experiment.policy
        assert isinstance(spec, ContextualSpec)
        self.arguments = self.arguments_of(experiment)
        self._spec = spec
        self._variants = {variant.name: variant for variant in experiment.variants}
        # The same tuple each time: its examples are ready.
        self._declared = lru_cache(maxsize=1024)(partial(_named, self._variants))
        self._encoder = ContextEncoder(experiment.context)
        encode = partial(features_of_all, declared=tuple(field.name for field in experiment.candidates or ()))
        self._workspace = Workspace(self.arguments, encode, schema(experiment), blob)

    @classmethod
    def arguments_of(cls, experiment: Experiment) -> tuple[str, ...]:
        """Return what VW is configured with."""
        assert isinstance(experiment.policy, ContextualSpec)
        return vw_arguments(experiment.policy, BITS)

    def distribution(self, context: Context, eligible: Sequence[Variant]) -> Sequence[float]:
        """Return the probabilities of the eligible variants in their order, shape (k,), summing to 1.

        Raises:
            PolicyFailed: a value of the context or a feature is not of its field's type or not finite, two variants
                have one name, or VW's answer is no distribution.
        """
        return self._workspace.predict(self._encoder.encode(context), eligible)

    def learn(self, rewards: Sequence[Reward]) -> None:
        """Learn from rewards in [0, 1] of draws, in order.

        Raises:
            PolicyFailed: a reward is not in [0, 1], or its assignment was not drawn, or from variants that are neither
                the experiment's nor brought along; then nothing was learned. See `Understanding`.
        """
        self._workspace.learn([self._lesson(reward) for reward in rewards])

    def serialize(self) -> bytes:
        """Return the learned state; `ContextualPolicy(experiment, blob)` restores it."""
        return self._workspace.serialize()

    def expected_rewards(self, context: Context, eligible: Sequence[Variant]) -> Sequence[float]:
        """Return the reward in [0, 1] that it predicts of each eligible variant, shape (k,).

        What the explorer compares: of a bag the mean of its models, of rnd without its bonus, of cover what its first
        model predicts.

        Raises:
            PolicyFailed: as `distribution`.
        """
        predicted = self._of_models(self._workspace.predicted(self._encoder.encode(context), eligible).rewards)
        return [float(reward) for reward in np.clip(predicted, 0.0, 1.0)]

    def contributions(self, context: Context, variant: Variant) -> Mapping[str, float]:
        """Return by how much each given field of the context moves the predicted reward: as against its missing.

        Without `interactions` of two parts of the context they and the prediction of an empty context sum to the
        prediction, exact but for 32-bit rounding and for the bounds of a reward. With them a field's contribution is
        that in the presence of the others: what fields bring together is in each of theirs.

        Raises:
            PolicyFailed: as `distribution`.
        """
        whole = self._sum(context, variant)
        given = [name for name in self._encoder.names if context.get(name) is not None]
        return {name: whole - self._sum(_without(context, name), variant) for name in given}

    def _sum(self, context: Context, variant: Variant) -> float:
        return float(self._of_models(self._workspace.predicted(self._encoder.encode(context), (variant,)).sums)[0])

    def _of_models(self, predicted: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return one prediction of each variant from those of all models, shape (n_models, k).

        The last model is the reward's: those before it are of rnd's bonus.
        """
        return np.asarray(predicted.mean(axis=0) if has_many_models(self._spec) else predicted[-1])

    def _lesson(self, reward: Reward) -> Lesson:
        assignment = reward.assignment
        if assignment.propensity is None:
            raise PolicyFailed(f"assignment {assignment.assignment_id!r} was not drawn: learn from draws alone")
        context = self._encoder.encode(assignment.context)
        told = told_propensity(self._spec, assignment.propensity)
        return Lesson(context, self._eligible(assignment), assignment.variant, reward.value, told)

    def _eligible(self, assignment: Assignment) -> tuple[Variant, ...]:
        if not assignment.candidates:
            return self._declared(assignment.eligible)
        brought = {each.name: Variant.of(each) for each in assignment.candidates}
        return _named({**brought, **self._variants}, assignment.eligible)


def _named(known: Mapping[str, Variant], names: tuple[str, ...]) -> tuple[Variant, ...]:
    try:
        return tuple([known[name] for name in names])
    except KeyError as error:
        raise PolicyFailed(f"nothing is known of the variant {error}: learn from those of the experiment") from None


def _without(context: Context, name: str) -> Context:
    return {other: value for other, value in context.items() if other != name}
