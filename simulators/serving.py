"""A real server as a process of its own, under the request's clock, for the demo and the replay."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from armlift import Client

from engine.errors import ArmliftError
from engine.experiments import Experiment, Status
from engine.service.management import Management
from engine.storage import open_reader, open_snapshots
from simulators.doors import ClientDoor

ACTOR = "simulator"
_ANSWER_TIMEOUT_S = 30.0
_LEARNER_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 60.0
_LOOK_EVERY_S = 0.01
_PROMISE = "serving on "


@contextmanager
def serving(store: Path, log: Path) -> Iterator[str]:
    """Run a server on a store's directory and yield its address; what it says goes to the file `log`.

    Raises:
        ArmliftError: it ended before it answered.
    """
    command = [sys.executable, "-m", "engine.cli", "serve", "--store", str(store), "--address", "127.0.0.1:0"]
    with log.open("w") as said:
        process = subprocess.Popen([*command, "--clock", "request"], stdout=subprocess.PIPE, stderr=said, text=True)  # noqa: S603 our own command
    try:
        yield _address(process, log)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


@contextmanager
def opened(store: Path, address: str) -> Iterator[ClientDoor]:
    """Yield the door of a server whose store is in a directory."""
    with Client(address, timeout_s=_ANSWER_TIMEOUT_S) as client, _waiting(store) as wait_for_learner:
        yield ClientDoor(client, wait_for_learner)


def start_all(address: str, experiments: list[Experiment], reason: str) -> None:
    """Apply experiments and start them."""
    with Management(address, ACTOR) as management:
        for experiment in experiments:
            management.apply(experiment, reason)
            management.move(experiment.experiment_id, Status.RUNNING, reason)


def conclude_all(address: str, experiments: list[Experiment], reason: str) -> None:
    """Conclude experiments."""
    with Management(address, ACTOR) as management:
        for experiment in experiments:
            management.move(experiment.experiment_id, Status.CONCLUDED, reason)


def _address(process: subprocess.Popen[str], log: Path) -> str:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if not line.startswith(_PROMISE):
        why = (log.read_text().strip().splitlines() or ["it said nothing"])[-1]
        raise ArmliftError(f"the server ended before it answered ({why}): see {log}")
    return line.removeprefix(_PROMISE)


@contextmanager
def _waiting(store: Path) -> Iterator[Callable[[], None]]:
    """Yield what returns when the learner has read the log as it is now, and what came of it serves."""
    with closing(open_reader(store)) as reader, closing(open_snapshots(store)) as snapshots:

        def wait() -> None:
            goal, until = reader.last_seq(), time.monotonic() + _LEARNER_TIMEOUT_S
            while (position := snapshots.position()) < goal:
                if time.monotonic() > until:
                    raise ArmliftError(
                        f"the learner is {goal - position} rows behind and did not catch up in "
                        f"{_LEARNER_TIMEOUT_S:.0f} s: see the server's log beside the store"
                    )
                time.sleep(_LOOK_EVERY_S)

        yield wait
