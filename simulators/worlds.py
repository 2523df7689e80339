"""Storefront: customers of an online shop, in four segments that their visits give away."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from numpy.random import Generator

from engine.experiments import ContextField, Experiment, FieldType, Metric, MetricKind, Variant
from engine.randomness import ONE, integer
from engine.records import Context, ContextValue
from simulators.environment import Happening, Visit
from simulators.habits import HABITS, HIGHEST_RATE, LIFTS, LOST, SEGMENTS, Habit

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
    makes the same: an unknown variant or level multiplies a segment's rate by 0.6 to 1.6, an unknown metric happens at
    3 to 15 % of visits after a tenth of its window on average, and an unknown field of the context is drawn per
    customer; each number is a hash of the names.
    """

    name = "storefront"

    def __init__(self) -> None:
        self._expected: dict[tuple[str, str], Mapping[str, float]] = {}

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
        for metric in experiment.metrics:
            habit = habit_of(metric)
            chance, loss, wait, size = luck.setdefault(habit.event, rng.random(4).tolist())
            if chance < rate(metric, variant, segment) and loss >= LOST:
                value = None if metric.kind is MetricKind.CONVERSION else round(_exponential(size, habit.amount), 2)
                at = visit.at + habit.delay * _exponential(wait, 1.0)
                told.append(Happening(metric.name, value, at, habit.of_unit))
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


def segment_of(context: Context) -> str:
    """Return the segment that a visit gives away.

    >>> segment_of({"plan": "free", "visits": 1.0, "device": "phone"})
    'newcomer'
    """
    if context["plan"] == "plus":
        return "member"
    return "newcomer" if context["visits"] == 1 else str(context["device"])


def rate(metric: Metric, variant: Variant, segment: str) -> float:
    """Return the probability that a visit of a segment brings an outcome, told or not.

    >>> rate(Metric("click"), Variant("recently-viewed"), "member") == HABITS["click"].rates["member"] * 1.4
    True
    """
    names = [f"{factor}={level}" for factor, level in variant.levels.items()] or [variant.name]
    lift = math.prod(_lift(name, segment) for name in names)
    return min(HIGHEST_RATE, habit_of(metric).rates[segment] * lift)


def expected_reward(experiment: Experiment, variant: Variant, segment: str) -> float:
    """Return the sum over the reward's terms of weight times the expected worth of what is told within the window."""
    return math.fsum(_expected_term(experiment, variant, segment))


def habit_of(metric: Metric) -> Habit:
    """Return how customers do what a metric counts."""
    known = HABITS.get(metric.name)
    if known is not None and bool(known.amount) == (metric.kind is MetricKind.REVENUE):
        return known
    rates = {segment: 0.03 + 0.12 * _share("rate", metric.name, segment) for segment in SEGMENTS}
    amount = (metric.cap or 100.0) / 4 if metric.kind is MetricKind.REVENUE else 0.0
    return Habit(metric.name, rates, metric.window / 10, amount=amount)


def _expected_term(experiment: Experiment, variant: Variant, segment: str) -> Iterator[float]:
    for term in experiment.reward:
        metric = experiment.metric(term.metric)
        assert metric is not None, "definition.define checked it"
        habit = habit_of(metric)
        in_time = 1.0 - math.exp(-metric.window / habit.delay)
        # The mean of an exponential amount with mean m, cut at the cap c, is m (1 - exp(-c/m)).
        worth = 1.0 if metric.cap is None else -habit.amount * math.expm1(-metric.cap / habit.amount) / metric.cap
        yield term.weight * rate(metric, variant, segment) * (1.0 - LOST) * in_time * worth


def _lift(name: str, segment: str) -> float:
    known = LIFTS.get(name)
    return 0.6 + _share("lift", name, segment) if known is None else known[segment]


def _share(*parts: str) -> float:
    return integer("storefront", *parts) / ONE


def _exponential(luck: float, mean: float) -> float:
    return -mean * math.log1p(-luck)


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
    share = _share("field", field.name, visit.unit_id)
    made_up: Mapping[FieldType, ContextValue] = {
        FieldType.NUMBER: round(10 * share, 2),
        FieldType.TEXT: "abc"[int(3 * share)],
        FieldType.FLAG: share < 0.5,
        FieldType.TEXTS: ("abc"[int(3 * share)],),
    }
    return made_up[field.type]
