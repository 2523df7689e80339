"""Experiments through the service: their lifecycle, their etags, what opens an epoch, and what is signed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from typing import Any

import grpc
import pytest
from armlift import ArmliftError
from armlift.v1 import experiment_pb2 as contract
from armlift.v1.experiment_pb2_grpc import ExperimentServiceStub

from engine import errors
from engine.clock import RequestClock
from engine.definition import define
from engine.experiments import Brief, Experiment, Status
from engine.funnel import Funnel
from engine.metrics import Metric
from engine.service.definitions import from_experiment
from engine.service.server import Serving, serving_beside
from engine.service.status import hearing
from engine.service.words import STATUSES
from engine.specs import FixedSpec, ThompsonSpec
from engine.storage import open_reader


@pytest.fixture
def stub(service: Any) -> Any:
    with grpc.insecure_channel(service.address) as channel:
        yield ExperimentServiceStub(channel)


def reasons(service: Any, at: datetime, experiment: str = "hero") -> set[str]:
    return {service.client.assign(experiment, unit=f"u{number}", at=at).reason for number in range(5)}


def test_an_experiment_answers_as_its_status_says(service: Any, hero: Experiment, at: datetime) -> None:
    service.management.apply(replace(hero, experiment_id="new"), "")
    assert reasons(service, at, "new") == {"DRAFT"}
    for status, reason in (
        (Status.RUNNING, "DRAWN"),
        (Status.PAUSED, "PAUSED"),
        (Status.RUNNING, "DRAWN"),
        (Status.CONCLUDED, "ENDED"),
        (Status.ARCHIVED, "ENDED"),
    ):
        assert service.management.move("new", status, "as planned").status is status
        assert reasons(service, at, "new") == {reason}
    assert len(service.assignments()) == 10


def test_the_history_says_who_what_and_why(service: Any) -> None:
    service.management.move("hero", Status.PAUSED, "lunch")
    changes = list(service.management.history("hero"))
    assert [(change.action, change.reason) for change in changes[-2:]] == [
        ("start", "to be tested"),
        ("pause", "lunch"),
    ]
    assert {change.actor for change in changes} == {"tests"}


def test_a_step_that_the_lifecycle_has_not_is_refused(service: Any) -> None:
    with pytest.raises(errors.InvalidTransition, match="it can become paused or concluded"):
        service.management.move("hero", Status.ARCHIVED, "")
    with pytest.raises(errors.UnknownExperiment):
        service.management.move("hreo", Status.PAUSED, "")


def test_two_people_who_edit_at_once_do_not_undo_each_other(service: Any, hero: Experiment) -> None:
    read = service.management.get("hero").etag
    service.management.apply(replace(hero, brief=Brief("hers")), "she was faster", read)
    with pytest.raises(errors.StaleEtag, match="read it again"):
        service.management.apply(replace(hero, brief=Brief("his")), "he was not", read)
    assert service.management.get("hero").experiment.brief == Brief("hers")
    with pytest.raises(errors.UnknownExperiment):
        service.management.apply(replace(hero, experiment_id="new"), "what has an etag is there", read)


def test_what_differs_by_type_alone_is_a_change(service: Any, hero: Experiment) -> None:
    for audience in ({"of the request": True}, {"of the request": 1.0}):
        _, done = service.management.apply(replace(hero, funnel=Funnel(audience=audience)), "")
        assert done.startswith("changed, which opened epoch")


def test_a_stale_etag_is_refused(service: Any, stub: Any, hero: Experiment) -> None:
    old = service.management.get("hero").etag
    changed = replace(define(hero), brief=Brief("first"))
    service.management.apply(changed, "first")
    update = contract.UpdateExperimentRequest(experiment=from_experiment(changed), etag=old, actor="me")
    with pytest.raises(errors.StaleEtag, match="read it again"), hearing():
        stub.UpdateExperiment(update)
    move = contract.TransitionExperimentRequest(
        experiment_id="hero", status=STATUSES[Status.PAUSED], etag=old, actor="me"
    )
    with pytest.raises(errors.StaleEtag), hearing():
        stub.TransitionExperiment(move)
    assert service.management.get("hero").status is Status.RUNNING


def test_nobody_changes_anything_unsigned(stub: Any, hero: Experiment) -> None:
    create = contract.CreateExperimentRequest(experiment=from_experiment(replace(hero, experiment_id="new")))
    with pytest.raises(errors.InvalidRequest, match="signed"), hearing():
        stub.CreateExperiment(create)


def test_an_id_is_used_once(service: Any, stub: Any, hero: Experiment) -> None:
    create = contract.CreateExperimentRequest(experiment=from_experiment(hero), actor="me")
    with pytest.raises(errors.ExperimentExists), hearing():
        stub.CreateExperiment(create)


@pytest.mark.parametrize(
    "change", [{"exposure": 0}, {"policy": None}, {"metrics": []}, {"control": "nobody"}, {"variants": []}]
)
def test_a_definition_that_breaks_a_rule_is_refused(stub: Any, hero: Experiment, change: dict[str, Any]) -> None:
    message = from_experiment(replace(hero, experiment_id="new"))
    for name, value in change.items():
        message.ClearField(name)
        if isinstance(value, str):
            setattr(message, name, value)
    with pytest.raises(errors.InvalidExperiment), hearing():
        stub.CreateExperiment(contract.CreateExperimentRequest(experiment=message, actor="me"))


def test_a_window_that_no_calendar_holds_is_refused(stub: Any, hero: Experiment) -> None:
    for seconds, error in ((10**10, errors.InvalidExperiment), (10**15, errors.InvalidRequest)):
        message = from_experiment(replace(hero, experiment_id="new"))
        message.metrics[0].window.seconds = seconds
        with pytest.raises(error, match="days"), hearing():
            stub.CreateExperiment(contract.CreateExperimentRequest(experiment=message, actor="me"))


def test_a_status_that_is_not_set_is_refused(stub: Any) -> None:
    with pytest.raises(errors.InvalidRequest, match="`status` is not set"), hearing():
        stub.TransitionExperiment(contract.TransitionExperimentRequest(experiment_id="hero", actor="me"))


def test_new_weights_open_an_epoch_and_draw_again(service: Any, hero: Experiment, at: datetime) -> None:
    def draw() -> list[str]:
        return [service.client.assign("hero", unit=f"u{number}", at=at).variant for number in range(60)]

    before = draw()
    assert draw() == before, "by unit, a draw is sticky"
    service.management.apply(replace(hero, policy=FixedSpec({"plain": 0.98, "bold": 0.01, "loud": 0.01})), "bold lost")
    state, after = service.management.get("hero"), draw()
    assert (state.revision, state.epoch) == (2, 2)
    assert Counter(after)["plain"] > 50 > Counter(before)["plain"]
    answer = service.client.assign("hero", unit="u1", at=at)
    assert (answer.revision, answer.epoch) == (2, 2)


def test_new_words_open_no_epoch_and_move_nobody(service: Any, hero: Experiment, at: datetime) -> None:
    before = service.client.assign("hero", unit="ann", at=at)
    metrics = (*hero.metrics, Metric("return"))
    service.management.apply(replace(hero, brief=Brief("clearer"), metrics=metrics), "")
    after = service.client.assign("hero", unit="ann", at=at)
    assert (after.variant, after.propensity, after.epoch, after.revision) == (before.variant, before.propensity, 1, 2)
    assert service.client.record("return", unit="ann", at=at).status == "RECORDED"


def test_an_answer_of_an_old_revision_keeps_its_payload(service: Any, hero: Experiment, at: datetime) -> None:
    first = service.client.assign("hero", unit="ann", request_id="r1", at=at)
    service.management.apply(replace(hero, variants=tuple(replace(v, payload='"new"') for v in hero.variants)), "")
    assert service.client.assign("hero", unit="ann", request_id="r1", at=at) == first
    assert service.client.assign("hero", unit="ann", at=at).payload == "new"


def test_lists_come_in_pages(service: Any, stub: Any, hero: Experiment) -> None:
    for number in range(4):
        service.management.apply(replace(hero, experiment_id=f"page-{number}"), "")
    names, token = [], ""
    while True:
        page = stub.ListExperiments(contract.ListExperimentsRequest(page_size=2, page_token=token))
        names += [state.experiment.experiment_id for state in page.states]
        token = page.next_page_token
        if not token:
            break
    assert (
        names
        == ["hero", "page-0", "page-1", "page-2", "page-3"]
        == [state.experiment.experiment_id for state in service.management.all()]
    )
    for token in ("x", "-1", "²", "9" * 5000):
        with pytest.raises(errors.InvalidRequest, match="page_token"), hearing():
            stub.ListExperiments(contract.ListExperimentsRequest(page_token=token))


def test_a_restarted_server_goes_on_where_it_was(
    service: Any, serve: Callable[..., Any], hero: Experiment, at: datetime, tmp_path: Any
) -> None:
    directory = tmp_path / "another"
    with serve(directory, RequestClock()) as first:
        first.start(replace(hero, policy=ThompsonSpec()))
        answer = first.client.assign("hero", unit="ann", request_id="r1", at=at)
    with serve(directory, RequestClock()) as second:
        assert second.management.get("hero").status is Status.RUNNING
        assert second.client.assign("hero", unit="ann", request_id="r1", at=at) == answer


def test_a_change_whose_caller_went_away_is_saved_and_served_or_neither(service: Any, stub: Any) -> None:
    """What was saved and not served would make every later change a stale one."""
    for number in range(10):
        to = Status.PAUSED if service.management.get("hero").status is Status.RUNNING else Status.RUNNING
        message = contract.TransitionExperimentRequest(experiment_id="hero", status=STATUSES[to], actor="me")
        call = stub.TransitionExperiment.future(message)
        time.sleep(number / 10_000)
        call.cancel()
    time.sleep(0.1)
    state = service.management.get("hero")
    with closing(open_reader(service.directory)) as reader:
        assert reader.state("hero") == state
    assert service.management.move("hero", Status.CONCLUDED, "").status is Status.CONCLUDED


def test_two_servers_cannot_have_one_store(service: Any, serve: Callable[..., Any]) -> None:
    with (
        pytest.raises(errors.StoreUnavailable, match="is in use by process"),
        serve(service.directory, RequestClock()),
    ):
        pass


def test_a_server_that_cannot_bind_says_so(service: Any, tmp_path: Any) -> None:
    serving = Serving(tmp_path / "another", service.address, companions=())
    with pytest.raises(errors.StoreUnavailable, match="cannot listen on"), serving_beside(serving):
        pass


def test_the_client_raises_what_the_server_meant(service: Any, at: datetime) -> None:
    with pytest.raises(ArmliftError) as refused:
        service.client.assign("hreo", unit="ann", at=at)
    assert refused.value.code == "UNKNOWN_EXPERIMENT"
