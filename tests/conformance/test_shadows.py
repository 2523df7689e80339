"""What every store promises of the distributions of shadows: one suite, held against each of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.randomness import ONE
from engine.records import Erasure
from engine.storage import sqlite_columns
from tests.conformance.entries import ANNA, NOON, assignment, outcome, plain

HALVES = (ONE // 2).to_bytes(8, "little") * 2


def test_shadows_of_the_draws_that_have_any(both, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_columns, "PAGE", 2)
    shadowed = [replace(assignment(n), shadow_distribution=(ONE // 2, ONE // 2)) for n in range(1, 4)]
    other = replace(assignment(7, experiment_id="other"), shadow_distribution=(ONE, 0))
    both.kept(shadowed[0], assignment(5), other, outcome("o", 1), shadowed[1], replace(shadowed[2], slot=1))
    assert plain(both.reader.shadows("hero")) == {
        "seq": [1, 5, 6],
        "eligible": ['["plain", "bold"]'] * 3,
        "distribution": [HALVES] * 3,
    }


def test_without_a_shadow_there_are_no_rows(both) -> None:
    assert plain(both.reader.shadows("hero")) == {"seq": [], "eligible": [], "distribution": []}
    both.kept(assignment(1))
    assert plain(both.reader.shadows("hero")) == {"seq": [], "eligible": [], "distribution": []}


def test_a_forgotten_units_shadow_stays_because_it_says_nothing_of_the_unit(both) -> None:
    both.kept(replace(assignment(1), shadow_distribution=(ONE // 2, ONE // 2)))
    both.kept(Erasure(ANNA, NOON, "kim", "asked"))
    assert plain(both.reader.shadows("hero"))["distribution"] == [HALVES]
