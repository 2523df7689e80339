"""A real server by the wall's clock, which a customer's process would ask."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from armlift import Client

from engine.experiments import Experiment, Status
from engine.records import Assignment, Entry, Outcome
from engine.service.management import Management
from engine.service.server import Serving, serving_beside
from engine.storage import open_reader

Serve = Callable[[Path, Iterable[Experiment]], AbstractContextManager["Served"]]


@dataclass
class Served:
    address: str
    directory: Path
    client: Client
    management: Management

    def start(self, experiment: Experiment) -> None:
        self.management.apply(experiment, "to be asked for")
        self.management.move(experiment.experiment_id, Status.RUNNING, "to be asked for")

    def log(self) -> Sequence[Entry]:
        """What the files hold."""
        with closing(open_reader(self.directory)) as reader:
            return reader.entries()

    def assignments(self) -> list[Assignment]:
        return [entry for entry in self.log() if isinstance(entry, Assignment)]

    def outcomes(self) -> list[Outcome]:
        return [entry for entry in self.log() if isinstance(entry, Outcome)]


@contextmanager
def _serve(directory: Path, experiments: Iterable[Experiment], address: str = "127.0.0.1:0") -> Iterator[Served]:
    with (
        serving_beside(Serving(directory, address, companions=())) as bound,
        Client(bound, timeout_s=10.0) as client,
        Management(bound, "tests") as management,
    ):
        served = Served(bound, directory, client, management)
        for experiment in experiments:
            served.start(experiment)
        yield served


@pytest.fixture(scope="session")
def serve() -> Serve:
    """Serve running experiments from a directory, for as long as a `with` lasts."""
    return _serve


@pytest.fixture
def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"
