"""What every store promises of one unit: what it keeps, what it met, whether it reacted, and what is forced on it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from engine.experiments import Change, ExposureRule, Status
from engine.funnel import ForcedUnit
from engine.records import Contact, Erasure, Reason, Unit
from tests.conformance.entries import ANNA, BEN, NOON, assignment, exposure, outcome, remembered

ASSIGNED, REPORTED = ExposureRule.ASSIGNED, ExposureRule.REPORTED
BEFORE = NOON - timedelta(days=1)
HERO = {"hero": ASSIGNED}


def contact(number: int, experiment_id: str = "hero", after_s: float | None = None) -> Contact:
    at = NOON + timedelta(seconds=number if after_s is None else after_s)
    return Contact(f"{number:032x}", experiment_id, at)


def forget(both, unit: Unit) -> None:
    both.store.append([Erasure(unit, NOON, "kim", "asked")])


# --- what it keeps ---------------------------------------------------------------------------------------------------


def test_a_unit_keeps_its_latest_remembered_row_of_the_experiment(both) -> None:
    cached = replace(remembered(4, reason=Reason.CACHED), kept_from=f"{1:032x}", is_draw=False)
    both.kept(remembered(1), remembered(2, BEN), remembered(3, experiment_id="other"), cached, assignment(5))
    assert both.reader.kept("hero", ANNA) == both.reader.assignment(f"{4:032x}")
    assert both.reader.kept("hero", ANNA).kept_from == f"{1:032x}"
    assert both.reader.kept("hero", BEN).unit == BEN
    assert both.reader.kept("other", ANNA).seq == 3
    assert both.reader.kept("none", ANNA) is None


def test_only_what_was_drawn_or_cached_is_kept(both) -> None:
    others = [Reason.FORCED, Reason.CAPPED, Reason.QA, Reason.POLICY_FAILED]
    rows = [replace(remembered(2 + n, reason=reason), is_draw=False) for n, reason in enumerate(others)]
    both.kept(remembered(1), *rows)
    assert both.reader.kept("hero", ANNA).seq == 1


def test_a_unit_of_another_type_or_without_an_id_keeps_nothing(both) -> None:
    both.kept(remembered(1), remembered(2, Unit("customer", "")))
    assert both.reader.kept("hero", Unit("device", "anna")) is None
    assert both.reader.kept("hero", Unit("customer", "")) is None


def test_what_is_kept_can_be_changed_without_harm(both) -> None:
    both.kept(remembered(1))
    both.reader.kept("hero", ANNA).context["device"] = "changed"
    assert both.reader.kept("hero", ANNA).context["device"] == "phone"


# --- what it met -----------------------------------------------------------------------------------------------------


def test_contacts_come_oldest_first_and_only_those_since(both) -> None:
    both.kept(remembered(3), remembered(1), remembered(2, experiment_id="other"), remembered(4, BEN), assignment(5))
    experiments = {"hero": ASSIGNED, "other": ASSIGNED}
    assert both.reader.contacts(ANNA, experiments, BEFORE) == [contact(1), contact(2, "other"), contact(3)]
    assert both.reader.contacts(ANNA, experiments, NOON + timedelta(seconds=2)) == [contact(3)]
    assert both.reader.contacts(ANNA, HERO, BEFORE) == [contact(1), contact(3)]
    assert both.reader.contacts(ANNA, {}, BEFORE) == both.reader.contacts(Unit("customer", "carl"), HERO, BEFORE) == []


def test_of_one_moment_the_row_that_was_kept_first_comes_first(both) -> None:
    both.kept(*[replace(remembered(n), assigned_at=NOON) for n in (9, 4, 7)])
    assert [met.assignment_id[-1] for met in both.reader.contacts(ANNA, HERO, BEFORE)] == ["9", "4", "7"]


def test_answers_that_showed_no_variant_of_the_experiment_are_no_contacts(both) -> None:
    reasons = [Reason.CACHED, Reason.FORCED, Reason.CAPPED, Reason.QA, Reason.POLICY_SLOW]
    both.kept(*[replace(remembered(n, reason=reason), is_draw=False) for n, reason in enumerate(reasons, 1)])
    assert both.reader.contacts(ANNA, HERO, BEFORE) == [contact(1), contact(2)]


def test_where_exposures_are_reported_they_are_the_contacts(both) -> None:
    both.kept(remembered(1), remembered(2), remembered(3, experiment_id="other"))
    both.kept(exposure(2, after_s=50), exposure(1, after_s=60), exposure(3, after_s=70), exposure(9))
    reported = [contact(2, after_s=50), contact(1, after_s=60)]
    assert both.reader.contacts(ANNA, {"hero": REPORTED}, BEFORE) == reported
    assert both.reader.contacts(ANNA, {"hero": REPORTED}, NOON + timedelta(seconds=50)) == reported[1:]
    mixed = both.reader.contacts(ANNA, {"hero": REPORTED, "other": ASSIGNED}, BEFORE)
    assert mixed == [contact(3, "other"), *reported]


def test_an_answer_of_several_slots_is_one_contact_from_the_first_exposure_of_any_of_them_on(both) -> None:
    slots = [replace(assignment(2, slot=slot), reason=Reason.DRAWN, is_draw=True) for slot in (1, 2)]
    both.kept(remembered(1), remembered(2), *slots)
    assert both.reader.contacts(ANNA, HERO, BEFORE) == [contact(1), contact(2)]
    both.kept(exposure(2, slot=1, after_s=60), exposure(2, slot=2, after_s=50))
    assert both.reader.contacts(ANNA, {"hero": REPORTED}, BEFORE) == [contact(2, after_s=50)]
    assert both.reader.contacts(ANNA, {"hero": REPORTED}, NOON + timedelta(seconds=50)) == []


# --- whether it reacted ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([outcome("o1", unit=ANNA)], True),
        ([outcome("o1", 2)], True),
        ([outcome("o1", unit=BEN)], False),
        ([outcome("o1", 3)], False),
        ([replace(outcome("o1", 2), slot=1)], True),
        ([replace(outcome("o1", 2), slot=1), replace(outcome("v1", 2), void_of="o1")], False),
        ([outcome("o1", unit=ANNA, metric="buy")], False),
        ([replace(outcome("o1", unit=ANNA), occurred_at=BEFORE)], False),
        ([replace(outcome("o1", 2), occurred_at=BEFORE)], False),
        ([outcome("o1", unit=ANNA), replace(outcome("v1", unit=ANNA), void_of="o1")], False),
        ([replace(outcome("v1", 2), void_of="o1"), outcome("o1", 2)], False),
        ([outcome("o1", 2), replace(outcome("v1", 2), void_of="o1"), outcome("o2", 2)], True),
    ],
)
def test_a_unit_reacted_where_an_outcome_of_its_or_of_a_contact_stands(both, seen, expected: bool) -> None:
    both.kept(remembered(0), remembered(2), remembered(3, BEN), *seen)
    both.kept(outcome("other", metric="view", unit=ANNA))
    assert both.reader.reacted(ANNA, "click", [contact(0), contact(2)]) is expected


def test_nobody_reacts_to_nothing(both) -> None:
    both.kept(outcome("o1", unit=ANNA))
    assert not both.reader.reacted(ANNA, "click", [])


# --- what is forced on it --------------------------------------------------------------------------------------------


def forced(variant: str, unit: Unit = ANNA, experiment_id: str = "hero") -> tuple[ForcedUnit, Change]:
    change = Change(experiment_id, NOON, "kim", "force", "a test", Status.RUNNING, 1, 1, ("forced",))
    return ForcedUnit(experiment_id, unit, variant), change


def test_what_is_forced_last_stands_and_an_empty_variant_ends_it(both) -> None:
    for each in (forced("bold"), forced("plain"), forced("bold", BEN), forced("a", ANNA, "other")):
        both.store.force(*each)
    assert both.reader.forced_units() == [forced("plain")[0], forced("bold", BEN)[0], forced("a", ANNA, "other")[0]]
    both.store.force(*forced(""))
    both.store.force(*forced("", Unit("customer", "carl")))
    assert both.reader.forced_units() == [forced("bold", BEN)[0], forced("a", ANNA, "other")[0]]
    assert both.reader.unit_key(Unit("customer", "carl")) is None
    assert both.reader.history("hero") == [forced("")[1]] * 5
    assert both.reader.catalog_revision() == 6
    if both.reopen is not None:
        both.reopen()
        assert both.reader.forced_units() == [forced("bold", BEN)[0], forced("a", ANNA, "other")[0]]


def test_a_unit_is_forced_under_the_key_that_its_rows_have(both) -> None:
    both.store.force(*forced("bold", BEN))
    both.kept(assignment(1, ANNA), assignment(2, BEN))
    assert [row.unit_key for row in both.reader.entries()] == [2, 1]


# --- forgetting ------------------------------------------------------------------------------------------------------


def test_nothing_is_found_of_a_forgotten_unit(both) -> None:
    both.kept(remembered(1), remembered(2, BEN), outcome("o1", unit=ANNA))
    for unit in (ANNA, BEN):
        both.store.force(*forced("bold", unit))
    forget(both, ANNA)
    both.kept(assignment(3, ANNA))
    assert both.reader.kept("hero", ANNA) is None
    assert both.reader.contacts(ANNA, HERO, BEFORE) == []
    assert not both.reader.reacted(ANNA, "click", [contact(3)])
    assert both.reader.forced_units() == [forced("bold", BEN)[0]]
    assert both.reader.kept("hero", BEN).seq == 2


def test_an_erasure_that_knows_the_key_alone_ends_what_was_forced(both) -> None:
    both.store.force(*forced("bold"))
    both.kept(Erasure(Unit("customer", ""), NOON, "kim", "asked", unit_key=1))
    assert both.reader.forced_units() == []
