"""What operators see: health, reflection, overload, and a disk that fails and is well again."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from armlift import Answer, ArmliftError, Ask, Client
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from engine.clock import RequestClock
from engine.experiments import Experiment, Status
from engine.service.management import Management
from engine.service.server import SERVICES, Serving, serving_beside
from engine.settings import Settings

PATIENCE_S = 20.0
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


def health(address: str, service: str = "") -> int:
    with grpc.insecure_channel(address) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service))
    return int(answer.status)


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def test_a_server_is_healthy_as_a_whole_and_in_each_service(service: Any) -> None:
    assert {health(service.address, name) for name in ("", *SERVICES)} == {SERVING}


def test_reflection_lists_the_services(service: Any) -> None:
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    with grpc.insecure_channel(service.address) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        (answer,) = stub.ServerReflectionInfo(iter([request]))
    names = {each.name for each in answer.list_services_response.service}
    assert names >= {*SERVICES, "grpc.health.v1.Health"}
    assert SERVICES[0] == "armlift.v1.AssignmentService"


@pytest.fixture
def process(tmp_path: Path) -> Iterator[tuple[int, str]]:
    """A server in a process of its own: its id and its address."""
    command = [sys.executable, "-m", "engine.cli", "serve", "--store", str(tmp_path), "--address", "127.0.0.1:0"]
    server = subprocess.Popen([*command, "--alone"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert server.stdout is not None
    yield server.pid, server.stdout.readline().removeprefix("serving on ").strip()
    server.terminate()
    server.communicate()


def test_health_follows_the_disk_and_nothing_acknowledged_is_lost(
    process: tuple[int, str], hero: Experiment, tmp_path: Path
) -> None:
    """The disk fails because the process may not make its files any larger, and is well when it may again."""
    pid, address = process
    with Client(address, timeout_s=5.0) as client, Management(address, "tests") as management:
        management.apply(hero, "")
        management.move("hero", Status.RUNNING, "")
        first = client.assign("hero", unit="ann", request_id="r1")
        largest = max(file.stat().st_size for file in tmp_path.iterdir())
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))
        refused = refuse(client)
        assert refused.code == "STORE_UNAVAILABLE"
        assert "see to the disk" in str(refused)
        assert {health(address, name) for name in ("", *SERVICES)} == {NOT_SERVING}
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        until(lambda: health(address) == SERVING)
        assert client.assign("hero", unit="ann", request_id="r1") == first
        assert client.assign("hero", unit="zoe").reason == "DRAWN"


def refuse(client: Client) -> ArmliftError:
    """Ask until the disk is full: what was written before may be overwritten, so the first may still fit."""
    for number in range(1000):
        try:
            client.assign("hero", unit=f"u{number}", context={"device": "x" * 10_000})
        except ArmliftError as error:
            return error
    pytest.fail("the disk took everything")


def test_more_rows_than_may_wait_are_refused_and_the_rest_is_kept(hero: Experiment, tmp_path: Path, at: Any) -> None:
    settings = Settings(max_waiting_rows=50)
    serving = Serving(tmp_path, "127.0.0.1:0", RequestClock(), companions=(), settings=settings)
    with serving_beside(serving) as address, Management(address, "tests") as management:
        management.apply(hero, "")
        management.move("hero", Status.RUNNING, "")
        with Client(address, timeout_s=PATIENCE_S) as client, ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda number: ask(client, number, at), range(100)))
            kept = [answer for answer in answers if isinstance(answer, Answer)]
            refused = [answer for answer in answers if isinstance(answer, ArmliftError)]
            assert len(kept) >= 50
            assert {error.code for error in refused} <= {"OVERLOADED"}
            again = [ask(client, number, at) for number in range(100)]
    assert [answer for answer, before in zip(again, answers, strict=True) if before in kept] == kept


def ask(client: Client, number: int, at: Any) -> Answer | ArmliftError:
    asks = [Ask("hero", f"u{number}", request_id=f"r{number}-{item}", at=at) for item in range(30)]
    try:
        answer = client.assign_many(asks)[0]
    except ArmliftError as error:
        return error
    return answer


def test_each_companion_runs_beside_and_again_when_it_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("fleeting", "lasting"):
        wait = "time.sleep(60)" if name == "lasting" else "sys.exit(3)"
        code = f"import sys, time\nopen({str(tmp_path / name)!r}, 'a').write(f'{{sys.argv[1:]}}\\n')\n{wait}\n"
        (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    serving = Serving(tmp_path / "store", "127.0.0.1:0", companions=("fleeting", "lasting"))
    with serving_beside(serving) as address:
        fleeting, lasting = tmp_path / "fleeting", tmp_path / "lasting"
        until(lambda: fleeting.exists() and len(fleeting.read_text().splitlines()) > 1 and lasting.exists())
    started = fleeting.read_text().splitlines() + lasting.read_text().splitlines()
    assert set(started) == {str([str(tmp_path / "store"), address, str(os.getpid())])}
    assert lasting.read_text().count("\n") == 1
    assert {record.getMessage() for record in caplog.records} == {"fleeting ended with code 3 and is started again"}


def test_a_stopped_server_has_written_everything_into_one_file(
    hero: Experiment, serve: Callable[..., Any], tmp_path: Path, at: Any
) -> None:
    with serve(tmp_path, RequestClock()) as service:
        service.start(replace(hero, experiment_id="last"))
        service.client.assign("last", unit="ann", at=at)
    assert not (tmp_path / "armlift.db-wal").exists()
    assert len(service.assignments()) == 1
