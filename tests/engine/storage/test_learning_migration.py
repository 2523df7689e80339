"""A learner's file and a registry of the release before: what was learned is still there, and is gone on from."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from engine import files
from engine.lifecycle import Author, create
from engine.records import Probe, Snapshot
from engine.storage import open_reader, open_snapshots, open_store
from engine.storage.schema import LEARNING_STEPS, STORE_STEPS, format_of
from engine.storage.sqlite_files import LEARNING_FILE, STORE_FILE, open_writing
from engine.storage.sqlite_snapshots import to_row

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
HERO = files.load("{experiment: hero, variants: [plain, bold], metrics: {click: {}}, policy: thompson}")
DRAFT, CREATED = create(HERO, Author("kim", "a test", NOON))
BEFORE_STORE, BEFORE_LEARNING = STORE_STEPS[:4], LEARNING_STEPS[:1]
ADDED = ("is_shadow", "n_warm", "fold_from")
LEARNED = Snapshot(
    hash="ab" * 32,
    experiment_id="hero",
    epoch=2,
    policy="thompson",
    blob=b"state",
    parent="",
    watermark=(NOON, "n1", 7),
    n_rewards=3,
    library="scipy 1",
    arguments=("x",),
    schema="s1",
    probes=(Probe({"device": "phone"}, ("plain", "bold"), (0.25, 0.75)),),
)


def insert(connection: sqlite3.Connection, table: str, values: dict[str, object]) -> None:
    marks = ", ".join("?" * len(values))
    connection.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", tuple(values.values()))


def write_release_before(directory: Path) -> None:
    """Write what the release before did: an experiment with a live snapshot, and that snapshot."""
    with closing(open_writing(directory / STORE_FILE, BEFORE_STORE)) as connection:
        insert(connection, "meta", {"node_id": "n1", "secret": b"secret"})
        state = {"status": "draft", "revision": 1, "epoch": 1, "etag": "1", "snapshot": LEARNED.hash, "step": 0}
        insert(connection, "experiments", {"experiment_id": "hero", **state})
        insert(connection, "revisions", {"experiment_id": "hero", "revision": 1, "definition": files.dump(HERO)})
    with closing(open_writing(directory / LEARNING_FILE, BEFORE_LEARNING)) as connection:
        row = {name: value for name, value in to_row(LEARNED).items() if name not in ADDED}
        # A probe knew nothing of candidates yet.
        row["probes"] = '[[{"device": "phone"}, ["plain", "bold"], [0.25, 0.75]]]'
        insert(connection, "snapshots", row)
        insert(connection, "position", {"only": 1, "seq": 9})


def test_what_was_learned_is_still_there_and_whole(tmp_path: Path) -> None:
    write_release_before(tmp_path)
    with closing(open_snapshots(tmp_path, write=True)) as snapshots:
        assert snapshots.snapshots("hero") == [LEARNED] == list(snapshots.newest("hero"))
        assert snapshots.snapshot("hero", LEARNED.hash) == LEARNED
        assert list(snapshots.newest("hero", is_shadow=True)) == []
        assert snapshots.position() == 9
        snapshots.add(replace(LEARNED, is_shadow=True, fold_from=4))
        assert [each.is_shadow for each in snapshots.snapshots("hero")] == [False, True]


def test_the_live_pointer_is_still_there_and_pinned_to_nothing(tmp_path: Path) -> None:
    write_release_before(tmp_path)
    with closing(open_store(tmp_path)), closing(open_reader(tmp_path)) as reader:
        assert reader.state("hero") == replace(DRAFT, snapshot=LEARNED.hash)
        assert reader.warm_start("hero") is None
        assert reader.first_seq("hero") == 0


def test_the_files_become_the_same_as_new_ones(tmp_path: Path) -> None:
    write_release_before(tmp_path)
    for directory in (tmp_path, tmp_path / "new"):
        open_store(directory).close()
        open_snapshots(directory, write=True).close()
    for name, steps in ((STORE_FILE, STORE_STEPS), (LEARNING_FILE, LEARNING_STEPS)):
        old, new = (described(directory / name) for directory in (tmp_path, tmp_path / "new"))
        assert old == new
        assert old[0] == len(steps)


def described(path: Path) -> tuple[int, list[tuple[str, str]]]:
    with closing(sqlite3.connect(path)) as connection:
        made = connection.execute("SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE '_sqlite%' ORDER BY name")
        return format_of(connection), made.fetchall()
