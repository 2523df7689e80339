"""The two servers that are compared, each in a process of its own: armlift's, and an echo that does nothing.

    python benchmarks/serving/processes.py armlift DIRECTORY
    python benchmarks/serving/processes.py echo SIZE...

Both print their address. Either runs one grpc.aio server on uvloop with the same options; the echo's methods
/echo/0, /echo/1 ... answer as many bytes as its arguments say. At SIGUSR1 armlift prints its latest commits' seconds.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import grpc
import uvloop

from engine.service.server import Server, Serving, channel_options
from engine.settings import Settings

_TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Process:
    """A running server."""

    address: str
    pid: int
    output: IO[str]

    def cpu_s(self) -> float:
        """Return the seconds of CPU that it has used, in all its threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * _TICK_S

    def commit_s(self) -> Sequence[float]:
        """Return the seconds of armlift's latest commits."""
        os.kill(self.pid, signal.SIGUSR1)
        seconds: list[float] = json.loads(self.output.readline())
        return seconds


@contextmanager
def running(*arguments: str) -> Iterator[Process]:
    """Run this file with these arguments."""
    process = subprocess.Popen([sys.executable, __file__, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield Process(process.stdout.readline().strip(), process.pid, process.stdout)
    finally:
        process.terminate()
        process.communicate()


async def serve_armlift(directory: str) -> None:
    server = Server(Serving(Path(directory), "127.0.0.1:0", companions=()))
    await server.start()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, lambda: print(json.dumps(list(server.commit_s)), flush=True))
    print(server.address, flush=True)
    await _terminated()
    await server.stop()


async def serve_echo(*sizes: str) -> None:
    server = grpc.aio.server(options=channel_options(Settings()))
    handlers = {str(number): _answering(bytes(int(size))) for number, size in enumerate(sizes)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("echo", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"127.0.0.1:{port}", flush=True)
    await _terminated()
    await server.stop(None)


def _answering(answer: bytes) -> grpc.RpcMethodHandler:
    async def handler(request: bytes, context: grpc.aio.ServicerContext) -> bytes:  # noqa: ARG001 (it only echoes)
        return answer

    return grpc.unary_unary_rpc_method_handler(handler)


async def _terminated() -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await stopped.wait()


if __name__ == "__main__":
    role, *rest = sys.argv[1:]
    uvloop.run({"armlift": serve_armlift, "echo": serve_echo}[role](*rest))
