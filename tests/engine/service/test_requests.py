"""Every bad question has a clear error or a stated rule, and loses nothing that was accepted."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from armlift import Answer, ArmliftError, Ask
from armlift.answers import to_message
from armlift.v1.assignment_pb2 import ExplainAssignmentRequest
from armlift.v1.assignment_pb2_grpc import AssignmentServiceStub
from armlift.v1.value_pb2 import Value

from engine.clock import WallClock
from engine.experiments import Experiment, Status
from engine.records import Reason
from engine.service.status import hearing

KB = 1000


def refusal(call: Callable[[], object]) -> ArmliftError:
    with pytest.raises(ArmliftError) as refused:
        call()
    return refused.value


def test_without_a_unit_the_default_is_answered_and_nothing_is_logged(service: Any, at: datetime) -> None:
    for units in ({}, {"account": "7"}, {"customer": ""}):
        answer = service.client.assign("hero", units=units, at=at)
        assert (answer.variant, answer.reason, answer.open_feature_reason) == ("plain", "UNIT_MISSING", "ERROR")
        assert (answer.assignment_id, answer.propensity, answer.payload) == ("", None, {"size": 1})
    assert service.log() == []


@pytest.mark.parametrize("value", [math.nan, math.inf, "many", True, [1.0]])
def test_a_number_that_is_none_gets_the_default_logged_as_no_draw(service: Any, at: datetime, value: Any) -> None:
    answer = service.client.assign("hero", unit="ann", context={"visits": value, "device": "phone"}, at=at)
    assert (answer.variant, answer.reason, answer.propensity) == ("plain", "CONTEXT_INVALID", None)
    (row,) = service.assignments()
    assert (row.assignment_id, row.variant, row.is_draw) == (answer.assignment_id, "plain", False)
    assert (row.reason, row.context) == (Reason.CONTEXT_INVALID, {"device": "phone"})


def test_a_message_of_10_mb_is_refused_by_grpc(service: Any, at: datetime) -> None:
    refused = refusal(lambda: service.client.assign("hero", unit="ann", context={"device": "x" * 10**4 * KB}, at=at))
    assert refused.code == "RESOURCE_EXHAUSTED"
    assert service.client.assign("hero", unit="ann", at=at).reason == "DRAWN"


def test_a_request_of_100_kb_is_refused_with_what_it_may_have(service: Any, at: datetime) -> None:
    refused = refusal(lambda: service.client.assign("hero", unit="ann", context={"device": "x" * 100 * KB}, at=at))
    assert refused.code == "INVALID_REQUEST"
    assert "may have 65536" in str(refused)
    assert service.log() == []


def test_what_a_batch_shares_counts_in_each_of_its_requests(service: Any, at: datetime) -> None:
    asks = [Ask("hero", "ann", at=at), Ask("hero", "bob", at=at)]
    answers = service.client.assign_many(asks, context={"device": "x" * 100 * KB})
    assert [answer.code for answer in answers] == ["INVALID_REQUEST"] * 2


def test_an_unknown_experiment_is_an_error_that_says_where_to_look(service: Any, at: datetime) -> None:
    refused = refusal(lambda: service.client.assign("hreo", unit="ann", at=at))
    assert (refused.code, "armlift list" in str(refused)) == ("UNKNOWN_EXPERIMENT", True)


def test_a_repeated_request_has_its_first_answer(service: Any, at: datetime) -> None:
    first, second = (service.client.assign("hero", unit="ann", request_id="r1", at=at) for _ in range(2))
    assert first == second
    assert len(service.assignments()) == 1


def test_a_request_id_with_another_content_is_refused(service: Any, at: datetime) -> None:
    first = service.client.assign("hero", unit="ann", request_id="r1", at=at)
    assert (
        refusal(lambda: service.client.assign("hero", unit="bob", request_id="r1", at=at)).code == "REQUEST_ID_REUSED"
    )
    (row,) = service.assignments()
    assert (row.unit.id, row.assignment_id) == ("ann", first.assignment_id)


def test_a_repeated_request_has_its_first_answer_also_after_the_experiment_stopped(service: Any, at: datetime) -> None:
    ask = Ask("hero", "ann", request_id="r1", at=at)
    first = service.client.assign("hero", unit="ann", request_id="r1", at=at)
    service.management.move("hero", Status.PAUSED, "lunch")
    assert service.client.assign("hero", unit="ann", request_id="r1", at=at) == first
    service.management.move("hero", Status.CONCLUDED, "done")
    assert service.client.assign_many([ask, replace(ask, request_id="r2")])[0] == first
    assert service.client.assign_many([replace(ask, request_id="r2")])[0].reason == "ENDED"
    assert (
        refusal(lambda: service.client.assign("hero", unit="bob", request_id="r1", at=at)).code == "REQUEST_ID_REUSED"
    )


def test_a_bad_item_of_a_batch_spoils_no_other(service: Any, at: datetime) -> None:
    service.client.assign("hero", unit="old", request_id="used", at=at)
    asks = [
        Ask("hero", "ann", at=at),
        Ask("hreo", "ann", at=at),
        Ask("hero", "ann", context={"device": "x" * 100 * KB}, at=at),
        Ask("hero", "ann"),
        Ask("hero", "new", request_id="used", at=at),
        Ask("hero", at=at),
        Ask("hero", "bob", at=at, dry_run=True),
        Ask("hero", "bob", at=at),
    ]
    answers = service.client.assign_many(asks)
    kinds = [each.reason if isinstance(each, Answer) else each.code for each in answers]
    wrong = ["UNKNOWN_EXPERIMENT", "INVALID_REQUEST", "INVALID_REQUEST", "REQUEST_ID_REUSED"]
    assert kinds == ["DRAWN", *wrong, "UNIT_MISSING", "DRAWN", "DRAWN"]
    assert [row.unit.id for row in service.assignments()] == ["old", "ann", "bob"]


def test_a_batch_shares_units_and_context_and_its_requests_win(service: Any, at: datetime) -> None:
    asks = [Ask("hero", context={"visits": 2.0}, at=at), Ask("hero", "bob", at=at)]
    answers = service.client.assign_many(asks, units={"customer": "ann"}, context={"visits": 1.0, "device": "tv"})
    rows = {row.assignment_id: row for row in service.assignments()}
    first, second = (rows[answer.assignment_id] for answer in answers)
    assert (first.unit.id, first.context) == ("ann", {"visits": 2.0, "device": "tv"})
    assert (second.unit.id, second.context) == ("bob", {"visits": 1.0, "device": "tv"})


def test_the_time_is_the_clocks_business(
    service: Any, serve: Callable[..., Any], hero: Experiment, at: datetime, tmp_path: Path
) -> None:
    refused = refusal(lambda: service.client.assign("hero", unit="ann"))
    assert (refused.code, "--clock=request" in str(refused)) == ("INVALID_REQUEST", True)
    with serve(tmp_path / "by the wall", WallClock()) as other:
        other.start(hero)
        refused = refusal(lambda: other.client.assign("hero", unit="ann", at=at))
        assert (refused.code, "leave it out" in str(refused)) == ("INVALID_REQUEST", True)
        assert refusal(lambda: other.client.record("click", unit="ann", at=at)).code == "INVALID_REQUEST"


@pytest.mark.parametrize("agreed", [None, False, "yes", 1.0])
def test_without_consent_nothing_is_stored_anywhere(service: Any, hero: Experiment, at: datetime, agreed: Any) -> None:
    service.start(replace(hero, experiment_id="careful", requires_consent="agreed"))
    context = {"device": "device-of-nobody", "agreed": agreed}
    answer = service.client.assign("careful", unit="nobody-knows-me", context=context, request_id="n0b0dy", at=at)
    assert (answer.variant, answer.reason, answer.assignment_id) == ("plain", "NO_CONSENT", "")
    assert service.client.expose(answer, at=at) == []
    assert service.log() == []
    for file in service.directory.iterdir():
        assert not any(word in file.read_bytes() for word in (b"nobody", b"n0b0dy")), file
    assert service.client.assign("careful", unit="somebody", context={"agreed": True}, at=at).reason == "DRAWN"
    assert any(b"somebody" in file.read_bytes() for file in service.directory.iterdir())


def test_a_dry_run_decides_and_keeps_nothing(service: Any, at: datetime) -> None:
    dry = service.client.assign("hero", unit="ann", dry_run=True, at=at)
    assert (dry.reason, dry.assignment_id, service.log()) == ("DRAWN", "", [])
    real = service.client.assign("hero", unit="ann", at=at)
    assert (real.variant, real.propensity) == (dry.variant, dry.propensity)


def test_excluded_variants_are_never_answered(service: Any, at: datetime) -> None:
    answers = [service.client.assign("hero", unit=f"u{i}", excluded=["plain", "loud"], at=at) for i in range(20)]
    assert {(answer.variant, answer.propensity) for answer in answers} == {("bold", 1.0)}
    nothing = service.client.assign("hero", unit="ann", excluded=["plain", "bold", "loud"], at=at)
    assert (nothing.variant, nothing.reason) == ("plain", "NO_VARIANTS")
    assert [row.is_draw for row in service.assignments()] == [True] * 20 + [False]


def test_what_nobody_declared_is_not_stored(service: Any, at: datetime) -> None:
    service.client.assign("hero", unit="ann", context={"device": "tv", "password": "s3cret", "visits": None}, at=at)
    (row,) = service.assignments()
    assert row.context == {"device": "tv"}
    assert not any(b"s3cret" in file.read_bytes() for file in service.directory.iterdir())


def test_an_assignment_is_explained_and_an_unknown_one_is_an_error(service: Any, at: datetime) -> None:
    answer = service.client.assign("hero", unit="ann", at=at)
    explained = service.management.explain(answer.assignment_id, 0)
    assert explained.verdict.value == "reproduced"
    with grpc.insecure_channel(service.address) as channel:
        stub = AssignmentServiceStub(channel)
        for unknown in ("00" * 16, "", "no id", "zz" * 16):
            with pytest.raises(Exception, match="check the two"), hearing():
                stub.ExplainAssignment(ExplainAssignmentRequest(assignment_id=unknown))


def test_deeply_nested_values_break_nothing(service: Any, at: datetime) -> None:
    message = to_message(Ask("hero", "ann", at=at))
    nested = Value(text="x")
    for _ in range(40):
        outer = Value()
        outer.list.values.append(nested)
        nested = outer
    message.context["device"].CopyFrom(nested)
    with grpc.insecure_channel(service.address) as channel:
        answer = AssignmentServiceStub(channel).Assign(message)
    assert answer.assignments[0].variant == "plain"
