"""Thompson sampling without sampling: each variant gets its posterior probability of being best.

The probabilities are computed, not simulated, because a propensity must be exact and the same on every node.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial

import scipy

from engine.errors import PolicyFailed, SnapshotRefused
from engine.experiments import Experiment, Variant
from engine.policies.posteriors import Posterior, probability_of_best
from engine.records import Context, Reward
from engine.specs import ThompsonSpec


class ThompsonPolicy:
    """Learns how good each variant is on average, from rewards in [0, 1].

    A reward r adds r to its variant's alpha and 1 - r to its beta.

    >>> from engine.experiments import Metric
    >>> variants = Variant("a"), Variant("b")
    >>> policy = ThompsonPolicy(Experiment("hero", variants, (Metric("click"),), policy=ThompsonSpec()))
    >>> policy.distribution({}, variants)
    (0.5, 0.5)
    >>> policy.serialize()
    b'{"a":[1.0,1.0],"b":[1.0,1.0]}'
    """

    library = f"scipy {scipy.__version__}"

    def __init__(self, experiment: Experiment, blob: bytes = b"") -> None:
        spec = experiment.policy
        assert isinstance(spec, ThompsonSpec)
        prior = float(spec.prior_alpha), float(spec.prior_beta)
        names = [variant.name for variant in experiment.variants]
        self.arguments: tuple[str, ...] = (f"prior_alpha={prior[0]!r}", f"prior_beta={prior[1]!r}")
        self._hold(_restored(blob, names, prior) if blob else dict.fromkeys(names, prior))

    def distribution(self, context: Context, eligible: Sequence[Variant]) -> Sequence[float]:  # noqa: ARG002 reads none
        """Return the probabilities of the eligible variants in their order, shape (k,), summing to 1."""
        return self._over(tuple([variant.name for variant in eligible]))

    def learn(self, rewards: Sequence[Reward]) -> None:
        """Learn from rewards in [0, 1], in order.

        Raises:
            PolicyFailed: a reward lies outside [0, 1] or names no variant; then nothing was learned.
        """
        posteriors = dict(self._posteriors)
        for reward in rewards:
            _check(reward, posteriors)
            alpha, beta = posteriors[reward.assignment.variant]
            posteriors[reward.assignment.variant] = alpha + reward.value, beta + (1.0 - reward.value)
        self._hold(posteriors)

    def serialize(self) -> bytes:
        """Return alpha and beta by variant as canonical JSON; floats survive it exactly."""
        return _written(self._posteriors)

    def _hold(self, posteriors: Mapping[str, Posterior]) -> None:
        self._posteriors = posteriors
        self._over = lru_cache(maxsize=1024)(partial(_best, posteriors))


def _best(posteriors: Mapping[str, Posterior], names: tuple[str, ...]) -> tuple[float, ...]:
    return probability_of_best([posteriors[name] for name in names])


def _check(reward: Reward, posteriors: Mapping[str, Posterior]) -> None:
    if not 0.0 <= reward.value <= 1.0:
        raise PolicyFailed(f"a reward must be in [0, 1] and one is {reward.value!r}: check the metrics' caps")
    if reward.assignment.variant not in posteriors:
        raise PolicyFailed(f"a reward is for {reward.assignment.variant!r}, which is no variant of the experiment")


def _written(posteriors: Mapping[str, Posterior]) -> bytes:
    return json.dumps(posteriors, sort_keys=True, separators=(",", ":")).encode()


def _restored(blob: bytes, names: Sequence[str], prior: Posterior) -> dict[str, Posterior]:
    try:
        stored = json.loads(blob)
        posteriors = {name: (float(stored[name][0]), float(stored[name][1])) for name in names}
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise SnapshotRefused("the learned state is none of this experiment's variants: learn it anew") from error
    grown = all(prior[0] <= alpha < math.inf and prior[1] <= beta < math.inf for alpha, beta in posteriors.values())
    if not grown or _written(posteriors) != blob:
        raise SnapshotRefused("the learned state is not what this policy writes: learn it anew")
    return posteriors
