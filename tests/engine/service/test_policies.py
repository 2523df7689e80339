"""A policy that cannot answer: the default is served with a reason, logged, and nothing else breaks."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from armlift import Client
from armlift.v1.learning_pb2 import PublishSnapshotRequest
from armlift.v1.learning_pb2_grpc import LearningServiceStub

from engine import errors
from engine.clock import RequestClock
from engine.experiments import Experiment, Status
from engine.learned import name_of
from engine.learning import LearnerPool
from engine.records import Assignment, Reason, Snapshot
from engine.service.management import Management
from engine.service.server import Serving, serving_beside
from engine.service.status import hearing
from engine.settings import Settings
from engine.specs import ContextualSpec, PolicySpec, ThompsonSpec
from engine.storage import open_reader, open_snapshots

SPECS: list[PolicySpec] = [ThompsonSpec(publish_every=20), ContextualSpec(publish_every=20)]


@pytest.fixture(params=SPECS, ids=lambda spec: spec.kind)
def learning(request: pytest.FixtureRequest, hero: Experiment) -> Experiment:
    return replace(hero, experiment_id="learns", policy=request.param)


def teach(service: Any, at: datetime, n_visits: int = 50) -> None:
    for number in range(n_visits):
        answer = service.client.assign("learns", unit=f"pupil-{number}", at=at + timedelta(minutes=number))
        if number % 3 == 0:
            service.client.record("click", answer=answer, at=at + timedelta(minutes=number))
    service.client.assign("learns", unit="time passes", at=at + timedelta(days=1))


def learn(directory: Path) -> list[Snapshot]:
    with closing(open_reader(directory)) as reader, closing(open_snapshots(directory, write=True)) as snapshots:
        return LearnerPool(reader, snapshots).step()


def publish(service: Any, epoch: int, snapshot: str) -> None:
    with grpc.insecure_channel(service.address) as channel, hearing():
        request = PublishSnapshotRequest(experiment_id="learns", epoch=epoch, snapshot=snapshot)
        LearningServiceStub(channel).PublishSnapshot(request)


@pytest.fixture
def taught(service: Any, learning: Experiment, at: datetime) -> tuple[Any, list[Snapshot]]:
    """A service with a learned snapshot live, and all that were learned."""
    service.start(learning)
    teach(service, at)
    learned = learn(service.directory)
    publish(service, 1, learned[-1].hash)
    return service, learned


def test_what_was_learned_answers_once_it_is_published(taught: tuple[Any, list[Snapshot]], at: datetime) -> None:
    service, learned = taught
    answer = service.client.assign("learns", unit="ann", at=at)
    assert (answer.reason, answer.snapshot) == ("DRAWN", learned[-1].hash)
    assert service.management.get("learns").snapshot == learned[-1].hash
    assert service.management.explain(answer.assignment_id, 0).verdict.value == "reproduced"


def test_a_snapshot_that_does_not_verify_never_serves(taught: tuple[Any, list[Snapshot]], at: datetime) -> None:
    service, learned = taught
    spoil(service.directory, learned[0].hash)
    for snapshot in (learned[0].hash, "00" * 32):
        with pytest.raises(errors.SnapshotRefused):
            publish(service, 1, snapshot)
    with pytest.raises(errors.InvalidTransition, match="no longer in 2"):
        publish(service, 2, learned[-1].hash)
    assert service.client.assign("learns", unit="ann", at=at).snapshot == learned[-1].hash


def spoil(directory: Path, snapshot: str) -> None:
    with closing(sqlite3.connect(directory / "learning.db")) as connection, connection:
        statement = "UPDATE snapshots SET blob = CAST(blob || x'00' AS BLOB) WHERE hash = ?"
        assert connection.execute(statement, (bytes.fromhex(snapshot),)).rowcount == 1


def test_a_server_that_finds_its_snapshot_broken_serves_the_default_and_logs_it(
    learning: Experiment, at: datetime, tmp_path: Path, serve: Callable[..., Any]
) -> None:
    directory = tmp_path / "broken"
    with serve(directory, RequestClock()) as service:
        service.start(learning)
        teach(service, at)
        (*_, last) = learn(directory)
        publish(service, 1, last.hash)
    spoil(directory, last.hash)
    with serve(directory, RequestClock()) as service:
        answer = service.client.assign("learns", unit="ann", at=at)
        assert (answer.variant, answer.reason, answer.propensity) == ("plain", "POLICY_FAILED", None)
        assert (answer.open_feature_reason, bool(answer.assignment_id)) == ("STALE", True)
        row = service.assignments()[-1]
        assert (row.reason, row.is_draw, row.variant) == (Reason.POLICY_FAILED, False, "plain")
        restore(directory, last)
        publish(service, 1, last.hash)
        assert service.client.assign("learns", unit="ann", at=at).reason == "DRAWN"


def restore(directory: Path, snapshot: Snapshot) -> None:
    assert name_of(snapshot) == snapshot.hash
    with closing(sqlite3.connect(directory / "learning.db")) as connection, connection:
        statement = "UPDATE snapshots SET blob = ? WHERE hash = ?"
        connection.execute(statement, (snapshot.blob, bytes.fromhex(snapshot.hash)))


def test_a_policy_that_spends_its_budget_is_answered_for_by_the_default(learning: Experiment, tmp_path: Path) -> None:
    """With a budget of nothing every policy is too slow; none needs to sleep."""
    serving = Serving(tmp_path, "127.0.0.1:0", companions=(), settings=Settings(policy_budget_s=0.0))
    with serving_beside(serving) as address, Management(address, "tests") as management, Client(address) as client:
        management.apply(learning, "")
        management.move("learns", Status.RUNNING, "")
        answer = client.assign("learns", unit="ann")
        assert (answer.variant, answer.reason, bool(answer.assignment_id)) == ("plain", "POLICY_SLOW", True)
    with closing(open_reader(tmp_path)) as reader:
        (row,) = reader.entries()
    assert isinstance(row, Assignment)
    assert (row.reason, row.is_draw) == (Reason.POLICY_SLOW, False)
