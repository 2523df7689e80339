"""Client and AsyncClient: deadlines, ids minted here, and retries of what may be repeated.

Every call of the AssignmentService is idempotent by its ids, so gRPC's own retry policy repeats what a server could
not answer (UNAVAILABLE, RESOURCE_EXHAUSTED) within the deadline; the server answers a repetition with what it answered
first.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from armlift.answers import (
    Answer,
    ArmliftError,
    Ask,
    Event,
    Recorded,
    Value,
    default_answer,
    to_all,
    to_answer,
    to_answers,
    to_batch,
    to_exposures,
    to_message,
    to_outcomes,
    to_recorded,
    to_result,
)
from armlift.v1.assignment_pb2_grpc import AssignmentServiceStub

if TYPE_CHECKING:
    from armlift.v1.assignment_pb2_grpc import AssignmentServiceAsyncStub

DEFAULT_ADDRESS = "127.0.0.1:7878"
DEFAULT_TIMEOUT_S = 1.0

_TOO_LATE = "no answer within the deadline: see whether the server runs there, or give it longer by `timeout_s`"

_RETRIES = {
    "methodConfig": [
        {
            "name": [{"service": "armlift.v1.AssignmentService"}],
            # A server that restarts is away for longer than a few retries take: the deadline alone says how long.
            "waitForReady": True,
            "retryPolicy": {
                "maxAttempts": 5,
                "initialBackoff": "0.05s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
            },
        }
    ]
}
OPTIONS: Sequence[tuple[str, Any]] = (
    ("grpc.enable_retries", 1),
    ("grpc.service_config", json.dumps(_RETRIES)),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
)
"""Channel options: retries of what may be repeated."""


class Client:
    """Asks one server. Safe to share between threads; close it or use it in a `with`.

    Every method raises ArmliftError. With `default`, `assign` never does: it answers the default content instead, with
    the error's code as its reason, so that a page is shown whatever happens. Nor does `assign_all` with `defaults`,
    for the experiments in it.
    """

    def __init__(self, address: str = DEFAULT_ADDRESS, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        self._channel = grpc.insecure_channel(address, options=OPTIONS)
        self._stub = AssignmentServiceStub(self._channel)
        self._timeout_s = timeout_s

    def assign(
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
        default: str | None = None,
    ) -> Answer:
        """Return the variant that the unit gets; the same `request_id` always gets the same answer.

        `unit` is the id of a customer; units of other types go into `units`, such as {"account": "7"}. `qa` is the
        variant that somebody who tests the product wants to see; it is left out of every estimate.
        """
        ask = Ask(experiment, unit, units or {}, context or {}, excluded, request_id, dry_run, at, qa)
        wait = _patience(default)
        try:
            with _our_errors():
                return to_answer(self._stub.Assign(to_message(ask), timeout=self._timeout_s, wait_for_ready=wait))
        except ArmliftError as error:
            if default is None:
                raise
            return default_answer(experiment, default, error)

    def assign_all(
        self,
        *,
        unit: str = "",
        units: Mapping[str, str] | None = None,
        context: Mapping[str, Value] | None = None,
        request_id: str = "",
        at: datetime | None = None,
        defaults: Mapping[str, str] | None = None,
    ) -> dict[str, Answer]:
        """Return what the unit gets in every running experiment, by experiment: one call, and one walk in the server.

        `defaults` has the variant to show by experiment where no server answers; these are asked for in any case.
        """
        ask = Ask("", unit, units or {}, context or {}, request_id=request_id, at=at)
        wait = _patience(defaults)
        try:
            with _our_errors():
                message = to_all(ask, defaults or {})
                response = self._stub.BatchAssign(message, timeout=self._timeout_s, wait_for_ready=wait)
                return to_answers(response, defaults)
        except ArmliftError as error:
            return _all_defaults(error, defaults)

    def assign_many(
        self,
        asks: Sequence[Ask],
        *,
        units: Mapping[str, str] | None = None,
        context: Mapping[str, Value] | None = None,
    ) -> list[Answer | ArmliftError]:
        """Return an answer or an error for each question; `units` and `context` are those of all."""
        message = to_batch(asks, units or {}, context or {})
        with _our_errors():
            response = self._stub.BatchAssign(message, timeout=self._timeout_s)
        return [to_result(result) for result in response.results]

    def expose(
        self, *answers: Answer, exposed_at: datetime | None = None, at: datetime | None = None
    ) -> list[Recorded]:
        """Say that units really met what they were answered; answers that were not kept are passed over."""
        message = to_exposures([answer for answer in answers if answer.assignment_id], exposed_at, at)
        with _our_errors():
            response = self._stub.RecordExposures(message, timeout=self._timeout_s)
        return [to_recorded(result) for result in response.results]

    def record(
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
        """Report an outcome of an answer, or of a unit; the same `outcome_id` counts once."""
        event = Event(metric, value, unit=unit, outcome_id=outcome_id, occurred_at=occurred_at).of(answer)
        return self.record_many([event], at=at)[0]

    def record_many(self, events: Sequence[Event], *, at: datetime | None = None) -> list[Recorded]:
        """Report many outcomes and return what became of each."""
        with _our_errors():
            response = self._stub.RecordOutcomes(to_outcomes(events, at), timeout=self._timeout_s)
        return [to_recorded(result) for result in response.results]

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


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
        default: str | None = None,
    ) -> Answer:
        """Return the variant that the unit gets: see Client.assign."""
        ask = Ask(experiment, unit, units or {}, context or {}, excluded, request_id, dry_run, at, qa)
        wait = _patience(default)
        try:
            with _our_errors():
                return to_answer(await self._stub.Assign(to_message(ask), timeout=self._timeout_s, wait_for_ready=wait))
        except ArmliftError as error:
            if default is None:
                raise
            return default_answer(experiment, default, error)

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
        wait = _patience(defaults)
        try:
            with _our_errors():
                message = to_all(ask, defaults or {})
                response = await self._stub.BatchAssign(message, timeout=self._timeout_s, wait_for_ready=wait)
                return to_answers(response, defaults)
        except ArmliftError as error:
            return _all_defaults(error, defaults)

    async def assign_many(
        self,
        asks: Sequence[Ask],
        *,
        units: Mapping[str, str] | None = None,
        context: Mapping[str, Value] | None = None,
    ) -> list[Answer | ArmliftError]:
        """Return an answer or an error for each question: see Client.assign_many."""
        message = to_batch(asks, units or {}, context or {})
        with _our_errors():
            response = await self._stub.BatchAssign(message, timeout=self._timeout_s)
        return [to_result(result) for result in response.results]

    async def expose(
        self, *answers: Answer, exposed_at: datetime | None = None, at: datetime | None = None
    ) -> list[Recorded]:
        """Say that units really met what they were answered: see Client.expose."""
        message = to_exposures([answer for answer in answers if answer.assignment_id], exposed_at, at)
        with _our_errors():
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
        with _our_errors():
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


def _patience(default: object) -> bool | None:
    """Whether to wait for a server that is away: as configured, but a caller with a default rather has that soon."""
    return None if default is None else False


def _all_defaults(error: ArmliftError, defaults: Mapping[str, str] | None) -> dict[str, Answer]:
    if defaults is None:
        raise error
    return {experiment: default_answer(experiment, variant, error) for experiment, variant in defaults.items()}


@contextmanager
def _our_errors() -> Iterator[None]:
    try:
        yield
    except grpc.RpcError as error:
        raise to_error(error) from error


def to_error(error: grpc.RpcError) -> ArmliftError:
    """Return the error that the server meant: its own code where it sent one, else gRPC's."""
    assert isinstance(error, grpc.Call | grpc.aio.AioRpcError)
    for key, packed in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            return ArmliftError(_code(packed), error.details() or "")
    code = error.code().name
    return ArmliftError(code, _TOO_LATE if code == "DEADLINE_EXCEEDED" else error.details() or "")


def _code(packed: bytes | str) -> str:
    status = Status.FromString(packed if isinstance(packed, bytes) else packed.encode())
    for detail in status.details:
        info = ErrorInfo()
        if detail.Unpack(info):
            return str(info.reason)
    return "UNKNOWN"
