"""AsyncClient: what Client does, to await."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self

import grpc

from armlift.answers import (
    Answer,
    Ask,
    Candidate,
    Event,
    Recorded,
    default_answer,
    default_answers,
    default_slate,
    only_one_slot,
    to_all,
    to_answer,
    to_answers,
    to_batch,
    to_exposures,
    to_message,
    to_outcomes,
    to_recorded,
    to_result,
    to_slate,
)
from armlift.channel import DEFAULT_ADDRESS, DEFAULT_TIMEOUT_S, OPTIONS, our_errors, patience
from armlift.errors import ArmliftError
from armlift.v1.assignment_pb2_grpc import AssignmentServiceStub
from armlift.values import Value

if TYPE_CHECKING:
    from armlift.v1.assignment_pb2_grpc import AssignmentServiceAsyncStub


class AsyncClient:
    """The same as Client, to await, on one event loop."""

    def __init__(self, address: str = DEFAULT_ADDRESS, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        self._channel = grpc.aio.insecure_channel(address, options=OPTIONS)
        self._stub: AssignmentServiceAsyncStub = AssignmentServiceStub(self._channel)
        self._timeout_s = timeout_s

    async def assign(
        self,
        experiment: str,
        *,
        unit: str = "",
        units: Mapping[str, str] | None = None,
        context: Mapping[str, Value] | None = None,
        excluded: Sequence[str] = (),
        request_id: str = "",
        dry_run: bool = False,
        at: datetime | None = None,
        qa: str = "",
        candidates: Sequence[Candidate] = (),
        default: str | None = None,
    ) -> Answer:
        """Return the variant that the unit gets: see Client.assign."""
        ask = Ask(experiment, unit, units or {}, context or {}, excluded, request_id, dry_run, at, qa, candidates)
        wait = patience(default)
        try:
            with our_errors():
                return to_answer(await self._stub.Assign(to_message(ask), timeout=self._timeout_s, wait_for_ready=wait))
        except ArmliftError as error:
            if default is None:
                raise
            return default_answer(experiment, default, error)

    async def assign_slate(
        self,
        experiment: str,
        slots: int,
        *,
        unit: str = "",
        units: Mapping[str, str] | None = None,
        context: Mapping[str, Value] | None = None,
        excluded: Sequence[str] = (),
        request_id: str = "",
        dry_run: bool = False,
        at: datetime | None = None,
        candidates: Sequence[Candidate] = (),
        defaults: Sequence[str] | None = None,
    ) -> list[Answer]:
        """Return what the unit gets in each position: see Client.assign_slate."""
        ask = Ask(
            experiment, unit, units or {}, context or {}, excluded, request_id, dry_run, at, "", candidates, slots
        )
        wait = patience(defaults)
        try:
            with our_errors():
                return to_slate(await self._stub.Assign(to_message(ask), timeout=self._timeout_s, wait_for_ready=wait))
        except ArmliftError as error:
            if defaults is None:
                raise
            return default_slate(ask, defaults, error)

    async def assign_all(
        self,
        *,
        unit: str = "",
        units: Mapping[str, str] | None = None,
        context: Mapping[str, Value] | None = None,
        request_id: str = "",
        at: datetime | None = None,
        defaults: Mapping[str, str] | None = None,
    ) -> dict[str, Answer]:
        """Return what the unit gets in every running experiment, by experiment: see Client.assign_all."""
        ask = Ask("", unit, units or {}, context or {}, request_id=request_id, at=at)
        wait = patience(defaults)
        try:
            with our_errors():
                message = to_all(ask, defaults or {})
                response = await self._stub.BatchAssign(message, timeout=self._timeout_s, wait_for_ready=wait)
                return to_answers(response, defaults)
        except ArmliftError as error:
            return default_answers(defaults, error)

    async def assign_many(
        self,
        asks: Sequence[Ask],
        *,
        units: Mapping[str, str] | None = None,
        context: Mapping[str, Value] | None = None,
    ) -> list[Answer | ArmliftError]:
        """Return an answer or an error for each question: see Client.assign_many."""
        slates = await self.assign_slates(only_one_slot(asks), units=units, context=context)
        return [slate if isinstance(slate, ArmliftError) else slate[0] for slate in slates]

    async def assign_slates(
        self,
        asks: Sequence[Ask],
        *,
        units: Mapping[str, str] | None = None,
        context: Mapping[str, Value] | None = None,
    ) -> list[list[Answer] | ArmliftError]:
        """Return the answers of all positions for each question: see Client.assign_slates."""
        message = to_batch(asks, units or {}, context or {})
        with our_errors():
            response = await self._stub.BatchAssign(message, timeout=self._timeout_s)
        return [to_result(result) for result in response.results]

    async def expose(
        self, *answers: Answer, exposed_at: datetime | None = None, at: datetime | None = None
    ) -> list[Recorded]:
        """Say that units really met what they were answered: see Client.expose."""
        message = to_exposures([answer for answer in answers if answer.assignment_id], exposed_at, at)
        with our_errors():
            response = await self._stub.RecordExposures(message, timeout=self._timeout_s)
        return [to_recorded(result) for result in response.results]

    async def record(
        self,
        metric: str,
        value: float | None = None,
        *,
        answer: Answer | None = None,
        unit: str = "",
        outcome_id: str = "",
        occurred_at: datetime | None = None,
        at: datetime | None = None,
    ) -> Recorded:
        """Report an outcome: see Client.record."""
        event = Event(metric, value, unit=unit, outcome_id=outcome_id, occurred_at=occurred_at).of(answer)
        return (await self.record_many([event], at=at))[0]

    async def record_many(self, events: Sequence[Event], *, at: datetime | None = None) -> list[Recorded]:
        """Report many outcomes: see Client.record_many."""
        with our_errors():
            response = await self._stub.RecordOutcomes(to_outcomes(events, at), timeout=self._timeout_s)
        return [to_recorded(result) for result in response.results]

    async def close(self) -> None:
        """Close the connection."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
