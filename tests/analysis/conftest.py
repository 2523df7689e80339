"""Logs for reports, made by the engine's own parts in a memory store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count

import pytest

from engine import lifecycle, randomness
from engine.clock import EPOCH
from engine.drawing import draw_group
from engine.experiments import Experiment, Status
from engine.lifecycle import Author
from engine.randomness import ONE
from engine.records import Assignment, DrawKey, Exposure, Group, Outcome, Reason, Unit
from engine.storage.memory import MemoryStore

START = EPOCH + timedelta(days=20_000)

UNDRAWN = {"is_draw": False, "draw_key": DrawKey.NONE, "eligible": (), "distribution": ()}


class Log:
    """A store with one running experiment, and short words for what happens in it."""

    def __init__(self, experiment: Experiment) -> None:
        self.store = MemoryStore()
        self.state, change = lifecycle.create(experiment, _by(START))
        self.store.save(self.state, change, "")
        self.move(Status.RUNNING)
        self._n = count()

    @property
    def experiment(self) -> Experiment:
        return self.state.experiment

    def move(self, to: Status) -> None:
        before = self.state.etag
        self.state, change = lifecycle.transition(self.state, to, "", _by(START))
        self.store.save(self.state, change, before)

    def update(self, experiment: Experiment) -> None:
        before = self.state.etag
        self.state, change = lifecycle.update(self.state, experiment, before, _by(START))
        self.store.save(self.state, change, before)

    def assign(self, unit: str, at: float = 0.0, shares: Sequence[float] = (), **changes: object) -> Assignment:
        """Draw for a unit, `at` days after the start, from `shares` (or the policy's weights, or even ones)."""
        experiment = self.experiment
        who = Unit(experiment.unit, unit)
        group, group_weight = draw_group(experiment, who)
        names = tuple(variant.name for variant in experiment.variants)
        weights = randomness.quantise(shares or self._shares(names))
        if group is Group.CONTROL:
            names, weights = (experiment.control,), (ONE,)
        assignment_id = randomness.assignment_id(f"request {next(self._n)}", experiment.experiment_id)
        if experiment.draw_key is DrawKey.UNIT:
            number = randomness.unit_number(experiment.seed, who.type, who.id, names, weights)
        else:
            number = randomness.assignment_number(self.store.secret, experiment.seed, assignment_id, 0)
        made = Assignment(
            experiment_id=experiment.experiment_id,
            variant=names[randomness.draw(weights, number)],
            reason=Reason.DRAWN,
            unit=who,
            assigned_at=day(at),
            received_at=day(at),
            assignment_id=assignment_id,
            revision=self.state.revision,
            epoch=self.state.epoch,
            draw_key=experiment.draw_key,
            drawn=number,
            is_draw=True,
            group=group,
            group_weight=group_weight,
            eligible=names,
            distribution=weights,
        )
        made = replace(made, **changes)
        self.store.append([made])
        return made

    def default(self, unit: str, at: float = 0.0, reason: Reason = Reason.POLICY_FAILED) -> Assignment:
        return self.assign(unit, at, variant=self.experiment.default, reason=reason, **UNDRAWN)

    def repeat(self, unit: str, draw: Assignment, at: float = 0.0) -> Assignment:
        """Give a unit the variant of a draw again, its own or another unit's."""
        groups = {"group": draw.group, "group_weight": draw.group_weight}
        kept = {"variant": draw.variant, "kept_from": draw.assignment_id, "reason": Reason.CACHED}
        return self.assign(unit, at, **groups, **kept, **UNDRAWN)

    def expose(self, assignment: Assignment, at: float) -> None:
        self.store.append([Exposure(assignment.assignment_id, day(at), day(at))])

    def observe(
        self,
        of: Assignment | str,
        metric: str,
        at: float,
        value: float = 1.0,
        void_of: str = "",
        received: float = -1.0,
    ) -> str:
        """Add an outcome of an assignment or, given a name, of a unit; return its id."""
        outcome_id = f"outcome {next(self._n)}"
        by_unit = Unit(self.experiment.unit, of) if isinstance(of, str) else None
        assignment_id = "" if isinstance(of, str) else of.assignment_id
        self.store.append(
            [
                Outcome(
                    outcome_id,
                    metric,
                    value,
                    day(at),
                    day(max(at, received)),
                    assignment_id=assignment_id,
                    unit=by_unit,
                    void_of=void_of,
                )
            ]
        )
        return outcome_id

    def end(self, at: float) -> None:
        """Let the log end so many days after the start, by an exposure that belongs to nothing."""
        self.store.append([Exposure("ff" * 16, day(at), day(at))])

    def _shares(self, names: Sequence[str]) -> list[float]:
        weights = getattr(self.experiment.policy, "weights", {})
        return [weights[name] for name in names] if weights else [1 / len(names)] * len(names)


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def _by(at: datetime) -> Author:
    return Author("test", "because", at)


@pytest.fixture(scope="session")
def new_log() -> type[Log]:
    return Log
