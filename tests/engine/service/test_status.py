"""Errors survive the wire: every one of the tree goes through a real channel and comes back as itself."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import grpc
import pytest
from armlift import ArmliftError
from armlift.channel import to_error
from armlift.v1 import assignment_pb2 as contract
from armlift.v1.assignment_pb2_grpc import (
    AssignmentServiceServicer,
    AssignmentServiceStub,
    add_AssignmentServiceServicer_to_server,
)
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from engine import errors
from engine.service.status import BY_CODE, CODES, answering, hearing, status


def tree(root: type[errors.ArmliftError]) -> Iterator[type[errors.ArmliftError]]:
    for child in root.__subclasses__():
        yield child
        yield from tree(child)


EVERY = sorted(tree(errors.ArmliftError), key=lambda error: error.code)


class Refusing(AssignmentServiceServicer):
    """Raises the error that the request's experiment is named after."""

    @answering
    async def Assign(self, message: contract.AssignRequest) -> contract.AssignResponse:  # noqa: N802 (the contract's)
        if message.experiment_id in BY_CODE:
            raise BY_CODE[message.experiment_id](f"what to do about {message.experiment_id}: ü")
        raise ZeroDivisionError("a secret of the server")


async def _serve(bound: Future[str], stopped: threading.Event) -> None:
    server = grpc.aio.server()
    add_AssignmentServiceServicer_to_server(Refusing(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    bound.set_result(f"127.0.0.1:{port}")
    await asyncio.to_thread(stopped.wait)
    await server.stop(None)


@pytest.fixture(scope="module")
def stub() -> Iterator[Any]:
    bound: Future[str] = Future()
    stopped = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(bound, stopped)))
    thread.start()
    with grpc.insecure_channel(bound.result()) as channel:
        yield AssignmentServiceStub(channel)
    stopped.set()
    thread.join()


def test_every_error_has_a_status_and_a_code_of_its_own() -> None:
    assert set(CODES) == set(EVERY)
    assert len(BY_CODE) == len(EVERY)


@pytest.mark.parametrize("error", EVERY, ids=lambda error: error.code)
def test_an_error_comes_back_as_itself(stub: Any, error: type[errors.ArmliftError]) -> None:
    with pytest.raises(error) as heard, hearing():
        stub.Assign(contract.AssignRequest(experiment_id=error.code))
    assert type(heard.value) is error
    assert str(heard.value) == f"what to do about {error.code}: ü"


@pytest.mark.parametrize("error", EVERY, ids=lambda error: error.code)
def test_the_client_hears_the_same_code_and_words(stub: Any, error: type[errors.ArmliftError]) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        stub.Assign(contract.AssignRequest(experiment_id=error.code))
    heard = to_error(raised.value)
    assert (type(heard), heard.code, str(heard)) == (ArmliftError, error.code, f"what to do about {error.code}: ü")
    assert raised.value.code() is CODES[error]


def test_what_nobody_foresaw_is_internal_and_tells_no_secrets(stub: Any) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        stub.Assign(contract.AssignRequest())
    assert raised.value.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in raised.value.details()


def test_overload_says_when_to_try_again() -> None:
    packed: Status = status(errors.Overloaded("later"))
    retry = RetryInfo()
    assert any(detail.Unpack(retry) for detail in packed.details)
    assert retry.retry_delay.ToMilliseconds() == 50


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with (
        grpc.insecure_channel("127.0.0.1:1") as channel,
        pytest.raises(errors.StoreUnavailable, match="armlift serve"),
        hearing(),
    ):
        AssignmentServiceStub(channel).Assign(contract.AssignRequest(), timeout=5)


def test_a_message_that_is_too_large_is_called_that(service: Any) -> None:
    with (
        grpc.insecure_channel(service.address) as channel,
        pytest.raises(errors.StoreUnavailable, match="more than the server takes in one message"),
        hearing(),
    ):
        AssignmentServiceStub(channel).Assign(contract.AssignRequest(experiment_id="x" * 5_000_000), timeout=5)
