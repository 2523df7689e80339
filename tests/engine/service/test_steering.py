"""An experiment that runs is steered: forced units, killed variants, ramps and old revisions."""

from __future__ import annotations

import asyncio
from collections import Counter
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
from engine.clock import RequestClock, WallClock
from engine.experiments import ROLLED_BACK, Brief, Experiment, Status
from engine.funnel import Funnel, RampStep
from engine.records import Reason
from engine.service.definitions import from_experiment
from engine.service.status import hearing

DAY = timedelta(days=1)
RAMP = (RampStep(0.1, DAY), RampStep(0.5, DAY), RampStep(1.0))


@pytest.fixture
def stub(service: Any) -> Any:
    with grpc.insecure_channel(service.address) as channel:
        yield ExperimentServiceStub(channel)


def share_in(service: Any, at: datetime, n_units: int = 200) -> float:
    answers = [service.client.assign("ramped", unit=f"u{number}", at=at) for number in range(n_units)]
    return sum(answer.reason == "DRAWN" for answer in answers) / n_units


def test_a_forced_unit_gets_its_variant_until_that_is_ended(service: Any, at: datetime) -> None:
    drawn = service.client.assign("hero", unit="ann", at=at)
    other = "loud" if drawn.variant == "bold" else "bold"
    service.management.force("hero", "ann", other, "a colleague")
    forced = service.client.assign("hero", unit="ann", at=at)
    assert (forced.variant, forced.reason, forced.propensity) == (other, "FORCED", None)
    service.management.force("hero", "ann", "", "no longer")
    again = service.client.assign("hero", unit="ann", at=at)
    assert (again.variant, again.reason, again.propensity) == (drawn.variant, "DRAWN", drawn.propensity)
    assert [row.reason for row in service.assignments()] == [Reason.DRAWN, Reason.FORCED, Reason.DRAWN]
    changes = list(service.management.history("hero"))[-2:]
    assert [(each.action, each.fields, each.reason) for each in changes] == [
        ("force", (other,), "a colleague"),
        ("unforce", (), "no longer"),
    ]
    assert "ann" not in repr(changes)


def test_a_forced_unit_stays_so_when_the_server_is_started_again(
    serve: Callable[..., Any], hero: Experiment, at: datetime, tmp_path: Path
) -> None:
    for _ in range(2):
        with serve(tmp_path, RequestClock()) as service:
            if service.log() == []:
                service.start(hero)
                service.management.force("hero", "ann", "loud", "")
            assert service.client.assign("hero", unit="ann", at=at).reason == "FORCED"


@pytest.mark.parametrize(
    ("unit", "variant", "sentence"),
    [
        ("ann", "loudest", "no variant of 'hero': force plain or bold or loud"),
        ("", "bold", "unit_id"),
        ("x" * 201, "bold", "unit_id"),
    ],
)
def test_what_cannot_be_forced_is_refused(service: Any, unit: str, variant: str, sentence: str) -> None:
    with pytest.raises(errors.InvalidRequest, match=sentence):
        service.management.force("hero", unit, variant, "")


def test_nobody_is_forced_unsigned_or_after_the_end(service: Any, stub: Any) -> None:
    with pytest.raises(errors.InvalidRequest, match="signed"), hearing():
        stub.ForceVariant(contract.ForceVariantRequest(experiment_id="hero", unit_id="ann", variant="bold"))
    service.management.move("hero", Status.CONCLUDED, "")
    with pytest.raises(errors.InvalidTransition, match="concluded"):
        service.management.force("hero", "ann", "bold", "")


def test_a_tester_sees_the_variant_that_was_asked_for(service: Any, at: datetime) -> None:
    for name in ("plain", "bold", "loud"):
        answer = service.client.assign("hero", unit="tester", qa=name, at=at)
        assert (answer.variant, answer.reason, answer.propensity) == (name, "QA", None)
    assert {row.reason for row in service.assignments()} == {Reason.QA}


def test_a_killed_variant_moves_its_own_units_alone(service: Any, at: datetime) -> None:
    def draw() -> list[str]:
        return [service.client.assign("hero", unit=f"u{number}", at=at).variant for number in range(100)]

    before = draw()
    state = service.management.kill("hero", "loud", "too loud")
    after = draw()
    assert (state.experiment.killed, state.revision, state.epoch) == (("loud",), 2, 2)
    assert "loud" not in after
    assert [new for new, old in zip(after, before, strict=True) if old != "loud"] == [v for v in before if v != "loud"]
    with pytest.raises(errors.InvalidExperiment):
        service.management.kill("hero", "loud", "again")
    with pytest.raises(errors.InvalidExperiment):
        service.management.kill("hero", "plain", "the control")


def test_an_old_revision_is_read_and_restored(service: Any, hero: Experiment) -> None:
    first = service.management.get("hero").experiment
    service.management.apply(replace(hero, brief=Brief("another belief")), "")
    old = service.management.get("hero", 1)
    assert (old.experiment, old.revision) == (first, 1)
    restored = service.management.restore("hero", 1, "as it was")
    assert (restored.experiment, restored.revision, restored.epoch) == (first, 3, 1)
    assert list(service.management.history("hero"))[-1].reason == "revision 1 restored: as it was"
    with pytest.raises(errors.InvalidRequest, match="as it was in revision 1 already"):
        service.management.restore("hero", 1, "as it was")
    with pytest.raises(errors.UnknownExperiment, match="no revision 9"):
        service.management.restore("hero", 9, "")


def test_who_requires_an_experiment_is_moved_with_it(service: Any, hero: Experiment, at: datetime) -> None:
    service.start(replace(hero, experiment_id="next", funnel=Funnel(prerequisites={"hero": ("bold",)})))
    assert service.client.assign("next", unit="ann", at=at).epoch == 1
    service.management.kill("hero", "loud", "too loud")
    assert service.management.get("next").epoch == 2
    assert service.client.assign("next", unit="ann", at=at).epoch == 2
    last = list(service.management.history("next"))[-1]
    assert (last.action, last.actor) == ("prerequisite", "tests")
    assert last.reason == "its prerequisite 'hero' is in epoch 2 now: too loud"


def test_a_restoration_of_what_was_changed_in_between_is_refused(service: Any, stub: Any, hero: Experiment) -> None:
    old = service.management.get("hero", 1)
    service.management.apply(replace(hero, brief=Brief("faster")), "")
    message = contract.UpdateExperimentRequest(experiment=from_experiment(old.experiment), etag=old.etag, actor="me")
    with pytest.raises(errors.StaleEtag), hearing():
        stub.UpdateExperiment(message)


@pytest.fixture
def ramped(service: Any, hero: Experiment, at: datetime) -> Any:
    """A ramp in its first step since `at`, under the request's clock."""
    service.client.assign("hero", unit="the log begins", at=at)
    service.start(replace(hero, experiment_id="ramped", funnel=Funnel(ramp=RAMP)))
    return service


def test_a_ramp_goes_up_step_by_step_as_time_passes_by_the_logs_clock(ramped: Any, at: datetime) -> None:
    management = ramped.management
    assert 0.02 < share_in(ramped, at) < 0.2
    with pytest.raises(errors.InvalidTransition):
        management.move_ramp("ramped", 1, "", "too soon")
    ramped.client.assign("hero", unit="a day later", at=at + DAY)
    state = management.move_ramp("ramped", 1, management.get("ramped").etag, "all is well")
    assert (state.step, state.step_at, state.traffic, state.epoch) == (1, at + DAY, 0.5, 1)
    assert 0.35 < share_in(ramped, at + DAY) < 0.65
    assert management.move_ramp("ramped", 2, "", "in a hurry", early=True).traffic == 1.0
    changes = list(management.history("ramped"))
    assert [(change.action, change.reason) for change in changes[-2:]] == [
        ("ramp", "all is well"),
        ("ramp", "in a hurry"),
    ]


def test_raising_a_ramp_moves_nobody_and_rolling_it_back_leaves_nobody_in(ramped: Any, at: datetime) -> None:
    def drawn(moment: datetime) -> dict[str, str]:
        answers = {f"u{number}": ramped.client.assign("ramped", unit=f"u{number}", at=moment) for number in range(100)}
        return {unit: answer.variant for unit, answer in answers.items() if answer.reason == "DRAWN"}

    before = drawn(at)
    ramped.management.move_ramp("ramped", 1, "", "tested", early=True)
    after = drawn(at)
    assert before.items() <= after.items()
    state = ramped.management.move_ramp("ramped", ROLLED_BACK, "", "a guardrail")
    assert (state.step, state.traffic, state.epoch) == (ROLLED_BACK, 0.0, 2)
    assert drawn(at) == {}


def test_a_ramp_is_moved_by_whoever_read_its_state(ramped: Any) -> None:
    etag = ramped.management.get("ramped").etag
    ramped.management.move_ramp("ramped", 1, etag, "tested", early=True)
    with pytest.raises(errors.StaleEtag):
        ramped.management.move_ramp("ramped", 2, etag, "tested", early=True)
    with pytest.raises(errors.InvalidTransition):
        ramped.management.move_ramp("hero", 1, "", "it has none")


def test_a_ramp_that_was_started_before_the_log_began_lasts_from_its_first_entry_on(
    serve: Callable[..., Any], hero: Experiment, at: datetime, tmp_path: Path
) -> None:
    with serve(tmp_path, RequestClock()) as service:
        service.start(replace(hero, experiment_id="ramped", funnel=Funnel(ramp=RAMP)))
        service.start(hero)
        for hours in (0, 23):
            service.client.assign("hero", unit="ann", at=at + timedelta(hours=hours))
        with pytest.raises(errors.InvalidTransition):
            service.management.move_ramp("ramped", 1, "", "too soon")
        service.client.assign("hero", unit="ann", at=at + DAY)
        assert service.management.move_ramp("ramped", 1, "", "tested").step == 1


def test_under_the_wall_clock_a_ramp_lasts_by_it(serve: Callable[..., Any], hero: Experiment, tmp_path: Path) -> None:
    with serve(tmp_path, WallClock()) as service:
        steps = (RampStep(0.1, timedelta(milliseconds=1)), RampStep(0.5, DAY), RampStep(1.0))
        service.start(replace(hero, funnel=Funnel(ramp=steps)))
        asyncio.run(asyncio.sleep(0.002))
        assert service.management.move_ramp("hero", 1, "", "tested").step == 1
        with pytest.raises(errors.InvalidTransition):
            service.management.move_ramp("hero", 2, "", "tested")


def test_the_schedule_is_the_requests_own_time(service: Any, hero: Experiment, at: datetime) -> None:
    funnel = Funnel(starts_at=at + DAY, ends_at=at + 2 * DAY)
    service.start(replace(hero, experiment_id="timed", funnel=funnel))
    moments = (at, at + DAY, at + 2 * DAY - timedelta(microseconds=1), at + 2 * DAY)
    reasons = [service.client.assign("timed", unit="ann", at=moment).reason for moment in moments]
    assert reasons == ["NOT_STARTED", "DRAWN", "DRAWN", "ENDED"]
    assert Counter(row.reason for row in service.assignments()) == {Reason.DRAWN: 2}
