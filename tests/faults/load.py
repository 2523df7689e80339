"""Customers who come to a real server for as long as a test lasts, and what its learner has written by then."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from threading import Event, Thread

from armlift import Client

from engine.experiments import ContextField, Experiment, FieldType, Status, Variant
from engine.metrics import Metric
from engine.records import Snapshot
from engine.service.management import Management
from engine.specs import ContextualSpec, ThompsonSpec
from engine.storage import open_snapshots

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


def begin(management: Management) -> None:
    """Start the experiment."""
    management.apply(OFFER, "to be learned from")
    management.move("offer", Status.RUNNING, "to be learned from")


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
