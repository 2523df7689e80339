"""Reports on answers that are no single declared variant: several slots, and candidates that requests bring along."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from analysis.checks import balance
from analysis.document import Report, Word
from analysis.logs import frames
from analysis.logs.exporting import export
from analysis.logs.labels import PLACES, Answers
from analysis.logs.parquet_source import open_log
from analysis.reporting import report
from analysis.texts import text
from engine.experiments import ContextField, Experiment, FieldType, Variant
from engine.metrics import Metric
from engine.randomness import request_id
from engine.records import Assignment, Candidate, Exposure, Outcome, Request
from engine.specs import ContextualSpec, FixedSpec, PolicySpec, ThompsonSpec
from engine.storage import open_reader, open_store
from tests.engine.house import NOW, House, experiment

HOUR = timedelta(hours=1)
CLICK = Metric("click", window=HOUR)
BANDIT = ThompsonSpec(control_share=0.4)


def shelf(policy: PolicySpec, **changes: Any) -> Experiment:
    variants = tuple(map(Variant, "abcd"))
    return experiment(**{"variants": variants, "metrics": (CLICK,), "policy": policy, "slots": 3} | changes)


def news(policy: PolicySpec, **changes: Any) -> Experiment:
    declared = {"variants": (Variant("house"),), "candidates": (ContextField("price", FieldType.NUMBER),)}
    return shelf(policy, **declared | changes)


def visited(defined: Experiment, n_units: int, n_visits: int = 1, store: Any = None) -> House:
    """Return a log in which every unit came by, each time for all slots and with other candidates."""
    house, rng = House(store), np.random.default_rng(5)
    house.run(defined)
    for visit in range(n_visits):
        for unit in range(n_units):
            at = NOW + visit * HOUR + unit * timedelta(seconds=1)
            names = [f"article {n}" for n in rng.permutation(40)[:8]] if defined.candidates is not None else []
            brought = tuple(Candidate(name, {"price": float(len(name))}) for name in names)
            named = request_id(at, f"{unit} {visit}")
            asked = Request("hero", {"customer": f"u{unit}"}, named, at, candidates=brought, n_slots=defined.slots)
            house.keep(house.engine.fill(asked))
    return house


def rows(house: House) -> list[Assignment]:
    return [entry for entry in house.store.entries(limit=10**6) if isinstance(entry, Assignment)]


def clicked(house: House, chosen: Iterable[Assignment]) -> None:
    at = NOW + HOUR / 2
    told = [
        Outcome(f"{row.assignment_id} {row.slot}", "click", 1.0, at, at, row.assignment_id, row.slot) for row in chosen
    ]
    house.store.append(told)


def closed(house: House) -> None:
    """Let the log's time pass, so that windows close."""
    house.store.append([Exposure("ff" * 16, NOW + 100 * HOUR, NOW + 100 * HOUR)])


def words(found: Report) -> Iterator[Word]:
    for metric in found.metrics:
        for table in metric.tables:
            yield from (row.word for row in table.rows)


# --- what is compared ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [shelf, news])
@pytest.mark.parametrize("in_full", [True, False])
def test_without_a_control_group_nothing_is_compared_and_it_is_said_why(make: Any, in_full: bool) -> None:
    house = visited(make(FixedSpec()), 300)
    clicked(house, rows(house)[:400])
    closed(house)
    found = report(house.store, "hero", in_full=in_full)
    assert found.verdict.word is Word.NOT_EVALUABLE
    assert set(words(found)) == {Word.NOT_COMPARED}
    what = "slots" if make is shelf else "candidates"
    assert text(f"note.{what}") in found.metrics[0].notes
    assert found.design == text(f"design.{what}")
    assert f"click, so far: no fair comparison. {found.design} What was served brought" in str(found.verdict.sentence)
    assert found.health.n_assignments == found.health.sources[0].n == 300


@pytest.mark.parametrize("make", [shelf, news])
def test_groups_compare_by_unit_with_the_outcomes_of_all_slots(make: Any) -> None:
    house = visited(make(ContextualSpec(control_share=0.4) if make is news else BANDIT), 400)
    made = rows(house)
    # Each slot has outcomes of its own, and a unit counts once however many of its slots were clicked.
    clicked(house, [row for row in made if int(row.unit.id[1:]) % (3 + row.slot) == 0])
    closed(house)
    found = report(house.store, "hero")
    (table,) = found.metrics[0].tables
    for group, shown in zip(("control", "policy"), table.rows, strict=True):
        units = {int(row.unit.id[1:]) for row in made if row.group.value == group}
        share = np.mean([any(unit % (3 + slot) == 0 for slot in range(3)) for unit in units])
        assert shown.value.n == len(units)
        assert shown.value.value == pytest.approx(share)
    assert table.rows[0].word is Word.BASELINE
    assert found.design == text("design.slots_groups" if make is shelf else "design.candidates_groups")


def test_slots_that_came_later_are_never_read_as_single_variants() -> None:
    house = visited(shelf(BANDIT, slots=1), 50)
    frame = frames.read(house.store, "hero")
    assert frame.answers is Answers.VARIANT
    house.change("hero", slots=2)
    assert frames.read(house.store, "hero").answers is Answers.SLOTS
    house.change("hero", slots=1)
    kept = house.engine.fill(Request("hero", {"customer": "u"}, "later", NOW + HOUR))
    house.keep(kept)
    assert frames.read(house.store, "hero").answers is Answers.VARIANT, "nobody was asked for two"


# --- distributions -------------------------------------------------------------------------------------------------


def test_each_slot_has_the_distribution_that_the_slots_before_left() -> None:
    house = visited(shelf(FixedSpec({"a": 0.4, "b": 0.3, "c": 0.2, "d": 0.1})), 60)
    frame = frames.read(house.store, "hero")
    found = frame.assignments
    assert found.is_usable.all()
    for place, row in enumerate(rows(house)):
        expected = dict(zip(row.eligible, row.distribution, strict=True))
        weights = [expected.get(name, 0) / 2**32 for name in "abcd"]
        assert found.patterns[found.pattern[place]].tolist() == weights
    assert found.answer.tolist() == [place // 3 * 3 for place in range(180)]


def test_of_candidates_the_places_in_the_requests_order_are_what_was_drawn() -> None:
    house = visited(news(ContextualSpec(), slots=2), 80)
    frame = frames.read(house.store, "hero")
    found = frame.assignments
    assert frame.variants == PLACES
    assert found.is_usable.all()
    for place, row in enumerate(rows(house)):
        at = row.eligible.index(row.variant)
        assert found.variant[place] == min(at, 5)
        shares = [weight / 2**32 for weight in row.distribution]
        assert found.patterns[found.pattern[place]].tolist() == [*shares[:5], sum(shares[5:])]


def test_a_candidates_row_whose_propensity_is_not_the_logged_one_is_left_out() -> None:
    house = visited(news(FixedSpec(), slots=1), 30)
    columns = house.store.columns

    class Broken:
        def __getattr__(self, name: str) -> Any:
            return getattr(house.store, name)

        def columns(self, table: str, names: Any, experiment_id: str = "") -> Any:
            found = dict(columns(table, names, experiment_id))
            if "weight" in found:
                found["weight"] = found["weight"].copy()
                found["weight"][3] += 1
            return found

    frame = frames.read(Broken(), "hero")  # type: ignore[arg-type]
    assert np.flatnonzero(~frame.assignments.is_usable).tolist() == [3]


# --- ratio checks --------------------------------------------------------------------------------------------------


def checked(house: House) -> Any:
    frame = frames.read(house.store, "hero")
    draws = balance.independent(frame, frame.assignments.is_usable)
    return draws, balance.variants(frame, draws, text("balance.assigned"))


@pytest.mark.parametrize("policy", [FixedSpec(), BANDIT])
def test_a_whole_log_of_slates_fits_however_often_units_come_back(policy: PolicySpec) -> None:
    # An alarm has a probability of at most 0.001, and the log is the same each time.
    house = visited(shelf(policy), 400, n_visits=4)
    draws, check = checked(house)
    n_policy = sum(row.group.value == "policy" for row in rows(house))
    assert len(draws) == (400 * 3 if policy.draw_key.value == "unit" else n_policy), "a unit's later answers repeat"
    assert check.holds is True


@pytest.mark.parametrize("make", [shelf, news])
def test_rows_that_are_lost_of_one_variant_or_place_are_found(make: Any) -> None:
    whole, lossy = visited(make(FixedSpec()), 1500), House()
    lossy.run(make(FixedSpec()))
    # Of what is drawn first, a third is lost: e-values of 4,500 rows of four variants pass 1000 by far.
    is_lost = [row.variant in ("a", row.eligible[0]) and n % 3 == 0 for n, row in enumerate(rows(whole))]
    lossy.store.append([row for row, lost in zip(rows(whole), is_lost, strict=True) if not lost])
    assert checked(whole)[1].holds is True
    assert checked(lossy)[1].holds is False


# --- pages and files -----------------------------------------------------------------------------------------------


def test_no_candidate_is_named_in_a_report_and_it_comes_back_from_json() -> None:
    house = visited(news(ContextualSpec(control_share=0.2)), 200, n_visits=3)
    clicked(house, rows(house)[::4])
    closed(house)
    found = report(house.store, "hero")
    written = found.to_json()
    assert Report.from_json(written) == found
    assert "article" not in written
    assert found.allocation is not None
    assert found.allocation.series == PLACES


@pytest.mark.parametrize("make", [shelf, news])
def test_an_exported_log_says_the_same(make: Any, tmp_path: Any) -> None:
    store = open_store(tmp_path / "store", "n1", b"secret")
    reader = open_reader(tmp_path / "store")

    class Together:
        """The store that is written and the reader of it."""

        def __getattr__(self, name: str) -> Any:
            return getattr(store, name) if hasattr(store, name) else getattr(reader, name)

    house = visited(make(FixedSpec(), shadow=FixedSpec()), 60, store=Together())
    clicked(house, rows(house)[::5])
    closed(house)
    export(reader, tmp_path / "copy")
    again = open_log(tmp_path / "copy")
    assert report(again, "hero").to_json() == report(reader, "hero").to_json()
    for each in (again, reader, store):
        each.close()


# --- shadows -------------------------------------------------------------------------------------------------------


def test_what_a_shadow_would_have_given_stands_beside_what_was_given() -> None:
    weights = {"a": 0.5, "b": 0.25, "c": 0.125, "d": 0.125}
    house = visited(shelf(FixedSpec(), slots=1, shadow=FixedSpec(weights)), 40)
    (grid,) = report(house.store, "hero").sections
    assert [row[0] for row in grid.rows] == ["a", "b", "c", "d"]
    assert [cell.value for row in grid.rows for cell in row[1:2]] == [0.25] * 4  # type: ignore[union-attr]
    assert [cell.value for row in grid.rows for cell in row[2:]] == list(weights.values())  # type: ignore[union-attr]
    assert "served nobody" in str(grid.note)
    assert report(house.store, "hero", in_full=False).sections == ()


def test_of_slates_and_candidates_a_shadow_is_shown_too() -> None:
    for make in (shelf, news):
        house = visited(make(FixedSpec(), shadow=FixedSpec()), 40)
        (grid,) = report(house.store, "hero").sections
        given = [[cell.value for cell in row[1:]] for row in grid.rows]  # type: ignore[union-attr]
        assert [row[0] for row in given] == pytest.approx([row[1] for row in given])
        assert sum(row[1] for row in given) == pytest.approx(1.0)


def test_without_a_shadow_no_record_is_read_for_one() -> None:
    house = visited(shelf(FixedSpec(), slots=1), 20)

    class Counting:
        def __getattr__(self, name: str) -> Any:
            assert name != "shadows"
            return getattr(house.store, name)

    assert report(Counting(), "hero").sections == ()  # type: ignore[arg-type]
    house.change("hero", shadow=FixedSpec())
    assert report(house.store, "hero").sections == (), "nothing of it was logged yet"
