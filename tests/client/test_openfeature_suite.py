"""OpenFeature's own scenarios of evaluation, each against flags of its test set that a real server decides.

They are those of its specification: evaluation (both versions), errors, reasons, lifecycle, hooks and tracking. What
does not apply, or applies with other words:

- reason STATIC: nothing of armlift is static, and clients keep what is. A flag without rules is drawn with
  probability 1 here (SPLIT), or serves its default (DEFAULT).
- evaluation without a context: an experiment is about units, so that every context here has a targeting key. Without
  one the error is TARGETING_KEY_MISSING: see test_openfeature.py.
- metadata that a flag declares, and flags without any: the metadata is that of the assignment.
- flags without a default variant: an experiment always has one.
- CACHED: it is a unit that keeps its variant, and not a provider's memory, so that the flag has to be sticky.
- the provider's states STALE and FATAL: nothing is kept that could be stale, and no server is given up.
- the merging of contexts, the order of hooks, names of events that are no text: the SDK's, with no part of a provider.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from armlift.openfeature import ArmliftProvider
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent
from openfeature.exception import ErrorCode, GeneralError
from openfeature.flag_evaluation import FlagEvaluationDetails, FlagEvaluationOptions, FlagType, Reason
from openfeature.hook import Hook, HookContext, HookHints
from openfeature.provider import ProviderStatus

from tests.client.flags import BALLMER, CERTAIN, DISABLED, PICTURES, RESTING, STICKY, TARGETED, ZEROS

BOOLEAN, STRING, INTEGER = FlagType.BOOLEAN, FlagType.STRING, FlagType.INTEGER
FLOAT, OBJECT = FlagType.FLOAT, FlagType.OBJECT
DEFAULTS: dict[FlagType, Any] = {BOOLEAN: False, STRING: "bye", INTEGER: 1, FLOAT: 0.1, OBJECT: {"a": 1}}
HIT, MISS = "5c3d8535-f81a-4478-a6d3-afaa4d51199e", "f20bd32d-703b-48b6-bc8e-79d53c85134a"

plain = pytest.mark.parametrize(
    ("key", "type", "default", "value", "variant"),
    [
        ("boolean-flag", BOOLEAN, False, True, "on"),
        ("string-flag", STRING, "bye", "hi", "greeting"),
        ("integer-flag", INTEGER, 1, 10, "ten"),
        ("float-flag", FLOAT, 0.1, 0.5, "half"),
        ("large-integer-flag", INTEGER, 1, 2147483647, "max-int32"),
        ("huge-integer-flag", INTEGER, 1, 9007199254740991, "max-safe"),
        ("object-flag", OBJECT, {}, PICTURES, "template"),
    ],
)
zeros = pytest.mark.parametrize("name", ZEROS)
every_type = pytest.mark.parametrize("type", DEFAULTS)


@pytest.fixture(scope="module")
def client(serve: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenFeatureClient]:
    with serve(tmp_path_factory.mktemp("store"), [*CERTAIN, *STICKY, *RESTING, *TARGETED]) as served:
        for experiment in DISABLED:
            served.management.apply(experiment, "to be a draft")
        served.management.force("targeting-key-flag", HIT, "hit", "to be targeted")
        api.set_provider_and_wait(ArmliftProvider(served.address, timeout_s=10.0))
        yield api.get_client()
        api.clear_providers()


def evaluate(
    client: OpenFeatureClient, type: FlagType, key: str, default: Any, unit: str = MISS, **attributes: Any
) -> FlagEvaluationDetails[Any]:
    details: FlagEvaluationDetails[Any] = client.evaluate_flag_details(
        type, key, default, EvaluationContext(unit, attributes)
    )
    return details


def assert_failed(details: FlagEvaluationDetails[Any], default: Any, code: ErrorCode) -> None:
    assert (details.value, details.reason, details.error_code) == (default, Reason.ERROR, code)
    assert details.variant is None
    assert details.error_message


# --- values --------------------------------------------------------------------------------------------------------


@plain
def test_a_value_comes_with_its_key_variant_and_reason_and_without_an_error(
    client: OpenFeatureClient, key: str, type: FlagType, default: Any, value: Any, variant: str
) -> None:
    details = evaluate(client, type, key, default)
    assert (details.flag_key, details.value, details.variant, details.reason) == (key, value, variant, Reason.SPLIT)
    assert (details.error_code, details.error_message) == (None, None)
    assert details.value.__class__ is value.__class__


def test_a_value_comes_without_details(client: OpenFeatureClient) -> None:
    someone = EvaluationContext(MISS)
    assert client.get_boolean_value("boolean-flag", False, someone) is True
    assert client.get_string_value("string-flag", "bye", someone) == "hi"
    assert client.get_integer_value("integer-flag", 1, someone) == 10
    assert client.get_float_value("float-flag", 0.1, someone) == 0.5
    assert client.get_object_value("object-flag", {}, someone) == PICTURES


@zeros
def test_a_zero_is_a_value_and_no_absence(client: OpenFeatureClient, name: str) -> None:
    zero, other = ZEROS[name]
    details = evaluate(client, FlagType[name.upper()], f"{name}-zero-flag", other)
    assert (details.value, details.variant, details.reason) == (zero, "zero", Reason.DEFAULT)
    assert details.error_code is None


@plain
def test_an_evaluation_that_is_awaited_is_the_same(
    client: OpenFeatureClient, key: str, type: FlagType, default: Any, value: Any, variant: str
) -> None:
    details = asyncio.run(client.evaluate_flag_details_async(type, key, default, EvaluationContext(MISS)))
    assert (details.value, details.variant, details.reason) == (value, variant, Reason.SPLIT)


# --- context -------------------------------------------------------------------------------------------------------


@zeros
@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"email": BALLMER}, Reason.TARGETING_MATCH),
        ({"email": "ballmer@none.com"}, Reason.DEFAULT),
        ({"email": None}, Reason.DEFAULT),
        ({}, Reason.DEFAULT),
    ],
)
def test_the_reason_says_whether_a_rule_matched(
    client: OpenFeatureClient, name: str, attributes: dict[str, Any], reason: Reason
) -> None:
    zero, other = ZEROS[name]
    details = evaluate(client, FlagType[name.upper()], f"{name}-targeted-zero-flag", other, **attributes)
    assert (details.value, details.variant, details.reason, details.error_code) == (zero, "zero", reason, None)


def test_attributes_decide(client: OpenFeatureClient) -> None:
    given = {"fn": "Sulisław", "ln": "Świętopełk", "age": 29, "customer": False}
    internal = evaluate(client, STRING, "context-aware", "EXTERNAL", **given)
    assert (internal.value, internal.reason) == ("INTERNAL", Reason.TARGETING_MATCH)
    admin = {"email": BALLMER, "role": "admin", "age": 65, "customer": False}
    assert evaluate(client, STRING, "context-aware", "EXTERNAL", **admin).value == "INTERNAL"
    assert evaluate(client, STRING, "context-aware", "EXTERNAL").value == "EXTERNAL"


def test_the_targeting_key_decides(client: OpenFeatureClient) -> None:
    hit, miss = (evaluate(client, STRING, "targeting-key-flag", "fallback", unit) for unit in (HIT, MISS))
    assert (hit.value, hit.reason) == ("hit", Reason.TARGETING_MATCH)
    assert (miss.value, miss.reason) == ("miss", Reason.DEFAULT)


def test_a_context_that_no_rule_reads_disturbs_nothing_and_stays_as_it_is(client: OpenFeatureClient) -> None:
    attributes = {"nested": {"list": [1, "a", {"b": None}]}, "units": {"account": "7"}}
    given = EvaluationContext(MISS, attributes)
    assert client.get_string_value("string-flag", "bye", given) == "hi"
    assert given == EvaluationContext(MISS, {"nested": {"list": [1, "a", {"b": None}]}, "units": {"account": "7"}})


# --- other reasons -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "type"), [("boolean-sticky-flag", BOOLEAN), ("string-sticky-flag", STRING)])
def test_what_a_unit_keeps_is_cached(client: OpenFeatureClient, key: str, type: FlagType) -> None:
    first, second = (evaluate(client, type, key, DEFAULTS[type]) for _ in range(2))
    assert (first.reason, second.reason) == (Reason.SPLIT, Reason.CACHED)
    assert (second.value, second.variant) == (first.value, first.variant)


@pytest.mark.parametrize("type", [BOOLEAN, STRING, INTEGER, FLOAT])
def test_a_disabled_flag_is_the_callers_default(client: OpenFeatureClient, type: FlagType) -> None:
    details = evaluate(client, type, f"{type.lower()}-disabled-flag", DEFAULTS[type])
    assert (details.value, details.reason, details.variant) == (DEFAULTS[type], Reason.DISABLED, None)
    assert (details.error_code, details.error_message) == (None, None)


# --- errors --------------------------------------------------------------------------------------------------------


@every_type
def test_a_flag_that_is_not_there_is_the_default_and_an_error(client: OpenFeatureClient, type: FlagType) -> None:
    details = evaluate(client, type, "missing-flag", DEFAULTS[type])
    assert_failed(details, DEFAULTS[type], ErrorCode.FLAG_NOT_FOUND)
    assert "missing-flag" in str(details.error_message)


@pytest.mark.parametrize(
    ("key", "types"),
    [
        ("string-flag", [BOOLEAN, INTEGER, FLOAT, OBJECT]),
        ("wrong-flag", [BOOLEAN, INTEGER]),
        ("boolean-flag", [STRING, INTEGER, FLOAT, OBJECT]),
        ("integer-flag", [BOOLEAN, STRING, OBJECT]),
        ("float-flag", [BOOLEAN, STRING, OBJECT, INTEGER]),
    ],
)
def test_another_type_is_the_default_and_an_error(client: OpenFeatureClient, key: str, types: list[FlagType]) -> None:
    for each in types:
        assert_failed(evaluate(client, each, key, DEFAULTS[each]), DEFAULTS[each], ErrorCode.TYPE_MISMATCH)


@pytest.mark.parametrize("type", [BOOLEAN, STRING, INTEGER, FLOAT])
def test_a_map_is_no_scalar(client: OpenFeatureClient, type: FlagType) -> None:
    assert_failed(evaluate(client, type, "object-flag", DEFAULTS[type]), DEFAULTS[type], ErrorCode.TYPE_MISMATCH)


def test_numbers_are_taken_for_each_other_where_nothing_is_lost(client: OpenFeatureClient) -> None:
    whole = evaluate(client, INTEGER, "integral-float-flag", 1).value
    broken = evaluate(client, FLOAT, "integer-flag", 0.1).value
    assert (whole, whole.__class__) == (10, int)
    assert (broken, broken.__class__) == (10.0, float)


# --- the provider's life -------------------------------------------------------------------------------------------


def test_a_provider_has_a_name_and_is_ready_once_its_server_answers(client: OpenFeatureClient) -> None:
    assert client.provider.get_metadata().name == "armlift"
    assert client.get_provider_status() is ProviderStatus.READY
    ran = threading.Event()
    client.add_handler(ProviderEvent.PROVIDER_READY, lambda _: ran.set())
    assert ran.wait(10.0)


@every_type
def test_before_a_provider_is_ready_callers_have_their_defaults(type: FlagType) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        api.set_provider(ArmliftProvider(address, timeout_s=0.5), "starting")
        starting = api.get_client("starting")
        assert starting.get_provider_status() is ProviderStatus.NOT_READY
        details = evaluate(starting, type, "any-flag", DEFAULTS[type])
    assert (details.value, details.reason) == (DEFAULTS[type], Reason.ERROR)
    assert details.error_code is ErrorCode.PROVIDER_NOT_READY


@every_type
def test_while_the_server_is_away_callers_have_their_defaults(free_address: str, type: FlagType) -> None:
    with pytest.raises(GeneralError, match="is the server there"):
        api.set_provider_and_wait(ArmliftProvider(free_address, timeout_s=0.2), "away")
    away = api.get_client("away")
    assert away.get_provider_status() is ProviderStatus.ERROR
    assert_failed(evaluate(away, type, "any-flag", DEFAULTS[type]), DEFAULTS[type], ErrorCode.GENERAL)


def test_a_provider_that_cannot_reach_its_server_says_so_soon(free_address: str) -> None:
    ran = threading.Event()
    api.get_client("late").add_handler(ProviderEvent.PROVIDER_ERROR, lambda _: ran.set())
    api.set_provider(ArmliftProvider(free_address, timeout_s=0.2), "late")
    assert ran.wait(10.0)
    assert api.get_client("late").get_provider_status() is ProviderStatus.ERROR


# --- hooks ---------------------------------------------------------------------------------------------------------


class Heard(Hook):
    """Notes the stages of an evaluation, and the details that it ended with."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.details: FlagEvaluationDetails[Any] | None = None

    def before(self, hook_context: HookContext, hints: HookHints) -> None:
        self.stages.append("before")

    def after(self, hook_context: HookContext, details: FlagEvaluationDetails[Any], hints: HookHints) -> None:
        self.stages.append("after")

    def error(self, hook_context: HookContext, exception: Exception, hints: HookHints) -> None:
        self.stages.append("error")

    def finally_after(self, hook_context: HookContext, details: FlagEvaluationDetails[Any], hints: HookHints) -> None:
        self.stages.append("finally")
        self.details = details


@pytest.mark.parametrize(
    ("key", "type", "stages", "expected"),
    [
        ("boolean-flag", BOOLEAN, ["before", "after", "finally"], (True, "on", Reason.SPLIT, None)),
        ("missing-flag", STRING, ["before", "error", "finally"], ("bye", None, Reason.ERROR, ErrorCode.FLAG_NOT_FOUND)),
        ("wrong-flag", INTEGER, ["before", "error", "finally"], (1, None, Reason.ERROR, ErrorCode.TYPE_MISMATCH)),
    ],
)
def test_hooks_hear_how_an_evaluation_ended(
    client: OpenFeatureClient, key: str, type: FlagType, stages: list[str], expected: tuple[Any, ...]
) -> None:
    heard = Heard()
    options = FlagEvaluationOptions(hooks=[heard])
    client.evaluate_flag_details(type, key, DEFAULTS[type], EvaluationContext(MISS), options)
    assert heard.stages == stages
    details = heard.details
    assert details is not None
    assert (details.value, details.variant, details.reason, details.error_code) == expected
