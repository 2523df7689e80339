"""The policy of a test: always the same distribution, renormalised over the eligible variants."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial

from engine.experiments import Experiment, FixedSpec, Variant
from engine.records import Context


class FixedPolicy:
    """Gives each variant its declared weight, or all the same where none is declared.

    >>> from engine.experiments import Metric
    >>> a, b, c = Variant("a"), Variant("b"), Variant("c")
    >>> spec = FixedSpec({"a": 0.5, "b": 0.25, "c": 0.25})
    >>> policy = FixedPolicy(Experiment("hero", (a, b, c), (Metric("click"),), policy=spec))
    >>> policy.distribution({}, (a, b, c)), policy.distribution({}, (b, c))
    ((0.5, 0.25, 0.25), (0.5, 0.5))
    """

    def __init__(self, experiment: Experiment) -> None:
        spec = experiment.policy
        assert isinstance(spec, FixedSpec)
        weights = dict(spec.weights) or {variant.name: 1.0 for variant in experiment.variants}
        self._over = lru_cache(maxsize=1024)(partial(_renormalised, weights))

    def distribution(self, context: Context, eligible: Sequence[Variant]) -> Sequence[float]:  # noqa: ARG002 reads none
        """Return the probabilities of the eligible variants in their order, shape (k,), summing to 1."""
        return self._over(tuple([variant.name for variant in eligible]))


def _renormalised(weights: Mapping[str, float], names: tuple[str, ...]) -> tuple[float, ...]:
    total = math.fsum(weights[name] for name in names)
    return tuple(weights[name] / total for name in names)
