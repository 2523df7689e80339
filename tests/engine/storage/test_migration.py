"""A store that an earlier release wrote: its file is brought up to date, and nothing in it is lost."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine import files
from engine.errors import StoreUnavailable
from engine.experiments import ExposureRule
from engine.funnel import PopulationState
from engine.lifecycle import Author, create
from engine.records import Assignment, Exposure, Outcome, Reason, Unit
from engine.storage import open_reader, open_store
from engine.storage.columns import to_row
from engine.storage.schema import COLUMNS, STORE_STEPS, format_of
from engine.storage.sqlite_files import STORE_FILE, open_writing

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
ANNA = Unit("customer", "anna")
FIRST_RELEASE = STORE_STEPS[:2]
ADDED = ("is_remembered", "kept_from")
HERO = files.load("{experiment: hero, variants: [plain, bold], metrics: {click: {}}}")
DRAFT, CREATED = create(HERO, Author("kim", "a test", NOON))
ROW = Assignment("hero", "bold", Reason.DRAWN, ANNA, NOON, NOON, f"{1:032x}", node_id="n1", seq=1, unit_key=1)
ENTRIES = {
    "assignments": ROW,
    "exposures": Exposure(ROW.assignment_id, NOON, NOON, node_id="n1", seq=2),
    "outcomes": Outcome("o1", "click", 1.0, NOON, NOON, unit=ANNA, node_id="n1", seq=3, unit_key=1),
}


def insert(connection: sqlite3.Connection, table: str, values: dict[str, object]) -> None:
    marks = ", ".join("?" * len(values))
    connection.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", tuple(values.values()))


def write_first_release(directory: Path) -> None:
    """Write a store as the first release did: an experiment, and a row of each kind."""
    with closing(open_writing(directory / STORE_FILE, FIRST_RELEASE)) as connection:
        insert(connection, "meta", {"node_id": "n1", "secret": b"secret"})
        insert(connection, "units", {"unit_key": 1, "unit_type": "customer", "unit_id": "anna"})
        for table, entry in ENTRIES.items():
            row = dict(zip(COLUMNS[table], to_row(entry), strict=True))
            insert(connection, table, {name: value for name, value in row.items() if name not in ADDED})
        state = {"status": "draft", "revision": 1, "epoch": 1, "etag": "1", "snapshot": ""}
        insert(connection, "experiments", {"experiment_id": "hero", **state})
        insert(connection, "revisions", {"experiment_id": "hero", "revision": 1, "definition": files.dump(HERO)})
        signed = {"changed_at": 1_777_896_000_000_000, "actor": "kim", "action": "create", "reason": "a test"}
        insert(connection, "history", {"experiment_id": "hero", **signed, "status": "draft", "revision": 1, "epoch": 1})


def test_the_first_release_is_not_read_before_its_writer_ran(tmp_path: Path) -> None:
    write_first_release(tmp_path)
    with pytest.raises(StoreUnavailable, match="of an older format: start its writer once"):
        open_reader(tmp_path)


def test_a_store_of_the_first_release_keeps_everything(tmp_path: Path) -> None:
    write_first_release(tmp_path)
    with closing(open_store(tmp_path)) as store, closing(open_reader(tmp_path)) as reader:
        assert (store.node_id, store.secret) == ("n1", b"secret")
        assert reader.entries() == list(ENTRIES.values())
        assert reader.states() == [DRAFT]
        assert reader.history("hero") == [replace(CREATED, fields=())]
        assert reader.columns("assignments", ["is_remembered"])["is_remembered"].tolist() == [0]
        assert reader.columns("assignments", ["kept_from"])["kept_from"].values().tolist() == [b""]


def test_a_store_of_the_first_release_can_do_all_that_a_new_one_can(tmp_path: Path) -> None:
    write_first_release(tmp_path)
    remembered = replace(ROW, assignment_id=f"{2:032x}", is_remembered=True, kept_from=ROW.assignment_id)
    with closing(open_store(tmp_path)) as store, closing(open_reader(tmp_path)) as reader:
        assert reader.kept("hero", ANNA) is None
        store.append([remembered])
        assert reader.kept("hero", ANNA) == reader.assignment(remembered.assignment_id)
        contacts = reader.contacts(ANNA, {"hero": ExposureRule.ASSIGNED}, NOON.replace(hour=11))
        assert [contact.assignment_id for contact in contacts] == [remembered.assignment_id]
        assert reader.reacted(ANNA, "click", contacts)
        assert reader.population() == PopulationState()
        assert reader.catalog_revision() == 1


def test_a_store_of_the_first_release_becomes_the_same_file_as_a_new_one(tmp_path: Path) -> None:
    write_first_release(tmp_path)
    open_store(tmp_path).close()
    open_store(tmp_path / "new").close()
    old, new = (described(directory / STORE_FILE) for directory in (tmp_path, tmp_path / "new"))
    assert old == new
    assert old["columns"] == list(COLUMNS["assignments"])
    assert old["format"] == len(STORE_STEPS)


def described(path: Path) -> dict[str, object]:
    with closing(sqlite3.connect(path)) as connection:
        made = connection.execute("SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE '_sqlite%' ORDER BY name")
        columns = connection.execute("SELECT name FROM pragma_table_info('assignments')")
        return {
            "made": made.fetchall(),
            "columns": [name for (name,) in columns],
            "format": format_of(connection),
        }
