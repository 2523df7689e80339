"""The policy of rules: a fixed distribution for each segment that a condition describes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial

from engine.experiments import Experiment, Variant
from engine.policies.fixed import renormalised, weights_of
from engine.records import Context
from engine.specs import Rule, SegmentsSpec
from engine.targeting import compile_condition


class SegmentsPolicy:
    """Gives the weights of the first rule whose condition holds in the context, else those of `otherwise`.

    Weights are renormalised over the eligible variants. Where they leave none of these a chance, the next rule that
    holds is asked, as if this one were not there; at the end, when not even `otherwise` leaves one, all are as likely.
    So an answer from which the request excluded what the rule gives is still an answer. Conditions are compiled once;
    they refer to no segment or group of the population any more.

    >>> from engine.metrics import Metric
    >>> a, b, c = Variant("a"), Variant("b"), Variant("c")
    >>> spec = SegmentsSpec((Rule({"age": {"$gte": 60}}, {"a": 1.0}),), otherwise={"b": 0.75, "c": 0.25})
    >>> policy = SegmentsPolicy(Experiment("hero", (a, b, c), (Metric("click"),), policy=spec))
    >>> policy.distribution({"age": 70.0}, (a, b, c)), policy.distribution({"age": 70.0}, (b, c))
    ((1.0, 0.0, 0.0), (0.75, 0.25))
    """

    def __init__(self, experiment: Experiment) -> None:
        spec = experiment.policy
        assert isinstance(spec, SegmentsSpec)
        rules = (*spec.rules, _always(spec.otherwise), _always({}))
        self._conditions = tuple(compile_condition(rule.when) for rule in rules)
        weights = tuple(weights_of(rule.weights, experiment) for rule in rules)
        self._over = lru_cache(maxsize=1024)(partial(_renormalised, weights))

    def distribution(self, context: Context, eligible: Sequence[Variant]) -> Sequence[float]:
        """Return the probabilities of the eligible variants in their order, shape (k,), summing to 1."""
        names = tuple([variant.name for variant in eligible])
        holding = (index for index, holds in enumerate(self._conditions) if holds(context))
        return next(found for index in holding if (found := self._over(index, names)))


def _always(weights: Mapping[str, float]) -> Rule:
    return Rule({}, weights)


def _renormalised(weights: Sequence[Mapping[str, float]], index: int, names: tuple[str, ...]) -> tuple[float, ...]:
    return renormalised(weights[index], names)
