"""Simulated customers meet an engine: they ask, react, and what they do is told in the order of time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from armlift import Answer, Ask, Event
from armlift import Candidate as Brought
from numpy.random import Generator

from engine.agenda import Agenda
from engine.experiments import Experiment, ExposureRule, Variant
from engine.randomness import request_id
from engine.records import Candidate
from simulators.doors import Door
from simulators.environment import Happening, Visit, World
from simulators.scoring import Tally, scored
from simulators.traffic import batches, closing_time

SETTLE_EVERY = timedelta(hours=12)
"""Simulated time after which the traffic waits until everything was learned: no machine is too slow for a result."""

_EVENTS_A_CALL = 500


class Player:
    """Sends visits through a door and keeps a tally for each experiment."""

    def __init__(
        self,
        world: World,
        experiments: Sequence[Experiment],
        door: Door,
        rng: Generator,
        settle_every: timedelta = SETTLE_EVERY,
    ) -> None:
        self.tallies = {experiment.experiment_id: Tally(scored(experiment)) for experiment in experiments}
        self._world = world
        self._experiments = experiments
        self._door = door
        self._rng = rng
        self._settle_every = settle_every
        self._pending: Agenda[datetime, Event] = Agenda()

    def play(self, visits: Sequence[Visit], advance: Callable[[int], None] = lambda _: None) -> None:
        """Send visits in the order of time and tell what came of them, until the last window has closed.

        `advance` counts visits. What would happen later is never told.
        """
        settle_at = visits[0].at + self._settle_every
        for batch in batches(visits, lambda visit: visit.at, self._door.batch_size, self._door.slack):
            self._tell(batch[0].at)
            if batch[0].at >= settle_at:
                self._door.settle()
                settle_at = batch[0].at + self._settle_every
            self._assign(batch)
            advance(len(batch))
        closes_at = closing_time(visits[-1].at, self._experiments)
        self._tell(closes_at)
        self._door.tick(closes_at)
        self._door.settle()

    def _assign(self, batch: Sequence[Visit]) -> None:
        asked = [
            (visit, experiment, self._offered(visit, experiment)) for visit in batch for experiment in self._experiments
        ]
        slates = self._door.fill([self._ask(*each) for each in asked])
        for (visit, experiment, offered), slate in zip(asked, slates, strict=True):
            if experiment.exposure is ExposureRule.REPORTED:
                self._door.expose(slate, visit.at)
            tally = self.tallies[experiment.experiment_id]
            # Where the visit is not in the experiment, what its variants are worth is not asked.
            is_in = any(answer.assignment_id for answer in slate)
            tally.add(slate, self._world.expected_rewards(tally.experiment, visit, offered) if is_in else {})
            for answer in slate:
                self._react(visit, experiment, offered, answer)
        for visit in batch:
            self._want(visit)

    def _offered(self, visit: Visit, experiment: Experiment) -> Sequence[Candidate]:
        return self._world.candidates(experiment, visit, self._rng) if experiment.candidates is not None else ()

    def _ask(self, visit: Visit, experiment: Experiment, offered: Sequence[Candidate]) -> Ask:
        return Ask(
            experiment.experiment_id,
            units={experiment.unit: visit.unit_id},
            context=self._world.context(experiment, visit),
            request_id=request_id(visit.at, visit.unit_id),
            at=visit.at,
            candidates=[Brought(candidate.name, candidate.features) for candidate in offered],
            slots=experiment.slots,
        )

    def _react(self, visit: Visit, experiment: Experiment, offered: Sequence[Candidate], answer: Answer) -> None:
        brought = next((Variant.of(candidate) for candidate in offered if candidate.name == answer.variant), None)
        variant = brought or experiment.variant(answer.variant)
        happenings = self._world.outcomes(experiment, visit, variant, self._rng)
        # Of whom nothing is kept, such as without consent, nothing is told either.
        for happening in happenings if answer.assignment_id else ():
            self._pending.add(happening.at, _event(happening, visit, experiment, answer))

    def _want(self, visit: Visit) -> None:
        for happening in self._world.demand(self._experiments, visit, self._rng):
            for unit_type in self._told(happening.metric):
                self._pending.add(happening.at, _event_of_unit(happening, visit, unit_type))

    def _told(self, outcome: str) -> Sequence[str]:
        """Return of which types of units an outcome is told: those of the experiments that declare it."""
        return sorted({experiment.unit for experiment in self._experiments if outcome in experiment.outcomes})

    def _tell(self, until: datetime) -> None:
        due = list(self._pending.until(until))
        for batch in batches(due, lambda timed: timed[0], _EVENTS_A_CALL, self._door.slack):
            self._door.record([event for _, event in batch], batch[-1][0])


def _event_of_unit(happening: Happening, visit: Visit, unit_type: str) -> Event:
    return Event(
        happening.metric,
        happening.value,
        unit=visit.unit_id,
        unit_type=unit_type,
        outcome_id=request_id(happening.at, f"{unit_type} {visit.unit_id} {happening.metric}"),
        occurred_at=happening.at,
    )


def _event(happening: Happening, visit: Visit, experiment: Experiment, answer: Answer) -> Event:
    return Event(
        happening.metric,
        happening.value,
        assignment_id="" if happening.of_unit else answer.assignment_id,
        slot=0 if happening.of_unit else answer.slot,
        unit=visit.unit_id if happening.of_unit else "",
        unit_type=experiment.unit,
        outcome_id=request_id(happening.at, f"{answer.assignment_id} {answer.slot} {happening.metric}"),
        occurred_at=happening.at,
    )
