"""The decision: from a request to an assignment, in the order of the steps below.

    lifecycle -> unit -> consent -> group -> context -> eligible variants -> policy's distribution -> draw

A step either lets the request pass or settles it with a reason, and then the default is the answer. All of it happens
before the draw; nothing replaces a draw after it was made. Recomputation uses the same steps.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from engine import randomness
from engine.catalog import Catalog, Live
from engine.clock import Clock
from engine.context import declared
from engine.errors import InvalidRequest, PolicyFailed
from engine.experiments import Experiment, Status, Variant
from engine.randomness import ONE
from engine.records import Assignment, Context, DrawKey, Group, Reason, Request, Unit

_log = logging.getLogger(__name__)

_NOT_RUNNING = {
    Status.DRAFT: Reason.DRAFT,
    Status.PAUSED: Reason.PAUSED,
    Status.CONCLUDED: Reason.ENDED,
    Status.ARCHIVED: Reason.ENDED,
}


# A policy that reads no context answers the same for long.
_quantised = lru_cache(maxsize=256)(randomness.quantise)


@dataclass(frozen=True, slots=True)
class Choice:
    """What the last steps came to: a draw, or the default for a reason."""

    reason: Reason
    variant: str
    drawn: int = 0
    eligible: tuple[str, ...] = ()
    distribution: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """A request that is inside its experiment, with all that is known before the policy is asked."""

    live: Live
    request: Request
    assignment_id: str
    unit: Unit
    group: Group
    group_weight: int
    context: Context


class Assigner:
    """Decides from a catalog.

    Its owner swaps `catalog` as a whole; a decision under way keeps the one it began with.
    """

    def __init__(self, catalog: Catalog, secret: bytes, clock: Clock, policy_budget_s: float) -> None:
        self.catalog = catalog
        self._clock = clock
        self._secret = secret
        self._budget_s = policy_budget_s

    def assign(self, request: Request) -> Assignment:
        """Return the answer to a request; a known experiment always answers.

        Raises:
            UnknownExperiment: there is none of this id.
            InvalidRequest: the request asks for what no experiment has yet: candidates, several slots.
        """
        check_shape(request)
        live = self.catalog.find(request.experiment_id)
        experiment = live.experiment
        unit = Unit(experiment.unit, request.units.get(experiment.unit, ""))
        context, flaw = declared(experiment, request.context)
        outside = not_running(live) or unit_missing(unit) or no_consent(experiment, context)
        if outside:
            return _outside(live, request, unit, outside)
        group, group_weight = draw_group(experiment, unit)
        assignment_id = randomness.assignment_id(request.request_id, request.experiment_id)
        case = Case(live, request, assignment_id, unit, group, group_weight, context)
        eligible = eligible_variants(experiment, group, request.excluded_variants)
        return _logged(case, self._choose(case, eligible, flaw or no_variants(eligible) or no_policy(live, group)))

    def _choose(self, case: Case, eligible: Sequence[Variant], settled: Reason | None) -> Choice:
        default = case.live.experiment.default
        if settled:
            return Choice(settled, default)
        started = self._clock.stopwatch_s()
        try:
            weights = distribution(case.live, case.group, case.context, eligible)
        except Exception:
            # Whatever is wrong with a policy, the product gets its default, and the operator the traceback.
            _log.exception("the policy of %s failed; its default is served", case.request.experiment_id)
            return Choice(Reason.POLICY_FAILED, default)
        if self._clock.stopwatch_s() - started > self._budget_s:
            return Choice(Reason.POLICY_SLOW, default)
        return self._draw(case, tuple([variant.name for variant in eligible]), weights)

    def _draw(self, case: Case, names: tuple[str, ...], weights: tuple[int, ...]) -> Choice:
        number = drawn_number(
            case.live.experiment,
            self._secret,
            unit=case.unit,
            assignment_id=case.assignment_id,
            slot=0,
            eligible=names,
            weights=weights,
        )
        return Choice(Reason.DRAWN, names[randomness.draw(weights, number)], number, names, weights)


def check_shape(request: Request) -> None:
    """Refuse what is part of the contract and not served yet, rather than answer something else."""
    if request.candidates:
        raise InvalidRequest("no policy takes candidates yet: declare the variants in the experiment")
    if request.n_slots > 1:
        raise InvalidRequest("no policy fills several slots yet: ask for one")


def not_running(live: Live) -> Reason | None:
    """The reason of an experiment that does not run."""
    return _NOT_RUNNING.get(live.state.status)


def unit_missing(unit: Unit) -> Reason | None:
    """Without a unit there is nothing to randomise, and nobody to log it for."""
    return None if unit.id else Reason.UNIT_MISSING


def no_variants(eligible: Sequence[Variant]) -> Reason | None:
    """The request excluded whatever its group may get."""
    return None if eligible else Reason.NO_VARIANTS


def no_policy(live: Live, group: Group) -> Reason | None:
    """The learned state could not be restored, which the catalog has reported; the control group needs none."""
    return Reason.POLICY_FAILED if live.policy is None and group is Group.POLICY else None


def no_consent(experiment: Experiment, context: Context) -> Reason | None:
    """Consent that is missing or not a flag is no consent."""
    if experiment.requires_consent and context.get(experiment.requires_consent) is not True:
        return Reason.NO_CONSENT
    return None


def draw_group(experiment: Experiment, unit: Unit) -> tuple[Group, int]:
    """Return the unit's group with its weight: the same as long as the control's share is."""
    control_weight = randomness.share_weight(experiment.policy.control_share)
    if not control_weight:
        return Group.POLICY, ONE
    if randomness.group_number(experiment.seed, unit.type, unit.id, control_weight) < control_weight:
        return Group.CONTROL, control_weight
    return Group.POLICY, ONE - control_weight


def eligible_variants(experiment: Experiment, group: Group, excluded: frozenset[str]) -> tuple[Variant, ...]:
    """Return the variants that this answer may be, in the experiment's order; the control group has the control."""
    if group is Group.CONTROL:
        variants: tuple[Variant, ...] = (experiment.variant(experiment.control),)
    else:
        variants = experiment.variants
    return tuple([variant for variant in variants if variant.name not in excluded]) if excluded else variants


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
    return _quantised(tuple(probabilities), live.experiment.policy.floor)


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
    """Return the random number of a draw, keyed as the experiment's policy declares."""
    if experiment.policy.draw_key is DrawKey.UNIT:
        return randomness.unit_number(experiment.seed, unit.type, unit.id, eligible, weights)
    return randomness.assignment_number(secret, experiment.seed, assignment_id, slot)


def _outside(live: Live, request: Request, unit: Unit, reason: Reason) -> Assignment:
    return Assignment(
        experiment_id=request.experiment_id,
        variant=live.experiment.default,
        reason=reason,
        unit=unit,
        assigned_at=request.received_at,
        received_at=request.received_at,
        revision=live.state.revision,
        epoch=live.state.epoch,
        source=request.source,
    )


def _logged(case: Case, choice: Choice) -> Assignment:
    is_draw = choice.reason is Reason.DRAWN
    request, state = case.request, case.live.state
    return Assignment(
        experiment_id=request.experiment_id,
        variant=choice.variant,
        reason=choice.reason,
        unit=case.unit,
        assigned_at=request.received_at,
        received_at=request.received_at,
        assignment_id=case.assignment_id,
        request_id=request.request_id,
        request_digest=request.digest,
        revision=state.revision,
        epoch=state.epoch,
        snapshot=state.snapshot,
        draw_key=state.experiment.policy.draw_key if is_draw else DrawKey.NONE,
        drawn=choice.drawn,
        is_draw=is_draw,
        group=case.group,
        group_weight=case.group_weight,
        eligible=choice.eligible,
        distribution=choice.distribution,
        context=case.context,
        source=request.source,
    )
