"""The slots of one answer, filled one after the other: each by a draw among what those before left, or without one."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from engine import drawing, steps
from engine.candidates import Brought
from engine.catalog import Live
from engine.clock import Clock
from engine.complaints import Complaints
from engine.drawing import Choice
from engine.experiments import Variant
from engine.records import Assignment, Context, Group, Inclusion, Reason, Request, Unit


# These are made for every answer and shared with nobody: what is not frozen is made in half the time.
@dataclass(slots=True)
class Who:
    """The unit that is answered, the one that its chances are keyed by, and the row whose variant it keeps, if any.

    The two units differ for a customer who keeps what was drawn before the login.
    """

    unit: Unit
    drawn_as: Unit
    kept: Assignment | None = None
    is_blocked: bool = False


@dataclass(slots=True)
class Case:
    """A request that is answered as a part of its experiment, with all that is known before the policy is asked."""

    live: Live
    population: int
    request: Request
    assignment_id: str
    who: Who
    group: Group
    group_weight: int
    context: Context
    flaw: Reason | None
    brought: Brought
    inclusion: tuple[Inclusion, ...]


class Filler:
    """Fills the slots of cases."""

    def __init__(self, secret: bytes, clock: Clock, policy_budget_s: float) -> None:
        self._secret = secret
        self._clock = clock
        self._budget_s = policy_budget_s
        self._complaints = Complaints(clock)

    def fill(self, case: Case) -> list[Choice]:
        """Return the draws of the slots in order, fewer where there are fewer variants.

        Where the policy fails or is slow, the slots that are not drawn yet are filled without a draw.
        """
        experiment, request = case.live.experiment, case.request
        eligible = drawing.eligible_variants(experiment, case.group, request.excluded_variants, case.brought.variants)
        settled = case.flaw or steps.no_variants(eligible) or steps.no_policy(case.live, case.group)
        if settled:
            return after(case, _default(case, settled, eligible))
        choices, failed = self._draws(case, eligible)
        if case.live.shadow is not None and case.group is Group.POLICY:
            self._shade(case, choices)
        if failed and not choices:
            return after(case, _default(case, failed, eligible))
        return _rest(case, choices, failed) if failed else choices

    def _draws(self, case: Case, eligible: tuple[Variant, ...]) -> tuple[list[Choice], Reason | None]:
        """Return the draws, each without what was drawn before, and why there are no more of them, or None."""
        choices: list[Choice] = []
        experiment, started = case.live.experiment, self._clock.stopwatch_s()
        for slot in range(case.request.n_slots or 1):
            if slot:
                eligible = drawing.without(experiment, eligible, (choices[-1].variant,))
            if not eligible:
                break
            among = eligible[:1] if case.group is Group.CONTROL else eligible
            weights = self._weights(case, among, started)
            if isinstance(weights, Reason):
                return choices, weights
            keyed_by = drawing.Key(self._secret, case.who.unit, case.assignment_id, slot)
            choices.append(drawing.drawn(experiment, keyed_by, among, weights))
        return choices, None

    def _weights(self, case: Case, eligible: tuple[Variant, ...], started: float) -> tuple[int, ...] | Reason:
        """Return the policy's distribution, or why there is none; its budget of time is for all slots together."""
        try:
            weights = drawing.distribution(case.live, case.group, case.context, eligible)
        except Exception:
            # Whatever is wrong with a policy, the product gets its default, and the operator the traceback.
            what = f"the policy of {case.request.experiment_id} failed; its default is served"
            self._complaints.say(logging.ERROR, what)
            return Reason.POLICY_FAILED
        return Reason.POLICY_SLOW if self._clock.stopwatch_s() - started > self._budget_s else weights

    def _shade(self, case: Case, choices: Sequence[Choice]) -> None:
        """Note what the shadow would have drawn from; where it fails or is slow it is left out, and changes nothing."""
        brought = {variant.name: variant for variant in case.brought.variants}
        started, experiment_id = self._clock.stopwatch_s(), case.request.experiment_id
        for choice in choices:
            eligible = [brought.get(name) or case.live.by_name[name] for name in choice.eligible]
            try:
                weights = drawing.shadow_distribution(case.live, case.context, eligible)
            except Exception:
                self._complaints.say(logging.ERROR, f"the shadow of {experiment_id} failed; it is left out")
                return
            if self._clock.stopwatch_s() - started > self._budget_s:
                what = f"the shadow of {experiment_id} took longer than a policy may; it is left out"
                self._complaints.say(logging.WARNING, what, traceback=False)
                return
            choice.shadow = weights


def usual(case: Case) -> list[str]:
    """Return what the slots show without a draw, in their order; at least one."""
    return drawing.usual(case.live.experiment, case.request.excluded_variants, case.brought.variants)


def after(case: Case, first: Choice) -> list[Choice]:
    """Return the answers to all slots where the first one is no draw."""
    return [first] if case.request.n_slots <= 1 else _rest(case, [first], first.reason)


def _rest(case: Case, before: list[Choice], reason: Reason) -> list[Choice]:
    """Return the answers to all slots, of which those after some are filled in the usual order, without a draw."""
    shown = {choice.variant for choice in before}
    others = [Choice(reason, name) for name in usual(case) if name not in shown]
    return before + others[: case.request.n_slots - len(before)]


def _default(case: Case, reason: Reason, eligible: Sequence[Variant]) -> Choice:
    """Return what is served where the policy cannot answer; one that has a prior chose for this context beforehand."""
    experiment, first = case.live.experiment, usual(case)[0]
    if reason not in drawing.POLICYS:
        return Choice(reason, first)
    alive = experiment.alive(eligible)
    return Choice(reason, drawing.likeliest(case.live.prior, case.context, alive, first))
