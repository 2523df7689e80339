"""Two doors to one engine: in this process, or over gRPC. What plays through a door cannot tell which it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol, TypeVar, cast

from armlift import Answer, ArmliftError, Ask, Client, Event, Recorded
from armlift.answers import only_one_slot

from engine import lifecycle
from engine.clock import RequestClock
from engine.engine import Engine
from engine.experiments import Experiment, ExperimentState, Status
from engine.learning import LearnerPool
from engine.lifecycle import Author
from engine.randomness import assignment_id, digest, request_id
from engine.records import Assignment, Candidate, Context, Entry, Exposure, Outcome, Request, Snapshot, Source, Unit
from engine.settings import Settings
from engine.storage.memory import MemorySnapshots, MemoryStore

_KEPT = ("RECORDED", "UNMATCHED")
_Item = TypeVar("_Item")


class Door(Protocol):
    """Where a simulation asks and reports, in the words of the client, under the request's clock.

    A call may hold `batch_size` items whose times lie within `slack`.
    """

    batch_size: int
    slack: timedelta

    def assign(self, asks: Sequence[Ask]) -> list[Answer]:
        """Return the answers of questions that have one slot each; the first error is raised."""

    def fill(self, asks: Sequence[Ask]) -> list[list[Answer]]:
        """Return the answers of each question's slots, in their order; the first error is raised."""

    def expose(self, answers: Sequence[Answer], at: datetime) -> None:
        """Report that units met their variants; one that is not kept is raised."""

    def record(self, events: Sequence[Event], at: datetime) -> None:
        """Report outcomes; one that is not kept is raised."""

    def tick(self, at: datetime) -> None:
        """Move the log's clock on to a time at which nobody does anything, so that windows close."""

    def settle(self) -> None:
        """Return when everything reported so far was learned from."""


class ClientDoor:
    """The door of a real server; `wait_for_learner` returns when its learner has read everything."""

    batch_size = 64
    slack = timedelta(minutes=45)

    def __init__(self, client: Client, wait_for_learner: Callable[[], None]) -> None:
        self._client = client
        self.settle = wait_for_learner

    def assign(self, asks: Sequence[Ask]) -> list[Answer]:
        """Return the answers."""
        return [_answered(result) for result in self._client.assign_many(asks)]

    def fill(self, asks: Sequence[Ask]) -> list[list[Answer]]:
        """Return the answers of each question's slots."""
        return [_answered(result) for result in self._client.assign_slates(asks)]

    def expose(self, answers: Sequence[Answer], at: datetime) -> None:
        """Report exposures."""
        _check(self._client.expose(*answers, at=at))

    def record(self, events: Sequence[Event], at: datetime) -> None:
        """Report outcomes."""
        _check(self._client.record_many(events, at=at))

    def tick(self, at: datetime) -> None:
        """Move the log's clock on."""
        self.expose([_nobody(at)], at)


class EngineDoor:
    """An engine, its store in memory and its learner, all in this process: the same seed gives the same log."""

    batch_size = 1
    slack = timedelta(0)

    def __init__(self, experiments: Iterable[Experiment], start: datetime, seed: int) -> None:
        """Make a store whose draws depend on the seed, and start the experiments."""
        self.store = MemoryStore(secret=digest("simulation", str(seed), size=32))
        self.snapshots = MemorySnapshots()
        author = Author("simulator", "a rehearsal", start)
        for experiment in experiments:
            draft, created = lifecycle.create(experiment, author)
            self.store.save(draft, created, "")
            running, started = lifecycle.transition(draft, Status.RUNNING, draft.etag, author)
            self.store.save(running, started, draft.etag)
        self.engine = Engine(self.store, self.snapshots.snapshot, RequestClock(), Settings())
        self._pool = LearnerPool(self.store, self.snapshots)

    def assign(self, asks: Sequence[Ask]) -> list[Answer]:
        """Return the answers."""
        return [answers[0] for answers in self.fill(only_one_slot(asks))]

    def fill(self, asks: Sequence[Ask]) -> list[list[Answer]]:
        """Return the answers of each question's slots."""
        slates = [self.engine.fill(_request(ask)) for ask in asks]
        decided = [assignment for slate in slates for assignment in slate]
        self.store.append([assignment for assignment in decided if assignment.reason.is_logged])
        self.engine.settle(decided)
        return [[_answer(assignment) for assignment in slate] for slate in slates]

    def expose(self, answers: Sequence[Answer], at: datetime) -> None:
        """Report exposures."""
        exposures = [
            Exposure(answer.assignment_id, at, at, answer.slot, Source.REPLAYED)
            for answer in answers
            if answer.assignment_id
        ]
        self._keep([self.engine.check_exposure(exposure) for exposure in exposures])

    def record(self, events: Sequence[Event], at: datetime) -> None:
        """Report outcomes."""
        self._keep([self.engine.check_outcome(_outcome(event, at)) for event in events])

    def tick(self, at: datetime) -> None:
        """Move the log's clock on."""
        self.expose([_nobody(at)], at)

    def settle(self) -> None:
        """Learn, and serve what was learned."""
        for snapshot in self._pool.step():
            staged = self.engine.stage(_pointed(self.engine.catalog.find(snapshot.experiment_id).state, snapshot))
            self.store.point(snapshot.experiment_id, snapshot.epoch, snapshot.hash, is_shadow=snapshot.is_shadow)
            self.engine.swap_in(staged)
        self._pool.done()

    def _keep(self, entries: Sequence[Entry]) -> None:
        _check([Recorded(kept.status.name) for kept in self.store.append(entries)])


def _nobody(at: datetime) -> Answer:
    """Return an answer that nobody got: its exposure is kept, belongs to no assignment, and counts nowhere."""
    return Answer("", "", {}, "", "", assignment_id=assignment_id(request_id(at, "tick"), "tick"))


def _pointed(state: ExperimentState, snapshot: Snapshot) -> ExperimentState:
    if snapshot.is_shadow:
        return replace(state, shadow_snapshot=snapshot.hash)
    return replace(state, snapshot=snapshot.hash)


def _answered(result: _Item | ArmliftError) -> _Item:
    if isinstance(result, ArmliftError):
        raise result
    return result


def _check(results: Iterable[Recorded]) -> None:
    for recorded in results:
        if recorded.status not in _KEPT:
            raise ArmliftError(
                recorded.status, f"what was reported was not kept: {recorded.message or recorded.status}"
            )


def _at(given: datetime | None) -> datetime:
    assert given is not None, "a simulation says when everything happens"
    return given


def _request(ask: Ask) -> Request:
    return Request(
        experiment_id=ask.experiment,
        units=ask.units,
        request_id=ask.request_id,
        received_at=_at(ask.at),
        context=ask.context,
        candidates=tuple(Candidate(each.name, cast("Context", each.features)) for each in ask.candidates),
        excluded_variants=frozenset(ask.excluded),
        n_slots=ask.slots,
        source=Source.REPLAYED,
    )


def _answer(assignment: Assignment) -> Answer:
    return Answer(
        experiment=assignment.experiment_id,
        variant=assignment.variant,
        payload={},
        reason=assignment.reason.name,
        open_feature_reason=assignment.reason.open_feature.name,
        propensity=assignment.propensity,
        assignment_id=assignment.assignment_id if assignment.reason.is_logged else "",
        slot=assignment.slot,
        revision=assignment.revision,
        epoch=assignment.epoch,
        snapshot=assignment.snapshot,
        group=assignment.group.value if assignment.reason.is_logged else "",
    )


def _outcome(event: Event, at: datetime) -> Outcome:
    return Outcome(
        outcome_id=event.outcome_id,
        metric=event.metric,
        value=1.0 if event.value is None else event.value,
        occurred_at=_at(event.occurred_at),
        received_at=at,
        assignment_id=event.assignment_id,
        slot=event.slot,
        unit=Unit(event.unit_type, event.unit) if event.unit else None,
        source=Source.REPLAYED,
    )
