"""Storefront: customers of an online shop, in four segments that their visits give away."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from numpy.random import Generator

from engine.experiments import ContextField, Experiment, FieldType, Variant
from engine.records import Context, ContextValue
from simulators.deeds import Deed, deeds_of, share
from simulators.environment import Happening, Visit
from simulators.habits import LOST

_MORE_VISITS = 0.6
_MOST_VISITS = 5
_KEEPS_DEVICE = 0.85
_CONSENTS = 0.93
_MEMBERS = 0.2
_NEWCOMERS = 0.45
_PYTHON_TYPES: Mapping[FieldType, type] = {
    FieldType.NUMBER: float,
    FieldType.TEXT: str,
    FieldType.FLAG: bool,
    FieldType.TEXTS: tuple,
}


class Storefront:
    """A world in which the best variant depends on the customer's segment.

    A visit shows its device, how many visits the customer has made, the plan and the consent. The rates of the demo's
    variants, levels and metrics are in `habits.py`. Any other file fits too, by rules of which the same name always
    makes the same: an unknown variant or level multiplies a segment's rate by 0.6 to 1.6, an unknown outcome happens at
    3 to 15 % of visits after a tenth of its window on average, and an unknown field of the context is drawn per
    customer; each number is a hash of the names.

    An outcome happens once a visit, whatever metrics are made of it, and not before the longest `after` of them. Its
    value is an amount, a number of times or a score, as its metrics read it.
    """

    name = "storefront"

    def __init__(self) -> None:
        self._expected: dict[tuple[str, str], Mapping[str, float]] = {}
        self._deeds: dict[str, Sequence[Deed]] = {}

    def visits(self, n_customers: int, start: datetime, span: timedelta, rng: Generator) -> list[Visit]:
        """Return the visits of a number of customers in the order of time: one to a few each."""
        found = [
            visit
            for number in range(1, n_customers + 1)
            for visit in _visits_of(f"customer-{number}", start, span, rng)
        ]
        return sorted(found, key=lambda visit: (visit.at, visit.unit_id))

    def context(self, experiment: Experiment, visit: Visit) -> Context:
        """Return the declared fields; one that the world does not know is made up per customer."""
        return {field.name: _value(field, visit) for field in experiment.context}

    def outcomes(self, experiment: Experiment, visit: Visit, variant: Variant, rng: Generator) -> Sequence[Happening]:
        """Return what comes of a variant and is told: some of it never is, and some too late."""
        segment = segment_of(visit.context)
        luck: dict[str, Sequence[float]] = {}
        told = []
        for deed in self._deeds_of(experiment):
            chance, loss, wait, size = luck.setdefault(deed.habit.event, rng.random(4).tolist())
            if chance < deed.rate(variant, segment) and loss >= LOST:
                value, at = deed.value(variant, segment, size), visit.at + deed.wait(wait)
                told.append(Happening(deed.outcome, value, at, deed.habit.of_unit))
        return told

    def expected_rewards(self, experiment: Experiment, visit: Visit) -> Mapping[str, float]:
        """Return the expected reward of each variant for this visit.

        An outcome of a unit is taken as credited to the visit that caused it; the log credits the unit's latest.
        """
        key = experiment.experiment_id, segment_of(visit.context)
        if key not in self._expected:
            self._expected[key] = {
                variant.name: expected_reward(experiment, variant, key[1]) for variant in experiment.variants
            }
        return self._expected[key]

    def _deeds_of(self, experiment: Experiment) -> Sequence[Deed]:
        known = self._deeds.get(experiment.experiment_id)
        if known is None:
            known = self._deeds[experiment.experiment_id] = list(deeds_of(experiment).values())
        return known


def segment_of(context: Context) -> str:
    """Return the segment that a visit gives away.

    >>> segment_of({"plan": "free", "visits": 1.0, "device": "phone"})
    'newcomer'
    """
    if context["plan"] == "plus":
        return "member"
    return "newcomer" if context["visits"] == 1 else str(context["device"])


def expected_reward(experiment: Experiment, variant: Variant, segment: str) -> float:
    """Return the sum over the reward's terms of weight times the expected worth of what is told within the window."""
    return math.fsum(_expected_terms(experiment, variant, segment))


def _expected_terms(experiment: Experiment, variant: Variant, segment: str) -> Iterator[float]:
    deeds = deeds_of(experiment)
    for term in experiment.reward:
        metric = experiment.metric(term.metric)
        assert metric is not None, "definition.define checked it"
        yield term.weight * deeds[metric.outcome].expected(metric, variant, segment)


def _visits_of(unit_id: str, start: datetime, span: timedelta, rng: Generator) -> Iterator[Visit]:
    n_visits = min(_MOST_VISITS, int(rng.geometric(_MORE_VISITS)))
    times, switches = sorted(rng.random(n_visits)), rng.random(n_visits)
    new, phone, member, consents = (rng.random(4) < (_NEWCOMERS, 0.55, _MEMBERS, _CONSENTS)).tolist()
    before = 0 if new else int(rng.integers(1, 12))
    for index in range(n_visits):
        context: Context = {
            "device": "phone" if phone == (switches[index] < _KEEPS_DEVICE) else "desktop",
            "visits": float(before + index + 1),
            "plan": "plus" if member else "free",
            "consent": consents,
        }
        yield Visit(unit_id, start + times[index] * span, context)


def _value(field: ContextField, visit: Visit) -> ContextValue:
    known = visit.context.get(field.name)
    if known is not None and isinstance(known, _PYTHON_TYPES[field.type]):
        return known
    luck = share("field", field.name, visit.unit_id)
    made_up: Mapping[FieldType, ContextValue] = {
        FieldType.NUMBER: round(10 * luck, 2),
        FieldType.TEXT: "abc"[int(3 * luck)],
        FieldType.FLAG: luck < 0.5,
        FieldType.TEXTS: ("abc"[int(3 * luck)],),
    }
    return made_up[field.type]
