"""Simulated customers meet an engine: they ask, react, and what they do is told in the order of time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from armlift import Answer, Ask, Event
from numpy.random import Generator

from engine.experiments import Experiment, ExposureRule
from engine.randomness import request_id
from simulators.doors import Door
from simulators.environment import Happening, Visit, World
from simulators.scoring import Tally, scored
from simulators.traffic import Pending, batches, closing_time

SETTLE_EVERY = timedelta(hours=12)
"""Simulated time after which the traffic waits until everything was learned: no machine is too slow for a result."""

_EVENTS_A_CALL = 500


class Player:
    """Sends visits through a door and keeps a tally for each experiment."""

    def __init__(self, world: World, experiments: Sequence[Experiment], door: Door, rng: Generator) -> None:
        self.tallies = {experiment.experiment_id: Tally(scored(experiment)) for experiment in experiments}
        self._world = world
        self._experiments = experiments
        self._door = door
        self._rng = rng
        self._pending: Pending[Event] = Pending()

    def play(self, visits: Sequence[Visit], advance: Callable[[int], None] = lambda _: None) -> None:
        """Send visits in the order of time and tell what came of them, until the last window has closed.

        `advance` counts visits. What would happen later is never told.
        """
        settle_at = visits[0].at + SETTLE_EVERY
        for batch in batches(visits, lambda visit: visit.at, self._door.batch_size, self._door.slack):
            self._tell(batch[0].at)
            if batch[0].at >= settle_at:
                self._door.settle()
                settle_at = batch[0].at + SETTLE_EVERY
            self._assign(batch)
            advance(len(batch))
        closes_at = closing_time(visits[-1].at, self._experiments)
        self._tell(closes_at)
        self._door.tick(closes_at)
        self._door.settle()

    def _assign(self, batch: Sequence[Visit]) -> None:
        asked = [(visit, experiment) for visit in batch for experiment in self._experiments]
        answers = self._door.assign([self._ask(visit, experiment) for visit, experiment in asked])
        for (visit, experiment), answer in zip(asked, answers, strict=True):
            if experiment.exposure is ExposureRule.REPORTED:
                self._door.expose([answer], visit.at)
            self._react(visit, experiment, answer)

    def _ask(self, visit: Visit, experiment: Experiment) -> Ask:
        return Ask(
            experiment.experiment_id,
            units={experiment.unit: visit.unit_id},
            context=self._world.context(experiment, visit),
            request_id=request_id(visit.at, visit.unit_id),
            at=visit.at,
        )

    def _react(self, visit: Visit, experiment: Experiment, answer: Answer) -> None:
        tally = self.tallies[experiment.experiment_id]
        tally.add(answer, self._world.expected_rewards(tally.experiment, visit))
        happenings = self._world.outcomes(experiment, visit, experiment.variant(answer.variant), self._rng)
        # Of whom nothing is kept, such as without consent, nothing is told either.
        for happening in happenings if answer.assignment_id else ():
            self._pending.add(happening.at, _event(happening, visit, experiment, answer))

    def _tell(self, until: datetime) -> None:
        due = self._pending.until(until)
        for batch in batches(due, lambda timed: timed[0], _EVENTS_A_CALL, self._door.slack):
            self._door.record([event for _, event in batch], batch[-1][0])


def _event(happening: Happening, visit: Visit, experiment: Experiment, answer: Answer) -> Event:
    return Event(
        happening.metric,
        happening.value,
        assignment_id="" if happening.of_unit else answer.assignment_id,
        unit=visit.unit_id if happening.of_unit else "",
        unit_type=experiment.unit,
        outcome_id=request_id(happening.at, f"{answer.assignment_id} {happening.metric}"),
        occurred_at=happening.at,
    )
