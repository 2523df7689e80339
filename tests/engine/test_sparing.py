"""Forced and tested variants, what is kept, and who is left alone, through the engine and a store."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.errors import InvalidRequest
from engine.experiments import ExposureRule, Status
from engine.explanation import Verdict
from engine.funnel import Cap, ForcedRule, Funnel, Layer, LayerRange, Population, Rest, Sticky
from engine.metrics import Metric
from engine.records import Assignment, DrawKey, Reason, Unit
from engine.specs import FixedSpec, ThompsonSpec
from tests.engine.house import NOW, House, days, experiment


@pytest.fixture
def house() -> House:
    return House()


def outcome(row: Assignment) -> tuple[str, Reason]:
    return row.variant, row.reason


# --- forced and tested ---------------------------------------------------------------------------------------------


def test_a_forced_variant_is_logged_and_no_draw(house):
    rule = ForcedRule("bold", {"staff": True})
    house.run(experiment(forced=(rule,), funnel=Funnel(audience={"country": "NO"})))
    row = house.ask(context={"staff": True})
    assert outcome(row) == ("bold", Reason.FORCED)
    assert (row.is_draw, row.propensity, row.eligible) == (False, None, ())
    assert house.store.assignment(row.assignment_id).reason is Reason.FORCED
    assert house.explain(row).verdict is Verdict.NOT_DRAWN


def test_a_forced_unit_goes_before_a_rule_and_a_test_before_both(house):
    house.run(experiment(forced=(ForcedRule("bold", {"staff": True}),)))
    house.force("hero", Unit("customer", "u1"), "quiet")
    assert outcome(house.decide(context={"staff": True})) == ("quiet", Reason.FORCED)
    assert outcome(house.decide(context={"staff": True}, qa_variant="plain")) == ("plain", Reason.QA)
    house.force("hero", Unit("customer", "u1"), "")
    assert outcome(house.decide(context={"staff": True})) == ("bold", Reason.FORCED)


def test_what_is_killed_or_excluded_is_not_forced(house):
    house.run(experiment(forced=(ForcedRule("bold", {"staff": True}),)))
    assert house.decide(context={"staff": True}, excluded_variants=frozenset({"bold"})).reason is Reason.DRAWN
    house.change("hero", killed=("bold",))
    assert house.decide(context={"staff": True}).reason is Reason.DRAWN


def test_a_test_of_no_variant_is_a_wrong_call_and_a_draft_cannot_be_tested(house):
    house.run(experiment())
    with pytest.raises(InvalidRequest, match="no variant"):
        house.decide(qa_variant="loud")
    house.move("hero", Status.PAUSED)
    assert house.decide(qa_variant="bold").reason is Reason.PAUSED


# --- what is kept --------------------------------------------------------------------------------------------------


def test_a_sticky_unit_keeps_its_variant_through_an_epoch(house):
    house.run(experiment(sticky=Sticky()))
    drawn = house.ask()
    assert (drawn.reason, drawn.draw_key) == (Reason.DRAWN, DrawKey.UNIT_ONCE)
    others = {"plain", "bold", "quiet"} - {drawn.variant}
    weights = {drawn.variant: 0.001} | dict.fromkeys(others, 0.4995)
    house.change("hero", policy=FixedSpec(weights))
    row = house.ask(name="again")
    assert outcome(row) == (drawn.variant, Reason.CACHED)
    assert (row.is_draw, row.epoch, row.kept_from, row.distribution) == (False, 2, drawn.assignment_id, ())
    assert house.explain(row).verdict is Verdict.REPRODUCED
    third = house.ask(name="third")
    assert third.kept_from == drawn.assignment_id


def test_a_test_that_becomes_sticky_changes_nobodys_variant(house):
    house.run(experiment())
    before = {f"u{n}": house.ask(f"u{n}").variant for n in range(60)}
    house.change("hero", sticky=Sticky())
    rows = [house.ask(unit, name="sticky") for unit in before]
    assert {row.unit.id: row.variant for row in rows} == before
    assert {(row.reason, row.draw_key) for row in rows} == {(Reason.DRAWN, DrawKey.UNIT_ONCE)}
    assert {house.explain(row).verdict for row in rows} == {Verdict.REPRODUCED}


def test_two_requests_at_once_get_one_draw(house):
    house.run(experiment(policy=ThompsonSpec(), sticky=Sticky()))
    rows = [house.decide(name=str(n)) for n in range(20)]
    assert [row.reason for row in rows] == [Reason.DRAWN] + 19 * [Reason.CACHED]
    assert len({row.variant for row in rows}) == 1
    house.keep(rows)
    assert house.decide(name="later").reason is Reason.CACHED


def test_a_draw_that_was_not_kept_is_not_held_on_to(house):
    house.run(experiment(policy=ThompsonSpec(), sticky=Sticky()))
    lost = house.decide()
    house.engine.settle([lost])
    assert house.decide(name="next").reason is Reason.DRAWN


def test_stickiness_survives_a_restart(house):
    house.run(experiment(policy=ThompsonSpec(), sticky=Sticky()))
    drawn = house.ask()
    house.open()
    assert outcome(house.decide(name="later")) == (drawn.variant, Reason.CACHED)


def test_another_version_draws_anew_and_a_least_version_leaves_out(house):
    house.run(experiment(policy=ThompsonSpec(), sticky=Sticky()))
    house.ask()
    house.change("hero", sticky=Sticky(version=2))
    assert house.ask(name="v2").reason is Reason.DRAWN
    assert house.ask(name="v2 again").reason is Reason.CACHED
    house.change("hero", sticky=Sticky(version=3, min_version=3))
    row = house.decide(name="v3")
    assert (row.reason, row.reason.is_logged) == (Reason.BLOCKED, False)
    assert house.decide("somebody new").reason is Reason.DRAWN


def test_a_kept_variant_that_is_killed_or_excluded_is_drawn_anew(house):
    house.run(experiment(policy=ThompsonSpec(), sticky=Sticky()))
    rows = [house.ask(f"u{n}") for n in range(60)]
    unit = next(row.unit.id for row in rows if row.variant == "bold")
    assert (
        house.decide(unit, name="not now", dry_run=True, excluded_variants=frozenset({"bold"})).reason is Reason.DRAWN
    )
    house.change("hero", killed=("bold",))
    row = house.decide(unit, name="again")
    assert row.reason is Reason.DRAWN
    assert row.variant != "bold"


def test_logging_in_does_not_change_the_variant(house):
    """Neither a draw nor the funnel: what was drawn for the device goes on for the customer."""
    house.divide(Population(holdout=0.3))
    house.run(experiment(sticky=Sticky(), fallback_unit="device", funnel=Funnel(traffic=0.5)))
    seen = 0
    for n in range(120):
        before = house.ask("", name=f"{n} before", units={"device": f"d{n}"})
        if not before.is_draw:
            continue
        both = {"device": f"d{n}", "customer": f"c{n}"}
        after = house.ask("", name=f"{n} after", units=both)
        assert outcome(after) == (before.variant, Reason.CACHED)
        assert (after.unit, after.kept_from) == (Unit("customer", f"c{n}"), before.assignment_id)
        elsewhere = house.ask("", name=f"{n} elsewhere", units={"device": f"other {n}", "customer": f"c{n}"})
        assert outcome(elsewhere) == (before.variant, Reason.CACHED)
        seen += 1
    assert seen > 20


def test_a_customers_own_variant_goes_before_the_devices(house):
    house.run(experiment(policy=ThompsonSpec(), sticky=Sticky(), fallback_unit="device"))
    own = house.ask("c1")
    for n in range(10):
        house.ask("", name=f"device {n}", units={"device": f"d{n}"})
        row = house.ask("", name=f"both {n}", units={"device": f"d{n}", "customer": "c1"})
        assert outcome(row) == (own.variant, Reason.CACHED)


# --- who is left alone ---------------------------------------------------------------------------------------------


def test_a_cap_counts_exposures_in_its_window(house):
    house.run(experiment(funnel=Funnel(cap=Cap(2, days(7)))))
    found = [house.ask(at=NOW + days(n), name=str(n)).reason for n in range(9)]
    drawn, capped = Reason.DRAWN, Reason.CAPPED
    assert found == [drawn, drawn, *5 * [capped], drawn, drawn]
    row = house.ask(at=NOW + days(8.5), name="last")
    assert outcome(row) == ("plain", Reason.CAPPED)
    assert (row.is_draw, row.reason.is_logged) == (False, True)
    assert house.ask("somebody else", at=NOW).reason is Reason.DRAWN


def test_a_cap_holds_among_requests_at_once_and_after_a_restart(house):
    house.run(experiment(funnel=Funnel(cap=Cap(2, days(7)))))
    rows = [house.decide(name=str(n)) for n in range(5)]
    assert [row.reason for row in rows] == [Reason.DRAWN, Reason.DRAWN, Reason.CAPPED, Reason.CAPPED, Reason.CAPPED]
    house.keep(rows)
    house.open()
    assert house.decide(name="later", at=NOW + days(1)).reason is Reason.CAPPED


def test_a_retry_has_its_first_answer_though_the_cap_is_reached(house):
    house.run(experiment(funnel=Funnel(cap=Cap(1, days(7)))))
    first = house.ask(name="one")
    (kept,) = house.store.append([house.decide(name="one")])
    assert kept.entry.reason is Reason.DRAWN
    assert kept.entry.assignment_id == first.assignment_id


def test_a_retry_that_meets_its_first_request_under_way_counts_once(house):
    house.run(experiment(funnel=Funnel(cap=Cap(2, days(7)))))
    rows = [house.decide(name=name) for name in ("one", "one", "two", "three")]
    assert [row.reason for row in rows] == [*3 * [Reason.DRAWN], Reason.CAPPED]


def test_where_exposures_are_reported_those_count(house):
    house.run(experiment(exposure=ExposureRule.REPORTED, funnel=Funnel(cap=Cap(1, days(7)))))
    unseen = house.ask(name="unseen")
    assert house.ask(name="seen").reason is Reason.DRAWN
    house.expose(unseen, NOW + days(1))
    assert house.decide(name="now", at=NOW + days(2)).reason is Reason.CAPPED
    assert house.decide(name="then", at=NOW + days(8.1)).reason is Reason.DRAWN


def test_a_layers_cap_counts_all_its_experiments(house):
    house.divide(Population(layers={"mail": Layer(cap=Cap(1, days(7)))}))
    house.run(experiment("spring", funnel=Funnel(layer=LayerRange("mail"))))
    assert house.ask(experiment_id="spring").reason is Reason.DRAWN
    house.move("spring", Status.CONCLUDED)
    house.run(experiment("summer", funnel=Funnel(layer=LayerRange("mail"))))
    assert house.ask(experiment_id="summer", at=NOW + days(3)).reason is Reason.CAPPED
    assert house.ask(experiment_id="summer", at=NOW + days(8), name="8").reason is Reason.DRAWN


def test_who_does_not_react_is_left_alone_for_a_while(house):
    rest = Rest("click", within=days(2), lasts=days(10))
    house.run(experiment(funnel=Funnel(rest=rest)))
    house.ask()
    moments = {2.5: Reason.CAPPED, 11.9: Reason.CAPPED, 12.1: Reason.DRAWN}
    assert {n: house.decide(at=NOW + days(n), name=str(n)).reason for n in moments} == moments


@pytest.mark.parametrize("by_unit", [True, False])
def test_who_reacts_is_not(house, by_unit):
    house.run(experiment(funnel=Funnel(rest=Rest("click", within=days(2), lasts=days(10)))))
    row = house.ask()
    if by_unit:
        house.react("u1", NOW + days(1))
    else:
        house.report(row, NOW + days(1))
    assert house.decide(at=NOW + days(3), name="3").reason is Reason.DRAWN


def test_what_nobody_saw_is_no_contact(house):
    """Fallbacks, capped answers and tests of the product count for neither cap nor rest."""
    house.run(experiment(funnel=Funnel(cap=Cap(1, days(7)))))
    house.ask(qa_variant="bold", name="qa")
    assert house.ask(excluded_variants=frozenset({"plain", "bold", "quiet"}), name="none").reason is Reason.NO_VARIANTS
    assert house.ask(name="first").reason is Reason.DRAWN


def test_an_outcome_of_another_name_is_no_reaction(house):
    metrics = (Metric("click"), Metric("visit"))
    house.run(replace(experiment(funnel=Funnel(rest=Rest("click", days(2), days(10)))), metrics=metrics))
    house.ask()
    house.react("u1", NOW + days(1), "visit")
    assert house.decide(at=NOW + days(3), name="3").reason is Reason.CAPPED
