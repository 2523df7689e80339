"""A store of format 5, from before there were proposals: it is brought up to date, and takes proposals from then on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from engine import files
from engine.lifecycle import Author, create, signed
from engine.proposals import Filed, Proposal
from engine.storage import find_snapshot_in, open_reader, open_store
from engine.storage.schema import STORE_STEPS, format_of
from engine.storage.sqlite_files import STORE_FILE, open_writing

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
AUTHOR = Author("kim", "a test", NOON)
HERO = files.load("{experiment: hero, variants: [plain, bold], metrics: {click: {}}, policy: thompson}")
DRAFT, CREATED = create(HERO, AUTHOR)
FORMAT_5 = STORE_STEPS[:5]


def insert(connection: sqlite3.Connection, table: str, values: dict[str, object]) -> None:
    marks = ", ".join("?" * len(values))
    connection.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", tuple(values.values()))


def write_format_5(directory: Path) -> None:
    """Write an experiment that begins warm, as a store of format 5 has it."""
    with closing(open_writing(directory / STORE_FILE, FORMAT_5)) as connection:
        insert(connection, "meta", {"node_id": "n1", "secret": b"secret"})
        state = {"status": "draft", "revision": 1, "epoch": 1, "etag": "1", "snapshot": "", "pinned": 0}
        insert(connection, "experiments", {"experiment_id": "hero", **state})
        insert(connection, "revisions", {"experiment_id": "hero", "revision": 1, "definition": files.dump(HERO)})
        learned = {"hash": b"\xab" * 32, "blob": b"state", "n_lessons": 3, "library": "numpy", "arguments": "[]"}
        meaning = {"schema": "s", "policy": "thompson", "epoch": 1}
        insert(connection, "warm_starts", {"experiment_id": "hero", **learned, **meaning})


def test_a_store_of_format_5_keeps_everything_and_has_no_proposals(tmp_path: Path) -> None:
    write_format_5(tmp_path)
    with closing(open_store(tmp_path)), closing(open_reader(tmp_path)) as reader:
        assert reader.states() == [DRAFT]
        assert reader.warm_start("hero").blob == b"state"
        assert (reader.proposals("hero"), reader.evidence("hero", "ab")) == ([], "")
        assert find_snapshot_in(tmp_path)("hero", "ab" * 32) == reader.warm_start("hero")
        assert find_snapshot_in(tmp_path)("hero", "cd" * 32) is None


def test_a_store_of_format_5_takes_proposals_once_its_writer_ran(tmp_path: Path) -> None:
    write_format_5(tmp_path)
    proposal = Proposal(HERO, 1, 1, NOON, "n1", 0, "kim", "a test")
    with closing(open_store(tmp_path)) as store, closing(open_reader(tmp_path)) as reader:
        store.save(*signed(DRAFT, "", AUTHOR, "propose", ()), DRAFT.etag, filed=Filed(proposal))
        assert reader.proposals("hero") == [proposal]


def test_the_file_becomes_the_same_as_a_new_one(tmp_path: Path) -> None:
    write_format_5(tmp_path)
    for directory in (tmp_path, tmp_path / "new"):
        open_store(directory).close()
    old, new = (described(directory / STORE_FILE) for directory in (tmp_path, tmp_path / "new"))
    assert old == new
    assert old[0] == len(STORE_STEPS) == 6


def described(path: Path) -> tuple[int, list[tuple[str, str]]]:
    with closing(sqlite3.connect(path)) as connection:
        made = connection.execute("SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE '_sqlite%' ORDER BY name")
        return format_of(connection), made.fetchall()
