"""What is SQLite's own: the lock, the format, readers beside the writer, and a disk that fails."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from engine.clock import EPOCH
from engine.definition import define
from engine.errors import InvalidRequest, StoreUnavailable
from engine.experiments import Experiment, Variant
from engine.lifecycle import Author, create
from engine.metrics import Metric
from engine.records import Assignment, Erasure, KeptStatus, Outcome, Reason, Unit
from engine.storage import open_reader, open_snapshots, open_store
from engine.storage.sqlite import CHECKPOINT_ROWS
from engine.storage.sqlite_files import LEARNING_FILE, STORE_FILE


def assignment(number: int, unit_id: str = "anna") -> Assignment:
    unit = Unit("customer", unit_id)
    return Assignment("hero", "bold", Reason.DRAWN, unit, EPOCH, EPOCH, assignment_id=f"{number:032x}")


def many(start: int, n: int) -> list[Assignment]:
    return [assignment(number, f"unit {number}") for number in range(start, start + n)]


# --- who may open it -------------------------------------------------------------------------------------------------


def test_a_second_writer_is_told_who_holds_the_store(tmp_path: Path) -> None:
    with closing(open_store(tmp_path)), pytest.raises(StoreUnavailable, match=r"in use by process \d+"):
        open_store(tmp_path)
    open_store(tmp_path).close()


def test_the_lock_holds_against_another_process_and_ends_with_it(tmp_path: Path) -> None:
    code = (
        "import sys, time; from engine import storage; s = storage.open_store(sys.argv[1]); print('open', flush=True)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", f"{code}; time.sleep(60)", str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(StoreUnavailable, match=f"process {holder.pid}"):
            open_store(tmp_path)
        holder.kill()
    open_store(tmp_path).close()


def test_a_second_learner_is_refused(tmp_path: Path) -> None:
    with closing(open_snapshots(tmp_path, write=True)), pytest.raises(StoreUnavailable, match="in use by process"):
        open_snapshots(tmp_path, write=True)


def test_where_there_is_no_store_a_reader_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="there is no store in"):
        open_reader(tmp_path / "nowhere")


def test_what_cannot_be_a_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / STORE_FILE).write_text("this is a letter, and no database at all; " * 200)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="not a database"):
            open_store(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="cannot be used"):
        open_store(tmp_path / "file" / "store")


@pytest.mark.parametrize(("version", "words"), [(99, "a newer armlift wrote this store"), (1, "older format")])
def test_a_reader_refuses_another_format(tmp_path: Path, version: int, words: str) -> None:
    open_store(tmp_path).close()
    set_format(tmp_path / STORE_FILE, version)
    with pytest.raises(StoreUnavailable, match=words):
        open_reader(tmp_path)


def test_a_writer_refuses_a_newer_format(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    open_snapshots(tmp_path, write=True).close()
    for file in (STORE_FILE, LEARNING_FILE):
        set_format(tmp_path / file, 99)
    with pytest.raises(StoreUnavailable, match="upgrade armlift"):
        open_store(tmp_path)
    with pytest.raises(StoreUnavailable, match="upgrade armlift"):
        open_snapshots(tmp_path, write=True)


def set_format(path: Path, version: int) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {version}")


def test_a_migration_that_was_cut_short_is_finished(tmp_path: Path) -> None:
    open_store(tmp_path, "n1").close()
    set_format(tmp_path / STORE_FILE, 1)
    with closing(open_store(tmp_path)) as store:
        assert store.node_id == "n1"


def test_a_new_store_makes_up_its_name_and_secret_and_keeps_them(tmp_path: Path) -> None:
    names = []
    for directory in (tmp_path / "a", tmp_path / "a", tmp_path / "b"):
        with closing(open_store(directory, node_id="")) as store:
            names.append((store.node_id, store.secret))
    assert names[0] == names[1] != names[2]
    with closing(open_store(tmp_path / "a", "other", b"other")) as store:
        assert (store.node_id, store.secret) == names[0]


# --- readers beside the writer ---------------------------------------------------------------------------------------


def test_a_reader_sees_each_commit_and_can_change_nothing(tmp_path: Path) -> None:
    with closing(open_store(tmp_path)) as store, closing(open_reader(tmp_path)) as reader:
        for number in range(3):
            store.append([assignment(number)])
            assert reader.last_seq() == number + 1
        with pytest.raises(StoreUnavailable, match="readonly"):
            reader._all("DELETE FROM assignments")


def test_a_reader_outlives_its_writer(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.append([assignment(1)])
    with closing(open_reader(tmp_path)) as reader:
        store.close()
        assert len(reader.entries()) == 1
        with closing(open_store(tmp_path)) as again:
            again.append([assignment(2)])
            assert len(reader.entries()) == 2


def test_a_reader_that_pages_while_rows_arrive_passes_none_over(tmp_path: Path) -> None:
    n_calls = 150

    def write() -> None:
        with closing(open_store(tmp_path)) as store:
            ready.set()
            for number in range(n_calls):
                store.append([assignment(number), Outcome(str(number), "click", 1, EPOCH, EPOCH, f"{number:032x}")])

    ready = threading.Event()
    writer = threading.Thread(target=write)
    writer.start()
    ready.wait()
    seen: list[int] = []
    with closing(open_reader(tmp_path)) as reader:
        while len(seen) < 2 * n_calls:
            seen += [entry.seq for entry in reader.entries(after=len(seen), limit=7)]
    writer.join()
    assert seen == list(range(1, 2 * n_calls + 1))


def test_the_log_is_brought_into_its_file_again_and_again(tmp_path: Path) -> None:
    wal = tmp_path / f"{STORE_FILE}-wal"
    with closing(open_store(tmp_path)) as store:
        sizes = []
        for number in range(8):
            store.append(many(number * CHECKPOINT_ROWS, CHECKPOINT_ROWS))
            sizes.append(wal.stat().st_size)
        assert max(sizes) < 2 * sizes[0]
    assert not wal.exists()


def test_a_forgotten_id_leaves_the_files(tmp_path: Path) -> None:
    secret_id = "anna-who-wants-to-be-forgotten"
    told = replace(assignment(1, secret_id), request_id=f"for {secret_id}", context={"name": secret_id})
    with closing(open_store(tmp_path)) as store:
        store.append([told])
        store.append([Erasure(told.unit, EPOCH, "kim", "asked")])
    assert secret_id.encode() not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


# --- when something fails --------------------------------------------------------------------------------------------


def test_a_full_disk_keeps_nothing_of_the_call_and_the_store_goes_on(tmp_path: Path, full_disk) -> None:
    with closing(open_store(tmp_path)) as store, closing(open_reader(tmp_path)) as reader:
        store.append([assignment(1)])
        with full_disk(tmp_path, 20_000), pytest.raises(StoreUnavailable, match="see to the disk"):
            store.append(many(10, 1000))
        assert (reader.last_seq(), reader.unit_key(Unit("customer", "unit 10"))) == (1, None)
        kept = store.append([*many(10, 5), assignment(2)])
        assert [each.status for each in kept] == [KeptStatus.RECORDED] * 6
        assert [entry.seq for entry in reader.entries()] == [1, 2, 3, 4, 5, 6, 7]
        assert reader.columns("assignments", ["unit_key"])["unit_key"].tolist() == [1, 2, 3, 4, 5, 6, 1]


def test_an_entry_that_cannot_be_kept_takes_its_call_along_and_nothing_else(tmp_path: Path) -> None:
    with closing(open_store(tmp_path)) as store, closing(open_reader(tmp_path)) as reader:
        with pytest.raises(InvalidRequest, match="cannot be kept"):
            store.append(
                [assignment(1), Outcome("o1", "click", float("nan"), EPOCH, EPOCH, unit=Unit("customer", "ben"))]
            )
        with pytest.raises(ValueError, match="hexadecimal"):
            store.append([assignment(1), replace(assignment(2), snapshot="no hash")])
        assert (reader.last_seq(), reader.unit_key(Unit("customer", "anna"))) == (0, None)
        assert store.append([assignment(1)])[0].entry == reader.entries()[0]


def test_a_failed_change_leaves_the_registry_as_it_was(tmp_path: Path, full_disk) -> None:
    wordy = Variant("a", payload=f'"{"word " * 20_000}"')
    definition = define(Experiment("hero", (wordy, Variant("b")), (Metric("click"),)))
    state, change = create(definition, Author("kim", "a test", EPOCH))
    with closing(open_store(tmp_path)) as store, closing(open_reader(tmp_path)) as reader:
        with full_disk(tmp_path, 8_000), pytest.raises(StoreUnavailable):
            store.save(state, change, "")
        assert (reader.states(), reader.history("hero"), reader.definition("hero", 1)) == ([], [], None)
        store.save(state, change, "")
        assert reader.states() == [state]


def test_a_closed_store_says_that_it_cannot_be_used(tmp_path: Path) -> None:
    store, snapshots = open_store(tmp_path), open_snapshots(tmp_path, write=True)
    reader = open_reader(tmp_path)
    for each in (store, snapshots, reader):
        each.close()
        each.close()
    for use in (lambda: store.append([assignment(1)]), lambda: snapshots.set_position(1), reader.last_seq):
        with pytest.raises(StoreUnavailable, match="closed"):
            use()


def test_a_store_serves_the_thread_that_made_it_alone(tmp_path: Path) -> None:
    errors: list[Exception] = []

    def use() -> None:
        try:
            store.append([assignment(1)])
        except StoreUnavailable as error:
            errors.append(error)

    with closing(open_store(tmp_path)) as store:
        other = threading.Thread(target=use)
        other.start()
        other.join()
    assert "same thread" in str(errors)


def test_what_was_opened_to_be_read_is_not_written(tmp_path: Path) -> None:
    with closing(open_snapshots(tmp_path)) as snapshots, pytest.raises(StoreUnavailable, match="only the learner"):
        snapshots.set_position(1)
