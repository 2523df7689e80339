"""The linear bandit: a Bayesian linear model of each variant's reward, and the exact chance that each is the best.

Thompson sampling with linear payoffs: Agrawal and Goyal, "Thompson Sampling for Contextual Bandits with Linear
Payoffs", 2013. There the coefficients are sampled; here the probability of being best is computed, because a propensity
must be exact and the same on every node.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.errors import PolicyFailed, SnapshotRefused
from engine.experiments import Experiment, Variant
from engine.policies.features import ContextEncoder
from engine.policies.normals import best_of_normals
from engine.records import Context, Reward
from engine.specs import LinearSpec

Array = NDArray[np.float64]

MAX_FEATURES = 128
"""The most features that it learns from, in the order in which they came: a model costs their square."""

_INTERCEPT = -1


@dataclass(slots=True)
class Sums:
    """What a variant's rewards say: the sums of x x', shape (d, d), and of x r, shape (d,)."""

    gram: Array
    moment: Array


class LinearPolicy:
    """Learns a linear model of the reward for each variant, from rewards in [0, 1].

    A variant that was never drawn is taken for an average one. Every feature that the context's encoder makes is a
    column, and so is a constant; what comes after MAX_FEATURES different ones is not read.

    >>> from engine.metrics import Metric
    >>> variants = Variant("a"), Variant("b")
    >>> policy = LinearPolicy(Experiment("hero", variants, (Metric("click"),), policy=LinearSpec()))
    >>> [round(probability, 6) for probability in policy.distribution({}, variants)]
    [0.5, 0.5]
    """

    library = f"numpy {np.__version__}"

    def __init__(self, experiment: Experiment, blob: bytes = b"") -> None:
        spec = experiment.policy
        assert isinstance(spec, LinearSpec)
        self.arguments = self.arguments_of(experiment)
        self._width, self._prior_weight = spec.width, spec.prior_weight
        self._encoder = ContextEncoder(experiment.context)
        names = [variant.name for variant in experiment.variants]
        self._columns, self._sums = _restored(blob, names) if blob else _nothing(names)
        self._solve()

    @classmethod
    def arguments_of(cls, experiment: Experiment) -> tuple[str, ...]:
        """Return what it is configured with."""
        spec = experiment.policy
        assert isinstance(spec, LinearSpec)
        return f"width={spec.width!r}", f"prior_weight={spec.prior_weight!r}"

    def distribution(self, context: Context, eligible: Sequence[Variant]) -> Sequence[float]:
        """Return the probabilities of the eligible variants in their order, shape (k,), summing to 1.

        Raises:
            PolicyFailed: a value of the context is not of its field's type or not finite.
        """
        places, x = [self._places[variant.name] for variant in eligible], self._row(context)
        variances = np.einsum("i,kij,j->k", x, self._covariances[places], x)
        chances: list[float] = best_of_normals(self._means[places] @ x, self._width * np.sqrt(variances)).tolist()
        return chances

    def learn(self, rewards: Sequence[Reward]) -> None:
        """Learn from rewards in [0, 1], in order.

        Raises:
            PolicyFailed: a reward lies outside [0, 1] or names no variant, or a context cannot be read; then nothing
                was learned.
        """
        for reward in rewards:
            self._check(reward)
        encoded = [self._encoder.encode(reward.assignment.context) for reward in rewards]
        self._widen(index for indices, _ in encoded for index in indices.tolist())
        for reward, (indices, values) in zip(rewards, encoded, strict=True):
            x, sums = self._dense(indices, values), self._sums[reward.assignment.variant]
            sums.gram += np.outer(x, x)
            sums.moment += reward.value * x
        self._solve()

    def serialize(self) -> bytes:
        """Return the features and each variant's sums: a line of JSON, and little-endian floats behind it."""
        head = json.dumps([list(self._columns), sorted(self._sums)], separators=(",", ":")).encode()
        numbers = [part for name in sorted(self._sums) for part in (self._sums[name].gram, self._sums[name].moment)]
        return head + b"\n" + b"".join(part.astype("<f8").tobytes() for part in numbers)

    def expected_rewards(self, context: Context, eligible: Sequence[Variant]) -> Sequence[float]:
        """Return the reward that it predicts of each eligible variant, shape (k,), kept in [0, 1]."""
        places = [self._places[variant.name] for variant in eligible]
        predicted: list[float] = np.clip(self._means[places] @ self._row(context), 0.0, 1.0).tolist()
        return predicted

    def contributions(self, context: Context, variant: Variant) -> Mapping[str, float]:
        """Return by how much each given field of the context moves the predicted reward, before it is kept in [0, 1].

        What a field that is not given moves is part of the base.
        """
        mean = self._means[self._places[variant.name]]
        base = self._row({})
        return {name: float(mean @ (self._row({name: value}) - base)) for name, value in context.items()}

    def _check(self, reward: Reward) -> None:
        if not 0.0 <= reward.value <= 1.0:
            raise PolicyFailed(f"a reward must be in [0, 1] and one is {reward.value!r}: check the metrics' caps")
        if reward.assignment.variant not in self._sums:
            raise PolicyFailed(f"a reward is for {reward.assignment.variant!r}, which is no variant of the experiment")

    def _row(self, context: Context) -> Array:
        return self._dense(*self._encoder.encode(context))

    def _dense(self, indices: NDArray[np.uint64], values: NDArray[np.float32]) -> Array:
        """Return features as columns, shape (d,); one that has no column is not read."""
        x = np.zeros(len(self._columns))
        x[0] = 1.0
        for index, value in zip(indices.tolist(), values.tolist(), strict=True):
            column = self._columns.get(index)
            if column is not None:
                x[column] += value
        return x

    def _widen(self, indices: Iterator[int]) -> None:
        """Give new features columns, in the order in which they come."""
        before = len(self._columns)
        for index in indices:
            if len(self._columns) < MAX_FEATURES:
                self._columns.setdefault(index, len(self._columns))
        new = len(self._columns) - before
        if new:
            for sums in self._sums.values():
                sums.gram, sums.moment = np.pad(sums.gram, (0, new)), np.pad(sums.moment, (0, new))

    def _solve(self) -> None:
        """Work out each variant's posterior: coefficients, shape (k, d), and their covariances, shape (k, d, d).

        The prior is that a variant is an average one: deviations from the mean of all rewards are what is regressed.
        """
        grams = np.stack([sums.gram for sums in self._sums.values()])
        moments = np.stack([sums.moment for sums in self._sums.values()])
        n = grams[:, 0, 0].sum()
        average = moments[:, 0].sum() / n if n else 0.5
        self._covariances = np.linalg.inv(grams + self._prior_weight * np.eye(len(self._columns)))
        self._means = np.einsum("kij,kj->ki", self._covariances, moments - average * grams[:, :, 0])
        self._means[:, 0] += average
        self._places = {name: place for place, name in enumerate(self._sums)}


def _nothing(names: Sequence[str]) -> tuple[dict[int, int], dict[str, Sums]]:
    return {_INTERCEPT: 0}, {name: Sums(np.zeros((1, 1)), np.zeros(1)) for name in names}


def _restored(blob: bytes, names: Sequence[str]) -> tuple[dict[int, int], dict[str, Sums]]:
    try:
        head, _, body = blob.partition(b"\n")
        indices, stored = json.loads(head)
        size = len(indices)
        numbers = np.frombuffer(body, "<f8").reshape(len(stored), size + 1, size).astype(np.float64)
        columns = {int(index): column for column, index in enumerate(indices)}
        by_name = dict(zip(stored, numbers, strict=True))
        sums = {name: Sums(by_name[name][:size].copy(), by_name[name][size].copy()) for name in names}
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise SnapshotRefused("the learned state is none of this experiment's variants: learn it anew") from error
    if not (len(columns) == size <= MAX_FEATURES and indices[0] == _INTERCEPT and np.isfinite(numbers).all()):
        raise SnapshotRefused("the learned state is not what this policy writes: learn it anew")
    return columns, sums
