"""A real server behind a real channel, on a store of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from armlift import Client

from engine.clock import Clock, RequestClock
from engine.experiments import ContextField, Experiment, FieldType, Status, Variant
from engine.metrics import Metric, MetricKind
from engine.records import Assignment, Entry
from engine.service.management import Management
from engine.service.server import Serving, serving_beside
from engine.storage import open_reader

AT = datetime(2024, 1, 1, 12, tzinfo=UTC)
HERO = Experiment(
    "hero",
    (Variant("plain", '{"size": 1}'), Variant("bold"), Variant("loud")),
    (Metric("click", window=timedelta(hours=1)), Metric("spend", MetricKind.REVENUE, timedelta(hours=1), 100.0)),
    context=(
        ContextField("visits", FieldType.NUMBER),
        ContextField("device", FieldType.TEXT),
        ContextField("agreed", FieldType.FLAG),
    ),
)


@dataclass
class Service:
    address: str
    directory: Path
    client: Client
    management: Management

    def start(self, experiment: Experiment) -> None:
        self.management.apply(experiment, "to be tested")
        self.management.move(experiment.experiment_id, Status.RUNNING, "to be tested")

    def log(self) -> Sequence[Entry]:
        """What the files hold."""
        with closing(open_reader(self.directory)) as reader:
            return reader.entries()

    def assignments(self) -> list[Assignment]:
        return [entry for entry in self.log() if isinstance(entry, Assignment)]


@contextmanager
def _serve(directory: Path, clock: Clock) -> Iterator[Service]:
    with (
        serving_beside(Serving(directory, "127.0.0.1:0", clock, companions=())) as address,
        Client(address, timeout_s=10.0) as client,
        Management(address, "tests") as management,
    ):
        yield Service(address, directory, client, management)


@pytest.fixture
def serve() -> Callable[[Path, Clock], AbstractContextManager[Service]]:
    """Serve a directory by a clock, for as long as a `with` lasts."""
    return _serve


@pytest.fixture
def hero() -> Experiment:
    return HERO


@pytest.fixture
def at() -> datetime:
    return AT


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A server by the request's clock, on which the experiment `hero` runs."""
    with _serve(tmp_path, RequestClock()) as running:
        running.start(HERO)
        yield running
