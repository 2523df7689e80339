"""What a decision looks up of its unit goes by an index, whatever the size of the log."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from engine.clock import EPOCH
from engine.experiments import ExposureRule
from engine.records import Assignment, Contact, Exposure, Outcome, Reason, Unit
from engine.storage import open_reader, open_store
from engine.storage.sqlite_files import STORE_FILE
from engine.storage.sqlite_reader import SqliteReader

N_ROWS = 2000
ANNA = Unit("customer", "unit 1")
CONTACT = Contact(f"{1:032x}", "hero", EPOCH)

LOOKUPS: dict[str, tuple[Callable[[SqliteReader], object], set[str]]] = {
    "kept": (lambda reader: reader.kept("hero", ANNA), {"idx_assignments_remembered"}),
    "contacts that were answers": (
        lambda reader: reader.contacts(ANNA, {"hero": ExposureRule.ASSIGNED, "b": ExposureRule.ASSIGNED}, EPOCH),
        {"idx_assignments_remembered"},
    ),
    "contacts that were reported": (
        lambda reader: reader.contacts(ANNA, {"hero": ExposureRule.REPORTED}, EPOCH),
        {"idx_assignments_remembered", "idx_exposures_assignment_id_slot"},
    ),
    "reacted": (
        lambda reader: reader.reacted(ANNA, "unseen", [CONTACT]),
        {"idx_outcomes_unit", "idx_outcomes_assignment_id", "idx_outcomes_void_of"},
    ),
}


def assignment(number: int) -> Assignment:
    unit = Unit("customer", f"unit {number % 100}")
    experiment_id = "hero" if number % 2 else "b"
    is_remembered = number % 3 == 0
    return Assignment(
        experiment_id, "bold", Reason.DRAWN, unit, EPOCH, EPOCH, f"{number:032x}", is_remembered=is_remembered
    )


def outcome(number: int) -> Outcome:
    of = {"unit": assignment(number).unit} if number % 2 else {"assignment_id": f"{number:032x}"}
    void_of = f"o{number - 2}" if number % 50 == 0 else ""
    return Outcome(f"o{number}", "click", 1.0, EPOCH, EPOCH, void_of=void_of, **of)


@pytest.fixture(scope="module", params=["fresh", "analysed"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    directory = tmp_path_factory.mktemp("store")
    with closing(open_store(directory)) as written:
        for kind in (assignment, outcome, lambda number: Exposure(f"{number:032x}", EPOCH, EPOCH)):
            written.append([kind(number) for number in range(N_ROWS)])
    if request.param == "analysed":
        with closing(sqlite3.connect(directory / STORE_FILE)) as connection:
            connection.execute("ANALYZE")
    return directory


@pytest.mark.parametrize("name", LOOKUPS)
def test_a_lookup_goes_by_an_index(store: Path, name: str) -> None:
    ask, expected = LOOKUPS[name]
    with closing(open_reader(store)) as reader:
        plans = plans_of(reader, ask)
    assert not [step for step in plans if step.startswith("SCAN")]
    assert expected <= {word for step in plans for word in step.split()}


def plans_of(reader: SqliteReader, ask: Callable[[SqliteReader], object]) -> list[str]:
    """Return the steps by which SQLite answers what a question makes of itself."""
    queries: list[str] = []
    reader._connection.set_trace_callback(queries.append)
    ask(reader)
    reader._connection.set_trace_callback(None)
    assert queries
    found = [reader._connection.execute(f"EXPLAIN QUERY PLAN {query}").fetchall() for query in queries]
    return [step for plan in found for *_, step in plan]
