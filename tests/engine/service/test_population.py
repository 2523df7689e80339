"""What all experiments share, through the service: changed with an etag, kept for ever, and signed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from armlift.v1 import experiment_pb2 as contract
from armlift.v1.experiment_pb2_grpc import ExperimentServiceStub

from engine import errors
from engine.clock import RequestClock
from engine.experiments import Experiment, Status
from engine.funnel import Cap, Funnel, Layer, LayerRange, Population
from engine.service.funnels import from_population
from engine.service.status import hearing

SHARED = Population(
    segments={"vip": {"visits": {"$gte": 10.0}}},
    groups={"nordic": ("NO", "SE")},
    layers={"checkout": Layer(holdout=0.05, cap=Cap(3, timedelta(days=7)))},
    holdout=0.1,
)


@pytest.fixture
def stub(service: Any) -> Any:
    with grpc.insecure_channel(service.address) as channel:
        yield ExperimentServiceStub(channel)


def within(hero: Experiment, name: str, start: float, end: float) -> Experiment:
    return replace(hero, experiment_id=name, funnel=Funnel(layer=LayerRange("checkout", start, end)))


def test_a_new_store_shares_nothing(service: Any) -> None:
    state = service.management.population()
    assert (state.revision, state.population) == (0, Population())
    assert list(service.management.population_history()) == []


def test_a_change_of_the_population_is_kept_signed_and_can_be_read_again(service: Any) -> None:
    first, _ = service.management.apply_population(SHARED, "to begin with")
    second, _ = service.management.apply_population(replace(SHARED, holdout=0.0), "no holdout")
    assert (first.revision, second.revision) == (1, 2)
    assert service.management.population().population == second.population
    assert service.management.population(1).population == first.population
    changes = list(service.management.population_history())
    assert [(change.revision, change.actor, change.reason) for change in changes] == [
        (1, "tests", "to begin with"),
        (2, "tests", "no holdout"),
    ]
    assert changes[1].fields == ("holdout",)
    with pytest.raises(errors.InvalidRequest, match="no revision 3"):
        service.management.population(3)


def test_the_same_population_makes_no_revision(service: Any) -> None:
    service.management.apply_population(SHARED, "")
    assert service.management.apply_population(SHARED, "again")[0].revision == 1


def test_a_stale_or_unsigned_change_is_refused(service: Any, stub: Any) -> None:
    service.management.apply_population(SHARED, "")
    shared = from_population(service.management.population().population)
    with pytest.raises(errors.StaleEtag):
        service.management.apply_population(replace(SHARED, holdout=0.0), "", "0")
    with pytest.raises(errors.StaleEtag), hearing():
        stub.UpdatePopulation(contract.UpdatePopulationRequest(population=shared, etag="0", actor="me"))
    with pytest.raises(errors.InvalidRequest, match="signed"), hearing():
        stub.UpdatePopulation(contract.UpdatePopulationRequest(population=shared, etag="1"))


def test_a_population_that_breaks_a_rule_is_refused_where_it_is_written_and_by_the_server(
    service: Any, stub: Any
) -> None:
    broken = replace(SHARED, holdout=1.5)
    with pytest.raises(errors.InvalidPopulation):
        service.management.apply_population(broken, "")
    message = contract.UpdatePopulationRequest(population=from_population(broken), etag="0", actor="me")
    with pytest.raises(errors.InvalidPopulation), hearing():
        stub.UpdatePopulation(message)
    assert service.management.population().revision == 0


def test_a_holdout_opens_an_epoch_in_what_runs_and_keeps_units_out(
    service: Any, hero: Experiment, at: datetime
) -> None:
    service.management.apply(replace(hero, experiment_id="draft"), "")
    _, opened = service.management.apply_population(Population(holdout=0.5), "a holdout for the year")
    assert opened == ["hero"]
    state = service.management.get("hero")
    assert (state.epoch, state.revision) == (2, 1)
    answers = [service.client.assign("hero", unit=f"u{number}", at=at) for number in range(200)]
    assert 0.35 < sum(answer.reason == "HOLDOUT" for answer in answers) / 200 < 0.65
    assert {answer.epoch for answer in answers if answer.reason == "DRAWN"} == {2}
    assert {row.population for row in service.assignments()} == {1}


def test_experiments_of_a_layer_exclude_each_other(service: Any, hero: Experiment, at: datetime) -> None:
    service.management.apply_population(replace(SHARED, holdout=0.0), "")
    for number, name in enumerate(("first", "second")):
        service.start(within(hero, name, number / 2, (number + 1) / 2))
    for number in range(100):
        first, second = (service.client.assign(name, unit=f"u{number}", at=at).reason for name in ("first", "second"))
        assert sorted((first, second)) in (["DRAWN", "LAYER_OCCUPIED"], ["HOLDOUT", "HOLDOUT"])


def test_what_overlaps_in_a_layer_is_refused_when_it_is_started(service: Any, hero: Experiment) -> None:
    service.management.apply_population(SHARED, "")
    service.start(within(hero, "first", 0.0, 0.6))
    service.management.apply(within(hero, "second", 0.5, 1.0), "a draft may")
    with pytest.raises(errors.InvalidExperiment, match="first"):
        service.management.move("second", Status.RUNNING, "")
    assert service.management.get("second").status is Status.DRAFT
    service.management.move("first", Status.CONCLUDED, "")
    assert service.management.move("second", Status.RUNNING, "").status is Status.RUNNING


def test_what_is_in_use_cannot_be_taken_away(service: Any, hero: Experiment) -> None:
    service.management.apply_population(SHARED, "")
    service.start(within(hero, "first", 0.0, 0.6))
    with pytest.raises(errors.InvalidPopulation, match="first"):
        service.management.apply_population(replace(SHARED, layers={}), "")


def test_a_layer_or_segment_that_is_not_there_is_refused(service: Any, hero: Experiment) -> None:
    for funnel in (Funnel(layer=LayerRange("checkout")), Funnel(audience={"$segment": "vip"})):
        with pytest.raises(errors.InvalidExperiment):
            service.management.apply(replace(hero, experiment_id="lost", funnel=funnel), "")


def test_what_another_requires_cannot_be_concluded(service: Any, hero: Experiment, at: datetime) -> None:
    service.start(replace(hero, experiment_id="after", funnel=Funnel(prerequisites={"hero": ("bold",)})))
    for number in range(30):
        before, after = (service.client.assign(name, unit=f"u{number}", at=at) for name in ("hero", "after"))
        assert (after.reason == "DRAWN") == (before.variant == "bold")
    with pytest.raises(errors.InvalidTransition, match="after"):
        service.management.move("hero", Status.CONCLUDED, "")
    service.management.move("after", Status.CONCLUDED, "")
    assert service.management.move("hero", Status.CONCLUDED, "").status is Status.CONCLUDED


def test_a_restarted_server_shares_what_it_did(
    serve: Callable[..., Any], hero: Experiment, at: datetime, tmp_path: Path
) -> None:
    with serve(tmp_path, RequestClock()) as first:
        first.start(hero)
        first.management.apply_population(Population(holdout=0.5), "")
        before = [first.client.assign("hero", unit=f"u{number}", at=at).reason for number in range(50)]
    with serve(tmp_path, RequestClock()) as second:
        assert second.management.population().revision == 1
        assert [second.client.assign("hero", unit=f"u{number}", at=at).reason for number in range(50)] == before
