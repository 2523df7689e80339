"""The contextual bandit: SquareCB on a linear model of the reward, with every pair of context and variant feature.

SquareCB: Foster and Rakhlin, "Beyond UCB: Optimal and Efficient Contextual Bandits with Regression Oracles", 2020.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import PolicyFailed
from engine.experiments import Experiment, Variant
from engine.policies.features import BITS, ContextEncoder, schema, variant_features
from engine.policies.vowpal import LIBRARY, Lesson, Workspace
from engine.records import Context, Reward
from engine.specs import ContextualSpec

_UNWEIGHTED = 1.0
"""The propensity that VW is told. SquareCB's oracle regresses what was observed as it is (algorithm 1 of the paper).

Told the real one, VW's mtr would weigh a success at the floor a hundredfold, and the allocation would swing with each.
"""

_LEARNING_RATE = "0.1"
"""A reward is mostly noise: at VW's own 0.5 the last few hundred of them would decide."""


class ContextualPolicy:
    """Learns which variant is best in which context, from rewards in [0, 1].

    Untaught, every eligible variant is equally likely. The variants are the experiment's own; candidates that a
    request brings along are not learned from yet.

    >>> from engine.experiments import Metric
    >>> variants = Variant("a"), Variant("b")
    >>> policy = ContextualPolicy(Experiment("hero", variants, (Metric("click"),), policy=ContextualSpec()))
    >>> [round(probability, 6) for probability in policy.distribution({}, variants)]
    [0.5, 0.5]
    """

    library = LIBRARY

    def __init__(self, experiment: Experiment, blob: bytes = b"") -> None:
        spec = experiment.policy
        assert isinstance(spec, ContextualSpec)
        self.arguments: tuple[str, ...] = _arguments(spec)
        self._encoder = ContextEncoder(experiment.context)
        actions = {variant.name: variant_features(variant) for variant in experiment.variants}
        self._workspace = Workspace(self.arguments, actions, schema(experiment), blob)

    def distribution(self, context: Context, eligible: Sequence[Variant]) -> Sequence[float]:
        """Return the probabilities of the eligible variants in their order, shape (k,), summing to 1.

        Raises:
            PolicyFailed: a value of the context is not of its field's type or not finite, or VW's answer is no
                distribution.
        """
        return self._workspace.predict(self._encoder.encode(context), tuple([variant.name for variant in eligible]))

    def learn(self, rewards: Sequence[Reward]) -> None:
        """Learn from rewards in [0, 1] of draws, in order.

        Raises:
            PolicyFailed: a reward is not in [0, 1], or its assignment was not drawn from variants of the experiment;
                then nothing was learned.
        """
        self._workspace.learn([self._lesson(reward) for reward in rewards])

    def serialize(self) -> bytes:
        """Return the learned state; `ContextualPolicy(experiment, blob)` restores it."""
        return self._workspace.serialize()

    def _lesson(self, reward: Reward) -> Lesson:
        assignment = reward.assignment
        if not assignment.is_draw:
            raise PolicyFailed(f"assignment {assignment.assignment_id!r} was not drawn: learn from draws alone")
        context = self._encoder.encode(assignment.context)
        return Lesson(context, assignment.eligible, assignment.variant, reward.value, _UNWEIGHTED)


def _arguments(spec: ContextualSpec) -> tuple[str, ...]:
    explorer = ("--cb_explore_adf", "--squarecb", "--gamma_scale", repr(float(spec.gamma)))
    learner = ("--cb_type", "mtr", "--learning_rate", _LEARNING_RATE)
    return (*explorer, *learner, "-q", "UA", "-b", str(BITS), "--random_seed", "0")
