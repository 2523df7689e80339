"""The rules of policies that learn: their floor and shares, when they publish, what they forget and begin with."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import timedelta

from engine.experiments import Experiment
from engine.metric_rules import MAX_WINDOW
from engine.specs import (
    ContextFreeSpec,
    ContextualSpec,
    EpsilonGreedySpec,
    LearningSpec,
    LinearSpec,
    Posterior,
    SoftmaxSpec,
    ThompsonSpec,
    Ucb1Spec,
)

LEAST, MOST = 1e-6, 1e12
"""The least and the most of widths, temperatures and a prior's weight: beyond them no reward would ever count."""

_RANGES: Mapping[Posterior, Mapping[str, tuple[float, float]]] = {
    Posterior.BETA: {"prior_alpha": (1.0, MOST), "prior_beta": (1.0, MOST)},
    Posterior.GAUSSIAN: {"prior_mean": (0.0, 1.0), "prior_weight": (LEAST, MOST)},
    Posterior.GAMMA_POISSON: {"prior_alpha": (1.0, MOST), "prior_beta": (LEAST, MOST)},
}
"""What the prior of each posterior is made of, and from where to where it goes."""


def learning_problems(experiment: Experiment, policy: LearningSpec) -> Iterator[str]:
    """Yield a sentence for every rule that a policy that learns breaks; its prior is not looked at."""
    if not 0 < policy.floor <= 1:
        yield f"the floor is {policy.floor:g} and must be in (0, 1]: the total that all variants share"
    if not 0 <= policy.control_share < 1:
        yield f"the control share is {policy.control_share:g} and must be in [0, 1)"
    yield from _share_problems(experiment, policy)
    if policy.publish_every < 1:
        yield "`publish_every` must be at least 1"
    if not timedelta(0) <= policy.publish_after <= MAX_WINDOW:
        yield f"`publish_after` must not be negative, and have {MAX_WINDOW.days} days at most"
    if isinstance(policy, ContextFreeSpec):
        yield from _drift_problems(policy)
    yield from _own_problems(experiment, policy)


def shadow_problems(policy: LearningSpec) -> Iterator[str]:
    """Yield a sentence for every rule that a policy breaks only as a shadow, which draws nothing."""
    if policy.control_share:
        yield f"the shadow's control share is {policy.control_share:g} and must be 0: the serving policy's counts"
    if policy.shares:
        yield "the shadow serves nobody, so that its `shares` hold nobody: leave them out"


def _share_problems(experiment: Experiment, policy: LearningSpec) -> Iterator[str]:
    names = [variant.name for variant in experiment.variants]
    for name, share in policy.shares.items():
        if name not in names:
            yield f"`shares` names {name!r}, which is no variant"
        if not 0 < share < 1:
            yield f"the share of {name!r} is {share:g} and must be in (0, 1)"
        if name in experiment.killed:
            yield f"`shares` names {name!r}, which is killed: take its share away first"
    if policy.shares and policy.shares.keys() >= {variant.name for variant in experiment.alive(experiment.variants)}:
        yield "`shares` holds every variant: leave one out for the policy to choose, or take `fixed`"
    total = math.fsum(policy.shares.values()) + policy.floor
    if policy.shares and not total < 1:
        yield f"`shares` and the floor sum to {total:g} and must leave room for what is learned: less than 1"


def _drift_problems(policy: ContextFreeSpec) -> Iterator[str]:
    if policy.half_life is not None and policy.window is not None:
        yield "`half_life` and `window` both say what is forgotten: give one of the two"
    for name, forgets in (("half_life", policy.half_life), ("window", policy.window)):
        if forgets is not None and not timedelta(0) < forgets <= MAX_WINDOW:
            yield f"`{name}` must be longer than nothing, and have {MAX_WINDOW.days} days at most"


def _own_problems(experiment: Experiment, policy: LearningSpec) -> Iterator[str]:
    match policy:
        case ThompsonSpec():
            yield from _posterior_problems(experiment, policy)
        case EpsilonGreedySpec():
            if not 0 <= policy.epsilon <= 1:
                yield f"epsilon is {policy.epsilon:g} and must be in [0, 1]: the share of draws at random"
        case Ucb1Spec():
            yield from _range_problems("the width", policy.width)
        case SoftmaxSpec():
            yield from _range_problems("the temperature", policy.temperature)
        case LinearSpec():
            yield from _range_problems("the width", policy.width)
            yield from _range_problems("`prior_weight`", policy.prior_weight)
        case ContextualSpec():
            # Here alone, because the policies need scipy, which takes longer to load than all definitions do.
            from engine.policies.explorers import contextual_problems

            yield from contextual_problems(policy)


def _range_problems(what: str, value: float, low: float = LEAST, high: float = MOST) -> Iterator[str]:
    if not low <= value <= high:
        yield f"{what} is {value:g} and must be from {low:g} to {high:g}"


def _posterior_problems(experiment: Experiment, policy: ThompsonSpec) -> Iterator[str]:
    word, ranges = policy.posterior.value, _RANGES[policy.posterior]
    for name in dict.fromkeys(name for each in _RANGES.values() for name in each):
        value = getattr(policy, name)
        if name not in ranges and value != getattr(ThompsonSpec(), name):
            yield f"`{name}` is no part of the prior of `posterior: {word}`, which has {' and '.join(ranges)}"
        if name in ranges:
            yield from _range_problems(f"`{name}`", value, *ranges[name])
    low = experiment.reward_scale[0] if experiment.reward_scale else 0.0
    if policy.posterior is Posterior.GAMMA_POISSON and low != 0:
        yield f"`posterior: gamma_poisson` counts from 0, and the reward's scale begins at {low:g}: take gaussian"
