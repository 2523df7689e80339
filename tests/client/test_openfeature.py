"""The provider for OpenFeature beyond its own suite: metadata, units, times, errors, event loops and a server away."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from armlift.openfeature import ArmliftProvider
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent
from openfeature.exception import ErrorCode, ProviderNotReadyError
from openfeature.flag_evaluation import Reason
from openfeature.provider import ProviderStatus

from engine.experiments import ContextField, Experiment, FieldType, Variant
from engine.funnel import ForcedRule
from engine.metrics import Metric

HERO = Experiment(
    "hero",
    (Variant("plain"), Variant("bold", '{"headline": "Two for one", "value": "BOLD"}')),
    (Metric("click"),),
    context=(ContextField("seen", FieldType.TEXT), ContextField("visits", FieldType.NUMBER)),
    forced=(ForcedRule("bold", {"page.kind": "test"}),),
)
ACCOUNTS = Experiment("accounts", (Variant("plain"), Variant("bold")), (Metric("click"),), unit="account")
STRICT = Experiment(
    "strict",
    (Variant("plain"), Variant("bold")),
    (Metric("click"),),
    context=(ContextField("visits", FieldType.NUMBER, required=True),),
)


NEWS = replace(ACCOUNTS, experiment_id="news", unit="customer", candidates=())
SHELF = replace(NEWS, experiment_id="shelf", candidates=None, slots=2)


@pytest.fixture(scope="module")
def served(serve: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with serve(tmp_path_factory.mktemp("store"), [HERO, ACCOUNTS, STRICT, NEWS, SHELF]) as running:
        yield running


@pytest.fixture(scope="module")
def provider(served: Any) -> Iterator[ArmliftProvider]:
    connected = ArmliftProvider(served.address, timeout_s=10.0)
    connected.initialize(EvaluationContext())
    yield connected
    connected.shutdown()


@pytest.fixture(autouse=True)
def no_provider_is_left() -> Iterator[None]:
    yield
    api.clear_providers()


def someone(unit: str = "ann", **attributes: Any) -> EvaluationContext:
    return EvaluationContext(unit, attributes)


# --- answers -------------------------------------------------------------------------------------------------------


def test_a_draw_brings_all_that_its_analysis_needs(provider: ArmliftProvider, served: Any) -> None:
    details = provider.resolve_string_details("hero", "none", someone("drawn"))
    row = next(row for row in served.assignments() if row.unit.id == "drawn")
    assert details.flag_metadata == {
        "experiment": "hero",
        "reason": "DRAWN",
        "assignment_id": row.assignment_id,
        "propensity": 0.5,
        "revision": 1,
        "epoch": 1,
        "group": "policy",
    }
    assert (details.reason, details.variant) == (Reason.SPLIT, row.variant)
    assert details.value == {"plain": "plain", "bold": "BOLD"}[row.variant]


def test_what_was_not_drawn_has_no_propensity(provider: ArmliftProvider) -> None:
    details = provider.resolve_string_details("hero", "none", someone(page={"kind": "test"}))
    assert (details.reason, details.variant) == (Reason.TARGETING_MATCH, "bold")
    assert details.flag_metadata["reason"] == "FORCED"
    assert details.flag_metadata["assignment_id"]
    assert "propensity" not in details.flag_metadata


def test_a_variant_may_leave_the_callers_default(provider: ArmliftProvider) -> None:
    headlines = {}
    for number in range(40):
        details = provider.resolve_string_details("hero/headline", "Welcome", someone(f"u{number}"))
        assert details.reason == Reason.SPLIT
        headlines[details.variant] = details.value
    assert headlines == {"plain": "Welcome", "bold": "Two for one"}


def test_an_evaluation_asks_for_one_slot_and_brings_no_candidates(provider: ArmliftProvider) -> None:
    first = provider.resolve_string_details("shelf", "none", someone())
    assert (first.reason, first.flag_metadata["propensity"]) == (Reason.SPLIT, 0.5)
    nothing = provider.resolve_string_details("news", "none", someone())
    assert (nothing.value, nothing.error_code) == ("none", ErrorCode.GENERAL)
    assert "candidates" in str(nothing.error_message)


# --- units and context ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [None, EvaluationContext(), EvaluationContext("")])
def test_without_a_targeting_key_there_is_nobody_to_decide_for(provider: ArmliftProvider, given: Any) -> None:
    details = provider.resolve_string_details("hero", "none", given)
    assert (details.value, details.error_code) == ("none", ErrorCode.TARGETING_KEY_MISSING)
    assert "targeting key" in str(details.error_message)


def test_units_of_other_types_come_as_an_attribute(provider: ArmliftProvider, served: Any) -> None:
    missing = provider.resolve_string_details("accounts", "none", someone())
    assert missing.error_code is ErrorCode.TARGETING_KEY_MISSING
    found = provider.resolve_string_details("accounts", "none", someone(units={"account": "7"}))
    assert (found.error_code, found.reason) == (None, Reason.SPLIT)
    assert "7" in {row.unit.id for row in served.assignments()}


def test_a_provider_may_be_about_another_type_of_unit(served: Any) -> None:
    accounts = ArmliftProvider(served.address, unit_type="account", timeout_s=10.0)
    accounts.initialize(EvaluationContext())
    assert accounts.resolve_string_details("accounts", "none", someone("8")).reason == Reason.SPLIT
    accounts.shutdown()
    assert "8" in {row.unit.id for row in served.assignments()}


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        (datetime(2024, 5, 1, 12, tzinfo=UTC), "2024-05-01T12:00:00+00:00"),
        (datetime(2024, 5, 1, 12, tzinfo=timezone(timedelta(hours=2))), "2024-05-01T10:00:00+00:00"),
        (datetime(2024, 5, 1, 12), "2024-05-01T12:00:00+00:00"),
    ],
)
def test_a_time_is_told_in_utc(provider: ArmliftProvider, served: Any, moment: datetime, told: str) -> None:
    details = provider.resolve_string_details("hero", "none", someone("timed", seen=moment, visits=3))
    row = next(row for row in served.assignments() if row.assignment_id == details.flag_metadata["assignment_id"])
    assert row.context == {"seen": told, "visits": 3.0}


@pytest.mark.parametrize(
    ("attributes", "told"), [({}, "is missing"), ({"visits": None}, "is missing"), ({"visits": "many"}, "another type")]
)
def test_a_context_that_the_experiment_cannot_use_is_invalid(
    provider: ArmliftProvider, attributes: dict[str, Any], told: str
) -> None:
    details = provider.resolve_string_details("strict", "none", someone(**attributes))
    assert (details.value, details.reason, details.error_code) == ("none", Reason.ERROR, ErrorCode.INVALID_CONTEXT)
    assert told in str(details.error_message)
    assert details.variant is None


@pytest.mark.parametrize("value", [Decimal(1), {1, 2}, object(), "\ud800", 10**400, {1: 2}, [[b"x"]], "x" * 10**5])
def test_an_attribute_that_no_context_can_hold_is_invalid(served: Any, value: Any) -> None:
    api.set_provider_and_wait(ArmliftProvider(served.address, timeout_s=10.0), "odd")
    details = api.get_client("odd").get_string_details("hero", "none", someone(odd=value))
    assert (details.value, details.reason, details.error_code) == ("none", Reason.ERROR, ErrorCode.INVALID_CONTEXT)
    assert details.error_message


def test_a_unit_that_is_no_text_is_invalid(provider: ArmliftProvider) -> None:
    details = provider.resolve_string_details("hero", "none", someone(units={"account": 7}))
    assert details.error_code is ErrorCode.INVALID_CONTEXT


@pytest.mark.parametrize("key", ["", "/", "/field", "HERO", "hero ", "hero//", "\0", "x" * 500])
def test_any_key_has_an_answer(provider: ArmliftProvider, key: str) -> None:
    details = provider.resolve_integer_details(key, 7, someone())
    assert details.value == 7
    assert details.error_code in (None, ErrorCode.FLAG_NOT_FOUND, ErrorCode.INVALID_CONTEXT)


# --- event loops ---------------------------------------------------------------------------------------------------


def test_every_event_loop_is_served_and_many_evaluations_are_awaited_at_once(provider: ArmliftProvider) -> None:
    async def evaluate() -> list[str]:
        asked = [provider.resolve_string_details_async("hero", "none", someone(f"u{n}")) for n in range(20)]
        return [details.value for details in await asyncio.gather(*asked)]

    here = [provider.resolve_string_details("hero", "none", someone(f"u{n}")).value for n in range(20)]
    assert [asyncio.run(evaluate()) for _ in range(3)] == [here] * 3


def test_the_other_types_are_awaited_alike(provider: ArmliftProvider) -> None:
    async def evaluate() -> list[Any]:
        who = someone("ann")
        return [
            (await provider.resolve_boolean_details_async("hero/on", True, who)).value,
            (await provider.resolve_integer_details_async("hero/n", 3, who)).value,
            (await provider.resolve_float_details_async("hero/x", 0.5, who)).value,
            (await provider.resolve_object_details_async("hero/map", {"a": 1}, who)).value,
        ]

    assert asyncio.run(evaluate()) == [True, 3, 0.5, {"a": 1}]


# --- a server away -------------------------------------------------------------------------------------------------


def test_while_the_server_is_away_callers_have_their_defaults_and_then_the_provider_is_ready_again(
    serve: Any, tmp_path: Path, free_address: str
) -> None:
    events: list[str] = []
    changed = threading.Condition()

    def note(event: str) -> None:
        with changed:
            events.append(event)
            changed.notify()

    client = api.get_client("restarting")
    with serve(tmp_path, [HERO], free_address):
        api.set_provider_and_wait(ArmliftProvider(free_address, timeout_s=10.0), "restarting")
        client.add_handler(ProviderEvent.PROVIDER_ERROR, lambda _: note("error"))
        client.add_handler(ProviderEvent.PROVIDER_READY, lambda _: note("ready"))
        assert client.get_string_details("hero", "none", someone()).reason == Reason.SPLIT
    away = client.get_string_details("hero", "none", someone())
    assert (away.value, away.reason, away.error_code) == ("none", Reason.ERROR, ErrorCode.GENERAL)
    assert asyncio.run(client.get_string_value_async("hero", "none", someone())) == "none"
    assert client.get_provider_status() is ProviderStatus.ERROR
    with serve(tmp_path, [], free_address):
        assert any(is_back(client) for _ in range(300))
        assert client.get_provider_status() is ProviderStatus.READY
        with changed:
            assert changed.wait_for(lambda: events == ["ready", "error", "ready"], 10.0), events


def is_back(client: Any) -> bool:
    time.sleep(0.1)
    return bool(client.get_string_details("hero", "none", someone()).reason == Reason.SPLIT)


def test_a_provider_that_was_shut_down_is_not_ready_and_can_be_used_again(served: Any) -> None:
    provider = ArmliftProvider(served.address, timeout_s=10.0)
    for _ in range(2):
        provider.initialize(EvaluationContext())
        assert provider.resolve_string_details("hero", "none", someone()).error_code is None
        provider.shutdown()
        with pytest.raises(ProviderNotReadyError):
            provider.resolve_string_details("hero", "none", someone())
    provider.shutdown()


# --- without the SDK -----------------------------------------------------------------------------------------------


def test_without_openfeatures_sdk_the_client_works_and_the_provider_says_what_to_install() -> None:
    code = "import sys; sys.modules['openfeature'] = None; import armlift; print('there'); import armlift.openfeature"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stdout == "there\n"
    assert "pip install armlift[openfeature]" in run.stderr.splitlines()[-1]
