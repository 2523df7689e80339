"""The steps of a decision that need the request and the catalog alone; `assignment` has them in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine import candidates
from engine.admission import not_running
from engine.catalog import Catalog, Live
from engine.drawing import Choice
from engine.errors import InvalidRequest
from engine.experiments import Experiment, ExposureRule, Variant
from engine.funnel import Cap
from engine.records import Assignment, Group, Reason, Request, Unit, Value


def check_shape(live: Live, request: Request) -> None:
    """Refuse what the experiment does not do, rather than answer something else.

    Raises:
        InvalidRequest: more slots are asked for than there are, or candidates are brought that it does not take.
    """
    if request.n_slots != 1 and not 0 <= request.n_slots <= live.experiment.slots:
        raise InvalidRequest(
            f"`n_slots` is {request.n_slots} and can be 1 to {live.experiment.slots} in this experiment"
        )
    if not request.candidates:
        return
    if live.reader is None:
        raise InvalidRequest("the experiment takes no candidates: declare their features in it, or leave them out")
    candidates.check(request.candidates, live.by_name)


def unit_of(experiment: Experiment, units: Mapping[str, str]) -> Unit:
    """Return what of a request's units is randomised: the experiment's unit, or else the one that it falls back to."""
    unit_id = units.get(experiment.unit, "")
    before = experiment.fallback_unit
    if not unit_id and before and units.get(before):
        return Unit(before, units[before])
    return Unit(experiment.unit, unit_id)


def closed(live: Live, request: Request, unit: Unit) -> Reason | None:
    """Return why nobody, or not this unit, is answered by the experiment at all: nothing of it is looked up or kept."""
    return (
        not_running(live.state, request.received_at)
        or unit_missing(unit)
        or no_consent(live.experiment, request.context)
    )


def unit_missing(unit: Unit) -> Reason | None:
    """Without a unit there is nothing to randomise, and nobody to log it for."""
    return None if unit.id else Reason.UNIT_MISSING


def no_consent(experiment: Experiment, context: Mapping[str, Value]) -> Reason | None:
    """Consent that is missing or not a flag is no consent."""
    if experiment.requires_consent and context.get(experiment.requires_consent) is not True:
        return Reason.NO_CONSENT
    return None


def no_variants(eligible: Sequence[Variant]) -> Reason | None:
    """The request excluded whatever its group may get."""
    return None if eligible else Reason.NO_VARIANTS


def no_policy(live: Live, group: Group) -> Reason | None:
    """The learned state could not be restored, which the catalog has reported; the control group needs none."""
    return Reason.POLICY_FAILED if live.policy is None and group is Group.POLICY else None


def is_servable(live: Live, variant: str, excluded: frozenset[str]) -> bool:
    """Whether a variant without a draw can be given: it is still there, not killed, and not excluded."""
    return variant in live.by_name and variant not in live.experiment.killed and variant not in excluded


def tested(live: Live, request: Request) -> Choice | None:
    """Return the variant, or the candidate, that somebody who tests the product wants to see.

    Raises:
        InvalidRequest: there is no such variant.
    """
    wanted = request.qa_variant
    if not wanted:
        return None
    if wanted not in live.by_name and all(candidate.name != wanted for candidate in request.candidates):
        there = ", ".join(live.by_name)
        raise InvalidRequest(f"`qa_variant` names {wanted!r}, which is no variant: there are {there}")
    return Choice(Reason.QA, wanted)


def forced(
    catalog: Catalog, live: Live, unit: Unit, context: Mapping[str, Value], excluded: frozenset[str] = frozenset()
) -> Choice | None:
    """Return the variant that is forced for the unit itself, or else by the first rule that holds, or None."""
    own = catalog.forced.get(live.experiment.experiment_id, {}).get(unit)
    if own and is_servable(live, own, excluded):
        return Choice(Reason.FORCED, own)
    for matches, variant in live.forced:
        if (matches is None or matches(context)) and is_servable(live, variant, excluded):
            return Choice(Reason.FORCED, variant)
    return None


def caps(catalog: Catalog, experiment: Experiment) -> list[tuple[Cap, Mapping[str, ExposureRule]]]:
    """Return the caps that are in force, each with the experiments whose exposures it counts."""
    found: list[tuple[Cap, Mapping[str, ExposureRule]]] = []
    funnel = experiment.funnel
    if funnel.cap:
        found.append((funnel.cap, {experiment.experiment_id: experiment.exposure}))
    layer = catalog.population.population.layer_of(funnel)
    if funnel.layer and layer and layer.cap:
        found.append((layer.cap, catalog.layers[funnel.layer.layer]))
    return found


def kept(row: Assignment | None) -> Choice | None:
    """Return the variant that the unit keeps, or None; a sticky answer is no draw."""
    return Choice(Reason.CACHED, row.variant, kept_from=row.kept_from or row.assignment_id) if row else None
