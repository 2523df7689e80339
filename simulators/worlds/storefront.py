"""Storefront: customers of an online shop, in four segments that their visits give away."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.random import Generator

from engine.experiments import Experiment, Variant
from engine.records import Candidate, Context
from simulators import made_up
from simulators.deeds import Deed, Wait, deeds_of
from simulators.environment import Happening, Visit
from simulators.habits import HABITS, HIGHEST_RATE, LIFTS, LOST, SEGMENTS, BySegment, Habit
from simulators.made_up import share
from simulators.traffic import crowd
from simulators.worlds.offers import Stock
from simulators.worth import Event, Worth

_MORE_VISITS = 0.6
_MOST_VISITS = 5
_KEEPS_DEVICE = 0.85
_CONSENTS = 0.93
_MEMBERS = 0.2
_NEWCOMERS = 0.45


@dataclass(frozen=True, slots=True)
class Custom:
    """A deed with the habit of those who do it."""

    deed: Deed
    habit: Habit

    @property
    def wait(self) -> Wait:
        """When it happens after a visit."""
        return Wait(self.deed.after, self.habit.delay)

    def rate(self, variant: Variant, segment: str) -> float:
        """Return the probability that a visit of a segment brings it, told or not."""
        return min(HIGHEST_RATE, self.habit.rates[segment] * lift(variant, segment))


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
        self._scenes: dict[int, _Scene] = {}

    def visits(self, n_customers: int, start: datetime, span: timedelta, rng: Generator) -> list[Visit]:
        """Return the visits of a number of customers in the order of time: one to a few each."""
        those = crowd(rng)
        found = [
            visit for number in range(1, n_customers + 1) for visit in _visits_of(f"{those}-{number}", start, span, rng)
        ]
        return sorted(found, key=lambda visit: (visit.at, visit.unit_id))

    def context(self, experiment: Experiment, visit: Visit) -> Context:
        """Return the declared fields; one that the world does not know is made up per customer."""
        found = {}
        for field in experiment.context:
            value = made_up.known(field, visit.context)
            found[field.name] = made_up.value(field, visit.unit_id) if value is None else value
        return found

    def demand(self, experiments: Sequence[Experiment], visit: Visit, rng: Generator) -> Sequence[Happening]:  # noqa: ARG002
        """Return nothing: all that customers do comes of a visit and its variant."""
        return ()

    def candidates(self, experiment: Experiment, visit: Visit, rng: Generator) -> Sequence[Candidate]:
        """Return what a visit's request brings along, of a stock that is made up."""
        return self._scene(experiment).stock.offered(visit, rng)

    def outcomes(self, experiment: Experiment, visit: Visit, variant: Variant, rng: Generator) -> Sequence[Happening]:
        """Return what comes of a variant and is told: some of it never is, and some too late."""
        segment = segment_of(visit.context)
        luck: dict[str, Sequence[float]] = {}
        told = []
        for custom in self._scene(experiment).customs:
            deed, habit = custom.deed, custom.habit
            chance, loss, wait, size = luck.setdefault(habit.event, rng.random(4).tolist())
            if chance < custom.rate(variant, segment) and loss >= LOST:
                value, at = deed.value(size, lift(variant, segment)), visit.at + custom.wait.at(wait)
                told.append(Happening(deed.outcome, value, at, habit.of_unit))
        return told

    def expected_rewards(
        self, experiment: Experiment, visit: Visit, candidates: Sequence[Candidate] = ()
    ) -> Mapping[str, float]:
        """Return the expected reward of each variant, or of each candidate that was brought, for this visit.

        An outcome of a unit is taken as credited to the visit that caused it; the log credits the unit's latest.
        """
        scene, segment = self._scene(experiment), segment_of(visit.context)
        return scene.expected(map(Variant.of, candidates), segment) if candidates else scene.declared(segment)

    def _scene(self, experiment: Experiment) -> _Scene:
        # By identity: two definitions of one experiment are two. The scene holds it, so its id is nobody else's.
        found = self._scenes.get(id(experiment))
        if found is None:
            found = self._scenes[id(experiment)] = _Scene(experiment)
        return found


class _Scene:
    """An experiment as the storefront knows it: what customers do in it, and what that is worth."""

    def __init__(self, experiment: Experiment) -> None:
        self.customs = customs_of(experiment)
        self.stock = Stock(experiment)
        self._experiment = experiment
        self._declared: dict[str, Mapping[str, float]] = {}
        by_event: dict[str, list[Custom]] = {}
        for custom in self.customs:
            by_event.setdefault(custom.habit.event, []).append(custom)
        self._events = list(by_event.values())
        self._has_scores = any(custom.deed.is_score for custom in self.customs)
        self._worths: dict[float, Worth] = {}

    def declared(self, segment: str) -> Mapping[str, float]:
        """Return the expected reward of each declared variant."""
        if segment not in self._declared:
            self._declared[segment] = self.expected(self._experiment.variants, segment)
        return self._declared[segment]

    def expected(self, variants: Iterable[Variant], segment: str) -> Mapping[str, float]:
        """Return the expected reward of each variant: what is told of it, on the scale of rewards."""
        return {variant.name: self._reward(variant, segment) for variant in variants}

    def _reward(self, variant: Variant, segment: str) -> float:
        lifted = lift(variant, segment) if self._has_scores else 1.0
        worth = self._worths.get(lifted)
        if worth is None:
            worth = self._worths[lifted] = Worth(self._experiment, [_event(each, lifted) for each in self._events])
        # Outcomes of one event have the same rates.
        rates = [np.array([(1.0 - LOST) * each[0].rate(variant, segment)]) for each in self._events]
        return float(worth.of(rates)[0])


def segment_of(context: Context) -> str:
    """Return the segment that a visit gives away.

    >>> segment_of({"plan": "free", "visits": 1.0, "device": "phone"})
    'newcomer'
    """
    if context["plan"] == "plus":
        return "member"
    return "newcomer" if context["visits"] == 1 else str(context["device"])


def lift(variant: Variant, segment: str) -> float:
    """Return what a variant multiplies a segment's rates by: the product over its levels."""
    names = [f"{factor}={level}" for factor, level in variant.levels.items()] or [variant.name]
    return math.prod(_lift(name, segment) for name in names)


def customs_of(experiment: Experiment) -> Sequence[Custom]:
    """Return what customers do in an experiment, and how often.

    >>> from engine.files import load
    >>> [click] = customs_of(load("{experiment: row, variants: [plain, recently-viewed], metrics: [click]}"))
    >>> click.rate(Variant("recently-viewed"), "member") == HABITS["click"].rates["member"] * 1.4
    True
    """
    amounts = {outcome: habit.amount for outcome, habit in HABITS.items()}
    deeds = deeds_of(experiment, amounts).values()
    return [Custom(deed, HABITS.get(deed.outcome) or _made_up_habit(deed)) for deed in deeds]


def _event(customs: Sequence[Custom], lifted: float) -> Event:
    return Event(tuple(custom.deed for custom in customs), tuple(custom.wait for custom in customs), lifted)


def _made_up_habit(deed: Deed) -> Habit:
    return Habit(deed.outcome, _made_up_rates(deed.outcome), deed.span / 10, amount=deed.amount)


def _made_up_rates(outcome: str) -> BySegment:
    return {segment: 0.03 + 0.12 * share("rate", outcome, segment) for segment in SEGMENTS}


def _lift(name: str, segment: str) -> float:
    known = LIFTS.get(name)
    return 0.6 + share("lift", name, segment) if known is None else known[segment]


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
