"""The policy of a test: always the same distribution, renormalised over the eligible variants."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial

from engine.experiments import Experiment, Variant
from engine.records import Context
from engine.specs import FixedSpec


class FixedPolicy:
    """Gives each variant its declared weight, or all the same where none is declared.

    >>> from engine.metrics import Metric
    >>> a, b, c = Variant("a"), Variant("b"), Variant("c")
    >>> spec = FixedSpec({"a": 0.5, "b": 0.25, "c": 0.25})
    >>> policy = FixedPolicy(Experiment("hero", (a, b, c), (Metric("click"),), policy=spec))
    >>> policy.distribution({}, (a, b, c)), policy.distribution({}, (b, c))
    ((0.5, 0.25, 0.25), (0.5, 0.5))
    """

    def __init__(self, experiment: Experiment) -> None:
        spec = experiment.policy
        assert isinstance(spec, FixedSpec)
        self._is_even = not spec.weights
        self._over = lru_cache(maxsize=1024)(partial(renormalised, weights_of(spec.weights, experiment)))

    def distribution(self, context: Context, eligible: Sequence[Variant]) -> Sequence[float]:  # noqa: ARG002 reads none
        """Return the probabilities of the eligible variants in their order, shape (k,), summing to 1.

        Without weights the variants may be any, such as candidates of a request.
        """
        if self._is_even:
            return _even(len(eligible))
        return self._over(tuple([variant.name for variant in eligible]))


@lru_cache(maxsize=1024)
def _even(n: int) -> tuple[float, ...]:
    return (1.0 / n,) * n


def weights_of(declared: Mapping[str, float], experiment: Experiment) -> Mapping[str, float]:
    """Return declared weights by variant, or equal ones of all variants where none are declared."""
    return dict(declared) or {variant.name: 1.0 for variant in experiment.variants}


def renormalised(weights: Mapping[str, float], names: Sequence[str]) -> tuple[float, ...]:
    """Return the weights of these variants as shares of their sum; a variant without a weight has none.

    Empty where none of them has a weight.

    >>> renormalised({"a": 0.5, "b": 0.25}, ["b", "c"]), renormalised({"a": 0.5}, ["c"])
    ((1.0, 0.0), ())
    """
    chosen = [weights.get(name, 0.0) for name in names]
    total = math.fsum(chosen)
    return tuple([weight / total for weight in chosen]) if total else ()
