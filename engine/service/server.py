"""The server: one process that decides and writes, with its companions beside it."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import uvloop
from armlift.v1 import assignment_pb2, experiment_pb2, learning_pb2, promotion_pb2
from armlift.v1.assignment_pb2_grpc import add_AssignmentServiceServicer_to_server
from armlift.v1.experiment_pb2_grpc import add_ExperimentServiceServicer_to_server
from armlift.v1.learning_pb2_grpc import add_LearningServiceServicer_to_server
from armlift.v1.promotion_pb2_grpc import add_PromotionServiceServicer_to_server
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import SERVICE_NAME as HEALTH
from grpc_health.v1.health import aio as health
from grpc_reflection.v1alpha import reflection

from engine.clock import Clock, WallClock
from engine.engine import Engine
from engine.errors import StoreUnavailable
from engine.learned import Learned
from engine.ports import Reader
from engine.records import Entry, Kept
from engine.service.assignment_servicer import AssignmentServicer
from engine.service.companions import LEARNER, keep_running
from engine.service.experiment_servicer import ExperimentServicer
from engine.service.learning_servicer import LearningServicer
from engine.service.promotion_servicer import PromotionServicer
from engine.service.registrar import Registrar
from engine.service.watching import Watching
from engine.settings import DEFAULT_ADDRESS, Settings
from engine.storage import find_snapshot_in, open_reader, open_snapshots, open_store
from engine.storage.writer import Writer

SERVICES: Sequence[str] = tuple(
    module.DESCRIPTOR.services_by_name[name].full_name
    for module, name in (
        (assignment_pb2, "AssignmentService"),
        (experiment_pb2, "ExperimentService"),
        (learning_pb2, "LearningService"),
        (promotion_pb2, "PromotionService"),
    )
)
"""The full names of what is served."""

_ANOTHER_CHANCE_AFTER_S = 2.0
_log = logging.getLogger(__name__)
Ready = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Serving:
    """What to serve, where, by which clock, and with which companions: modules that are run beside the server."""

    directory: Path
    address: str = DEFAULT_ADDRESS
    clock: Clock = field(default_factory=WallClock)
    companions: Sequence[str] = (LEARNER,)
    settings: Settings = field(default_factory=Settings)
    secret: bytes = b""


class Server:
    """A server on one event loop: `start` it, and `stop` it cleanly."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._stack = AsyncExitStack()
        self._health = health.HealthServicer()
        self.address = serving.address
        self.commit_s: Sequence[float] = ()
        """The seconds of the latest commits."""

    async def start(self) -> None:
        """Open the store, bind the port and begin to answer.

        Raises:
            StoreUnavailable: the store is locked or of a newer format, or the address is taken.
        """
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Let calls finish, commit what waits, and release the store."""
        await self._stack.aclose()

    async def _start(self) -> None:
        serving, stack = self._serving, self._stack
        writer = WatchedWriter(serving, self._set_health)
        stack.push_async_callback(writer.close)
        self.commit_s = writer.commit_s
        reader = open_reader(serving.directory)
        stack.callback(reader.close)
        snapshots = open_snapshots(serving.directory)
        stack.callback(snapshots.close)
        engine = Engine(reader, find_snapshot_in(serving.directory), serving.clock, serving.settings)
        server = grpc.aio.server(options=channel_options(serving.settings))
        watching = self._add_services(server, engine, writer, reader, Learned(snapshots, reader))
        self.address = _bind(server, serving.address)
        await self._set_health(True)
        await server.start()
        stack.push_async_callback(server.stop, serving.settings.grace_s)
        stack.callback(watching.close)
        for module in serving.companions:
            running = asyncio.create_task(keep_running(module, serving.directory, self.address))
            stack.push_async_callback(_cancel, running)

    def _add_services(
        self, server: grpc.aio.Server, engine: Engine, writer: Writer, reader: Reader, learned: Learned
    ) -> Watching:
        """Add all that is served, and return what is to be closed before calls are left to finish."""
        serving, watching = self._serving, Watching(engine, reader)
        registrar = Registrar(engine, writer, reader, learned, watching)
        find_snapshot = find_snapshot_in(serving.directory)
        add_AssignmentServiceServicer_to_server(
            AssignmentServicer(engine, writer, reader, find_snapshot, serving.settings), server
        )
        add_ExperimentServiceServicer_to_server(ExperimentServicer(engine, reader, registrar, watching), server)
        add_LearningServiceServicer_to_server(LearningServicer(engine, learned, registrar), server)
        add_PromotionServiceServicer_to_server(PromotionServicer(engine, reader, registrar), server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        reflection.enable_server_reflection((*SERVICES, HEALTH, reflection.SERVICE_NAME), server)
        return watching

    async def _set_health(self, healthy: bool) -> None:
        status = health_pb2.HealthCheckResponse.SERVING if healthy else health_pb2.HealthCheckResponse.NOT_SERVING
        for service in ("", *SERVICES):
            await self._health.set(service, status)


class WatchedWriter(Writer):
    """A writer whose failures are told to whoever asks for the server's health.

    Whoever heeds it sends nothing more, so that nothing would show when the disk is well again: after a while the
    server is given another chance.
    """

    def __init__(self, serving: Serving, tell: Callable[[bool], Awaitable[None]]) -> None:
        super().__init__(lambda: open_store(serving.directory, secret=serving.secret), serving.settings)
        self._tell = tell
        self._unwell: asyncio.Task[None] | None = None

    async def append(self, entries: Sequence[Entry]) -> list[Kept]:
        """Keep entries: see Writer."""
        try:
            return await super().append(entries)
        except StoreUnavailable:
            if self._unwell is None:
                self._unwell = asyncio.create_task(self._be_unwell())
            raise

    async def close(self) -> None:
        """Keep what waits: see Writer."""
        await super().close()
        if self._unwell is not None:
            await _cancel(self._unwell)

    async def _be_unwell(self) -> None:
        await self._tell(False)
        await asyncio.sleep(_ANOTHER_CHANCE_AFTER_S)
        await self._tell(True)
        self._unwell = None


def serve(serving: Serving, ready: Ready) -> None:
    """Serve until SIGINT or SIGTERM; `ready` is called with the bound address once it answers."""
    uvloop.run(_serve(serving, ready))


@contextmanager
def serving_beside(serving: Serving) -> Iterator[str]:
    """Serve from a thread of this process, and give the bound address: for notebooks, simulations and tests."""
    bound: Future[str] = Future()
    stop = threading.Event()
    thread = threading.Thread(target=_run_beside, args=(serving, bound, stop), name="armlift-server")
    thread.start()
    try:
        yield bound.result()
    finally:
        stop.set()
        thread.join()


async def _serve(serving: Serving, ready: Ready) -> None:
    server = Server(serving)
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await server.start()
    ready(server.address)
    await stopped.wait()
    await server.stop()


def _run_beside(serving: Serving, bound: Future[str], stop: threading.Event) -> None:
    try:
        uvloop.run(_serve_beside(serving, bound, stop))
    except BaseException as error:
        # Whoever waits for the address must hear of it; later on, nobody does.
        if bound.done():
            raise
        bound.set_exception(error)


async def _serve_beside(serving: Serving, bound: Future[str], stop: threading.Event) -> None:
    server = Server(serving)
    await server.start()
    bound.set_result(server.address)
    await asyncio.to_thread(stop.wait)
    await server.stop()


def channel_options(settings: Settings) -> Sequence[tuple[str, Any]]:
    """Return gRPC's options of a server with these limits."""
    return (
        # A second server on the same port must fail, not share it silently.
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_connection_age_ms", 3_600_000),
    )


def _bind(server: grpc.aio.Server, address: str) -> str:
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise StoreUnavailable(f"cannot listen on {address}: another process has it, or it is no host:port") from error
    return f"{address.rpartition(':')[0]}:{port}"


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
