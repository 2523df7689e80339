"""A client that is no bottleneck: h2load (Debian: nghttp2-client) where it is there, else Python processes.

    python benchmarks/serving/load.py ADDRESS METHOD FILE SECONDS

Either posts the same message again and again, with the same number of calls in flight, whichever server it meets. A
request without an id is a new one each time, because the server mints its id.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import NamedTemporaryFile

import grpc
import uvloop

N_CONNECTIONS = 4
N_PYTHON_CLIENTS = 3
WARM_UP_S = 0.5


def client_name() -> str:
    """Return which client `calls_per_s` uses."""
    return "h2load" if shutil.which("h2load") else f"{N_PYTHON_CLIENTS} Python processes"


def calls_per_s(address: str, method: str, message: bytes, in_flight: int, seconds: float) -> float:
    """Return how many calls a second a server answers, with so many in flight."""
    with NamedTemporaryFile() as body:
        body.write(b"\0" + len(message).to_bytes(4, "big") + message)  # as gRPC frames it
        body.flush()
        call = _by_h2load if shutil.which("h2load") else _by_python
        return call(address, method, Path(body.name), in_flight, seconds)


def _by_h2load(address: str, method: str, body: Path, in_flight: int, seconds: float) -> float:
    n_streams = max(1, in_flight // N_CONNECTIONS)
    flow = ["-c", str(N_CONNECTIONS), "-m", str(n_streams), "-D", _ms(seconds), "--warm-up-time", _ms(WARM_UP_S)]
    headers = ["-H", "content-type: application/grpc", "-H", "te: trailers"]
    done = subprocess.run(
        ["h2load", *flow, *headers, "-d", str(body), f"http://{address}{method}"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"finished in .*?, ([\d.]+) req/s", done.stdout)
    failed = re.search(r"(\d+) failed, (\d+) errored", done.stdout)
    if not found or not failed or any(map(int, failed.groups())):
        raise SystemExit(f"h2load could not do its work:\n{done.stdout}{done.stderr}")
    return float(found[1])


def _ms(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"


def _by_python(address: str, method: str, body: Path, in_flight: int, seconds: float) -> float:
    arguments = [address, method, str(body), str(max(1, in_flight // N_PYTHON_CLIENTS)), str(seconds)]
    clients = [
        subprocess.Popen([sys.executable, __file__, *arguments], stdout=subprocess.PIPE, text=True)
        for _ in range(N_PYTHON_CLIENTS)
    ]
    return sum(float(client.communicate()[0]) for client in clients)


async def _drive(address: str, method: str, body: str, in_flight: str, seconds: str) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        call, message = channel.unary_unary(method), Path(body).read_bytes()[5:]
        await _keep_calling(call, message, int(in_flight), WARM_UP_S)
        n_calls = await _keep_calling(call, message, int(in_flight), float(seconds))
    print(n_calls / float(seconds))


async def _keep_calling(call: grpc.aio.UnaryUnaryMultiCallable, message: bytes, in_flight: int, seconds: float) -> int:
    end = time.perf_counter() + seconds

    async def one_after_another() -> int:
        n_calls = 0
        while time.perf_counter() < end:
            await call(message)
            n_calls += 1
        return n_calls

    return sum(await asyncio.gather(*(one_after_another() for _ in range(in_flight))))


if __name__ == "__main__":
    uvloop.run(_drive(*sys.argv[1:]))
