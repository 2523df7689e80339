"""The door of products: a request goes down once, through convert and the engine to the log, and up once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from types import TracebackType
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
Made = TypeVar("Made")
Slots = tuple[Assignment, ...]
"""The answer to one request: an assignment a slot, in order."""


@dataclass(slots=True)
class Item:
    """A request of a batch, what was decided for it, and where its answer goes."""

    request: Request
    decided: Slots
    result: contract.BatchAssignResult


@dataclass(slots=True)
class Batch:
    """What becomes of a batch's items: those that wait for the commit, and those that are not kept."""

    walk: Walk
    waiting: list[Item] = field(default_factory=list)
    outside: list[Item] = field(default_factory=list)

    @property
    def decided(self) -> list[Assignment]:
        """What waits for the commit, slot by slot."""
        return [row for item in self.waiting for row in item.decided]


class ErrorIn:
    """Puts what is wrong with one item into its result; a class, because a generator takes three times as long."""

    __slots__ = ("_result",)

    def __init__(self, result: contract.BatchAssignResult) -> None:
        self._result = result

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if isinstance(error, ArmliftError):
            convert.fill_error(self._result, error)
            return True
        return False


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
        request, answer = self._request(message, convert.NOTHING_SHARED), contract.AssignResponse()
        if self._is_filled_already(answer, request):
            return answer
        decided = self._engine.fill(request)
        if _is_kept(request, decided):
            self._answer_committed(answer, request, await asyncio.shield(self._keep(decided)))
        else:
            self._answer_unkept(answer, request, decided, self._earlier([request]))
        return answer

    @answering
    async def BatchAssign(self, message: contract.BatchAssignRequest) -> contract.BatchAssignResponse:
        """Answer many requests, or all experiments, with one commit; one that is wrong spoils no other."""
        response, batch = contract.BatchAssignResponse(), Batch(self._engine.walk())
        try:
            for request in self._requests(message):
                self._batched(request, response.results.add(), batch)
            self._answer_outside(batch.outside)
        except BaseException:
            self._engine.settle(batch.decided)
            raise
        waiting = batch.waiting
        kept = iter(await asyncio.shield(self._keep(batch.decided)) if waiting else [])
        for item in waiting:
            with ErrorIn(item.result):
                self._answer_committed(item.result.answer, item.request, list(islice(kept, len(item.decided))))
        return response

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
            asked = f"{message.assignment_id!r} with slot {message.slot}"
            raise UnknownAssignment(f"there is no assignment {asked} in the log: check the two")
        return convert.from_explanation(self._recomputer.explain(row))

    def _requests(self, message: contract.BatchAssignRequest) -> Iterator[Request | ArmliftError]:
        """Yield what a batch asks: its requests, and then every running experiment that is not among them."""
        shared = convert.to_shared(message)
        for item in message.requests:
            yield _attempt(lambda item: self._request(item, shared), item)
        if message.all_running:
            named = {item.experiment_id for item in message.requests}
            yield from self._of_each([name for name in self._engine.running() if name not in named], message, shared)

    def _of_each(
        self, experiment_ids: Sequence[str], message: contract.BatchAssignRequest, shared: convert.Shared
    ) -> Iterator[Request | ArmliftError]:
        """Yield the requests of a batch that say no more than which experiment: the rest is looked at once."""
        now = self._now(message)
        common = contract.AssignRequest(
            request_id=message.request_id or randomness.request_id(now),
            at=message.at if message.HasField("at") else None,
        )
        refused = _attempt(lambda item: self._check_size(item, shared), common)
        for request in convert.to_requests(common, experiment_ids, shared, now, self._source):
            yield refused or request

    def _batched(self, request: Request | ArmliftError, result: contract.BatchAssignResult, batch: Batch) -> None:
        """Decide an item, and let it join those that wait for the commit or those that are not kept."""
        with ErrorIn(result):
            if isinstance(request, ArmliftError):
                raise request
            if self._is_filled_already(result.answer, request):
                return
            item = Item(request, self._engine.fill(request, batch.walk), result)
            (batch.waiting if _is_kept(request, item.decided) else batch.outside).append(item)

    def _answer_outside(self, outside: Sequence[Item]) -> None:
        earlier = self._earlier([item.request for item in outside])
        for item in outside:
            with ErrorIn(item.result):
                self._answer_unkept(item.result.answer, item.request, item.decided, earlier)

    def _request(self, message: contract.AssignRequest, shared: convert.Shared) -> Request:
        self._check_size(message, shared)
        return convert.to_request(message, shared, self._now(message), self._source)

    def _check_size(self, message: contract.AssignRequest, shared: convert.Shared) -> None:
        size, limit = message.ByteSize() + shared.n_bytes, self._settings.max_context_bytes
        if size <= limit:
            return
        brought = sum(candidate.ByteSize() for candidate in message.candidates)
        if size - brought > limit:
            raise InvalidRequest(f"the request has {size - brought} bytes and may have {limit}: send less context")
        if size > self._settings.max_request_bytes:
            largest = self._settings.max_request_bytes
            told = "send fewer candidates, or less of each"
            raise InvalidRequest(f"the request has {size} bytes with its candidates and may have {largest}: {told}")

    def _now(self, message: Timed) -> datetime:
        return self._engine.clock.now(to_time(message.at) if message.HasField("at") else None)

    async def _keep(self, decided: Sequence[Assignment]) -> list[Kept]:
        """Append what was decided. The engine answers for it until then, so this runs on where the caller goes away."""
        try:
            return await self._writer.append(decided)
        finally:
            self._engine.settle(decided)

    def _earlier(self, requests: Sequence[Request]) -> Mapping[str, Slots]:
        """Return what of these requests was answered before, by assignment id."""
        ids = [_assignment_id(request) for request in requests if request.request_id and not request.dry_run]
        return self._reader.assignments(ids) if ids else {}

    def _is_filled_already(self, answer: contract.AssignResponse, request: Request) -> bool:
        """Answer several slots as the log has them, or say that it has none: by now there could be more, or fewer."""
        return request.n_slots > 1 and self._is_known(answer, request, self._earlier([request]))

    def _answer_unkept(
        self, answer: contract.AssignResponse, request: Request, decided: Slots, earlier: Mapping[str, Slots]
    ) -> None:
        """Answer what is not kept; but a request that was answered before the experiment changed has that answer."""
        if not self._is_known(answer, request, earlier):
            self._answer(answer, decided, committed=False)

    def _is_known(self, answer: contract.AssignResponse, request: Request, earlier: Mapping[str, Slots]) -> bool:
        """Answer what was answered before, or say that nothing was."""
        rows = earlier.get(_assignment_id(request), ()) if earlier and not request.dry_run else ()
        if rows:
            same = KeptStatus.DUPLICATE if rows[0].request_digest == request.digest else KeptStatus.CONFLICT
            self._answer_kept(answer, [Kept(same, row) for row in rows])
        return bool(rows)

    def _answer_committed(self, answer: contract.AssignResponse, request: Request, kept: Sequence[Kept]) -> None:
        """Answer what was kept; a request for several slots that came twice at once has the slots of the first."""
        if request.n_slots > 1 and kept[0].status is not KeptStatus.RECORDED:
            self._is_known(answer, request, self._earlier([request]))
        else:
            self._answer_kept(answer, kept)

    def _answer_kept(self, answer: contract.AssignResponse, kept: Sequence[Kept]) -> None:
        self._answer(answer, [_standing(each) for each in kept], committed=True)

    def _answer(self, answer: contract.AssignResponse, slots: Sequence[Assignment], *, committed: bool) -> None:
        for row in slots:
            convert.fill_answer(answer, row, self._engine.answered_variant(row), committed=committed)

    async def _record(self, entries: Sequence[Entry | ArmliftError]) -> list[contract.RecordResult]:
        valid = [entry for entry in entries if not isinstance(entry, ArmliftError)]
        kept = iter(await self._writer.append(valid) if valid else [])
        return [convert.from_kept(entry if isinstance(entry, ArmliftError) else next(kept)) for entry in entries]


def _assignment_id(request: Request) -> str:
    return randomness.assignment_id(request.request_id, request.experiment_id)


def _is_kept(request: Request, decided: Slots) -> bool:
    return decided[0].reason.is_logged and not request.dry_run


def _standing(kept: Kept) -> Assignment:
    if not isinstance(kept.entry, Assignment) or kept.status is KeptStatus.CONFLICT:
        raise RequestIdReused("this request id was answered before, for another content: mint a new one")
    return kept.entry


def _attempt(make: Callable[[Message], Made], item: Message) -> Made | ArmliftError:
    try:
        return make(item)
    except ArmliftError as error:
        return error
