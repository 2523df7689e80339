"""The decision: from a request to an assignment, in the order of the steps below.

    lifecycle and schedule -> unit -> consent -> QA, forced -> prerequisites -> holdouts -> audience -> layer -> traffic
    -> group -> cap and rest -> what is kept -> context and candidates
    -> for each slot: eligible variants -> policy's distribution -> draw -> the shadow's distribution

A step either lets the request pass or settles it with a reason, and then the default is the answer. Nothing replaces
a draw after it was made: where the policy fails on a later slot, those before stand. Recomputation uses the same steps.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from engine import drawing, filling, randomness, steps
from engine.admission import HOLDOUT, Walk
from engine.candidates import NOTHING
from engine.catalog import Catalog, Live
from engine.clock import Clock
from engine.contacts import COUNTS, Contacts
from engine.context import declared
from engine.drawing import Choice
from engine.experiments import Experiment
from engine.filling import Case, Filler, Who
from engine.records import Assignment, DrawKey, Group, Inclusion, Reason, Request, Unit

_log = logging.getLogger(__name__)


class Assigner:
    """Decides from a catalog.

    Its owner swaps `catalog` as a whole; a decision under way keeps the one it began with.
    """

    def __init__(
        self, catalog: Catalog, contacts: Contacts, secret: bytes, clock: Clock, policy_budget_s: float
    ) -> None:
        self.catalog = catalog
        self._contacts = contacts
        self._secret = secret
        self._filler = Filler(secret, clock, policy_budget_s)

    def fill(self, request: Request, walk: Walk | None = None) -> tuple[Assignment, ...]:
        """Return the answer to a request, an assignment for each slot that there is a variant for, the first always.

        A known experiment always answers. Requests that are decided together share a walk.

        Raises:
            UnknownExperiment: there is none of this id.
            InvalidRequest: the request asks for more slots than there are, brings candidates that the experiment does
                not take or could not tell apart, or asks for the testing of a variant that there is not.
        """
        catalog = self.catalog
        live = catalog.find(request.experiment_id)
        steps.check_shape(live, request)
        unit = steps.unit_of(live.experiment, request.units)
        refused = steps.closed(live, request, unit)
        if refused:
            return (_outside(catalog, live, request, unit, refused),)
        given = steps.tested(live, request) or steps.forced(
            catalog, live, unit, request.context, request.excluded_variants
        )
        if given:
            case = _case(catalog, live, request, Who(unit, unit), ())
            return self._noted(case, filling.after(case, given))
        who = self._who(live, request, unit)
        admitted = self._admitted(catalog, live, request, who.drawn_as, walk)
        if isinstance(admitted, Reason):
            return (_outside(catalog, live, request, unit, admitted),)
        if who.is_blocked:
            return (_outside(catalog, live, request, unit, Reason.BLOCKED),)
        return self._answered(catalog, live, request, who, admitted)

    def _answered(
        self, catalog: Catalog, live: Live, request: Request, who: Who, inclusion: tuple[Inclusion, ...]
    ) -> tuple[Assignment, ...]:
        case = _case(catalog, live, request, who, inclusion)
        choice = (self._spared(catalog, case) or steps.kept(who.kept)) if live.is_remembered else None
        return self._noted(case, filling.after(case, choice) if choice else self._filler.fill(case))

    def _noted(self, case: Case, choices: Sequence[Choice]) -> tuple[Assignment, ...]:
        filled = tuple([_logged(case, choice, slot) for slot, choice in enumerate(choices)])
        if filled[0].is_remembered and not case.request.dry_run:
            self._contacts.note(filled[0])
        return filled

    def _who(self, live: Live, request: Request, unit: Unit) -> Who:
        sticky = live.experiment.sticky
        if sticky is None:
            return Who(unit, unit)
        row = self._kept(live.experiment, request.units, unit)
        then = self._contacts.stickiness(row) if row else None
        if row is None or then is None:
            return Who(unit, unit)
        if then.version < sticky.min_version:
            return Who(unit, unit, is_blocked=True)
        if then.version != sticky.version or not steps.is_servable(live, row.variant, request.excluded_variants):
            return Who(unit, unit)
        return Who(unit, self._contacts.origin(row).unit if live.experiment.fallback_unit else unit, row)

    def _kept(self, experiment: Experiment, units: Mapping[str, str], unit: Unit) -> Assignment | None:
        """Return the row that the unit may keep: its own, or before its first one that of the fallback unit."""
        row = self._contacts.kept(experiment.experiment_id, unit)
        before = experiment.fallback_unit
        if row is None and before and before != unit.type and units.get(before):
            row = self._contacts.kept(experiment.experiment_id, Unit(before, units[before]))
        return row

    def _admitted(
        self, catalog: Catalog, live: Live, request: Request, unit: Unit, walk: Walk | None
    ) -> tuple[Inclusion, ...] | Reason:
        """Return the chances of what the unit passed, or the step that keeps it out."""
        passed: tuple[Inclusion, ...] = ()
        for other, variants in live.experiment.funnel.prerequisites.items():
            found = self._has_one_of(catalog, other, variants, request, walk)
            if found is None:
                return Reason.PREREQUISITE_FAILED
            passed += found
        return live.admission.refusal(unit, request.context, walk) or (*passed, *live.admission.inclusion)

    def _has_one_of(
        self, catalog: Catalog, experiment_id: str, variants: Sequence[str], request: Request, walk: Walk | None
    ) -> tuple[Inclusion, ...] | None:
        """Return the chances by which the unit has one of some variants of another experiment, None where it has none.

        The global holdout is left out of them: the unit passes it once, for all experiments.
        """
        live = catalog.by_id.get(experiment_id)
        if live is None:
            return None
        unit = steps.unit_of(live.experiment, request.units)
        if steps.closed(live, request, unit):
            return None
        given = steps.forced(catalog, live, unit, request.context)
        if given:
            return () if given.variant in variants else None
        admitted = self._admitted(catalog, live, request, unit, walk)
        choice = None if isinstance(admitted, Reason) else self._drawn_there(live, request, unit)
        if isinstance(admitted, Reason) or choice is None or choice.variant not in variants:
            return None
        chances = [passed for passed in admitted if passed.step != HOLDOUT]
        chances.append(Inclusion("variant", drawing.weight_of(choice, variants)))
        return tuple(Inclusion(f"{experiment_id}: {passed.step}", passed.weight) for passed in chances)

    def _drawn_there(self, live: Live, request: Request, unit: Unit) -> Choice | None:
        """Return a unit's draw in another experiment, which is drawn by unit: nothing of it depends on the request."""
        experiment = live.experiment
        context, flaw = declared(live.fields, request.context)
        if flaw or live.policy is None:
            return None
        eligible = drawing.eligible_variants(experiment, Group.POLICY, frozenset())
        weights = drawing.distribution(live, Group.POLICY, context, eligible)
        return drawing.drawn(experiment, drawing.Key(self._secret, unit), eligible, weights)

    def _spared(self, catalog: Catalog, case: Case) -> Choice | None:
        """Return the default where a cap or a rest is in force."""
        experiment, unit, now = case.live.experiment, case.who.unit, case.request.received_at
        is_capped = any(
            self._contacts.is_capped(cap, unit, counted, now) for cap, counted in steps.caps(catalog, experiment)
        )
        rest = experiment.funnel.rest
        if is_capped or (rest and self._contacts.rests(rest, unit, experiment, now)):
            return Choice(Reason.CAPPED, filling.usual(case)[0])
        return None


def _case(catalog: Catalog, live: Live, request: Request, who: Who, inclusion: tuple[Inclusion, ...]) -> Case:
    context, flaw = declared(live.fields, request.context)
    brought = live.reader.read(request.candidates) if live.reader else NOTHING
    group, group_weight = drawing.draw_group(live.experiment, who.drawn_as)
    return Case(
        live,
        catalog.population.revision,
        request,
        randomness.assignment_id(request.request_id, request.experiment_id),
        who,
        group,
        group_weight,
        context,
        flaw or brought.flaw,
        brought,
        inclusion,
    )


def _outside(catalog: Catalog, live: Live, request: Request, unit: Unit, reason: Reason) -> Assignment:
    return Assignment(
        experiment_id=request.experiment_id,
        variant=live.experiment.default,
        reason=reason,
        unit=unit,
        assigned_at=request.received_at,
        received_at=request.received_at,
        revision=live.state.revision,
        epoch=live.state.epoch,
        population=catalog.population.revision,
        source=request.source,
    )


def _logged(case: Case, choice: Choice, slot: int) -> Assignment:
    is_draw = choice.reason is Reason.DRAWN
    request, state = case.request, case.live.state
    return Assignment(
        experiment_id=request.experiment_id,
        variant=choice.variant,
        reason=choice.reason,
        unit=case.who.unit,
        assigned_at=request.received_at,
        received_at=request.received_at,
        assignment_id=case.assignment_id,
        slot=slot,
        request_id=request.request_id,
        request_digest=request.digest,
        revision=state.revision,
        epoch=state.epoch,
        snapshot=state.snapshot,
        draw_key=state.experiment.draw_key if is_draw else DrawKey.NONE,
        drawn=choice.drawn,
        is_draw=is_draw,
        group=case.group,
        group_weight=case.group_weight,
        inclusion=case.inclusion,
        eligible=choice.eligible,
        distribution=choice.distribution,
        context=case.context,
        candidates=case.brought.candidates,
        population=case.population,
        is_remembered=slot == 0 and case.live.is_remembered and choice.reason in COUNTS,
        kept_from=choice.kept_from,
        shadow_snapshot=state.shadow_snapshot if choice.shadow else "",
        shadow_distribution=choice.shadow,
        source=request.source,
    )
