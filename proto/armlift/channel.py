"""How a server is reached: the options of a channel, and what an error of a call means.

Every call of the AssignmentService is idempotent by its ids, so gRPC's own retry policy repeats what a server could
not answer (UNAVAILABLE, RESOURCE_EXHAUSTED) within the deadline; the server answers a repetition with what it answered
first.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from armlift.errors import ArmliftError

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


def patience(default: object) -> bool | None:
    """Whether to wait for a server that is away: as configured, but a caller with a default rather has that soon."""
    return None if default is None else False


@contextmanager
def our_errors() -> Iterator[None]:
    """Raise an error of a call as an ArmliftError."""
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
