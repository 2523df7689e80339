"""Several slots of one answer: each drawn among what those before it left, and whatever is not drawn says so."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.clock import RequestClock
from engine.errors import InvalidRequest
from engine.experiments import ContextField, Experiment, FieldType, Variant
from engine.explanation import Verdict
from engine.funnel import Cap, ForcedRule, Funnel
from engine.randomness import ONE
from engine.records import Assignment, Candidate, Context, DrawKey, Group, KeptStatus, Reason
from engine.specs import ContextualSpec, FixedSpec, Rule, SegmentsSpec, ThompsonSpec
from tests.engine.house import House, days, experiment

FOUR = tuple(Variant(name) for name in ("plain", "bold", "quiet", "loud"))
TILTED = FixedSpec({"plain": 0.4, "bold": 0.3, "quiet": 0.2, "loud": 0.1})
RULES = SegmentsSpec((Rule({"visits": {"$gte": 5}}, {"bold": 1.0}),), TILTED.weights)
SLATE = experiment(variants=FOUR, slots=3, policy=TILTED)
BANDIT = replace(SLATE, policy=ThompsonSpec(control_share=0.5))
OFFERS = tuple(Candidate(f"offer-{n}", {"price": float(n)}) for n in range(5))
BROUGHT = replace(SLATE, candidates=(ContextField("price", FieldType.NUMBER),), policy=ContextualSpec())


def housed(running: Experiment, **asked: object) -> House:
    house = House(**asked)
    house.run(running)
    return house


def shown(rows: Sequence[Assignment]) -> list[str]:
    return [row.variant for row in rows]


def of_group(house: House, group: Group, **asked: object) -> list[Assignment]:
    found = (house.fill(f"u{n}", 3, **asked) for n in range(100))
    return next(rows for rows in found if rows[0].group is group)


# --- draws ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", [TILTED, ThompsonSpec(), RULES])
def test_each_slot_is_drawn_among_what_those_before_it_left(spec: FixedSpec | ThompsonSpec | SegmentsSpec) -> None:
    house = housed(replace(SLATE, policy=spec))
    for n in range(50):
        rows = house.fill(f"u{n}", 3)
        assert [row.slot for row in rows] == [0, 1, 2]
        assert {(row.assignment_id, row.reason, row.draw_key) for row in rows} == {
            (rows[0].assignment_id, Reason.DRAWN, spec.draw_key)
        }
        left = [variant.name for variant in FOUR]
        for row in rows:
            assert row.eligible == tuple(left)
            assert sum(row.distribution) == ONE
            left.remove(row.variant)
            explanation = house.explain(row)
            assert explanation.verdict is Verdict.REPRODUCED, explanation


@given(st.lists(st.floats(0.01, 1), min_size=4, max_size=4), st.text(min_size=1, max_size=5))
def test_the_product_of_the_propensities_is_the_probability_of_the_sequence(raw: list[float], unit: str) -> None:
    """Against Plackett and Luce: p1 * p2 / (1 - p1) * p3 / (1 - p1 - p2).

    Four weights are each rounded by at most one part in 2**32, and of a propensity above 1/400 that is 1e-7 of it.
    """
    shares = [weight / math.fsum(raw) for weight in raw]
    shares[0] += 1 - math.fsum(shares)
    by_name = dict(zip((variant.name for variant in FOUR), shares, strict=True))
    rows = housed(replace(SLATE, policy=FixedSpec(by_name))).fill(unit, 3)
    expected, left = 1.0, 1.0
    for row in rows:
        expected *= by_name[row.variant] / left
        left -= by_name[row.variant]
    assert math.isclose(math.prod(row.propensity or 0 for row in rows), expected, rel_tol=1e-5)


def test_a_request_for_one_slot_has_the_first_answer_of_a_slate() -> None:
    house = housed(SLATE)
    for n in range(30):
        (one,), three = house.fill(f"u{n}", 1, name="x"), house.fill(f"u{n}", 3, name="x")
        assert replace(one, seq=0) == replace(three[0], seq=0)
        assert house.decide(f"u{n}", name="x").drawn == one.drawn


def test_the_slots_of_a_unit_are_drawn_by_numbers_of_their_own() -> None:
    for spec in (TILTED, ThompsonSpec()):
        rows = housed(replace(SLATE, policy=spec)).fill("u1", 3)
        assert len({row.drawn for row in rows}) == 3


def test_fewer_variants_than_slots_are_fewer_answers() -> None:
    house = housed(SLATE)
    rows = house.fill("u1", 3, excluded_variants=frozenset({"plain", "loud"}))
    assert sorted(shown(rows)) == ["bold", "quiet"]
    assert (rows[1].eligible, rows[1].distribution) == ((rows[1].variant,), (ONE,))
    assert {house.explain(row).verdict for row in rows} == {Verdict.REPRODUCED}


def test_the_control_group_gets_the_control_and_then_the_others_in_order() -> None:
    house = housed(replace(BANDIT, control="quiet", default="quiet"))
    rows = of_group(house, Group.CONTROL)
    assert shown(rows) == ["quiet", "plain", "bold"]
    assert [(row.eligible, row.distribution, row.is_draw) for row in rows] == [
        ((name,), (ONE,), True) for name in shown(rows)
    ]
    assert {house.explain(row).verdict for row in rows} == {Verdict.REPRODUCED}
    less = of_group(house, Group.CONTROL, excluded_variants=frozenset({"plain"}), name="less")
    assert shown(less) == ["quiet", "bold", "loud"]


@pytest.mark.parametrize("spec", [TILTED, ThompsonSpec(control_share=0.3)])
def test_a_killed_variant_fills_no_slot(spec: FixedSpec | ThompsonSpec) -> None:
    house = housed(replace(SLATE, policy=spec))
    before = {n: house.fill(f"u{n}", 3) for n in range(40)}
    house.change("hero", killed=("bold",))
    for n, rows in before.items():
        after = house.fill(f"u{n}", 3, name="after")
        assert "bold" not in shown(after)
        assert len({*shown(after)}) == 3
        assert {house.explain(row).verdict for row in (*rows, *after)} == {Verdict.REPRODUCED}
        if spec is TILTED and rows[0].variant != "bold":
            assert after[0].variant == rows[0].variant


def test_candidates_fill_slots_too() -> None:
    house = housed(replace(BROUGHT, policy=ContextualSpec(control_share=0.5)))
    drawn, control = (of_group(house, group, candidates=OFFERS, context={"visits": 2.0}) for group in Group)
    assert shown(control) == ["offer-0", "offer-1", "offer-2"]
    assert len({*shown(drawn)}) == 3
    assert [len(row.eligible) for row in drawn] == [5, 4, 3]
    assert {len(row.candidates) for row in (*drawn, *control)} == {5}
    assert {house.explain(row).verdict for row in (*drawn, *control)} == {Verdict.REPRODUCED}


# --- no draws ------------------------------------------------------------------------------------------------------


def test_an_answer_without_a_draw_fills_the_other_slots_as_usual() -> None:
    required = (ContextField("visits", FieldType.NUMBER, required=True),)
    running = replace(SLATE, context=required, default="quiet", forced=(ForcedRule("loud", {"staff": True}),))
    house = housed(running)
    cases = {
        Reason.QA: ({"qa_variant": "bold"}, ["bold", "quiet", "plain"]),
        Reason.FORCED: ({"context": {"staff": True}}, ["loud", "quiet", "plain"]),
        Reason.CONTEXT_MISSING: ({}, ["quiet", "plain", "bold"]),
        Reason.CONTEXT_INVALID: ({"context": {"visits": "many"}}, ["quiet", "plain", "bold"]),
        Reason.NO_VARIANTS: (
            {"context": {"visits": 1.0}, "excluded_variants": frozenset(variant.name for variant in FOUR)},
            ["quiet"],
        ),
    }
    for reason, (asked, expected) in cases.items():
        rows = house.fill("u1", 3, name=reason.value, **asked)
        assert (shown(rows), {row.reason for row in rows}) == (expected, {reason})
        assert [row.slot for row in rows] == list(range(len(rows)))
        assert {(row.is_draw, row.draw_key, row.distribution) for row in rows} == {(False, DrawKey.NONE, ())}
        assert {house.explain(row).verdict for row in rows} == {Verdict.NOT_DRAWN}


def test_what_is_excluded_or_killed_fills_no_other_slot() -> None:
    house = housed(SLATE)
    house.change("hero", killed=("quiet",))
    rows = house.fill("u1", 3, qa_variant="loud", excluded_variants=frozenset({"bold"}))
    assert shown(rows) == ["loud", "plain"]


def test_answers_outside_the_experiment_are_one_row_that_is_counted_once() -> None:
    house = housed(replace(SLATE, funnel=Funnel(audience={"country": "NO"})))
    rows = house.fill("u1", 3)
    assert [(row.variant, row.slot, row.assignment_id) for row in rows] == [("plain", 0, "")]
    assert house.engine.outside("hero") == {"not_in_audience": 1}


def test_candidates_stand_in_their_order_where_nothing_is_drawn() -> None:
    house = housed(replace(BROUGHT, context=(ContextField("visits", FieldType.NUMBER, required=True),)))
    rows = house.fill("u1", 3, candidates=OFFERS, excluded_variants=frozenset({"offer-1"}))
    assert (shown(rows), {row.reason for row in rows}) == (["offer-0", "offer-2", "offer-3"], {Reason.CONTEXT_MISSING})
    tested = house.fill("u1", 3, candidates=OFFERS, qa_variant="offer-4", name="qa")
    assert shown(tested) == ["offer-4", "offer-0", "offer-1"]
    assert {house.explain(row).verdict for row in (*rows, *tested)} == {Verdict.NOT_DRAWN}
    empty = house.fill("u1", 3, context={"visits": 1.0}, name="empty")
    assert [(row.variant, row.reason) for row in empty] == [("plain", Reason.NO_VARIANTS)]


# --- a policy that fails on the way --------------------------------------------------------------------------------


class FailsLater:
    """Answers evenly as long as more than so many variants are eligible."""

    def __init__(self, n_needed: int, error: Exception | None = None) -> None:
        self.n_needed = n_needed
        self.error = error

    def distribution(self, _: Context, eligible: Sequence[Variant]) -> Sequence[float]:
        if len(eligible) > self.n_needed:
            return [1 / len(eligible)] * len(eligible)
        if self.error:
            raise self.error
        return [0.5]


@pytest.mark.parametrize(("n_needed", "error"), [(2, RuntimeError("boom")), (3, None), (4, None)])
def test_a_draw_stands_where_the_policy_fails_on_a_later_slot(n_needed: int, error: Exception | None) -> None:
    house = housed(replace(SLATE, policy=ThompsonSpec()))
    live = house.engine.catalog.find("hero")
    house.engine.swap_in(replace(live, policy=FailsLater(n_needed, error)))
    rows = house.fill("u1", 3)
    n_drawn = 4 - n_needed
    assert [row.reason for row in rows] == [Reason.DRAWN] * n_drawn + [Reason.POLICY_FAILED] * (3 - n_drawn)
    usual = [name for name in ("plain", "bold", "quiet", "loud") if name not in shown(rows[:n_drawn])]
    assert shown(rows[n_drawn:]) == usual[: 3 - n_drawn]
    assert all(row.distribution == () and not row.is_draw for row in rows[n_drawn:])
    assert {house.explain(row).verdict for row in rows[n_drawn:]} <= {Verdict.NOT_DRAWN}


def test_a_prior_chooses_the_first_slot_where_the_policy_fails() -> None:
    prior = SegmentsSpec((Rule({"visits": {"$gte": 5}}, {"quiet": 1.0}),), {"bold": 1.0})
    house = housed(replace(SLATE, policy=ThompsonSpec(prior=prior)))
    live = house.engine.catalog.find("hero")
    house.engine.swap_in(replace(live, policy=FailsLater(9, RuntimeError("boom"))))
    rows = house.fill("u1", 3, context={"visits": 7.0})
    assert shown(rows) == ["quiet", "plain", "bold"]
    assert {house.explain(row).verdict for row in rows} == {Verdict.NOT_DRAWN}


class Ticking(RequestClock):
    """Every look at the stopwatch takes 20 milliseconds; a policy has 50."""

    seconds = 0.0

    def stopwatch_s(self) -> float:
        self.seconds += 0.02
        return self.seconds


def test_the_budget_of_time_is_for_all_slots_together() -> None:
    house = housed(replace(SLATE, policy=ThompsonSpec()), clock=Ticking())
    rows = house.fill("u1", 3)
    assert [row.reason for row in rows] == [Reason.DRAWN, Reason.DRAWN, Reason.POLICY_SLOW]
    assert len({*shown(rows)}) == 3
    assert {house.explain(row).verdict for row in rows} == {Verdict.REPRODUCED, Verdict.NOT_DRAWN}


# --- calls, and what is kept ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_slots", [-1, 4, 10**9])
def test_more_slots_than_there_are_is_a_wrong_call(n_slots: int) -> None:
    with pytest.raises(InvalidRequest, match="1 to 3"):
        housed(SLATE).fill("u1", n_slots)


def test_no_number_of_slots_is_one() -> None:
    assert [row.slot for row in housed(SLATE).fill("u1", 0)] == [0]


def test_one_answer_is_asked_for_where_there_is_one_slot() -> None:
    with pytest.raises(InvalidRequest, match="`fill`"):
        housed(SLATE).decide("u1", n_slots=2)


def test_the_same_request_has_the_same_slots_and_is_kept_once() -> None:
    house = housed(replace(SLATE, policy=ThompsonSpec()))
    request = house.request("u1", n_slots=3, digest=b"a")
    first, again = house.engine.fill(request), house.engine.fill(request)
    assert first == again
    statuses = [kept.status for kept in house.store.append([*first, *again])]
    assert statuses == [KeptStatus.RECORDED] * 3 + [KeptStatus.DUPLICATE] * 3


def test_a_cap_counts_answers_and_not_slots() -> None:
    house = housed(replace(SLATE, funnel=Funnel(cap=Cap(2, days(1)))))
    reasons = [{row.reason for row in house.fill("u1", 3, name=name)} for name in ("one", "two", "three")]
    assert reasons == [{Reason.DRAWN}, {Reason.DRAWN}, {Reason.CAPPED}]
    capped = house.fill("u1", 3, name="four")
    assert shown(capped) == ["plain", "bold", "quiet"]
    assert {house.explain(row).verdict for row in capped} == {Verdict.NOT_DRAWN}


def test_two_slates_at_once_cannot_both_be_the_last_one_allowed() -> None:
    house = housed(replace(SLATE, funnel=Funnel(cap=Cap(1, days(1)))))
    first = house.engine.fill(house.request("u1", n_slots=3, name="first"))
    second = house.engine.fill(house.request("u1", n_slots=3, name="second"))
    assert (first[0].reason, second[0].reason) == (Reason.DRAWN, Reason.CAPPED)
    assert [row.is_remembered for row in first] == [True, False, False]
    house.engine.settle([*first, *second])
    assert house.fill("u1", 3, name="third")[0].reason is Reason.DRAWN


def test_a_dry_run_is_remembered_by_nobody() -> None:
    house = housed(replace(SLATE, funnel=Funnel(cap=Cap(1, days(1)))))
    house.engine.fill(house.request("u1", n_slots=3, dry_run=True))
    assert house.fill("u1", 3, name="then")[0].reason is Reason.DRAWN


def test_a_variant_that_was_drawn_twice_is_noticed() -> None:
    house = housed(SLATE)
    rows = house.engine.fill(house.request("u1", n_slots=3))
    house.store.append(
        [rows[0], replace(rows[1], slot=1, eligible=rows[0].eligible, distribution=rows[0].distribution)]
    )
    explanation = house.explain(rows[1])
    assert explanation.verdict is Verdict.DIFFERS
    assert "slot" in [step.name for step in explanation.steps if not step.holds]
