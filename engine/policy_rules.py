"""The rules of policies: what is put in one form, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

from engine.experiments import Experiment
from engine.funnel_rules import in_one_form, problems_of_condition
from engine.learning_rules import learning_problems, shadow_problems
from engine.metric_rules import SUM_TOLERANCE
from engine.specs import ContextualSpec, FixedSpec, LearningSpec, PolicySpec, SegmentsSpec


def policy_in_one_form(policy: PolicySpec) -> PolicySpec:
    """Return the policy with its conditions such that no way of writing them makes other ones."""
    match policy:
        case SegmentsSpec():
            return _segments_in_one_form(policy)
        case LearningSpec(prior=SegmentsSpec() as prior):
            return replace(policy, prior=_segments_in_one_form(prior))
        case _:
            return policy


def _segments_in_one_form(policy: SegmentsSpec) -> SegmentsSpec:
    return replace(policy, rules=tuple(replace(rule, when=in_one_form(rule.when)) for rule in policy.rules))


def policy_problems(experiment: Experiment) -> Iterator[str]:
    """Yield a sentence for every rule that the policy breaks, or its shadow, which obeys the same ones."""
    yield from _problems_of(experiment, experiment.policy)
    if experiment.shadow:
        for problem in _problems_of(experiment, experiment.shadow):
            yield f"the shadow: {problem}"
    if isinstance(experiment.shadow, LearningSpec):
        yield from shadow_problems(experiment.shadow)


def policy_warnings(experiment: Experiment) -> Iterator[str]:
    """Yield a sentence for what is accepted and known to have defects, in the policy or in its shadow."""
    for whose, policy in (("", experiment.policy), ("the shadow: ", experiment.shadow)):
        if isinstance(policy, ContextualSpec):
            # Here alone, because the policies need scipy, which takes longer to load than all definitions do.
            from engine.policies.explorers import warning

            if why := warning(policy):
                yield f"{whose}{why}: squarecb has no such defect"


def _problems_of(experiment: Experiment, policy: PolicySpec) -> Iterator[str]:
    match policy:
        case FixedSpec():
            yield from _fixed_problems(experiment, policy.weights)
        case SegmentsSpec():
            yield from _segments_problems(experiment, policy)
        case LearningSpec():
            yield from learning_problems(experiment, policy)
            if policy.prior:
                yield from _prior_problems(experiment, policy.prior)


def _fixed_problems(experiment: Experiment, weights: Mapping[str, float]) -> Iterator[str]:
    if not weights:
        return
    names = [variant.name for variant in experiment.variants]
    for name in weights.keys() - set(names):
        yield f"a weight names {name!r}, which is no variant"
    for name in names:
        if not 0 < weights.get(name, 0) <= 1:
            yield f"variant {name!r} needs a weight in (0, 1]: leave the variant out if nobody is to get it"
    yield from _sum_problems("the weights", weights)


def _sum_problems(what: str, weights: Mapping[str, float]) -> Iterator[str]:
    total = math.fsum(weights.values())
    if not abs(total - 1) <= SUM_TOLERANCE:
        yield f"{what} sum to {total:g} and must sum to 1"


def _segments_problems(experiment: Experiment, policy: SegmentsSpec) -> Iterator[str]:
    if not policy.rules:
        yield "a policy of segments needs `rules`: for the same weights everywhere there is `fixed`"
    if not 0 <= policy.floor <= 1:
        yield f"the floor is {policy.floor:g} and must be in [0, 1]: the total that all variants share"
    yield from _rules_problems(experiment, policy, "")


def _prior_problems(experiment: Experiment, prior: SegmentsSpec) -> Iterator[str]:
    if not prior.rules and not prior.otherwise:
        yield "the prior says nothing: give it `rules` or `otherwise`, or leave it out"
    if prior.floor != 0:
        yield "the prior has no floor of its own: the policy's floor counts"
    yield from _rules_problems(experiment, prior, " of the prior")


def _rules_problems(experiment: Experiment, policy: SegmentsSpec, whose: str) -> Iterator[str]:
    for number, rule in enumerate(policy.rules, 1):
        what = f"rule {number}{whose}"
        if not rule.when:
            yield f"{what} needs a condition in `when`: what everybody else gets is `otherwise`"
        yield from problems_of_condition(experiment, what, rule.when, only_declared=True)
        yield from _some_problems(experiment, what, rule.weights)
    yield from _some_problems(experiment, f"`otherwise`{whose}", policy.otherwise)


def _some_problems(experiment: Experiment, what: str, weights: Mapping[str, float]) -> Iterator[str]:
    """Yield a sentence for every rule that weights of some of the variants break; empty ones are even."""
    if not weights:
        return
    for name in weights.keys() - {variant.name for variant in experiment.variants}:
        yield f"{what} names {name!r}, which is no variant"
    for name, weight in weights.items():
        if not 0 < weight <= 1:
            yield f"the weight of {name!r} in {what} is {weight:g} and must be in (0, 1]: leave out who has no chance"
    yield from _sum_problems(f"the weights of {what}", weights)
    if weights.keys() <= set(experiment.killed):
        yield f"{what} would have nobody left to give: all its variants are killed, so change it first"
