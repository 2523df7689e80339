"""From a group and a context to one drawn variant: eligible variants, distribution, number, draw.

Recomputation goes the same way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from engine import randomness
from engine.catalog import Live
from engine.errors import PolicyFailed
from engine.experiments import Experiment, Variant
from engine.policies import Policy
from engine.randomness import ONE
from engine.records import Context, DrawKey, Group, Reason, Unit

# A policy that reads no context answers the same for long.
_quantised = lru_cache(maxsize=256)(randomness.quantise)


@dataclass(slots=True)
class Choice:
    """What the last steps came to: a draw, or a variant without one for a reason."""

    reason: Reason
    variant: str
    drawn: int = 0
    eligible: tuple[str, ...] = ()
    distribution: tuple[int, ...] = ()
    kept_from: str = ""


def draw_group(experiment: Experiment, unit: Unit) -> tuple[Group, int]:
    """Return the unit's group with its weight: the same as long as the control's share is."""
    share = experiment.policy.control_share
    if not share:
        return Group.POLICY, ONE
    control_weight = randomness.share_weight(share)
    if randomness.group_number(experiment.seed, unit.type, unit.id, control_weight) < control_weight:
        return Group.CONTROL, control_weight
    return Group.POLICY, ONE - control_weight


def eligible_variants(experiment: Experiment, group: Group, excluded: frozenset[str]) -> tuple[Variant, ...]:
    """Return the variants that a draw is made among, in the experiment's order; the control group has the control.

    Of a draw by unit the killed ones are among them: it goes by the distribution that was before. See `settled`.
    """
    if group is Group.CONTROL:
        variants: tuple[Variant, ...] = (experiment.variant(experiment.control),)
    else:
        variants = experiment.variants
    if experiment.killed:
        killed = set(experiment.killed)
        excluded = excluded - killed if experiment.draw_key is DrawKey.UNIT else excluded | killed
    if excluded:
        variants = tuple([variant for variant in variants if variant.name not in excluded])
    return () if experiment.killed and not experiment.alive(variants) else variants


def distribution(live: Live, group: Group, context: Context, eligible: Sequence[Variant]) -> tuple[int, ...]:
    """Return the weights of the eligible variants, floor included; they sum to 2**32.

    Raises:
        PolicyFailed: the policy's answer is no distribution.
    """
    if group is Group.CONTROL:
        return (ONE,)
    assert live.policy is not None, "asked only where there is one: see no_policy"
    probabilities = live.policy.distribution(context, eligible)
    if len(probabilities) != len(eligible):
        raise PolicyFailed(f"the policy answered {len(probabilities)} probabilities for {len(eligible)} variants")
    spec = live.experiment.policy
    return _quantised(tuple(probabilities), spec.floor, zeros=spec.asks_for_zeros)


def drawn_number(
    experiment: Experiment,
    secret: bytes,
    *,
    unit: Unit,
    assignment_id: str,
    slot: int,
    eligible: Sequence[str],
    weights: Sequence[int],
) -> int:
    """Return the random number of a draw, keyed as the policy declares.

    A test that becomes sticky goes on with its units' numbers, so that nobody's variant changes by it.
    """
    if experiment.policy.draw_key is DrawKey.UNIT:
        return randomness.unit_number(experiment.seed, unit.type, unit.id, eligible, weights)
    return randomness.assignment_number(secret, experiment.seed, assignment_id, slot)


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


def drawn(
    experiment: Experiment,
    secret: bytes,
    *,
    unit: Unit,
    assignment_id: str,
    eligible: tuple[str, ...],
    weights: tuple[int, ...],
) -> Choice:
    """Return the draw from a distribution over eligible variants."""
    number = drawn_number(
        experiment, secret, unit=unit, assignment_id=assignment_id, slot=0, eligible=eligible, weights=weights
    )
    if experiment.killed:
        eligible, weights, number = settled(experiment, eligible, weights, number)
    return Choice(Reason.DRAWN, eligible[randomness.draw(weights, number)], number, eligible, weights)


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
