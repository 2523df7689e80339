"""`armlift doctor propensities` finds what is planted in a log's files, and nothing in a sound log."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from armlift.log.v1.records_pb2 import SOURCE_IMPORTED, AssignmentRecord
from click.testing import CliRunner, Result

from analysis.logs import exporting
from engine.cli import cli
from engine.records import Erasure, Source, Unit
from engine.specs import PolicySpec
from engine.storage import find_snapshot_in, open_reader, open_snapshots, open_store

START = datetime(2024, 2, 1, tzinfo=UTC)
N_VISITS = 1_200
SEED = 11
Change = Callable[[AssignmentRecord], None]


def fill(directory: Path, spec: PolicySpec, local: Callable[..., Any], n_visits: int) -> None:
    store = open_store(directory)
    # With one secret the draws are the same in every run, and so are the numbers of the entries.
    with closing(sqlite3.connect(directory / "armlift.db")) as connection, connection:
        connection.execute("UPDATE meta SET secret = ?", (bytes(32),))
    reader, snapshots = open_reader(directory), open_snapshots(directory, write=True)
    service = local(store, reader, snapshots, find_snapshot_in(directory))
    service.start(spec)
    service.traffic(n_visits, SEED)
    for each in (snapshots, reader, store):
        each.close()


def asked(directory: Path) -> Result:
    return CliRunner().invoke(cli, ["doctor", "propensities", "hero", "--log", str(directory)], catch_exceptions=False)


def test_a_sound_log_has_nothing_wrong(tmp_path: Path, spec: PolicySpec, local: Callable[..., Any]) -> None:
    fill(tmp_path, spec, local, n_visits=300)
    found = asked(tmp_path)
    assert found.exit_code == 0, found.output
    assert found.output.startswith("The logged propensities are those of the draws")
    assert "and came out the same: 300." in found.output
    assert "Counts fit" in found.output


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, specs: dict[str, PolicySpec], local: Callable[..., Any]) -> Path:
    directory = tmp_path_factory.mktemp("filled")
    fill(directory, specs["thompson"], local, N_VISITS)
    return directory


@pytest.fixture
def store(filled: Path, tmp_path: Path) -> Path:
    """A store of one's own."""
    directory = tmp_path / "store"
    shutil.copytree(filled, directory)
    return directory


def records(connection: sqlite3.Connection) -> Iterator[tuple[int, AssignmentRecord]]:
    for seq, blob in connection.execute("SELECT seq, record FROM assignments ORDER BY seq").fetchall():
        yield seq, AssignmentRecord.FromString(blob)


def planted(directory: Path, chosen: Callable[[AssignmentRecord], bool], change: Change) -> int:
    """Change the chosen rows in the log's file, in the record and in the columns alike; return how many."""
    with closing(sqlite3.connect(directory / "armlift.db")) as connection, connection:
        rows = [(seq, record) for seq, record in records(connection) if record.is_draw and chosen(record)]
        for seq, record in rows:
            change(record)
            weights = dict(zip(record.eligible, record.distribution, strict=True))
            packed = np.array(record.distribution, "<i8").tobytes()
            columns = (
                record.SerializeToString(),
                packed,
                weights.get(record.variant, 0),
                record.variant,
                record.snapshot,
            )
            connection.execute(
                "UPDATE assignments SET record = ?, distribution = ?, weight = ?, variant = ?, snapshot = ? "
                "WHERE seq = ?",
                (*columns, seq),
            )
    return len(rows)


def lost(directory: Path, chosen: Callable[[int, AssignmentRecord], bool], *, renumbered: bool) -> list[int]:
    """Take the chosen rows out of the log's file; renumbered, the log has no holes, and no outcome at all.

    Return the seqs of what is gone.
    """
    with closing(sqlite3.connect(directory / "armlift.db")) as connection, connection:
        gone = [(seq,) for seq, record in records(connection) if chosen(seq, record)]
        connection.executemany("DELETE FROM assignments WHERE seq = ?", gone)
        if renumbered:
            connection.execute("DELETE FROM outcomes")
            renumber(connection)
    return [seq for (seq,) in gone]


def renumber(connection: sqlite3.Connection) -> None:
    """Number assignments anew, without gaps, and outcomes after them."""
    last = 0
    for last, (seq, record) in enumerate(records(connection), 1):
        record.seq = last
        connection.execute(
            "UPDATE assignments SET seq = ?, record = ? WHERE seq = ?", (last, record.SerializeToString(), seq)
        )
    found = connection.execute("SELECT outcome_id FROM outcomes ORDER BY seq").fetchall()
    connection.execute("UPDATE outcomes SET seq = -seq")
    places = [(place, name) for place, (name,) in enumerate(found, last + 1)]
    connection.executemany("UPDATE outcomes SET seq = ? WHERE outcome_id = ?", places)


def late(record: AssignmentRecord) -> bool:
    return bool(record.snapshot) and record.seq > N_VISITS // 2


def round_to_float32(record: AssignmentRecord) -> None:
    rounded = [int(np.float32(weight / 2**32) * 2**32) for weight in record.distribution[:-1]]
    record.distribution[:] = [*rounded, 2**32 - sum(rounded)]


def test_a_distribution_that_went_through_float32_is_found(store: Path) -> None:
    n = planted(store, late, round_to_float32)
    found = asked(store)
    assert found.exit_code == 1
    assert n > 400
    assert f"distribution is not the one that definition and snapshot give: {n} (seq" in found.output
    assert "Counts fit" in found.output, "rounding is far too small to count"


def test_a_stale_snapshot_is_found(store: Path) -> None:
    with closing(sqlite3.connect(store / "armlift.db")) as connection:
        first = next(record.snapshot for _, record in records(connection) if record.snapshot)

    def name_the_first(record: AssignmentRecord) -> None:
        record.snapshot = first

    n = planted(store, lambda record: late(record) and record.snapshot != first, name_the_first)
    found = asked(store)
    assert found.exit_code == 1
    assert f"distribution is not the one that definition and snapshot give: {n} (seq" in found.output


def test_a_forced_variant_that_was_logged_as_a_draw_is_found(store: Path) -> None:
    def force(record: AssignmentRecord) -> None:
        record.variant = "rare"

    n = planted(
        store, lambda record: record.seq % 20 == 0 and record.variant != "rare" and "rare" in record.eligible, force
    )
    found = asked(store)
    assert found.exit_code == 1
    assert f"number falls on another variant than they name: {n} (seq" in found.output


def test_many_forced_variants_show_in_the_counts_too(store: Path) -> None:
    def force(record: AssignmentRecord) -> None:
        record.variant = "rare"

    planted(store, lambda record: record.seq % 3 == 0 and "rare" in record.eligible, force)
    assert "rare among all draws" in asked(store).output


def test_a_thinned_log_is_found_by_its_holes(store: Path) -> None:
    gone = lost(store, lambda seq, _: seq < N_VISITS and seq % 2 == 0, renumbered=False)
    found = asked(store)
    assert found.exit_code == 1
    assert f"Lost entries of the log: {len(gone)} (seq {', '.join(map(str, gone[:3]))})" in found.output


def test_a_log_that_was_thinned_by_its_outcomes_is_found_by_its_holes(store: Path) -> None:
    """What brought a click is lost more often, with its click."""
    with closing(sqlite3.connect(store / "armlift.db")) as connection, connection:
        clicked = {name for (name,) in connection.execute("SELECT assignment_id FROM outcomes").fetchall()}
        connection.execute("DELETE FROM outcomes WHERE rowid % 2 = 0")
    gone = lost(store, lambda seq, record: record.assignment_id in clicked and seq % 2 == 0, renumbered=False)
    found = asked(store)
    assert found.exit_code == 1
    assert len(gone) > 50
    assert "Lost entries of the log: " in found.output


def test_a_log_that_was_thinned_evenly_and_numbered_anew_shows_in_its_outcomes_alone(store: Path) -> None:
    """Half of each variant's draws is gone, so that counts fit; but outcomes name what is lost."""
    with closing(sqlite3.connect(store / "armlift.db")) as connection, connection:
        connection.execute("DELETE FROM assignments WHERE seq % 2 = 0")
        (left,) = connection.execute(
            "SELECT count(*) FROM outcomes WHERE assignment_id NOT IN (SELECT assignment_id FROM assignments)"
        ).fetchone()
        renumber(connection)
    found = asked(store)
    assert found.exit_code == 0, found.output
    assert "Counts fit" in found.output
    assert f"Outcomes that name assignments which this log does not have: {left}." in found.output


def test_a_log_that_was_thinned_by_its_variants_is_found_by_its_counts_alone(store: Path) -> None:
    lost(store, lambda seq, record: record.variant == "plain" and seq % 3 > 0, renumbered=True)
    found = asked(store)
    assert found.exit_code == 1
    assert "Lost entries" not in found.output
    assert "plain among all draws" in found.output


def test_a_lost_variant_is_found_where_it_was_lost(store: Path) -> None:
    def is_lost(_: int, record: AssignmentRecord) -> bool:
        return record.variant == "bold" and record.context["device"].text == "phone"

    lost(store, is_lost, renumbered=True)
    found = asked(store)
    assert found.exit_code == 1
    assert "bold among device = phone: 0, where" in found.output
    assert "among device = tablet" not in found.output


def test_columns_that_are_not_what_the_record_says_are_found(store: Path) -> None:
    with closing(sqlite3.connect(store / "armlift.db")) as connection, connection:
        connection.execute("UPDATE assignments SET weight = weight + 1 WHERE seq = 100")
    found = asked(store)
    assert found.exit_code == 1
    assert "are not what the record says: 1 (seq 100)" in found.output


def test_a_damaged_record_is_named_and_the_others_are_made_again(store: Path) -> None:
    with closing(sqlite3.connect(store / "armlift.db")) as connection, connection:
        connection.execute("UPDATE assignments SET record = x'deadbeef' WHERE seq = 100")
        connection.execute("UPDATE assignments SET record = x'' WHERE seq = 101")
    found = asked(store)
    assert found.exit_code == 1
    assert "Rows whose record is damaged, or is another row" in found.output
    assert ": 2 (seq 100, 101)." in found.output
    assert f"came out the same: {N_VISITS - 2:,}." in found.output
    assert "Counts fit" in found.output


def test_a_log_without_its_snapshots_says_what_is_missing(store: Path) -> None:
    for each in store.glob("learning.*"):
        each.unlink()
    found = asked(store)
    assert found.exit_code == 1
    assert "Rows whose definition or snapshot cannot be restored" in found.output
    assert "learning.db, beside the log?" in found.output


def test_draws_of_forgotten_units_are_counted_by_themselves(store: Path) -> None:
    writer = open_store(store)
    writer.append([Erasure(Unit("customer", f"unit-{number}"), START, "tests", "asked") for number in range(7)])
    writer.close()
    found = asked(store)
    assert found.exit_code == 0, found.output
    assert f"came out the same: {N_VISITS - 7:,}." in found.output
    assert "Of forgotten units, whose context is gone: 7." in found.output


def test_draws_of_another_system_are_counted_by_themselves(store: Path) -> None:
    with closing(sqlite3.connect(store / "armlift.db")) as connection, connection:
        for seq, record in list(records(connection))[:5]:
            record.source = SOURCE_IMPORTED
            change = "UPDATE assignments SET record = ?, source = ? WHERE seq = ?"
            connection.execute(change, (record.SerializeToString(), Source.IMPORTED.value, seq))
    found = asked(store)
    assert found.exit_code == 0, found.output
    assert "Drawn by another system, so that nothing here can draw them again: 5." in found.output


def test_an_exported_log_is_counted_and_its_rows_are_looked_at(store: Path, tmp_path: Path) -> None:
    pytest.importorskip("duckdb", reason="Parquet needs DuckDB")
    with closing(sqlite3.connect(store / "armlift.db")) as connection, connection:
        connection.execute("UPDATE assignments SET weight = weight + 1 WHERE seq = 100")
        connection.execute("UPDATE assignments SET distribution = x'00' WHERE seq = 101")
        connection.execute("DELETE FROM assignments WHERE seq = (SELECT min(seq) FROM assignments WHERE seq > 101)")
    with closing(open_reader(store)) as reader:
        exporting.export(reader, tmp_path / "copy")
    found = asked(tmp_path / "copy")
    assert found.exit_code == 1
    assert "propensity is not what their distribution gives the variant: 1 (seq 100)" in found.output
    assert "does not sum to one over what was eligible: 1 (seq 101)" in found.output
    assert "missing among the entries of this copy: 1." in found.output
    assert "No draw was made again" in found.output


def test_an_experiment_that_nobody_met_has_nothing_wrong(
    tmp_path: Path, specs: dict[str, PolicySpec], local: Callable[..., Any]
) -> None:
    fill(tmp_path, specs["thompson"], local, n_visits=0)
    found = asked(tmp_path)
    assert found.exit_code == 0, found.output
    assert "Counts were not checked: 0 draws can be, and 100 are needed." in found.output
