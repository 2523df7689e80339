"""kill -9 of a server's learner, again and again while customers come: it writes what an undisturbed one writes."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from threading import Event, Thread
from typing import Any

from armlift import Client

from engine.experiments import ContextField, Experiment, FieldType, Status, Variant
from engine.learning import LearnerPool
from engine.metrics import Metric
from engine.records import Snapshot
from engine.service.management import Management
from engine.specs import ContextualSpec, ThompsonSpec
from engine.storage import open_reader, open_snapshots
from engine.storage.memory import MemorySnapshots

N_KILLS = 4
N_BETWEEN = 3
"""Snapshots between a kill and the next one."""
PATIENCE_S = 60.0  # only a machine that is busy with other things comes near it
START = datetime(2024, 1, 1, tzinfo=UTC)
DEVICES = ("phone", "tablet", "desk")
DUE = {"publish_every": 20, "publish_after": timedelta(0)}
OFFER = Experiment(
    "offer",
    (Variant("plain"), Variant("bold"), Variant("loud")),
    (Metric("click", window=timedelta(minutes=1)),),
    context=(ContextField("device", FieldType.TEXT), ContextField("visits", FieldType.NUMBER)),
    policy=ContextualSpec(**DUE),
    shadow=ThompsonSpec(**DUE),
    grace=timedelta(seconds=5),
)


@contextmanager
def traffic(address: str) -> Iterator[None]:
    """Let customers come for as long as it lasts, one each second of the log's time."""
    enough = Event()

    def come() -> None:
        chance = random.Random(5)
        with Client(address, timeout_s=PATIENCE_S) as client:
            for number in count():
                if enough.is_set():
                    return
                at = START + timedelta(seconds=number)
                context = {"device": chance.choice(DEVICES), "visits": float(number % 7)}
                answer = client.assign("offer", unit=f"unit-{number}", context=context, at=at)
                if chance.random() < (0.4 if answer.variant == "bold" else 0.1):
                    client.record("click", answer=answer, at=at + timedelta(seconds=chance.randrange(50)))

    thread = Thread(target=come)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()


def stored(store: Path) -> list[Snapshot]:
    with closing(open_snapshots(store)) as snapshots:
        return snapshots.snapshots("offer")


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def chain(snapshots: Sequence[Snapshot], *, is_shadow: bool) -> list[Snapshot]:
    return [snapshot for snapshot in snapshots if snapshot.is_shadow is is_shadow]


def test_a_learner_that_is_killed_under_load_writes_what_an_undisturbed_one_writes(
    tmp_path: Path, start_server: Callable[[str], Any]
) -> None:
    store, chance = tmp_path / "store", random.Random(20240229)
    server = start_server("request")
    with Management(server.address, "tests") as management:
        management.apply(OFFER, "to be learned from")
        management.move("offer", Status.RUNNING, "to be learned from")
        killed = []
        with traffic(server.address):
            for _ in range(N_KILLS):
                before = len(stored(store))
                until(lambda before=before: len(stored(store)) >= before + N_BETWEEN)
                time.sleep(chance.uniform(0.0, 0.3))
                killed.append(server.learner())
                os.kill(killed[-1], signal.SIGKILL)
                until(lambda: server.learner() not in killed)
        with closing(open_reader(store)) as reader:
            undisturbed = LearnerPool(reader, MemorySnapshots()).step()
        until(lambda: len(stored(store)) >= len(undisturbed))
        for is_shadow in (False, True):
            expected = chain(undisturbed, is_shadow=is_shadow)
            assert len(expected) > N_KILLS * N_BETWEEN / 2
            assert chain(stored(store), is_shadow=is_shadow) == expected
        for is_shadow, live in ((False, "snapshot"), (True, "shadow_snapshot")):
            newest = chain(undisturbed, is_shadow=is_shadow)[-1].hash
            until(lambda live=live, newest=newest: getattr(management.get("offer"), live) == newest)
