"""Asking for all running experiments, for a variant to test by, and what a customer's process may pass."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from armlift import Answer, ArmliftError, Ask, AsyncClient, Client, Event

from engine.experiments import Experiment, Status, Variant
from engine.funnel import Sticky
from engine.metrics import Metric
from engine.records import Reason

HERO = Experiment("hero", (Variant("plain"), Variant("bold", '{"size": 2}')), (Metric("click"),))
FOOTER = replace(HERO, experiment_id="footer", sticky=Sticky())
ACCOUNTS = replace(HERO, experiment_id="accounts", unit="account")
PAUSED = replace(HERO, experiment_id="paused")
NOTHING: dict[str, str] = {}


@pytest.fixture
def served(serve: Any, tmp_path: Path) -> Iterator[Any]:
    with serve(tmp_path, [HERO, FOOTER, ACCOUNTS, PAUSED]) as running:
        running.management.move("paused", Status.PAUSED, "to be asked for")
        yield running


# --- all running experiments ---------------------------------------------------------------------------------------


def test_all_running_experiments_are_answered_in_one_call(served: Any) -> None:
    answers = served.client.assign_all(unit="ann", units={"account": "7"})
    assert list(answers) == ["accounts", "footer", "hero"]
    assert {answer.reason for answer in answers.values()} == {"DRAWN"}
    rows = {row.experiment_id: row for row in served.assignments()}
    assert {key: (row.assignment_id, row.variant) for key, row in rows.items()} == {
        key: (answer.assignment_id, answer.variant) for key, answer in answers.items()
    }
    assert answers["hero"].variant == served.client.assign("hero", unit="ann").variant


def test_those_that_take_candidates_are_left_out_and_slates_have_their_first_slot(served: Any) -> None:
    served.start(replace(HERO, experiment_id="news", candidates=()))
    served.start(replace(HERO, experiment_id="shelf", slots=2))
    answers = served.client.assign_all(unit="ann", units={"account": "7"})
    assert list(answers) == ["accounts", "footer", "hero", "shelf"]
    assert (answers["shelf"].slot, answers["shelf"].propensity) == (0, 0.5)
    assert {row.experiment_id for row in served.assignments()} == set(answers), "nothing is logged of the others"
    assert served.client.assign_all(unit="ann", defaults={"news": "bold"})["news"].reason == "NO_VARIANTS"


def test_the_same_request_has_the_same_answers(served: Any) -> None:
    first, second = (served.client.assign_all(unit="ann", request_id="page-1") for _ in range(2))
    assert first == second
    assert len(served.assignments()) == 2, "there is no account"
    assert first["accounts"].reason == "UNIT_MISSING"


def test_those_with_a_default_are_asked_for_in_any_case(served: Any) -> None:
    answers = served.client.assign_all(unit="ann", defaults={"paused": "bold", "hreo": "bold", "hero": "plain"})
    assert set(answers) == {"accounts", "footer", "hero", "paused", "hreo"}
    assert (answers["paused"].variant, answers["paused"].reason) == ("plain", "PAUSED")
    assert (answers["hreo"].variant, answers["hreo"].reason) == ("bold", "UNKNOWN_EXPERIMENT")
    assert "hreo" in answers["hreo"].message
    assert answers["hero"].reason == "DRAWN"


def test_where_no_server_answers_those_with_a_default_have_it(free_address: str) -> None:
    defaults = {"hero": "plain", "footer": "bold"}
    with Client(free_address, timeout_s=0.3) as client:
        answers = client.assign_all(unit="ann", defaults=defaults)
        assert client.assign_all(unit="ann", defaults=NOTHING) == {}
        with pytest.raises(ArmliftError):
            client.assign_all(unit="ann")
    assert {key: answer.variant for key, answer in answers.items()} == defaults
    assert {(answer.open_feature_reason, answer.assignment_id) for answer in answers.values()} == {("ERROR", "")}


def test_an_experiment_that_cannot_be_answered_raises_only_where_there_are_no_defaults(served: Any) -> None:
    too_much = {"device": "x" * 10**5}
    with pytest.raises(ArmliftError, match="send less context"):
        served.client.assign_all(unit="ann", context=too_much)
    answers = served.client.assign_all(unit="ann", context=too_much, defaults={"hero": "plain"})
    assert {key: answer.reason for key, answer in answers.items()} == {"hero": "INVALID_REQUEST"}


def test_the_async_client_asks_for_all_too(served: Any, free_address: str) -> None:
    async def use() -> None:
        async with AsyncClient(served.address, timeout_s=10.0) as client:
            answers = await client.assign_all(unit="ann", request_id="page-1", defaults={"paused": "bold"})
            assert answers == served.client.assign_all(unit="ann", request_id="page-1", defaults={"paused": "bold"})
            assert (await client.assign("hero", unit="ann", qa="bold")).reason == "QA"
        async with AsyncClient(free_address, timeout_s=0.3) as client:
            assert (await client.assign_all(unit="ann", defaults={"hero": "bold"}))["hero"].variant == "bold"
            with pytest.raises(ArmliftError):
                await client.assign_all(unit="ann")

    asyncio.run(use())


# --- one experiment ------------------------------------------------------------------------------------------------


def test_who_tests_the_product_sees_the_variant_asked_for(served: Any) -> None:
    for variant in ("plain", "bold"):
        answer = served.client.assign("hero", unit="ann", qa=variant)
        assert (answer.variant, answer.reason, answer.open_feature_reason) == (variant, "QA", "TARGETING_MATCH")
        assert (answer.propensity, bool(answer.assignment_id)) == (None, True)
    (batched,) = served.client.assign_many([Ask("hero", "ann", qa_variant="bold")])
    assert (batched.variant, batched.reason) == ("bold", "QA")
    assert {row.reason for row in served.assignments()} == {Reason.QA}


def test_a_sticky_answer_names_the_draw_that_it_repeats(served: Any) -> None:
    drawn, kept = (served.client.assign("footer", unit="ann") for _ in range(2))
    assert (drawn.reason, drawn.kept_from) == ("DRAWN", "")
    assert (kept.reason, kept.kept_from, kept.variant) == ("CACHED", drawn.assignment_id, drawn.variant)
    assert kept.propensity is None


@pytest.mark.parametrize("value", [Decimal(1), object(), "\ud800", 10**400, {1: 2}, [[object()]]])
def test_what_no_message_can_hold_is_refused_before_it_leaves(free_address: str, value: Any) -> None:
    with Client(free_address, timeout_s=0.3) as client:
        with pytest.raises(ArmliftError, match="pass numbers, texts") as refused:
            client.assign("hero", unit="ann", context={"odd": value})
        assert refused.value.code == "INVALID_REQUEST"
        answer = client.assign("hero", unit="ann", context={"odd": value}, default="plain")
        with pytest.raises(ArmliftError, match="pass numbers, texts"):
            client.record_many([Event(value, unit="ann")])
    assert answer == Answer("hero", "plain", {}, "INVALID_REQUEST", "ERROR", message=answer.message)


def test_with_a_default_even_a_time_without_a_zone_shows_a_page(free_address: str) -> None:
    with Client(free_address, timeout_s=0.3) as client:
        answer = client.assign("hero", unit="ann", at=datetime(2024, 1, 1), default="plain")
    assert (answer.variant, answer.reason) == ("plain", "INVALID_REQUEST")
    assert "no time zone" in answer.message
