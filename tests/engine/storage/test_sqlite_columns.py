"""A page out of SQLite has the same columns as memory has, however its words repeat and change."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.clock import EPOCH
from engine.columns import Coded
from engine.definition import define
from engine.experiments import Experiment, Variant
from engine.lifecycle import Author, create
from engine.metrics import Metric
from engine.randomness import ONE
from engine.records import Assignment, DrawKey, Entry, Erasure, Exposure, Outcome, Reason, Unit
from engine.storage import open_reader, open_store, sqlite_columns
from engine.storage.digits import Digits
from engine.storage.memory import MemoryStore
from engine.storage.schema import COLUMNS, DERIVED

NAMES = tuple(f"variant {n}" for n in range(30))
DECLARED = define(Experiment("hero", (Variant("a"), Variant("b")), (Metric("click"), Metric("buy"))))
START = EPOCH + timedelta(days=20_000)


def assignment(number: int, rng: np.random.Generator, n_variants: int) -> Assignment:
    names = NAMES[:n_variants]
    weights = [ONE // n_variants] * (n_variants - 1)
    moved = int(rng.integers(1000)) if n_variants == 5 else 0
    at = START + timedelta(microseconds=int(rng.integers(10**12)))
    return Assignment(
        ("hero", "hero", "other")[rng.integers(3)],
        names[rng.integers(n_variants)],
        Reason.DRAWN,
        Unit("customer", f"unit {rng.integers(200)}"),
        at,
        at,
        assignment_id=f"{number:032x}",
        revision=1 + number // 700,
        epoch=1 + number // 1100,
        draw_key=DrawKey.UNIT,
        is_draw=True,
        eligible=names,
        distribution=(weights[0] - moved, *weights[1:], ONE - sum(weights) + moved),
    )


def entries(n: int) -> list[Entry]:
    """Words that never change, change once, come rarely, are many, or are all different."""
    rng = np.random.default_rng(7)
    made: list[Entry] = []
    for number in range(n):
        row = assignment(number, rng, 2 + 3 * (number > n // 2) + 25 * (number > 0.9 * n))
        rarely = replace(row, reason=Reason.POLICY_FAILED, is_draw=False, eligible=(), distribution=())
        made.append(rarely if number % 173 == 172 else row)
        if number % 3 == 0:
            made.append(Exposure(f"{number + number % 2:032x}", START, START))
        if number % 2 == 0:
            value = 1.0 if number < n // 3 else float(rng.random())
            of = {"assignment_id": row.assignment_id} if number % 4 else {"unit": row.unit}
            void_of = f"outcome {number - 2}" if number % 50 == 48 else ""
            metric = ("click", "buy", "stay")[rng.integers(3)]
            made.append(Outcome(f"outcome {number}", metric, value, START, START, void_of=void_of, **of))
    return made


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> tuple[MemoryStore, Path]:
    directory = tmp_path_factory.mktemp("store")
    memory = MemoryStore()
    with closing(open_store(directory)) as store:
        for each in (memory, store):
            each.save(*create(DECLARED, Author("kim", "a test", START)), "")
            each.append([*entries(3000), Erasure(Unit("customer", "unit 1"), START, "kim", "asked")])
    return memory, directory


@pytest.mark.parametrize(("page", "sample"), [(100_000, 1000), (100_000, 30), (997, 100), (60, 20)])
@pytest.mark.parametrize("experiment_id", ["", "hero"])
def test_sqlite_and_memory_have_the_same_columns(stores, monkeypatch, page, sample, experiment_id) -> None:
    monkeypatch.setattr(sqlite_columns, "PAGE", page)
    monkeypatch.setattr(sqlite_columns, "SAMPLE", sample)
    memory, directory = stores
    with closing(open_reader(directory)) as reader:
        for table, derived in DERIVED.items():
            # The nodes are not called the same, and neither are their records.
            names = [name for name in (*COLUMNS[table], *derived) if name not in ("node_id", "record")]
            expected = memory.columns(table, names, experiment_id)
            found = reader.columns(table, names, experiment_id)
            for name in names:
                assert_same(found[name], expected[name])
        assert_same(reader.voided(), memory.voided())


def test_a_word_that_is_missing_after_many_rows_is_noticed(tmp_path: Path) -> None:
    said = Outcome("", "click", 1.0, START, START, assignment_id=f"{1:032x}")
    unsaid = Outcome("", "click", 1.0, START, START, unit=Unit("customer", "unit 1"))
    rows = [replace(said if n < 1500 else unsaid, outcome_id=f"outcome {n}") for n in range(2000)]
    with closing(open_store(tmp_path)) as store, closing(open_reader(tmp_path)) as reader:
        store.append(rows)
        found = reader.columns("outcomes", ["assignment_id"])
    assert found["assignment_id"].codes.tolist() == [0] * 1500 + [-1] * 500


def assert_same(found, expected) -> None:
    if isinstance(expected, Coded):
        assert found.words == expected.words
        assert [type(word) for word in found.words] == [type(word) for word in expected.words]
        found, expected = found.codes, expected.codes
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
    assert len(found)


@given(st.lists(st.integers(2, 12), min_size=1, max_size=30), st.integers(0, 2**32))
def test_digits_are_those_that_were_packed(n_words, seed) -> None:
    words = {f"column {place}": list(range(n)) for place, n in enumerate(n_words)}
    known = Digits(words)
    rng = np.random.default_rng(seed)
    codes = {name: rng.integers(0, len(several) + 1, 20) for name, several in words.items()}
    numbers = []
    for pack in known.packs:
        number, unit = [0] * 20, 1
        for name in pack:
            number = [sum_ + unit * int(code) for sum_, code in zip(number, codes[name], strict=True)]
            unit *= len(words[name]) + 1
        assert unit <= 2**63
        numbers.append(np.array(number, np.int64))
    assert [name for pack in known.packs for name in pack] == list(words)
    found = known.codes(numbers)
    assert {name: code.tolist() for name, code in found.items()} == {
        name: code.tolist() for name, code in codes.items()
    }
