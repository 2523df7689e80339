"""The three services: a request goes down once, through convert and the engine to the log, and up once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from armlift.v1 import assignment_pb2 as assign
from armlift.v1 import assignment_pb2_grpc as assign_grpc
from armlift.v1 import experiment_pb2 as manage
from armlift.v1 import experiment_pb2_grpc as manage_grpc
from armlift.v1 import learning_pb2 as learn
from armlift.v1 import learning_pb2_grpc as learn_grpc

from engine import lifecycle, randomness
from engine.catalog import FindSnapshot
from engine.clock import RequestClock, WallClock
from engine.engine import Engine
from engine.errors import ArmliftError, InvalidRequest, InvalidTransition, RequestIdReused, UnknownAssignment
from engine.experiments import Change, ExperimentState
from engine.lifecycle import Author
from engine.ports import Reader
from engine.recompute import Recomputer
from engine.records import Assignment, Entry, Kept, KeptStatus, OpenFeatureReason, Request, Source
from engine.service import convert
from engine.service.definitions import from_change, from_state, to_experiment, to_status
from engine.service.status import answering
from engine.service.values import to_time
from engine.settings import Settings
from engine.storage.writer import Writer

_PAGE, _LARGEST_PAGE = 100, 1000
_LONGEST_TOKEN = 10
# A change is made by a person at a time of theirs, also where the traffic's clock is the request's.
_WALL = WallClock()
Signed = manage.CreateExperimentRequest | manage.UpdateExperimentRequest | manage.TransitionExperimentRequest
Timed = assign.AssignRequest | assign.RecordExposuresRequest | assign.RecordOutcomesRequest
Message = TypeVar("Message")
Item = TypeVar("Item")


class AssignmentServicer(assign_grpc.AssignmentServiceServicer):
    """Decides, and keeps what came of it."""

    def __init__(
        self, engine: Engine, writer: Writer, reader: Reader, find_snapshot: FindSnapshot, settings: Settings
    ) -> None:
        self._engine = engine
        self._writer = writer
        self._reader = reader
        self._recomputer = Recomputer(reader, find_snapshot)
        self._settings = settings
        # Whoever sets the time of a request replays or simulates it.
        self._source = Source.REPLAYED if isinstance(engine.clock, RequestClock) else Source.LIVE

    @answering
    async def Assign(self, message: assign.AssignRequest) -> assign.AssignResponse:
        """Answer one request; the reply leaves after the commit."""
        request = self._request(message, convert.NOTHING_SHARED)
        decided = self._engine.decide(request)
        if not _is_kept(request, decided):
            return self._unkept(request, decided)
        (kept,) = await self._writer.append([decided])
        return self._answer(_standing(kept), committed=True)

    @answering
    async def BatchAssign(self, message: assign.BatchAssignRequest) -> assign.BatchAssignResponse:
        """Answer many requests with one commit; one that is wrong spoils no other."""
        shared = convert.to_shared(message)
        results: list[assign.BatchAssignResult | None] = []
        waiting: list[Entry] = []
        for item in message.requests:
            try:
                request = self._request(item, shared)
                decided = self._engine.decide(request)
                if _is_kept(request, decided):
                    waiting.append(decided)
                    results.append(None)
                else:
                    results.append(assign.BatchAssignResult(answer=self._unkept(request, decided)))
            except ArmliftError as error:
                results.append(convert.from_error(error))
        kept = iter(await self._writer.append(waiting) if waiting else [])
        return assign.BatchAssignResponse(results=[result or self._kept_result(next(kept)) for result in results])

    @answering
    async def RecordExposures(self, message: assign.RecordExposuresRequest) -> assign.RecordExposuresResponse:
        """Keep exposures; one that is wrong spoils no other."""
        now = self._now(message)
        exposures = [
            _attempt(lambda item: self._engine.check_exposure(convert.to_exposure(item, now, self._source)), item)
            for item in message.exposures
        ]
        return assign.RecordExposuresResponse(results=await self._record(exposures))

    @answering
    async def RecordOutcomes(self, message: assign.RecordOutcomesRequest) -> assign.RecordOutcomesResponse:
        """Keep outcomes; one that is wrong spoils no other."""
        now = self._now(message)
        outcomes = [
            _attempt(lambda item: self._engine.check_outcome(convert.to_outcome(item, now, self._source)), item)
            for item in message.outcomes
        ]
        return assign.RecordOutcomesResponse(results=await self._record(outcomes))

    @answering
    async def ExplainAssignment(self, message: assign.ExplainAssignmentRequest) -> assign.ExplainAssignmentResponse:
        """Make a logged assignment again, step by step."""
        row = self._reader.assignment(message.assignment_id, message.slot)
        if row is None:
            raise UnknownAssignment(f"there is no assignment {message.assignment_id!r} in the log: check the id")
        return convert.from_explanation(self._recomputer.explain(row))

    def _request(self, message: assign.AssignRequest, shared: convert.Shared) -> Request:
        size, limit = message.ByteSize() + len(shared.content), self._settings.max_request_bytes
        if size > limit:
            raise InvalidRequest(f"the request has {size} bytes and may have {limit}: send less context")
        return convert.to_request(message, shared, self._now(message), self._source)

    def _now(self, message: Timed) -> datetime:
        return self._engine.clock.now(to_time(message.at) if message.HasField("at") else None)

    def _unkept(self, request: Request, decided: Assignment) -> assign.AssignResponse:
        """Answer what is not kept; but a request that was answered before the experiment stopped has that answer."""
        if decided.reason.open_feature is OpenFeatureReason.DISABLED and request.request_id and not request.dry_run:
            row = self._reader.assignment(randomness.assignment_id(request.request_id, request.experiment_id))
            if row is not None:
                same = row.request_digest == request.digest
                return self._answer(_standing(Kept(KeptStatus.DUPLICATE if same else KeptStatus.CONFLICT, row)), True)
        return self._answer(decided, committed=False)

    def _answer(self, assignment: Assignment, committed: bool) -> assign.AssignResponse:
        return convert.from_assignment(assignment, self._engine.answered_variant(assignment), committed)

    def _kept_result(self, kept: Kept) -> assign.BatchAssignResult:
        try:
            return assign.BatchAssignResult(answer=self._answer(_standing(kept), committed=True))
        except RequestIdReused as error:
            return convert.from_error(error)

    async def _record(self, entries: Sequence[Entry | ArmliftError]) -> list[assign.RecordResult]:
        valid = [entry for entry in entries if not isinstance(entry, ArmliftError)]
        kept = iter(await self._writer.append(valid) if valid else [])
        return [convert.from_kept(entry if isinstance(entry, ArmliftError) else next(kept)) for entry in entries]


class ExperimentServicer(manage_grpc.ExperimentServiceServicer):
    """Manages experiments: the lifecycle proposes a state, the writer saves it, the engine adopts it.

    `changing` is held from reading a state to adopting the next one, so that no change is built on an old state.
    """

    def __init__(self, engine: Engine, writer: Writer, reader: Reader, changing: asyncio.Lock) -> None:
        self._engine = engine
        self._writer = writer
        self._reader = reader
        self._changing = changing

    @answering
    async def CreateExperiment(self, message: manage.CreateExperimentRequest) -> manage.CreateExperimentResponse:
        """Add a draft."""
        async with self._changing:
            state, change = lifecycle.create(to_experiment(message.experiment), _author(message))
            return manage.CreateExperimentResponse(state=await self._save(state, change, ""))

    @answering
    async def GetExperiment(self, message: manage.GetExperimentRequest) -> manage.GetExperimentResponse:
        """Read one experiment."""
        state = self._state(message.experiment_id)
        return manage.GetExperimentResponse(
            state=from_state(state), outside=self._engine.outside(message.experiment_id)
        )

    @answering
    async def ListExperiments(self, message: manage.ListExperimentsRequest) -> manage.ListExperimentsResponse:
        """Read a page of experiments."""
        states = [live.state for _, live in sorted(self._engine.catalog.by_id.items())]
        page, token = _page(states, message.page_size, message.page_token)
        return manage.ListExperimentsResponse(states=[from_state(state) for state in page], next_page_token=token)

    @answering
    async def UpdateExperiment(self, message: manage.UpdateExperimentRequest) -> manage.UpdateExperimentResponse:
        """Make a new revision."""
        async with self._changing:
            before = self._state(message.experiment.experiment_id)
            changed = to_experiment(message.experiment)
            state, change = lifecycle.update(before, changed, message.etag, _author(message))
            return manage.UpdateExperimentResponse(state=await self._save(state, change, before.etag))

    @answering
    async def TransitionExperiment(
        self, message: manage.TransitionExperimentRequest
    ) -> manage.TransitionExperimentResponse:
        """Take a step of the lifecycle."""
        async with self._changing:
            before = self._state(message.experiment_id)
            to = to_status(message.status)
            state, change = lifecycle.transition(before, to, message.etag, _author(message))
            return manage.TransitionExperimentResponse(state=await self._save(state, change, before.etag))

    @answering
    async def GetExperimentHistory(
        self, message: manage.GetExperimentHistoryRequest
    ) -> manage.GetExperimentHistoryResponse:
        """Read a page of changes."""
        self._state(message.experiment_id)
        changes = self._reader.history(message.experiment_id)
        page, token = _page(changes, message.page_size, message.page_token)
        return manage.GetExperimentHistoryResponse(changes=[from_change(item) for item in page], next_page_token=token)

    def _state(self, experiment_id: str) -> ExperimentState:
        return self._engine.catalog.find(experiment_id).state

    async def _save(self, state: ExperimentState, change: Change, expected_etag: str) -> manage.ExperimentState:
        await self._writer.run(lambda store: store.save(state, change, expected_etag))
        self._engine.adopt(state)
        return from_state(state)


class LearningServicer(learn_grpc.LearningServiceServicer):
    """Lets the learner's snapshots in, after they were verified."""

    def __init__(self, engine: Engine, writer: Writer, changing: asyncio.Lock) -> None:
        self._engine = engine
        self._writer = writer
        self._changing = changing

    @answering
    async def PublishSnapshot(self, message: learn.PublishSnapshotRequest) -> learn.PublishSnapshotResponse:
        """Verify a snapshot, move the live pointer, and swap one reference."""
        async with self._changing:
            before = self._engine.catalog.find(message.experiment_id).state
            if message.epoch != before.epoch:
                raise InvalidTransition(
                    f"{message.experiment_id!r} is in epoch {before.epoch}, no longer in {message.epoch}"
                )
            staged = self._engine.stage(replace(before, snapshot=message.snapshot))
            await self._writer.run(lambda store: store.point(message.experiment_id, message.epoch, message.snapshot))
            self._engine.swap_in(staged)
        return learn.PublishSnapshotResponse()


def _author(message: Signed) -> Author:
    return Author(message.actor, message.reason, _WALL.now(None))


def _is_kept(request: Request, decided: Assignment) -> bool:
    return decided.reason.is_logged and not request.dry_run


def _standing(kept: Kept) -> Assignment:
    if not isinstance(kept.entry, Assignment) or kept.status is KeptStatus.CONFLICT:
        raise RequestIdReused("this request id was answered before, for another content: mint a new one")
    return kept.entry


def _attempt(check: Callable[[Message], Entry], item: Message) -> Entry | ArmliftError:
    try:
        return check(item)
    except ArmliftError as error:
        return error


def _page(items: Sequence[Item], size: int, token: str) -> tuple[Sequence[Item], str]:
    if token and not (token.isdecimal() and len(token) < _LONGEST_TOKEN):
        raise InvalidRequest("`page_token` must be the next_page_token of the page before")
    start = int(token or 0)
    end = start + min(size or _PAGE, _LARGEST_PAGE)
    return items[start:end], str(end) if end < len(items) else ""
