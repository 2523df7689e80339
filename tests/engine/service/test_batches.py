"""Many questions at once: all that runs for one unit, and rows that are held until their commit has ended."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from armlift import Answer, Ask
from armlift.answers import to_message
from armlift.v1 import assignment_pb2 as contract
from armlift.v1.assignment_pb2_grpc import AssignmentServiceStub
from armlift.v1.value_pb2 import Value

from engine import errors
from engine.clock import RequestClock, WallClock
from engine.experiments import Experiment, Status
from engine.funnel import Cap, Funnel, Sticky
from engine.records import Assignment, Kept, KeptStatus, Reason, Unit
from engine.service.assignment_servicer import AssignmentServicer
from engine.service.status import hearing
from engine.service.values import from_time
from engine.settings import Settings
from engine.specs import ThompsonSpec


@pytest.fixture
def stub(service: Any, hero: Experiment) -> Any:
    """Runs `hero`, `a` and `z`; `paused` does not."""
    for name in ("z", "a", "paused"):
        service.start(replace(hero, experiment_id=name))
    service.management.move("paused", Status.PAUSED, "")
    with grpc.insecure_channel(service.address) as channel:
        yield AssignmentServiceStub(channel)


def everything(
    at: datetime, unit: str = "ann", request_id: str = "visit-1", **rest: Any
) -> contract.BatchAssignRequest:
    return contract.BatchAssignRequest(
        shared_units={"customer": unit}, all_running=True, request_id=request_id, at=from_time(at), **rest
    )


def answers(response: contract.BatchAssignResponse) -> list[contract.Assignment]:
    return [result.answer.assignments[0] for result in response.results]


def test_all_that_runs_is_answered_by_id_after_the_requests(stub: Any, at: datetime) -> None:
    asked = to_message(Ask("hero", "bob", at=at))
    first = answers(stub.BatchAssign(everything(at)))
    assert [answer.experiment_id for answer in first] == ["a", "hero", "z"]
    assert len({answer.assignment_id for answer in first}) == 3
    with_one = answers(stub.BatchAssign(everything(at, requests=[asked])))
    assert [answer.experiment_id for answer in with_one] == ["hero", "a", "z"]


def test_the_same_visit_has_the_same_answers_and_one_row_each(service: Any, stub: Any, at: datetime) -> None:
    first, second = (answers(stub.BatchAssign(everything(at))) for _ in range(2))
    assert first == second
    alone = service.client.assign("a", unit="bob", at=at)
    assert len(service.assignments()) == 4
    assert alone.assignment_id not in {answer.assignment_id for answer in first}


def test_the_same_visit_with_another_content_is_refused_in_each_experiment(stub: Any, at: datetime) -> None:
    stub.BatchAssign(everything(at))
    for other in (everything(at, "bob"), everything(at, shared_context={"device": Value(text="tv")})):
        results = stub.BatchAssign(other).results
        assert [result.error.code for result in results] == ["REQUEST_ID_REUSED"] * 3


def test_without_a_request_id_each_visit_is_a_new_one(stub: Any, at: datetime) -> None:
    first, second = (answers(stub.BatchAssign(everything(at, request_id=""))) for _ in range(2))
    assert {answer.assignment_id for answer in first}.isdisjoint({answer.assignment_id for answer in second})
    assert [answer.variant for answer in first] == [answer.variant for answer in second]


def test_without_a_time_under_the_requests_clock_nothing_is_answered(service: Any, stub: Any, at: datetime) -> None:
    message = everything(at)
    message.ClearField("at")
    with pytest.raises(errors.InvalidRequest, match="--clock=request"), hearing():
        stub.BatchAssign(message)
    assert service.log() == []


def test_an_answer_that_was_kept_is_repeated_also_where_the_unit_is_outside_by_now(
    service: Any, hero: Experiment, at: datetime
) -> None:
    first = service.client.assign("hero", unit="ann", request_id="r1", at=at)
    careful = replace(hero, requires_consent="agreed")
    service.management.apply(careful, "")
    assert service.client.assign("hero", unit="ann", request_id="r1", at=at) == first
    assert service.client.assign("hero", unit="ann", request_id="r2", at=at).reason == "NO_CONSENT"


class SlowWriter:
    """Appends when it is told to."""

    def __init__(self) -> None:
        self.may_end = asyncio.Event()

    async def append(self, entries: Iterable[Assignment]) -> list[Kept]:
        await self.may_end.wait()
        return [Kept(KeptStatus.RECORDED, entry) for entry in entries]


class CountingEngine:
    """Draws always, and notes what is settled."""

    clock = WallClock()

    def __init__(self) -> None:
        self.settled: list[Assignment] = []

    def fill(self, request: Any, walk: object = None) -> tuple[Assignment, ...]:
        if request.experiment_id == "broken":
            raise ZeroDivisionError
        now = request.received_at
        return (Assignment(request.experiment_id, "bold", Reason.DRAWN, Unit("customer", "ann"), now, now),)

    def walk(self) -> object:
        return object()

    def running(self) -> list[str]:
        return ["hero"]

    def settle(self, decided: Iterable[Assignment]) -> None:
        self.settled += decided


class Aborting:
    """A call's context of which only the end is of interest."""

    async def abort(self, code: object, details: str) -> None:
        raise ConnectionAbortedError(details)


async def settled_after(call: str, message: Any, *, cancel: bool) -> tuple[int, int]:
    """Return how many rows were settled before their commit ended, and after."""
    engine, writer = CountingEngine(), SlowWriter()
    reader = SimpleNamespace()
    servicer: Any = AssignmentServicer(engine, writer, reader, lambda *_: None, Settings())  # type: ignore[arg-type]
    calling = asyncio.create_task(getattr(servicer, call)(message, Aborting()))
    await asyncio.sleep(0.01)
    if cancel:
        calling.cancel()
        await asyncio.sleep(0.01)
    before = len(engine.settled)
    writer.may_end.set()
    with suppress(Exception, asyncio.CancelledError):
        await calling
    await asyncio.sleep(0.01)
    return before, len(engine.settled)


@pytest.mark.parametrize("cancel", [False, True])
def test_a_decision_is_settled_when_its_commit_has_ended_also_where_the_caller_went_away(cancel: bool) -> None:
    one = contract.AssignRequest(experiment_id="hero", units={"customer": "ann"})
    many = contract.BatchAssignRequest(requests=[one, one], all_running=True)
    assert asyncio.run(settled_after("Assign", one, cancel=cancel)) == (0, 1)
    assert asyncio.run(settled_after("BatchAssign", many, cancel=cancel)) == (0, 2)


def test_a_batch_that_breaks_settles_what_it_had_decided() -> None:
    good, broken = (contract.AssignRequest(experiment_id=name) for name in ("hero", "broken"))
    many = contract.BatchAssignRequest(requests=[good, broken])
    assert asyncio.run(settled_after("BatchAssign", many, cancel=False)) == (1, 1)


def ask_all(service: Any, experiment: str, at: datetime, n_asks: int) -> list[Answer]:
    """Ask for one unit, from many threads and in batches, at once."""

    def ask(number: int) -> list[Any]:
        if number % 2:
            return [service.client.assign(experiment, unit="ann", at=at)]
        return service.client.assign_many([Ask(experiment, "ann", at=at)] * 2)

    with ThreadPoolExecutor(16) as pool:
        return [answer for answers in pool.map(ask, range(n_asks)) for answer in answers]


def test_a_cap_is_exact_however_many_ask_at_once_and_after_a_restart(
    serve: Callable[..., Any], hero: Experiment, at: datetime, tmp_path: Path
) -> None:
    capped = replace(hero, experiment_id="capped", funnel=Funnel(cap=Cap(3, timedelta(days=1))))
    with serve(tmp_path, RequestClock()) as service:
        service.start(capped)
        reasons = Counter(answer.reason for answer in ask_all(service, "capped", at, 40))
        assert reasons == {"DRAWN": 3, "CAPPED": 57}
    with serve(tmp_path, RequestClock()) as service:
        soon, later = at + timedelta(hours=23), at + timedelta(days=1)
        assert {answer.reason for answer in ask_all(service, "capped", soon, 4)} == {"CAPPED"}
        assert Counter(answer.reason for answer in ask_all(service, "capped", later, 40))["DRAWN"] == 3


def test_a_sticky_answer_is_drawn_once_however_many_ask_at_once(service: Any, hero: Experiment, at: datetime) -> None:
    service.start(replace(hero, experiment_id="sticky", policy=ThompsonSpec(), sticky=Sticky()))
    answers = ask_all(service, "sticky", at, 40)
    assert Counter(answer.reason for answer in answers) == {"DRAWN": 1, "CACHED": 59}
    assert len({answer.variant for answer in answers}) == 1
    (drawn,) = [answer.assignment_id for answer in answers if answer.reason == "DRAWN"]
    assert {answer.kept_from for answer in answers if answer.reason == "CACHED"} == {drawn}
