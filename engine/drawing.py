"""From a group and a context to the drawn variant of a slot: eligible variants, distribution, number, draw.

Recomputation goes the same way.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from engine import randomness
from engine.catalog import Live
from engine.errors import PolicyFailed
from engine.experiments import Experiment, Variant
from engine.policies import Policy
from engine.randomness import ONE
from engine.records import Context, DrawKey, Group, Reason, Unit
from engine.shares import held
from engine.specs import ContextFreeSpec, FixedSpec, LearningSpec, PolicySpec, SegmentsSpec

_quantised = lru_cache(maxsize=256)(randomness.quantise)

_ANSWERS_AGAIN = (FixedSpec, SegmentsSpec, ContextFreeSpec)
"""Policies that give the same few answers for long; one that learns from the context hardly ever gives one twice."""


@dataclass(slots=True)
class Choice:
    """What the last steps came to: a draw, or a variant without one for a reason."""

    reason: Reason
    variant: str
    drawn: int = 0
    eligible: tuple[str, ...] = ()
    distribution: tuple[int, ...] = ()
    kept_from: str = ""
    shadow: tuple[int, ...] = ()


@dataclass(slots=True)
class Key:
    """What the random number of a draw can be keyed by."""

    secret: bytes
    unit: Unit
    assignment_id: str = ""
    slot: int = 0


def draw_group(experiment: Experiment, unit: Unit) -> tuple[Group, int]:
    """Return the unit's group with its weight: the same as long as the control's share is."""
    share = experiment.policy.control_share
    if not share:
        return Group.POLICY, ONE
    control_weight = randomness.share_weight(share)
    if randomness.group_number(experiment.seed, unit.type, unit.id, control_weight) < control_weight:
        return Group.CONTROL, control_weight
    return Group.POLICY, ONE - control_weight


def eligible_variants(
    experiment: Experiment, group: Group, excluded: frozenset[str], brought: Sequence[Variant] = ()
) -> tuple[Variant, ...]:
    """Return what a group may get, in order: the candidates that were brought, or else variants of the experiment.

    Among all of them the policy draws; the control group gets one after the other, slot by slot, as the product would
    have shown them. Of a draw by unit the killed variants are among them: it goes by the distribution that was before.
    See `settled`.
    """
    variants = tuple(brought)
    if experiment.candidates is None:
        variants = experiment.variants if group is Group.POLICY else _from(experiment, experiment.control)
    if experiment.killed:
        killed = set(experiment.killed)
        excluded = excluded - killed if experiment.draw_key is DrawKey.UNIT else excluded | killed
    return without(experiment, variants, excluded) if excluded or experiment.killed else variants


def without(experiment: Experiment, variants: tuple[Variant, ...], names: Collection[str]) -> tuple[Variant, ...]:
    """Return the variants but those of some names; none where all that is left of them was killed."""
    left = tuple([variant for variant in variants if variant.name not in names])
    return () if experiment.killed and not experiment.alive(left) else left


def usual(experiment: Experiment, excluded: frozenset[str], brought: Sequence[Variant] = ()) -> list[str]:
    """Return what is shown without a draw, in order: the candidates as they were brought, or the default and the rest.

    The default is served also where it is excluded: there must be an answer.
    """
    if experiment.candidates is not None:
        return [variant.name for variant in brought if variant.name not in excluded] or [experiment.default]
    first, *rest = _from(experiment, experiment.default)
    return [first.name, *(variant.name for variant in experiment.alive(rest) if variant.name not in excluded)]


def _from(experiment: Experiment, first: str) -> tuple[Variant, ...]:
    """Return one variant, and where there are further slots for them, the others in their order."""
    variant = experiment.variant(first)
    if experiment.slots == 1:
        return (variant,)
    return variant, *[other for other in experiment.variants if other is not variant]


def distribution(live: Live, group: Group, context: Context, eligible: Sequence[Variant]) -> tuple[int, ...]:
    """Return the weights of the eligible variants, floor included; they sum to 2**32.

    Raises:
        PolicyFailed: the policy's answer is no distribution.
    """
    if group is Group.CONTROL:
        return (ONE,)
    assert live.policy is not None, "asked only where there is one: see no_policy"
    return weighed(live.policy, live.experiment.policy, context, eligible)


def shadow_distribution(live: Live, context: Context, eligible: Sequence[Variant]) -> tuple[int, ...]:
    """Return the weights that the shadow policy gives the eligible variants; none where there is no shadow.

    Raises:
        PolicyFailed: the shadow's answer is no distribution.
    """
    if live.shadow is None or live.experiment.shadow is None:
        return ()
    return weighed(live.shadow, live.experiment.shadow, context, eligible)


def weighed(policy: Policy, spec: PolicySpec, context: Context, eligible: Sequence[Variant]) -> tuple[int, ...]:
    """Return a policy's answer as weights that sum to 2**32, with the floor and the fixed shares of its spec.

    Raises:
        PolicyFailed: the policy's answer is no distribution.
    """
    probabilities = policy.distribution(context, eligible)
    if len(probabilities) != len(eligible):
        raise PolicyFailed(f"the policy answered {len(probabilities)} probabilities for {len(eligible)} variants")
    if isinstance(spec, _ANSWERS_AGAIN):
        weights = _quantised(tuple(probabilities), spec.floor, zeros=spec.asks_for_zeros)
    else:
        weights = randomness.quantise(probabilities, spec.floor, zeros=spec.asks_for_zeros)
    if isinstance(spec, LearningSpec) and spec.shares:
        return held(weights, [variant.name for variant in eligible], spec.shares)
    return weights


def drawn_number(experiment: Experiment, key: Key, eligible: Sequence[str], weights: Sequence[int]) -> int:
    """Return the random number of a draw, keyed as the policy declares.

    A test that becomes sticky goes on with its units' numbers, so that nobody's variant changes by it. The slots of a
    unit have other eligible variants each, and so other numbers.
    """
    if experiment.policy.draw_key is DrawKey.UNIT:
        return randomness.unit_number(experiment.seed, key.unit.type, key.unit.id, eligible, weights)
    return randomness.assignment_number(key.secret, experiment.seed, key.assignment_id, key.slot)


def settled(
    experiment: Experiment, eligible: tuple[str, ...], weights: tuple[int, ...], number: int
) -> tuple[tuple[str, ...], tuple[int, ...], int]:
    """Return eligible variants, weights and number after the killing of variants, one after the other.

    Only units of a killed variant get another one: see `randomness.without`.
    """
    for name in experiment.killed:
        if name in eligible:
            index = eligible.index(name)
            weights, number = randomness.without(weights, number, index)
            eligible = eligible[:index] + eligible[index + 1 :]
    return eligible, weights, number


def drawn(experiment: Experiment, key: Key, eligible: Sequence[Variant], weights: tuple[int, ...]) -> Choice:
    """Return the draw from a distribution over eligible variants."""
    names = tuple([variant.name for variant in eligible])
    number = drawn_number(experiment, key, names, weights)
    if experiment.killed:
        names, weights, number = settled(experiment, names, weights, number)
    return Choice(Reason.DRAWN, names[randomness.draw(weights, number)], number, names, weights)


POLICYS = frozenset({Reason.POLICY_FAILED, Reason.POLICY_SLOW})
"""Reasons of answers that a policy ought to have given: where there is a prior, it chooses them."""


def likeliest(prior: Policy | None, context: Context, eligible: Sequence[Variant], default: str) -> str:
    """Return what is served where a policy fails: the prior's likeliest variant, or the default."""
    if prior is None or not eligible:
        return default
    try:
        probabilities = prior.distribution(context, eligible)
    except PolicyFailed:
        return default
    return eligible[max(range(len(eligible)), key=probabilities.__getitem__)].name


def weight_of(choice: Choice, variants: Sequence[str]) -> int:
    """Return the chance of drawing one of some variants, in units of 2**-32."""
    chances: Mapping[str, int] = dict(zip(choice.eligible, choice.distribution, strict=True))
    return sum(chances.get(name, 0) for name in variants)
