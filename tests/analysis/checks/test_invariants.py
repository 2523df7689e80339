"""Rows that cannot be draws are found by their columns alone, each kind by its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from analysis.checks import invariants
from analysis.logs.sources import LogSource
from engine.columns import Column, Columns, encoded
from engine.randomness import ONE

Row = Mapping[str, object]
HALF = ONE // 2
SOUND = {
    "seq": 0,
    "assignment_id": b"0",
    "slot": 0,
    "is_draw": 1,
    "variant": "a",
    "weight": HALF,
    "eligible": '["a", "b"]',
    "distribution": (HALF, HALF),
}


class Rows(LogSource):
    """A log of some rows, as far as their columns."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = [{**SOUND, "seq": seq, "assignment_id": b"%d" % seq, **row} for seq, row in enumerate(rows, 1)]

    def columns(self, table: str, names: Sequence[str], experiment_id: str = "") -> Columns:
        assert (table, experiment_id) == ("assignments", "hero")
        return {name: column([row[name] for row in self.rows]) for name in names}


def column(values: list[object]) -> Column:
    if isinstance(values[0], int):
        return np.array(values, np.int64)
    return encoded([np.array(each, "<i8").tobytes() if isinstance(each, tuple) else each for each in values])  # type: ignore[misc]


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ({"distribution": (HALF, HALF - 1)}, invariants.SUM),
        ({"distribution": (ONE + HALF, -HALF)}, invariants.SUM),
        ({"distribution": (ONE,)}, invariants.SUM),
        ({"distribution": b"\\x00"}, invariants.SUM),
        ({"eligible": "garbage"}, invariants.SUM),
        ({"eligible": "5"}, invariants.SUM),
        ({"eligible": "[]", "distribution": ()}, invariants.SUM),
        ({"variant": "c"}, invariants.OUTSIDE),
        ({"distribution": (0, ONE)}, invariants.NEVER),
        ({"weight": HALF + 1}, invariants.WEIGHT),
        ({"weight": 0}, invariants.WEIGHT),
        ({"assignment_id": b"1"}, invariants.TWICE),
    ],
)
def test_a_row_that_cannot_be_a_draw_is_named(row: Row, what: str) -> None:
    found = invariants.faults(Rows([{}, {}, row, {}, row]), "hero")
    assert [(each, fault.n, fault.first) for each, fault in found] == [(what, 2, [3, 5])]


def test_sound_rows_have_no_faults_and_answers_without_a_draw_need_no_distribution() -> None:
    undrawn = {"is_draw": 0, "eligible": "[]", "distribution": (), "weight": 0}
    second_slot = {"assignment_id": b"1", "slot": 1}
    assert not invariants.faults(Rows([{}, second_slot, {"variant": "b"}, undrawn]), "hero")
