"""Tracked events become outcomes beside the caller, and nothing that goes wrong with them reaches it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from armlift import Event, outbox
from armlift.openfeature import ArmliftProvider
from armlift.outbox import Outbox
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import GeneralError
from openfeature.track import TrackingEventDetails

from engine.experiments import Experiment, Variant
from engine.metrics import Metric, MetricKind
from engine.records import Unit

ANN = EvaluationContext("ann")
HERO = Experiment(
    "hero",
    (Variant("plain"), Variant("bold")),
    (Metric("click"), Metric("spend", MetricKind.REVENUE, cap=100.0)),
)
Tracking = Callable[[], AbstractContextManager[ArmliftProvider]]


@pytest.fixture
def served(serve: Any, tmp_path: Path) -> Iterator[Any]:
    with serve(tmp_path, [HERO]) as running:
        yield running


@pytest.fixture
def tracking(served: Any) -> Tracking:
    """Give a provider; what it tracked was sent when the `with` ends."""

    @contextmanager
    def open_provider() -> Iterator[ArmliftProvider]:
        provider = ArmliftProvider(served.address, timeout_s=10.0)
        provider.initialize(EvaluationContext())
        yield provider
        provider.shutdown()

    return open_provider


def test_an_event_is_an_outcome_of_the_unit(served: Any, tracking: Tracking) -> None:
    with tracking() as provider:
        provider.track("click", ANN)
        provider.track("spend", ANN, TrackingEventDetails(19.9))
    click, spend = served.outcomes()
    assert [(row.metric, row.value, row.unit, row.assignment_id) for row in (click, spend)] == [
        ("click", 1.0, Unit("customer", "ann"), ""),
        ("spend", 19.9, Unit("customer", "ann"), ""),
    ]


def test_an_event_of_an_assignment_counts_once_at_its_time(served: Any, tracking: Tracking) -> None:
    an_hour_ago = (datetime.now(UTC) - timedelta(hours=1)).replace(microsecond=0)
    with tracking() as provider:
        assignment_id = provider.resolve_string_details("hero", "none", ANN).flag_metadata["assignment_id"]
        for moment in (an_hour_ago.isoformat(), an_hour_ago, an_hour_ago.replace(tzinfo=None)):
            attributes: dict[str, Any] = {
                "assignment_id": assignment_id,
                "outcome_id": "order-1",
                "occurred_at": moment,
                "basket": ["a", "b"],
            }
            provider.track("spend", ANN, TrackingEventDetails(5.0, attributes))
    (row,) = served.outcomes()
    assert (row.outcome_id, row.assignment_id, row.value) == ("order-1", assignment_id, 5.0)
    assert row.occurred_at == an_hour_ago


def test_the_sdks_client_tracks(served: Any) -> None:
    api.set_provider_and_wait(ArmliftProvider(served.address, timeout_s=10.0), "tracking")
    api.get_client("tracking").track("click", ANN)
    api.clear_providers()
    assert [row.metric for row in served.outcomes()] == ["click"]


@pytest.mark.parametrize(
    ("metric", "given", "details", "told"),
    [
        ("clikc", ANN, None, "refused"),
        ("", ANN, None, "refused"),
        ("click", None, None, "refused"),
        ("click", EvaluationContext(), None, "refused"),
        ("click", ANN, TrackingEventDetails(attributes={"occurred_at": "yesterday"}), "lost"),
        ("click", ANN, TrackingEventDetails(attributes={"outcome_id": 7}), "lost"),
        ("click\ud800", ANN, None, "lost"),
    ],
)
def test_what_is_wrong_with_an_event_is_logged_and_spoils_no_other(
    served: Any, tracking: Tracking, caplog: pytest.LogCaptureFixture, metric: str, given: Any, details: Any, told: str
) -> None:
    with caplog.at_level(logging.ERROR), tracking() as provider:
        provider.track(metric, given, details)
        provider.track("spend", ANN, TrackingEventDetails(1.0))
    assert told in caplog.text
    assert [row.metric for row in served.outcomes()] == ["spend"]


def test_while_the_server_is_away_nobody_waits_and_its_loss_is_logged(
    free_address: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_TIMEOUT_S", 0.3)
    provider = ArmliftProvider(free_address, timeout_s=0.2)
    with pytest.raises(GeneralError):
        provider.initialize(EvaluationContext())
    started = time.monotonic()
    for _ in range(100):
        provider.track("click", ANN)
    assert time.monotonic() - started < 5.0, "a hundred calls would take their deadlines"
    with caplog.at_level(logging.ERROR):
        provider.shutdown()
    assert "lost" in caplog.text


def test_before_a_provider_is_connected_its_events_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        ArmliftProvider().track("click", ANN)
    assert "not connected" in caplog.text


def test_what_waits_is_bounded(
    free_address: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MAX_WAITING", 3)
    monkeypatch.setattr(outbox, "_TIMEOUT_S", 0.2)
    full = Outbox(free_address)
    with caplog.at_level(logging.ERROR):
        for number in range(1000):
            full.put(Event("click", unit=f"u{number}"))
    full.close()
    assert "3 wait for a server that does not answer" in caplog.text


def test_an_outcome_survives_a_server_that_is_away_for_a_moment(serve: Any, free_address: str, tmp_path: Path) -> None:
    waiting = Outbox(free_address)
    waiting.put(Event("click", unit="ann"))
    time.sleep(0.3)
    with serve(tmp_path, [HERO], free_address) as served:
        waiting.close()
        assert [row.metric for row in served.outcomes()] == ["click"]
