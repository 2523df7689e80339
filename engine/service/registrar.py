"""Changing the registry: a rule proposes the next state, the writer saves it, and the engine decides from it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from datetime import datetime
from functools import partial, wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from engine import lifecycle, neighbours, pointing, promotion
from engine.clock import EPOCH, RequestClock, WallClock, from_micros
from engine.engine import Engine
from engine.errors import InvalidRequest, InvalidTransition, SnapshotRefused
from engine.experiments import Change, Experiment, ExperimentState, Status
from engine.funnel import ForcedUnit, Population, PopulationChange, PopulationState
from engine.learned import Learned, Summary, summarised
from engine.lifecycle import Author
from engine.population_rules import IN_USE
from engine.ports import Reader
from engine.proposals import Filed, Proposal, found
from engine.records import Erasure, Snapshot, Unit
from engine.service.watching import Watching
from engine.snapshots import verify
from engine.storage.writer import Writer

_LONGEST_NAME = 200
# A change is made by a person at a time of theirs, also where the traffic's clock is the request's.
_WALL = WallClock()

Given = ParamSpec("Given")
Answer = TypeVar("Answer")
AnyChange = TypeVar("AnyChange", Change, PopulationChange)


class Signed(Protocol):
    """A request that says who asks for a change, and why."""

    actor: str
    reason: str


def _one_at_a_time(
    change: Callable[Concatenate[Registrar, Given], Awaitable[Answer]],
) -> Callable[Concatenate[Registrar, Given], Awaitable[Answer]]:
    """Let no change be built on an old state, and each run to its end, also where its caller went away.

    What was saved and not adopted would be answered wrongly until the next start.
    """

    @wraps(change)
    async def shielded(self: Registrar, /, *args: Given.args, **kwargs: Given.kwargs) -> Answer:
        async def alone() -> Answer:
            async with self._changing:
                return await change(self, *args, **kwargs)

        return await asyncio.shield(alone())

    return shielded


class Registrar:
    """The only one that changes the registry of a running server.

    Every method raises what the rules of `lifecycle`, `neighbours`, `pointing` and `promotion` do, and StaleEtag where
    somebody was faster.
    """

    def __init__(self, engine: Engine, writer: Writer, reader: Reader, learned: Learned, watching: Watching) -> None:
        self._engine = engine
        self._writer = writer
        self._reader = reader
        self._learned = learned
        self._watching = watching
        self._changing = asyncio.Lock()

    @_one_at_a_time
    async def create(self, experiment: Experiment, signed: Signed) -> ExperimentState:
        """Add a draft."""
        state, change = lifecycle.create(experiment, self._author(signed))
        self._check_neighbours(state)
        return await self._save(None, state, change)

    @_one_at_a_time
    async def update(self, experiment: Experiment, etag: str, signed: Signed) -> ExperimentState:
        """Make a new revision."""
        before = self._state(experiment.experiment_id)
        state, change = lifecycle.update(before, experiment, etag, self._author(signed))
        self._check_neighbours(state)
        if state.status is Status.DRAFT:
            state, change = self._begun(before, state, change)
        return await self._save(before, state, change)

    @_one_at_a_time
    async def transition(self, experiment_id: str, to: Status, etag: str, signed: Signed) -> ExperimentState:
        """Take a step of the lifecycle."""
        before = self._state(experiment_id)
        state, change = lifecycle.transition(before, to, etag, self._author(signed))
        if to is Status.RUNNING:
            self._check_neighbours(state)
        elif to not in IN_USE:
            neighbours.check_leaving(experiment_id, to, self._others(experiment_id))
        return await self._save(before, state, change)

    @_one_at_a_time
    async def move_ramp(
        self, experiment_id: str, step: int, etag: str, signed: Signed, *, early: bool
    ) -> ExperimentState:
        """Take a ramp to another step."""
        before = self._state(experiment_id)
        since = replace(before, step_at=self._step_at(before))
        state, change = lifecycle.move_ramp(since, step, etag, self._author(signed), early=early)
        return await self._save(before, state, change)

    @_one_at_a_time
    async def force(self, experiment_id: str, unit_id: str, variant: str, signed: Signed) -> None:
        """Let a unit have a variant without a draw; an empty variant ends that.

        Raises:
            InvalidRequest: there is no such variant, or no unit.
            InvalidTransition: the experiment is over.
        """
        state = self._state(experiment_id)
        change = _stamped(lifecycle.force(state, variant, self._author(signed)))
        forced = ForcedUnit(experiment_id, _unit(state.experiment, unit_id), variant)
        await self._writer.run(lambda store: store.force(forced, change))
        self._engine.force(forced)
        self._watching.look()

    @_one_at_a_time
    async def update_population(
        self, population: Population, etag: str, signed: Signed
    ) -> tuple[PopulationState, list[str]]:
        """Change what all experiments share, and return it with the experiments in which an epoch was opened."""
        before, states = self._engine.population, list(self._states())
        state, change, moved = lifecycle.update_population(before, population, etag, states, self._author(signed))
        saved = _all_stamped(moved)
        await self._writer.run(lambda store: store.save_population(state, _stamped(change), saved))
        self._engine.adopt_population(state, [each for each, _ in moved])
        self._watching.look()
        return state, [each.experiment.experiment_id for each, _ in moved]

    @_one_at_a_time
    async def publish(self, experiment_id: str, epoch: int, snapshot: str, *, is_shadow: bool = False) -> None:
        """Verify a snapshot, move its pointer unless that is pinned, and swap one reference; no part of the history.

        Raises:
            SnapshotRefused: it is missing or does not verify.
            InvalidTransition: it is of another epoch.
        """
        before = self._state(experiment_id)
        if epoch != before.epoch:
            raise InvalidTransition(f"{experiment_id!r} is in epoch {before.epoch}, no longer in {epoch}")
        if before.pinned and not is_shadow:
            return
        pointed = replace(before, shadow_snapshot=snapshot) if is_shadow else replace(before, snapshot=snapshot)
        # Beside the loop: it takes milliseconds, in which nobody would be answered.
        staged = await asyncio.to_thread(self._engine.stage, pointed)
        await self._writer.run(lambda store: store.point(experiment_id, epoch, snapshot, is_shadow=is_shadow))
        self._engine.swap_in(staged)

    @_one_at_a_time
    async def pin(self, experiment_id: str, snapshot: str, etag: str, signed: Signed) -> Summary:
        """Let a snapshot, named by its hash or the first digits of it, answer from now on, and return what it is.

        Raises:
            UnknownSnapshot: there is none.
            SnapshotRefused: it does not verify.
        """
        before = self._state(experiment_id)
        found = self._learned.named(before, snapshot)
        state, change = pointing.pin(before, found, etag, self._author(signed))
        await asyncio.to_thread(self._engine.stage, state)
        return summarised(found, await self._save(before, state, change))

    @_one_at_a_time
    async def unpin(self, experiment_id: str, etag: str, signed: Signed) -> Summary | None:
        """Let the newest snapshot that verifies answer, and each newer one, and return what it is."""
        before = self._state(experiment_id)
        newest = next(filter(partial(self._verifies, before), self._learned.newest(before)), None)
        state, change = pointing.unpin(before, newest.hash if newest else "", etag, self._author(signed))
        await self._save(before, state, change)
        return summarised(newest, state) if newest else None

    @_one_at_a_time
    async def warm(self, snapshot: Snapshot, etag: str, signed: Signed) -> Summary:
        """Let a draft begin with what was learned elsewhere, and return what that is.

        Raises:
            SnapshotRefused: it does not verify.
        """
        before = self._state(snapshot.experiment_id)
        state, change = pointing.warm(before, snapshot, etag, self._author(signed))
        verify(snapshot, state.experiment)
        await self._writer.run(lambda store: store.warm(snapshot, state, _stamped(change), before.etag))
        self._engine.adopt(state)
        self._watching.look()
        return summarised(snapshot, state)

    @_one_at_a_time
    async def propose(self, experiment: Experiment, learned: Snapshot | None, etag: str, signed: Signed) -> Proposal:
        """Freeze a changed definition with what its policy has learned, and return what was frozen.

        Raises:
            SnapshotRefused: what was learned does not verify.
        """
        name = experiment.experiment_id
        before, attempt = self._state(name), promotion.next_attempt(self._reader.proposals(name))
        freezing = promotion.Freezing(experiment, learned, self._reader.node_id, self._reader.last_seq(), attempt)
        proposal, state, change = promotion.propose(before, freezing, etag, self._author(signed))
        self._check_neighbours(replace(before, experiment=proposal.experiment))
        await self._save(before, state, change, Filed(proposal, learned))
        return proposal

    @_one_at_a_time
    async def promote(
        self, experiment_id: str, attempt: int, evidence: str, etag: str, signed: Signed, *, forced: bool
    ) -> tuple[Proposal, ExperimentState]:
        """Make a new revision of what was proposed, keep the report that decided, and return both.

        Raises:
            UnknownProposal: there is none.
            SnapshotRefused: what its policy knew does not verify any more.
        """
        before, proposal = self._state(experiment_id), self._proposal(experiment_id, attempt)
        author = self._author(signed)
        settled, state, change = promotion.promote(before, proposal, evidence, etag, author, forced=forced)
        self._check_neighbours(state)
        await asyncio.to_thread(self._engine.stage, state)
        return settled, await self._save(before, state, change, Filed(settled, evidence=evidence))

    @_one_at_a_time
    async def withdraw(self, experiment_id: str, attempt: int, etag: str, signed: Signed) -> Proposal:
        """Let a proposal wait no longer, and return it.

        Raises:
            UnknownProposal: there is none.
        """
        before, proposal = self._state(experiment_id), self._proposal(experiment_id, attempt)
        settled, state, change = promotion.withdraw(before, proposal, etag, self._author(signed))
        await self._save(before, state, change, Filed(settled))
        return settled

    async def _save(
        self, before: ExperimentState | None, state: ExperimentState, change: Change, filed: Filed | None = None
    ) -> ExperimentState:
        """Save a state, and those of the experiments that require it where it moves their units, and answer by them."""
        etag = before.etag if before else ""
        others = self._others(state.experiment.experiment_id)
        moved = _all_stamped(lifecycle.follow(before, state, change, others)) if before else []
        await self._writer.run(lambda store: store.save(state, _stamped(change), etag, moved, filed))
        for each in (state, *(follower for follower, _ in moved)):
            self._engine.adopt(each)
        self._watching.look()
        return state

    def _begun(self, before: ExperimentState, draft: ExperimentState, change: Change) -> tuple[ExperimentState, Change]:
        """Return a draft that was edited, and its change: it begins with its warm start as long as that fits."""
        warm = self._reader.warm_start(draft.experiment.experiment_id)
        begun = replace(draft, snapshot=warm.hash if warm and self._verifies(draft, warm) else "")
        if begun.snapshot == before.snapshot:
            return begun, change
        return begun, replace(change, fields=(*change.fields, "warm start"))

    def _verifies(self, state: ExperimentState, snapshot: Snapshot) -> bool:
        try:
            verify(snapshot, state.experiment)
        except SnapshotRefused:
            return False
        return True

    def _check_neighbours(self, state: ExperimentState) -> None:
        others = self._others(state.experiment.experiment_id)
        neighbours.check(state.experiment, state.status, others, self._engine.population.population)

    def _proposal(self, experiment_id: str, attempt: int) -> Proposal:
        return found(self._reader.proposals(experiment_id), experiment_id, attempt)

    def _state(self, experiment_id: str) -> ExperimentState:
        return self._engine.catalog.find(experiment_id).state

    def _states(self) -> Iterable[ExperimentState]:
        return (live.state for live in self._engine.catalog.by_id.values())

    def _others(self, experiment_id: str) -> list[ExperimentState]:
        return [state for state in self._states() if state.experiment.experiment_id != experiment_id]

    def _author(self, signed: Signed) -> Author:
        return Author(signed.actor, signed.reason, self._now())

    def _now(self) -> datetime:
        """Return the time of the engine's one clock, by which ramps are gated: no change says when it is made.

        Under the request's clock it is as late as the log's latest entry.
        """
        if isinstance(self._engine.clock, RequestClock):
            return from_micros(self._reader.ended_at())
        return self._engine.clock.now(None)

    def _step_at(self, state: ExperimentState) -> datetime | None:
        """Return since when the ramp is at its step: what was started before the log's first entry began with that."""
        if state.step_at != EPOCH:
            return state.step_at
        first = [entry for entry in self._reader.entries(limit=1) if not isinstance(entry, Erasure)]
        return first[0].received_at if first else EPOCH


def _stamped(change: AnyChange) -> AnyChange:
    return replace(change, changed_at=_WALL.now(None))


def _all_stamped(moved: Iterable[tuple[ExperimentState, Change]]) -> list[tuple[ExperimentState, Change]]:
    return [(state, _stamped(change)) for state, change in moved]


def _unit(experiment: Experiment, unit_id: str) -> Unit:
    if not 0 < len(unit_id) <= _LONGEST_NAME:
        raise InvalidRequest(f"send the id of one {experiment.unit} in `unit_id`, of 1 to {_LONGEST_NAME} characters")
    return Unit(experiment.unit, unit_id)
