"""The door of products: a request goes down once, through convert and the engine to the log, and up once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TypeVar

from armlift.v1 import assignment_pb2 as contract
from armlift.v1.assignment_pb2_grpc import AssignmentServiceServicer

from engine import randomness
from engine.admission import Walk
from engine.catalog import FindSnapshot
from engine.clock import RequestClock
from engine.engine import Engine
from engine.errors import ArmliftError, InvalidRequest, RequestIdReused, UnknownAssignment
from engine.ports import Reader
from engine.recompute import Recomputer
from engine.records import Assignment, Entry, Kept, KeptStatus, Request, Source
from engine.service import convert
from engine.service.status import answering
from engine.service.values import to_time
from engine.settings import Settings
from engine.storage.writer import Writer

Timed = (
    contract.AssignRequest
    | contract.BatchAssignRequest
    | contract.RecordExposuresRequest
    | contract.RecordOutcomesRequest
)
Message = TypeVar("Message")


class AssignmentServicer(AssignmentServiceServicer):
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
    async def Assign(self, message: contract.AssignRequest) -> contract.AssignResponse:
        """Answer one request; the reply leaves after the commit."""
        request = self._request(message, convert.NOTHING_SHARED)
        decided = self._engine.decide(request)
        if not _is_kept(request, decided):
            return self._unkept(request, decided)
        (kept,) = await asyncio.shield(self._keep([decided]))
        return self._answer(_standing(kept), committed=True)

    @answering
    async def BatchAssign(self, message: contract.BatchAssignRequest) -> contract.BatchAssignResponse:
        """Answer many requests, or all experiments, with one commit; one that is wrong spoils no other."""
        shared, walk = convert.to_shared(message), self._engine.walk()
        waiting: list[Assignment] = []
        try:
            results = [self._batched(item, shared, walk, waiting) for item in self._items(message)]
        except BaseException:
            self._engine.settle(waiting)
            raise
        kept = iter(await asyncio.shield(self._keep(waiting)) if waiting else [])
        return contract.BatchAssignResponse(results=[result or self._kept_result(next(kept)) for result in results])

    @answering
    async def RecordExposures(self, message: contract.RecordExposuresRequest) -> contract.RecordExposuresResponse:
        """Keep exposures; one that is wrong spoils no other."""
        now = self._now(message)
        exposures = [
            _attempt(lambda item: self._engine.check_exposure(convert.to_exposure(item, now, self._source)), item)
            for item in message.exposures
        ]
        return contract.RecordExposuresResponse(results=await self._record(exposures))

    @answering
    async def RecordOutcomes(self, message: contract.RecordOutcomesRequest) -> contract.RecordOutcomesResponse:
        """Keep outcomes; one that is wrong spoils no other."""
        now = self._now(message)
        outcomes = [
            _attempt(lambda item: self._engine.check_outcome(convert.to_outcome(item, now, self._source)), item)
            for item in message.outcomes
        ]
        return contract.RecordOutcomesResponse(results=await self._record(outcomes))

    @answering
    async def ExplainAssignment(self, message: contract.ExplainAssignmentRequest) -> contract.ExplainAssignmentResponse:
        """Make a logged assignment again, step by step."""
        row = self._reader.assignment(message.assignment_id, message.slot)
        if row is None:
            raise UnknownAssignment(f"there is no assignment {message.assignment_id!r} in the log: check the id")
        return convert.from_explanation(self._recomputer.explain(row))

    def _items(self, message: contract.BatchAssignRequest) -> Iterator[contract.AssignRequest]:
        """Yield what a batch asks: its requests, and then every running experiment that is not among them."""
        yield from message.requests
        if message.all_running:
            now = self._now(message)
            request_id = message.request_id or randomness.request_id(now)
            at = message.at if message.HasField("at") else None
            named = {item.experiment_id for item in message.requests}
            for experiment_id in self._engine.running():
                if experiment_id not in named:
                    yield contract.AssignRequest(experiment_id=experiment_id, request_id=request_id, at=at)

    def _batched(
        self, item: contract.AssignRequest, shared: convert.Shared, walk: Walk, waiting: list[Assignment]
    ) -> contract.BatchAssignResult | None:
        """Return an item's answer or error, or None where its row joined those that wait for the commit."""
        try:
            request = self._request(item, shared)
            decided = self._engine.decide(request, walk)
            if _is_kept(request, decided):
                waiting.append(decided)
                return None
            return contract.BatchAssignResult(answer=self._unkept(request, decided))
        except ArmliftError as error:
            return convert.from_error(error)

    def _request(self, message: contract.AssignRequest, shared: convert.Shared) -> Request:
        size, limit = message.ByteSize() + shared.n_bytes, self._settings.max_request_bytes
        if size > limit:
            raise InvalidRequest(f"the request has {size} bytes and may have {limit}: send less context")
        return convert.to_request(message, shared, self._now(message), self._source)

    def _now(self, message: Timed) -> datetime:
        return self._engine.clock.now(to_time(message.at) if message.HasField("at") else None)

    async def _keep(self, decided: Sequence[Assignment]) -> list[Kept]:
        """Append what was decided. The engine answers for it until then, so this runs on where the caller goes away."""
        try:
            return await self._writer.append(decided)
        finally:
            self._engine.settle(decided)

    def _unkept(self, request: Request, decided: Assignment) -> contract.AssignResponse:
        """Answer what is not kept; but a request that was answered before the experiment changed has that answer."""
        if request.request_id and not request.dry_run:
            row = self._reader.assignment(randomness.assignment_id(request.request_id, request.experiment_id))
            if row is not None:
                same = row.request_digest == request.digest
                return self._answer(_standing(Kept(KeptStatus.DUPLICATE if same else KeptStatus.CONFLICT, row)), True)
        return self._answer(decided, committed=False)

    def _answer(self, assignment: Assignment, committed: bool) -> contract.AssignResponse:
        return convert.from_assignment(assignment, self._engine.answered_variant(assignment), committed)

    def _kept_result(self, kept: Kept) -> contract.BatchAssignResult:
        try:
            return contract.BatchAssignResult(answer=self._answer(_standing(kept), committed=True))
        except RequestIdReused as error:
            return convert.from_error(error)

    async def _record(self, entries: Sequence[Entry | ArmliftError]) -> list[contract.RecordResult]:
        valid = [entry for entry in entries if not isinstance(entry, ArmliftError)]
        kept = iter(await self._writer.append(valid) if valid else [])
        return [convert.from_kept(entry if isinstance(entry, ArmliftError) else next(kept)) for entry in entries]


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
