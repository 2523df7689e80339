"""What an assignment costs: durable answers of a real server against a bare gRPC echo, in the same run.

    python benchmarks/serve.py --seconds 3 --rounds 3

The echo is one grpc.aio server on uvloop whose handler returns bytes: what no Python server of gRPC can beat. Rounds
of echo and armlift take turns, with the same client and messages of the same size, and shares are of the echo's round
beside. Only ratios mean something on another machine; the medians over the rounds are printed. The floor below the
batches is SQLite itself: the rows of the log, ready-made, a commit every 100.

The version of grpcio counts: from 1.84 on, grpc.aio answers a fifth fewer calls. To see another version, install it
into an environment of its own (pip install -e . "grpcio==1.85.1") and run this file with that environment's Python.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median, quantiles

import grpc
from armlift import Answer, Ask, AsyncClient
from armlift.answers import to_batch, to_message
from armlift.v1.assignment_pb2 import AssignRequest, BatchAssignRequest
from rich.console import Console
from rich.progress import track
from rich.table import Table
from serving.floor import ROWS_A_COMMIT, rows_per_s
from serving.load import WARM_UP_S, calls_per_s, client_name
from serving.processes import Process, running

from engine.clock import RequestClock
from engine.experiments import ContextField, Experiment, FieldType, Status, Variant
from engine.metrics import Metric
from engine.service.management import Management
from engine.service.server import Serving, serving_beside
from engine.specs import ContextualSpec

START = datetime(2024, 1, 1, tzinfo=UTC)
N_LESSONS = 600
N_BATCH = 100
NUMBERS = tuple(f"number_{index}" for index in range(5))
TEXTS = tuple(f"text_{index}" for index in range(5))
FIELDS = tuple(ContextField(name, FieldType.NUMBER) for name in NUMBERS) + tuple(
    ContextField(name, FieldType.TEXT) for name in TEXTS
)
CONTEXT = {**dict.fromkeys(NUMBERS, 0.5), **dict.fromkeys(TEXTS, "some words")}
VARIANTS = tuple(Variant(f"variant-{index}", '{"headline": "Two for one"}') for index in range(5))
METRICS = (Metric("click", window=timedelta(minutes=1)),)
FIXED = Experiment("fixed", VARIANTS[:2], METRICS)
CONTEXTUAL = Experiment("contextual", VARIANTS, METRICS, context=FIELDS, policy=ContextualSpec(publish_every=100))


@dataclass(frozen=True)
class Job:
    """A kind of call: its message, how many of them are in flight, and what is wanted of it."""

    name: str
    method: str
    message: bytes
    n_items: int
    in_flight: int
    target: str


@dataclass(frozen=True)
class Round:
    """What one job came to, beside the echo."""

    echo_per_s: float
    calls_per_s: float
    echo_cpu_s: float  # a call
    cpu_s: float  # a call
    commit_s: Sequence[float]


def jobs() -> list[Job]:
    assign, batch = ("/armlift.v1.AssignmentService/" + name for name in ("Assign", "BatchAssign"))
    fixed, contextual = Ask("fixed", "customer-1"), Ask("contextual", "customer-1", context=CONTEXT)
    return [
        Job("Assign, fixed", assign, _single(fixed), 1, 64, "0.50 of the echo"),
        Job("Assign, contextual", assign, _single(contextual), 1, 64, "0.35 of the echo"),
        Job("BatchAssign, fixed", batch, _batch(fixed), N_BATCH, 8, "40,000 assignments/s"),
        Job("BatchAssign, contextual", batch, _batch(contextual), N_BATCH, 8, ""),
    ]


def _single(ask: Ask) -> bytes:
    return _anonymous(to_message(ask)).SerializeToString()


def _batch(ask: Ask) -> bytes:
    # The context of all stands once, as it would for a page with many places.
    bare = [Ask(ask.experiment, f"customer-{number}") for number in range(N_BATCH)]
    message: BatchAssignRequest = to_batch(bare, {}, ask.context)
    for request in message.requests:
        _anonymous(request)
    return message.SerializeToString()


def _anonymous(message: AssignRequest) -> AssignRequest:
    message.request_id = ""
    return message


async def teach(address: str) -> None:
    """Let the contextual policy learn something, so that a snapshot is live."""
    async with AsyncClient(address, timeout_s=30.0) as client:
        for number in range(N_LESSONS):
            at = START + timedelta(minutes=number)
            context = {**CONTEXT, "number_0": number % 2}
            answer = await client.assign("contextual", unit=f"pupil-{number}", context=context, at=at)
            if _likes(answer, number):
                await client.record("click", answer=answer, at=at)


def _likes(answer: Answer, number: int) -> bool:
    return answer.variant == VARIANTS[1 + number % 2].name


def prepare(directory: Path) -> None:
    """Make a store with both experiments running, and learned state live."""
    serving = Serving(directory, "127.0.0.1:0", RequestClock())
    with serving_beside(serving) as address, Management(address, "benchmark") as management:
        for experiment in (FIXED, CONTEXTUAL):
            management.apply(experiment, "to be measured")
            management.move(experiment.experiment_id, Status.RUNNING, "to be measured")
        asyncio.run(teach(address))
        while not management.get("contextual").snapshot:
            time.sleep(0.1)


def answer_size(process: Process, job: Job) -> int:
    """Return the bytes of the answer to a job's message."""
    with grpc.insecure_channel(process.address) as channel:
        return len(channel.unary_unary(job.method)(job.message, timeout=10.0))


def measure(echo: Process, armlift: Process, job: Job, echo_method: str, seconds: float) -> Round:
    """Let the echo and armlift do the same job, one after the other."""
    echo_per_s, echo_cpu_s = _load(echo, echo_method, job, seconds)
    per_s, cpu_s = _load(armlift, job.method, job, seconds)
    return Round(echo_per_s, per_s, echo_cpu_s, cpu_s, armlift.commit_s())


def _load(process: Process, method: str, job: Job, seconds: float) -> tuple[float, float]:
    """Return calls a second, and the server's seconds of CPU for each."""
    before = process.cpu_s()
    per_s = calls_per_s(process.address, method, job.message, job.in_flight, seconds)
    return per_s, (process.cpu_s() - before) / (seconds + WARM_UP_S) / per_s


def table(jobs: Sequence[Job], rounds: Sequence[Sequence[Round]]) -> Table:
    columns = ("calls/s", "echo's", "share", "items/s", "CPU us/call", "x echo's", "commit p50 / p99 ms", "target")
    drawn = Table("call", *columns, box=None)
    for job, of_job in zip(jobs, zip(*rounds, strict=True), strict=True):
        drawn.add_row(job.name, *_cells(job, of_job), job.target)
    return drawn


def _cells(job: Job, rounds: Sequence[Round]) -> Sequence[str]:
    per_s = median(each.calls_per_s for each in rounds)
    commits = quantiles([second for each in rounds for second in each.commit_s], n=100)
    return (
        f"{per_s:,.0f}",
        f"{median(each.echo_per_s for each in rounds):,.0f}",
        f"{median(each.calls_per_s / each.echo_per_s for each in rounds):.2f}",
        f"{per_s * job.n_items:,.0f}",
        f"{median(each.cpu_s for each in rounds) * 1e6:,.0f}",
        f"{median(each.cpu_s / each.echo_cpu_s for each in rounds):.2f}",
        f"{commits[49] * 1e3:.2f} / {commits[98] * 1e3:.2f}",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure a durable assignment against a bare gRPC echo.")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each of the measurements takes")
    parser.add_argument("--rounds", type=int, default=3, help="how often all of them are taken, in turns")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="armlift-benchmark-") as directory:
        store = Path(directory)
        prepare(store)
        with running("armlift", str(store)) as armlift:
            todo = jobs()
            with running("echo", *(str(answer_size(armlift, job)) for job in todo)) as echo:
                rounds = [
                    [measure(echo, armlift, job, f"/echo/{number}", asked.seconds) for number, job in enumerate(todo)]
                    for _ in track(range(asked.rounds), "measuring", transient=True)
                ]
    floor = rows_per_s(asked.seconds)
    print(f"grpcio {grpc.__version__}; client: {client_name()}; {asked.rounds} rounds of {asked.seconds:g} s each")
    Console(width=140).print(table(todo, rounds))
    print(f"SQLite alone keeps {floor:,.0f} ready-made rows/s, {ROWS_A_COMMIT} a commit")
    for job, of_job in zip(todo, zip(*rounds, strict=True), strict=True):
        if job.n_items > 1:
            per_s = median(each.calls_per_s for each in of_job) * job.n_items
            print(f"{job.name}: {per_s / floor:.2f} of that")


if __name__ == "__main__":
    main()
