"""Errors on the wire, both ways: the only place that knows gRPC's codes."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any, NoReturn, TypeAlias, TypeVar

import grpc
from armlift.channel import to_error
from armlift.errors import ArmliftError as ClientError
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from engine import errors

DOMAIN = "armlift"
"""The domain of every ErrorInfo."""

CODES: Mapping[type[errors.ArmliftError], grpc.StatusCode] = {
    errors.InvalidRequest: grpc.StatusCode.INVALID_ARGUMENT,
    errors.InvalidExperiment: grpc.StatusCode.INVALID_ARGUMENT,
    errors.InvalidPopulation: grpc.StatusCode.INVALID_ARGUMENT,
    errors.UnknownExperiment: grpc.StatusCode.NOT_FOUND,
    errors.UnknownAssignment: grpc.StatusCode.NOT_FOUND,
    errors.UnknownSnapshot: grpc.StatusCode.NOT_FOUND,
    errors.UnknownProposal: grpc.StatusCode.NOT_FOUND,
    errors.ExperimentExists: grpc.StatusCode.ALREADY_EXISTS,
    errors.RequestIdReused: grpc.StatusCode.ALREADY_EXISTS,
    errors.InvalidTransition: grpc.StatusCode.FAILED_PRECONDITION,
    errors.SnapshotRefused: grpc.StatusCode.FAILED_PRECONDITION,
    errors.StaleEtag: grpc.StatusCode.ABORTED,
    errors.Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.StoreUnavailable: grpc.StatusCode.UNAVAILABLE,
    errors.PolicyFailed: grpc.StatusCode.INTERNAL,
}
"""gRPC's code of each error."""

BY_CODE: Mapping[str, type[errors.ArmliftError]] = {error.code: error for error in CODES}
"""Our errors by the word that they travel under."""

_RETRY_AFTER = Duration(nanos=50_000_000)
_log = logging.getLogger(__name__)

Service = TypeVar("Service")
Message = TypeVar("Message")
Answer = TypeVar("Answer")
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Method = Callable[[Service, Message], Awaitable[Answer]]
Handler = Callable[[Service, Message, Context], Awaitable[Answer]]
StreamMethod = Callable[[Service, Message], AsyncIterator[Answer]]
StreamHandler = Callable[[Service, Message, Context], AsyncIterator[Answer]]


def answering(method: Method[Service, Message, Answer]) -> Handler[Service, Message, Answer]:
    """Make a method that raises our errors into a gRPC handler that sends them as google.rpc.Status."""

    @wraps(method)
    async def handler(self: Service, request: Message, context: Context) -> Answer:
        try:
            return await method(self, request)
        except Exception as error:
            return await _refuse(context, error, method.__name__)

    return handler


def streaming(method: StreamMethod[Service, Message, Answer]) -> StreamHandler[Service, Message, Answer]:
    """Make a method that yields answers and raises our errors into a gRPC handler, as `answering` does."""

    @wraps(method)
    async def handler(self: Service, request: Message, context: Context) -> AsyncIterator[Answer]:
        try:
            async for answer in method(self, request):
                yield answer
        except Exception as error:
            await _refuse(context, error, method.__name__)

    return handler


async def _refuse(context: Context, error: Exception, name: str) -> NoReturn:
    if isinstance(error, errors.ArmliftError):
        await context.abort_with_status(rpc_status.to_status(status(error)))
    _log.error("%s failed", name, exc_info=error)
    await context.abort(grpc.StatusCode.INTERNAL, "the server failed; its log has the reason")


def status(error: errors.ArmliftError) -> Status:
    """Return the error as a google.rpc.Status with an ErrorInfo; one that passes says when to try again."""
    details: list[ErrorInfo | RetryInfo] = [ErrorInfo(reason=error.code, domain=DOMAIN)]
    if isinstance(error, errors.Overloaded):
        details.append(RetryInfo(retry_delay=_RETRY_AFTER))
    code: int = CODES[type(error)].value[0]
    return Status(code=code, message=str(error), details=[_packed(detail) for detail in details])


@contextmanager
def hearing() -> Iterator[None]:
    """Raise what a server answered as our own error; one that it did not send itself is StoreUnavailable."""
    try:
        yield
    except grpc.RpcError as error:
        heard = to_error(error)
        raise BY_CODE.get(heard.code, errors.StoreUnavailable)(_told(heard)) from error


def _told(heard: ClientError) -> str:
    if heard.code in BY_CODE:
        return str(heard)
    if heard.code == grpc.StatusCode.RESOURCE_EXHAUSTED.name:
        return "this is more than the server takes in one message: send less"
    return f"the server cannot be reached or gave up ({heard.code}): start one with `armlift serve`, or see --server"


def _packed(detail: ErrorInfo | RetryInfo) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(detail)
    return packed
