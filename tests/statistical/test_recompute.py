"""A new process makes every distribution and every draw of a log again, bit for bit, from the files alone."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from armlift.log.v1.records_pb2 import AssignmentRecord

from engine.explanation import Verdict
from engine.recompute import Recomputer
from engine.records import Assignment, DrawKey, Group
from engine.specs import PolicySpec
from engine.storage import find_snapshot_in, open_reader, open_snapshots, open_store

N_VISITS = 600
SEED = 7
SCRIPT = Path(__file__).with_name("recompute_log.py")


def fill(directory: Path, spec: PolicySpec, local: Callable[..., Any]) -> None:
    """Let customers come to a service on a store in files."""
    store = open_store(directory)
    reader, snapshots = open_reader(directory), open_snapshots(directory, write=True)
    service = local(store, reader, snapshots, find_snapshot_in(directory))
    service.start(spec)
    service.traffic(N_VISITS, SEED)
    for each in (snapshots, reader, store):
        each.close()


def recomputed_elsewhere(directory: Path) -> dict[str, int]:
    done = subprocess.run([sys.executable, str(SCRIPT), str(directory)], capture_output=True, text=True, check=True)
    counts: dict[str, int] = json.loads(done.stdout)
    return counts


def verdict(directory: Path, seq: int) -> tuple[Verdict, list[str]]:
    """Return how a row's recomputation ends, and the steps that did not hold."""
    with closing(open_reader(directory)) as reader:
        row = next(entry for entry in reader.entries() if entry.seq == seq)
        assert isinstance(row, Assignment)
        explanation = Recomputer(reader, find_snapshot_in(directory)).explain(row)
    return explanation.verdict, [step.name for step in explanation.steps if not step.holds]


def test_every_draw_of_a_log_comes_out_the_same(tmp_path: Path, spec: PolicySpec, local: Callable[..., Any]) -> None:
    fill(tmp_path, spec, local)
    counts = recomputed_elsewhere(tmp_path)
    print(spec, counts)
    assert counts.pop("n_snapshots") > 3 or not spec.learns
    assert counts == {"n_rows": N_VISITS, "reproduced": N_VISITS}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, specs: dict[str, PolicySpec], local: Callable[..., Any]) -> Path:
    directory = tmp_path_factory.mktemp("filled")
    fill(directory, specs["contextual-control"], local)
    return directory


@pytest.fixture
def store_and_row(filled: Path, tmp_path: Path) -> tuple[Path, Assignment]:
    """A store of one's own, and one of its rows: the last that the learned policy drew."""
    directory = tmp_path / "store"
    shutil.copytree(filled, directory)
    with closing(open_reader(directory)) as reader:
        rows = [row for row in reader.entries() if isinstance(row, Assignment) and row.group is Group.POLICY]
    assert rows[-1].snapshot
    assert rows[-1].draw_key is DrawKey.ASSIGNMENT
    assert verdict(directory, rows[-1].seq) == (Verdict.REPRODUCED, [])
    return directory, rows[-1]


def move_one_weight(record: AssignmentRecord) -> None:
    record.distribution[0] += 1
    record.distribution[1] -= 1


def lose_a_weight(record: AssignmentRecord) -> None:
    """Leave a distribution that the drawn number lies outside of."""
    record.distribution[:] = [1] * len(record.distribution)


def rename_a_variant(record: AssignmentRecord) -> None:
    record.eligible[0] = "never heard of"


def draw_another(record: AssignmentRecord) -> None:
    record.variant = next(name for name in record.eligible if name != record.variant)


def change_the_number(record: AssignmentRecord) -> None:
    record.drawn ^= 1


def change_the_context(record: AssignmentRecord) -> None:
    record.context["visits"].number += 1


def change_the_group(record: AssignmentRecord) -> None:
    record.group_weight -= 1


def change_the_request(record: AssignmentRecord) -> None:
    record.request_id += "x"


def name_another_snapshot(record: AssignmentRecord) -> None:
    record.snapshot = bytes(32)


@pytest.mark.parametrize(
    ("plant", "broken"),
    [
        (move_one_weight, "distribution"),
        (lose_a_weight, "row"),
        (rename_a_variant, "row"),
        (draw_another, "draw"),
        (change_the_number, "number"),
        (change_the_context, "distribution"),
        (change_the_group, "group"),
        (change_the_request, "request"),
        (name_another_snapshot, "snapshot"),
    ],
)
def test_a_planted_difference_is_found(
    store_and_row: tuple[Path, Assignment], plant: Callable[[AssignmentRecord], None], broken: str
) -> None:
    directory, row = store_and_row
    with closing(sqlite3.connect(directory / "armlift.db")) as connection, connection:
        (blob,) = connection.execute("SELECT record FROM assignments WHERE seq = ?", (row.seq,)).fetchone()
        record = AssignmentRecord.FromString(blob)
        plant(record)
        connection.execute("UPDATE assignments SET record = ? WHERE seq = ?", (record.SerializeToString(), row.seq))
    assert verdict(directory, row.seq) == (Verdict.DIFFERS, [broken])


def test_another_secret_is_found_in_every_draw_by_assignment(store_and_row: tuple[Path, Assignment]) -> None:
    directory, row = store_and_row
    with closing(sqlite3.connect(directory / "armlift.db")) as connection, connection:
        connection.execute("UPDATE meta SET secret = ?", (bytes(32),))
    assert verdict(directory, row.seq) == (Verdict.DIFFERS, ["number"])
    assert recomputed_elsewhere(directory)["differs"] == N_VISITS


def test_a_damaged_snapshot_is_found(store_and_row: tuple[Path, Assignment]) -> None:
    directory, row = store_and_row
    with closing(sqlite3.connect(directory / "learning.db")) as connection, connection:
        damage = "UPDATE snapshots SET blob = CAST(blob || x'00' AS BLOB) WHERE hash = ?"
        connection.execute(damage, (bytes.fromhex(row.snapshot),))
    assert verdict(directory, row.seq) == (Verdict.DIFFERS, ["snapshot"])
