"""What an answer waits for while the learner trains at full speed and a snapshot is swapped in each second.

    python benchmarks/swap.py [--seconds 20] [--rounds 3] [--rate 300]

A real server answers `Assign` of a contextual experiment of five variants over gRPC, at an even rate that does not
wait for answers; the time of each counts from when it was due. Rounds without and with a learner process take turns;
the learner has a log of 20,000 assignments a second to catch up with, and never reaches its end. Printed are the
medians over the rounds, and the ratio of the busy rounds' p99.9 to the quiet ones'.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from statistics import median

import grpc
import numpy as np
from armlift import Ask
from armlift.answers import to_message
from learner import HERO, write_log
from rich.console import Console
from rich.table import Table
from serving.processes import Process, running

from engine.definition import define
from engine.specs import ContextualSpec
from engine.storage import open_reader, open_snapshots

METHOD = "/armlift.v1.AssignmentService/Assign"
SHARES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
TRAINED = define(replace(HERO, policy=ContextualSpec(publish_every=2000, publish_after=timedelta(0))))
CONTEXT = {"device": "phone", "country": "country 3", "visits": 4.0, "member": True}
N_ROWS_A_SECOND = 20_000


@dataclass(frozen=True)
class Round:
    """Seconds that answers took, and what the learner did meanwhile."""

    seconds: np.ndarray
    n_swaps: int = 0
    n_rewards: int = 0

    def quantile(self, share: float) -> float:
        return float(np.quantile(self.seconds, share))


async def paced(address: str, message: bytes, rate: float, seconds: float) -> np.ndarray:
    """Return how long each call took (n,), from when it was due."""
    async with grpc.aio.insecure_channel(address) as channel:
        call, start = channel.unary_unary(METHOD), time.perf_counter() + 0.2

        async def one(due: float) -> float:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            await call(message, timeout=30.0)
            return time.perf_counter() - due

        dues = [start + number / rate for number in range(int(rate * seconds))]
        return np.array(await asyncio.gather(*map(one, dues)))


@contextmanager
def learning(directory: Path, address: str) -> Iterator[None]:
    """Run the learner from the log's beginning."""
    for file in directory.glob("learning*"):
        file.unlink()
    command = [sys.executable, "-m", "engine.service.learner", str(directory), address, str(os.getpid())]
    process = subprocess.Popen(command)
    try:
        while not _snapshots(directory):
            time.sleep(0.1)
        yield
        if process.poll() is not None:
            raise SystemExit("the learner ended before its time")
    finally:
        process.kill()
        process.wait()


def _snapshots(directory: Path) -> int:
    """Return how many rewards the newest snapshot learned from, 0 where there is none."""
    with closing(open_snapshots(directory)) as snapshots:
        newest = next(snapshots.newest(TRAINED.experiment_id), None)
        return newest.n_rewards if newest else 0


def measure(directory: Path, server: Process, message: bytes, rate: float, seconds: float, *, busy: bool) -> Round:
    """Return one round."""
    if not busy:
        return Round(asyncio.run(paced(server.address, message, rate, seconds)))
    with learning(directory, server.address):
        return asyncio.run(_watched(directory, server.address, message, rate, seconds))


async def _watched(directory: Path, address: str, message: bytes, rate: float, seconds: float) -> Round:
    """Measure, and count how often the live pointer moved and how many rewards were learned."""
    before, pointers, reader = _snapshots(directory), set(), open_reader(directory)
    calls = asyncio.create_task(paced(address, message, rate, seconds))
    while not calls.done():
        state = reader.state(TRAINED.experiment_id)
        pointers.add(state.snapshot if state else "")
        await asyncio.sleep(0.25)
    reader.close()
    return Round(calls.result(), len(pointers), _snapshots(directory) - before)


def table(quiet: Sequence[Round], busy: Sequence[Round], seconds: float) -> Table:
    drawn = Table(title=f"{len(quiet[0].seconds):,} answers a round")
    for column in ("", "without a learner, ms", "with it, ms", "ratio"):
        drawn.add_column(column, justify="left" if not column else "right")
    for name, share in SHARES.items():
        alone, beside = (median(each.quantile(share) for each in rounds) for rounds in (quiet, busy))
        drawn.add_row(name, f"{alone * 1e3:.2f}", f"{beside * 1e3:.2f}", f"{beside / alone:.2f}")
    swaps, rewards = (median(getattr(each, name) for each in busy) / seconds for name in ("n_swaps", "n_rewards"))
    drawn.caption = f"the learner: {rewards:,.0f} rewards and {swaps:.1f} swaps a second"
    return drawn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=float, default=300.0, help="calls a second")
    asked = parser.parse_args()
    message = to_message(Ask(TRAINED.experiment_id, "customer-1", context=CONTEXT))
    message.request_id = ""
    with tempfile.TemporaryDirectory(prefix="armlift-benchmark-") as made:
        directory = Path(made)
        write_log(directory, round(N_ROWS_A_SECOND * (asked.seconds + 10.0)), TRAINED)
        with running("armlift", made) as server:
            rounds = [
                measure(directory, server, message.SerializeToString(), asked.rate, asked.seconds, busy=busy)
                for _ in range(asked.rounds)
                for busy in (False, True)
            ]
    Console().print(table(rounds[::2], rounds[1::2], asked.seconds))


if __name__ == "__main__":
    main()
