"""Candidates and slots over the wire: what is brought along, filled, repeated and told of each slot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from armlift import Answer, ArmliftError, Ask, AsyncClient, Candidate, Client, Event

from engine.experiments import ContextField, Experiment, ExposureRule, FieldType, Status, Variant
from engine.funnel import Cap, Funnel, Rest
from engine.metrics import Metric
from engine.records import Outcome, Reason
from engine.specs import ContextualSpec

PRICE = ContextField("price", FieldType.NUMBER)
NEWS = Experiment("news", (Variant("house", '{"size": 1}'),), (Metric("click"),), candidates=(PRICE,), slots=3)
SHELF = Experiment("shelf", tuple(map(Variant, "abcd")), (Metric("click"),), slots=4)
DAY = timedelta(days=1)
ARTICLES = [Candidate(f"a{n}", {"price": n, "colour": "red"}) for n in range(5)]


@pytest.fixture
def served(service: Any) -> Any:
    for experiment in (NEWS, SHELF):
        service.start(experiment)
    return service


def slate(served: Any, at: datetime, request_id: str = "r1", **changes: Any) -> list[Answer]:
    asked = {"unit": "ann", "at": at, "request_id": request_id, "candidates": ARTICLES} | changes
    answers: list[Answer] = served.client.assign_slate("news", asked.pop("slots", 3), **asked)
    return answers


def refused(call: Any) -> str:
    with pytest.raises(ArmliftError) as error:
        call()
    assert error.value.code == "INVALID_REQUEST"
    return str(error.value)


def test_the_slots_are_filled_in_order_each_with_another_candidate(served: Any, at: datetime) -> None:
    answers = slate(served, at)
    assert [answer.slot for answer in answers] == [0, 1, 2]
    assert len({answer.variant for answer in answers} & {article.name for article in ARTICLES}) == 3
    assert [answer.propensity for answer in answers] == pytest.approx([1 / 5, 1 / 4, 1 / 3])
    assert {answer.assignment_id for answer in answers} == {answers[0].assignment_id}
    rows = served.assignments()
    assert [(row.slot, row.variant, len(row.eligible)) for row in rows] == [
        (slot, answer.variant, 5 - slot) for slot, answer in enumerate(answers)
    ]
    assert {candidate.name: candidate.features for candidate in rows[0].candidates} == {
        f"a{n}": {"price": n} for n in range(5)
    }, "what is not declared is not kept"


def test_one_slot_is_answered_by_a_candidate_too(served: Any, at: datetime) -> None:
    answer = served.client.assign("news", unit="ann", at=at, candidates=ARTICLES, excluded=["a0", "a1", "a2", "a3"])
    assert (answer.variant, answer.propensity, answer.payload) == ("a4", 1.0, {})
    without = served.client.assign("news", unit="ann", at=at)
    assert (without.variant, without.reason, without.payload) == ("house", "NO_VARIANTS", {"size": 1})


def test_fewer_candidates_than_slots_make_fewer_answers(served: Any, at: datetime) -> None:
    assert [answer.slot for answer in slate(served, at, candidates=ARTICLES[:2])] == [0, 1]


@pytest.mark.parametrize("later", ["slots", "pause", "kill"])
def test_a_repeated_request_has_all_its_slots_as_they_were(served: Any, at: datetime, later: str) -> None:
    asked = Ask("shelf", "ann", at=at, request_id="r1", slots=4)
    (first,) = served.client.assign_slates([asked])
    assert len(first) == 4
    if later == "slots":
        served.management.apply(replace(SHELF, slots=2), "fewer")
    elif later == "pause":
        served.management.move("shelf", Status.PAUSED, "lunch")
    else:
        served.management.apply(replace(SHELF, killed=("c", "d")), "sold out")
    n_rows = len(served.assignments())
    (again,) = served.client.assign_slates([asked])
    alone = served.client.assign_slate("shelf", 4, unit="ann", at=at, request_id="r1")
    assert first == again == alone
    assert len(served.assignments()) == n_rows == 4


def test_an_id_that_was_used_for_other_slots_is_refused_and_adds_none(served: Any, at: datetime) -> None:
    slate(served, at, slots=2)
    for other in (1, 3):
        with pytest.raises(ArmliftError, match="mint a new one"):
            slate(served, at, slots=other)
    (result,) = served.client.assign_slates([Ask("news", "ann", at=at, request_id="r1", slots=3)])
    assert result.code == "REQUEST_ID_REUSED"
    assert len(served.assignments()) == 2


@pytest.mark.parametrize("slots", [(1, 3, 3), (3, 1, 3), (3, 2, 1)])
def test_of_an_id_that_is_sent_at_once_for_other_slots_the_first_stands_alone(
    served: Any, at: datetime, slots: tuple[int, ...]
) -> None:
    asks = [Ask("news", "ann", at=at, request_id="r1", candidates=ARTICLES, slots=n_slots) for n_slots in slots]
    first, *others = served.client.assign_slates(asks)
    rows = served.assignments()
    assert [answer.variant for answer in first] == [row.variant for row in rows]
    assert len(rows) == slots[0]
    for n_slots, other in zip(slots[1:], others, strict=True):
        assert other == first if n_slots == slots[0] else other.code == "REQUEST_ID_REUSED"


def test_a_dry_run_fills_the_slots_and_keeps_nothing(served: Any, at: datetime) -> None:
    tried = slate(served, at, dry_run=True)
    assert [(answer.slot, answer.assignment_id) for answer in tried] == [(0, ""), (1, ""), (2, "")]
    assert served.log() == []
    kept = slate(served, at)
    assert [answer.variant for answer in slate(served, at, dry_run=True)] == [answer.variant for answer in kept]


def test_a_batch_answers_slates_beside_others_with_all_their_slots(served: Any, at: datetime) -> None:
    news = Ask("news", "ann", at=at, slots=3, candidates=ARTICLES, request_id="r1")
    asks = [Ask("hero", "ann", at=at), news, replace(news, slots=9, request_id=""), news, Ask("shelf", at=at, slots=2)]
    hero, first, too_many, again, nobody = served.client.assign_slates(asks)
    assert [len(each) for each in (hero, first, again, nobody)] == [1, 3, 3, 1]
    assert first == again
    assert (too_many.code, nobody[0].reason) == ("INVALID_REQUEST", "UNIT_MISSING")
    assert len(served.assignments()) == 4
    assert "assign_slates" in refused(lambda: served.client.assign_many(asks))


def test_exposures_and_outcomes_are_of_the_slot_that_was_answered(served: Any, at: datetime) -> None:
    answers = slate(served, at)
    assert {done.status for done in served.client.expose(*answers, at=at)} == {"RECORDED"}
    assert served.client.record("click", answer=answers[2], at=at).status == "RECORDED"
    served.client.record_many([Event("click").of(answers[1])], at=at)
    told = [entry for entry in served.log() if isinstance(entry, Outcome)]
    assert [(outcome.assignment_id, outcome.slot) for outcome in told] == [
        (answers[2].assignment_id, 2),
        (answers[1].assignment_id, 1),
    ]


def spared(service: Any, at: datetime, exposure: ExposureRule, **funnel: Any) -> Callable[[timedelta], list[Answer]]:
    """Return what fills three slots of the same customer at a time, in an experiment that leaves people alone."""
    service.start(replace(SHELF, exposure=exposure, funnel=Funnel(**funnel)))
    return lambda after: service.client.assign_slate("shelf", 3, unit="ann", at=at + after)


@pytest.mark.parametrize("slot", [0, 2])
def test_an_exposure_of_any_slot_counts_for_a_cap_and_several_count_once(service: Any, at: datetime, slot: int) -> None:
    ask = spared(service, at, ExposureRule.REPORTED, cap=Cap(2, 7 * DAY))
    for day in range(2):
        answers = ask(day * DAY)
        service.client.expose(answers[slot], answers[1], at=at + day * DAY)
        assert {answer.reason for answer in answers} == {"DRAWN"}
    assert {answer.reason for answer in ask(3 * DAY)} == {"CAPPED"}
    assert {answer.reason for answer in ask(7 * DAY)} == {"DRAWN"}, "the first one is out of the window"


@pytest.mark.parametrize(("slot", "reason"), [(0, "DRAWN"), (2, "DRAWN"), (None, "CAPPED")])
def test_who_clicks_on_any_slot_is_not_left_alone(service: Any, at: datetime, slot: int | None, reason: str) -> None:
    ask = spared(service, at, ExposureRule.ASSIGNED, rest=Rest("click", DAY, 7 * DAY))
    answers = ask(0 * DAY)
    if slot is not None:
        service.client.record("click", answer=answers[slot], at=at + DAY / 2)
    assert {answer.reason for answer in ask(2 * DAY)} == {reason}


def test_every_slot_is_explained(served: Any, at: datetime) -> None:
    answers = slate(served, at)
    for answer in answers:
        explanation = served.management.explain(answer.assignment_id, answer.slot)
        assert explanation.verdict.value == "reproduced"


def test_what_does_not_fit_the_experiment_is_refused(served: Any, at: datetime) -> None:
    ask = served.client.assign
    assert "takes no candidates" in refused(lambda: ask("hero", unit="ann", at=at, candidates=ARTICLES))
    assert "1 to 3" in refused(lambda: slate(served, at, slots=4))
    assert "1 to 1" in refused(lambda: served.client.assign_slate("hero", 2, unit="ann", at=at))
    for same in ([Candidate("a"), Candidate("a")], [Candidate("house")]):
        refused(lambda same=same: slate(served, at, candidates=same))
    assert served.log() == []


def test_a_thousand_candidates_fit_and_their_context_is_bounded_by_itself(served: Any, at: datetime) -> None:
    many = [Candidate(f"article {n}", {"price": n, "text": "x" * 500}) for n in range(1000)]
    assert len(slate(served, at, candidates=many)) == 3
    row = served.assignments()[-1]
    assert (len(row.candidates), len(row.eligible)) == (1000, 998)
    assert "fewer candidates" in refused(lambda: slate(served, at, "r2", candidates=[*many[:-1], *_heavy()]))
    assert "may have 65536" in refused(lambda: slate(served, at, "r2", context={"note": "x" * 10**5}))
    assert "at most 1,000" in refused(
        lambda: slate(served, at, "r2", candidates=[Candidate(str(n)) for n in range(1001)])
    )


def _heavy() -> list[Candidate]:
    return [Candidate("heavy", {"text": "x" * 10**6})]


def test_a_feature_of_another_type_gets_the_usual_order_logged_as_no_draw(served: Any, at: datetime) -> None:
    wrong = [Candidate("a0", {"price": "cheap"}), *ARTICLES[1:]]
    answers = slate(served, at, candidates=wrong)
    assert {answer.reason for answer in answers} == {"CONTEXT_INVALID"}
    assert {row.reason for row in served.assignments()} == {Reason.CONTEXT_INVALID}
    assert [answer.propensity for answer in answers] == [None] * 3


def test_a_policy_that_learns_answers_candidates_before_it_learned_anything(service: Any, at: datetime) -> None:
    service.start(replace(NEWS, policy=ContextualSpec()))
    answers = slate(service, at)
    assert [answer.reason for answer in answers] == ["DRAWN"] * 3


def test_where_no_server_answers_the_candidates_are_shown_as_they_were_brought() -> None:
    with Client("127.0.0.1:1", timeout_s=0.3) as client:
        answers = client.assign_slate(
            "news", 4, unit="ann", candidates=ARTICLES[:4], excluded=["a1"], defaults=["a0", "house", "more"]
        )
        with pytest.raises(ArmliftError):
            client.assign_slate("news", 4, unit="ann", candidates=ARTICLES)
    assert [(answer.slot, answer.variant) for answer in answers] == [(0, "a0"), (1, "a2"), (2, "a3"), (3, "house")]
    assert {(answer.open_feature_reason, answer.assignment_id) for answer in answers} == {("ERROR", "")}


def test_the_async_client_fills_slots_too(served: Any, at: datetime) -> None:
    async def use() -> list[Answer]:
        async with AsyncClient(served.address, timeout_s=10.0) as client:
            answers = await client.assign_slate("news", 3, unit="ann", at=at, request_id="r1", candidates=ARTICLES)
            asked = Ask("news", "ann", at=at, request_id="r1", candidates=ARTICLES, slots=3)
            assert await client.assign_slates([asked]) == [answers]
            one = await client.assign("news", unit="ann", at=at, candidates=ARTICLES)
            assert one.variant in {article.name for article in ARTICLES}
        async with AsyncClient("127.0.0.1:1", timeout_s=0.3) as client:
            fallback = await client.assign_slate("news", 2, unit="ann", candidates=ARTICLES, defaults=[])
            assert [answer.variant for answer in fallback] == ["a0", "a1"]
        return answers

    assert asyncio.run(use()) == slate(served, at)
