"""The floor below a batch: ready-made rows into the same tables, a commit every 100, with nothing else to do."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from engine.randomness import ONE
from engine.records import Assignment, DrawKey, Reason, Unit
from engine.storage.columns import Row, to_row
from engine.storage.schema import COLUMNS, STORE_STEPS
from engine.storage.sqlite_files import open_writing

ROWS_A_COMMIT = 100
_SEQ, _ID = (list(COLUMNS["assignments"]).index(name) for name in ("seq", "assignment_id"))


def rows_per_s(seconds: float) -> float:
    """Return how many assignment rows a second plain executemany keeps, as durably as armlift does."""
    marks = ", ".join("?" * len(COLUMNS["assignments"]))
    batches = _batches()
    with tempfile.TemporaryDirectory(prefix="armlift-floor-") as directory:
        connection = open_writing(Path(directory) / "floor.db", STORE_STEPS)
        started, n_rows = time.perf_counter(), 0
        while (spent := time.perf_counter() - started) < seconds:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(f"INSERT INTO assignments VALUES ({marks})", next(batches))
            connection.execute("COMMIT")
            n_rows += ROWS_A_COMMIT
        connection.close()
    return n_rows / spent


def _batches() -> Iterator[list[Row]]:
    like = to_row(_assignment())
    for first in count(1, ROWS_A_COMMIT):
        yield [_as_row(like, seq) for seq in range(first, first + ROWS_A_COMMIT)]


def _as_row(like: Row, seq: int) -> Row:
    row = list(like)
    row[_SEQ], row[_ID] = seq, seq.to_bytes(16, "big")
    return tuple(row)


def _assignment() -> Assignment:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Assignment(
        experiment_id="fixed",
        variant="variant-0",
        reason=Reason.DRAWN,
        unit=Unit("customer", "customer-1"),
        assigned_at=now,
        received_at=now,
        assignment_id="00" * 16,
        request_id="00000000-0000-7000-8000-000000000000",
        request_digest=bytes(16),
        draw_key=DrawKey.UNIT,
        is_draw=True,
        eligible=("variant-0", "variant-1"),
        distribution=(ONE // 2, ONE // 2),
        unit_key=1,
    )
