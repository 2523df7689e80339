"""The client: deadlines, retries of what may be repeated, a default instead of an error, and few imports."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from armlift import Answer, ArmliftError, Ask, AsyncClient, Client, Event
from armlift.answers import to_message

from engine.experiments import Experiment
from engine.service.management import Management
from engine.service.server import Serving, serving_beside


@pytest.fixture
def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def silent_address() -> Iterator[str]:
    """Somebody who takes the connection and says nothing."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield f"127.0.0.1:{listening.getsockname()[1]}"


def test_a_server_that_starts_late_is_waited_for_within_the_deadline(
    free_address: str, hero: Experiment, tmp_path: Path
) -> None:
    with ExitStack() as stack:

        def start_late() -> None:
            time.sleep(0.4)
            stack.enter_context(serving_beside(Serving(tmp_path, free_address, companions=())))

        starting = threading.Thread(target=start_late)
        with Client(free_address, timeout_s=10.0) as client:
            starting.start()
            with pytest.raises(ArmliftError) as refused:
                client.assign("hero", unit="ann")
            starting.join()
            assert refused.value.code == "UNKNOWN_EXPERIMENT", "it was there at last, and knew nothing yet"


def test_a_deadline_is_kept(silent_address: str) -> None:
    with Client(silent_address, timeout_s=0.3) as client:
        started = time.monotonic()
        with pytest.raises(ArmliftError) as refused:
            client.assign("hero", unit="ann")
        assert refused.value.code == "DEADLINE_EXCEEDED"
        assert time.monotonic() - started < 5.0


def test_with_a_default_a_page_is_shown_whatever_happens(free_address: str, service: Any, at: datetime) -> None:
    with Client(free_address, timeout_s=0.3) as client:
        answer = client.assign("hero", unit="ann", default="plain")
    assert answer == Answer("hero", "plain", {}, answer.reason, "ERROR", message=answer.message)
    assert answer.message
    assert answer.reason in ("UNAVAILABLE", "DEADLINE_EXCEEDED")
    unknown = service.client.assign("hreo", unit="ann", default="plain", at=at)
    assert (unknown.variant, unknown.reason) == ("plain", "UNKNOWN_EXPERIMENT")
    assert service.client.expose(unknown, at=at) == []


def test_an_answer_of_nothing_is_no_outcomes_target(service: Any, at: datetime) -> None:
    nothing = service.client.assign("hreo", unit="ann", default="plain", at=at)
    assert service.client.record("click", answer=nothing, at=at).status == "INVALID"


def test_ids_are_minted_here_so_that_a_retry_is_the_same_question() -> None:
    first, second = (to_message(Ask("hero", "ann")).request_id for _ in range(2))
    assert first != second
    assert (len(first), first[14]) == (36, "7")


def test_a_time_without_a_zone_is_refused_before_it_leaves(service: Any) -> None:
    with pytest.raises(ArmliftError, match="no time zone"):
        service.client.assign("hero", unit="ann", at=datetime(2024, 1, 1))


def test_the_async_client_does_the_same(service: Any, at: datetime) -> None:
    async def use() -> None:
        async with AsyncClient(service.address, timeout_s=10.0) as client:
            answer = await client.assign("hero", unit="ann", request_id="r1", at=at)
            assert answer == service.client.assign("hero", unit="ann", request_id="r1", at=at)
            answers = await client.assign_many([Ask("hero", "bob", at=at), Ask("hreo", "bob", at=at)])
            assert [getattr(each, "code", "an answer") for each in answers] == ["an answer", "UNKNOWN_EXPERIMENT"]
            assert [each.status for each in await client.expose(answer, at=at)] == ["RECORDED"]
            assert (await client.record("click", answer=answer, at=at)).status == "RECORDED"
            events = [Event("spend", 3.0, unit="ann"), Event("spned", 3.0, unit="ann")]
            assert [each.status for each in await client.record_many(events, at=at)] == ["RECORDED", "INVALID"]
            with pytest.raises(ArmliftError) as refused:
                await client.assign("hreo", unit="ann", at=at)
            assert refused.value.code == "UNKNOWN_EXPERIMENT"
            assert (await client.assign("hreo", unit="ann", at=at, default="plain")).variant == "plain"

    asyncio.run(use())


def test_many_threads_share_a_client(service: Any, at: datetime) -> None:
    threads = [
        threading.Thread(target=service.client.assign, args=("hero",), kwargs={"unit": f"u{n}", "at": at})
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {row.unit.id for row in service.assignments()} == {f"u{n}" for n in range(8)}


def test_a_call_whose_caller_went_away_still_commits_and_is_answered_alike(service: Any, at: datetime) -> None:
    message = to_message(Ask("hero", "ann", request_id="r1", at=at))
    with grpc.insecure_channel(service.address) as channel:
        method = channel.unary_unary("/armlift.v1.AssignmentService/Assign")
        calls = [method.future(message.SerializeToString()) for _ in range(20)]
        for call in calls:
            call.cancel()
    answer = service.client.assign("hero", unit="ann", request_id="r1", at=at)
    (row,) = service.assignments()
    assert (row.assignment_id, row.variant) == (answer.assignment_id, answer.variant)


def test_importing_the_client_loads_nothing_heavy() -> None:
    code = "import sys, armlift; print(' '.join(sorted({name.split('.')[0] for name in sys.modules})))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "grpc" in loaded
    heavy = {"engine", "numpy", "scipy", "vowpal_wabbit_next", "sqlite3", "yaml", "click", "rich", "uvloop", "analysis"}
    assert heavy.isdisjoint(loaded)


def test_a_name_that_is_managed_by_nobody_is_an_error_of_the_engines(service: Any) -> None:
    from engine.errors import UnknownExperiment

    with Management(service.address, "") as management, pytest.raises(UnknownExperiment):
        management.get("hreo")
