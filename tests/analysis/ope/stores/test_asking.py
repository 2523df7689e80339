"""Questions are those that the logged policy was asked, whether they come from rows or from columns."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.logs.exporting import export
from analysis.logs.simple_log import simple_log
from analysis.ope.logged import Logged
from analysis.ope.stores.asking import PAGE, ColumnQuestions, RowQuestions, opening
from analysis.ope.stores.reading import read
from analysis.ope.targets.functions import function
from analysis.ope.targets.served import of_file
from engine.errors import InvalidRequest
from engine.experiments import ContextField, Experiment, ExposureRule, FieldType, Variant
from engine.metrics import Metric
from engine.records import Exposure
from engine.specs import ContextualSpec, FixedSpec, Rule, SegmentsSpec, ThompsonSpec
from engine.storage import open_reader
from tests.analysis.ope.targets.test_served import NEWS
from tests.analysis.ope.targets.visits import END, Files, came, closed, logged_rows
from tests.engine.house import House, experiment

FIELDS = (
    ContextField("visits", FieldType.NUMBER),
    ContextField("country", FieldType.TEXT),
    ContextField("vip", FieldType.FLAG),
)
LISTS = (*FIELDS, ContextField("likes", FieldType.TEXTS))
CONTEXTS = [
    {"visits": 3.0, "country": "NO", "vip": True},
    {"vip": False, "country": ""},
    {"visits": -0.5},
    {},
    {"visits": 1.0, "country": "ø 東京", "vip": False, "likes": ("a", "b")},
]
VARIANTS = (Variant("plain", '{"n": 1}', {"price": 2.0}), Variant("bold"), Variant("quiet"))


def stored(directory: Path, **changes: Any) -> House:
    """Return a store in files of some visits."""
    files = Files(directory)
    house = House(files)
    house.run(experiment(**({"variants": VARIANTS, "context": FIELDS, "policy": ThompsonSpec()} | changes)))
    came(house, 30, contexts=CONTEXTS)
    closed(house)
    return house


def assert_they_are_those_of_the_rows(log: Logged, house: House) -> None:
    rows = logged_rows(house)
    definitions = {each: house.store.definition("hero", each) for each in {row.revision for row in rows.values()}}
    assert len(log) > 15
    for seq, question in zip(log.row.tolist(), log.questions(), strict=True):
        row = rows[seq]
        assert question.context == row.context
        assert list(map(type, question.context.values())) == [type(row.context[name]) for name in question.context]
        assert tuple(variant.name for variant in question.eligible) == row.eligible
        known = {each.name: each for each in definitions[row.revision].variants}
        known |= {each.name: Variant.of(each) for each in row.candidates}
        assert all(variant == known[variant.name] for variant in question.eligible)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, ColumnQuestions),
        ({"context": LISTS}, RowQuestions),
        ({"slots": 2}, ColumnQuestions),
        ({"variants": NEWS.variants, "candidates": NEWS.candidates, "policy": ContextualSpec()}, RowQuestions),
    ],
)
def test_questions_are_those_of_the_rows(tmp_path: Path, changes: dict[str, Any], kind: type) -> None:
    house = stored(tmp_path, **changes)
    with closing(house.store):
        log = read(tmp_path, "hero")
        assert isinstance(log.ask, kind)
        assert_they_are_those_of_the_rows(log, house)
        backwards = np.arange(len(log))[::-1]
        assert list(log[backwards].questions()) == list(log.questions())[::-1]


def test_questions_of_a_field_that_changed_its_type_are_those_of_the_rows(tmp_path: Path) -> None:
    house = stored(tmp_path)
    with closing(house.store):
        house.change("hero", context=(ContextField("visits", FieldType.TEXT), *FIELDS[1:]))
        came(house, 20, 30, contexts=[{"visits": "many"}, {}])
        store_end(house)
        log = read(tmp_path, "hero")
        assert isinstance(log.ask, RowQuestions)
        assert_they_are_those_of_the_rows(log, house)


def test_a_variant_is_as_it_was_in_the_rows_revision(tmp_path: Path) -> None:
    house = stored(tmp_path)
    with closing(house.store):
        house.change("hero", variants=(replace(VARIANTS[0], payload='{"n": 2}'), *VARIANTS[1:]))
        came(house, 20, 30, contexts=CONTEXTS)
        store_end(house)
        log = read(tmp_path, "hero")
        assert_they_are_those_of_the_rows(log, house)
        payloads = {variant.payload for question in log.questions() for variant in question.eligible}
        assert payloads == {'{"n": 1}', '{"n": 2}', "{}"}


def store_end(house: House) -> None:
    """Let the log's time pass once more."""
    house.store.append([Exposure("fe" * 16, END, END)])


def test_pages_are_read_each_with_a_few_queries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = stored(tmp_path, context=LISTS)
    house.store.close()
    log = read(tmp_path, "hero")
    asked: list[int] = []
    with closing(open_reader(tmp_path)) as reader:
        found = reader.assignments
        monkeypatch.setattr(reader, "assignments", lambda ids: asked.append(len(ids)) or found(ids))
        questions = replace(log.ask, opening=opening(reader))
        many = np.tile(log.row, PAGE // len(log) + 1)
        assert len(list(questions(many))) == len(many)
    assert asked == [len(log), len(many) - PAGE]


# --- other sources --------------------------------------------------------------------------------------------------


def test_an_exported_log_is_the_store_again(tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    stored(tmp_path / "store", slots=2).store.close()
    with closing(open_reader(tmp_path / "store")) as reader:
        export(reader, tmp_path / "copy")
        log, copy = read(reader, "hero"), read(tmp_path / "copy", "hero")
    assert (log.row.tolist(), log.reward.tolist()) == (copy.row.tolist(), copy.reward.tolist())
    assert (log.probabilities == copy.probabilities).all()
    assert (log.variants, log.collection, log.left_out, log.beside, log.n_open) == (
        copy.variants,
        copy.collection,
        copy.left_out,
        copy.beside,
        copy.n_open,
    )
    assert np.array_equal(log.context.numbers, copy.context.numbers, equal_nan=True)
    assert list(log.questions()) == list(copy.questions())


@pytest.mark.parametrize("changes", [{"context": LISTS}, {"candidates": NEWS.candidates, "policy": ContextualSpec()}])
def test_what_stands_in_rows_alone_is_not_asked_of_columns(tmp_path: Path, changes: dict[str, Any]) -> None:
    pytest.importorskip("duckdb")
    stored(tmp_path / "store", **changes).store.close()
    with closing(open_reader(tmp_path / "store")) as reader:
        export(reader, tmp_path / "copy")
    log = read(tmp_path / "copy", "hero")
    with pytest.raises(InvalidRequest, match="lists of texts and candidates stand in the rows of a store alone"):
        list(log.questions())
    # A policy that reads nothing needs no questions.
    plain = experiment(**(changes | {"variants": VARIANTS, "policy": FixedSpec()}))
    assert np.isclose(of_file(plain).probabilities(log).sum(axis=1), 1).all()


def test_a_log_of_arrays_is_asked_like_any_other() -> None:
    rules = SegmentsSpec((Rule({"vip": True}, {"bold": 1.0}), Rule({"visits": {"$gte": 2}}, {"quiet": 1.0})), {})
    hero = Experiment("hero", VARIANTS, (Metric("click", window=timedelta(days=1)),), context=FIELDS)
    context = {"visits": [3.0, np.nan, 1.0, 5.0], "country": ["NO", "", "SE", "NO"], "vip": [1.0, 0.0, np.nan, 0.0]}
    source = simple_log(hero, {"variant": np.array([0, 1, 2, 2])}, {"row": np.array([2])}, context=context)
    log = read(source, "hero", metric="click")
    assert log.reward.tolist() == [0, 0, 1, 0]
    assert (log.numbers, log.texts, log.words) == (("visits", "vip"), ("country",), (("NO", "", "SE"),))
    assert log.context.codes.ravel().tolist() == [0, 1, 2, 0]
    assert [dict(question.context) for question in log.questions()] == [
        {"visits": 3.0, "country": "NO", "vip": True},
        {"country": "", "vip": False},
        {"visits": 1.0, "country": "SE"},
        {"visits": 5.0, "country": "NO", "vip": False},
    ]
    found = of_file(replace(hero, policy=rules)).probabilities(log)
    assert found.argmax(axis=1).tolist() == [1, 0, 0, 2]
    assert function(lambda context, _: [1.0, 0, 0] if context.get("vip") is True else [0, 0, 1.0]).probabilities(log)[
        0
    ].tolist() == [1, 0, 0]


# --- slates ---------------------------------------------------------------------------------------------------------


def test_slots_behind_one_that_was_not_exposed_are_left_out() -> None:
    """Of a slate without its first slot nobody knows what the others had before them."""
    house = House()
    house.run(experiment(variants=VARIANTS, slots=3, policy=ThompsonSpec(), exposure=ExposureRule.REPORTED))
    rows = came(house, 4)
    met = {0: (0, 1, 2), 1: (0, 2), 2: (1, 2), 3: (0,)}
    for row in rows:
        number = int(row.unit.id[1:])
        if row.slot in met[number]:
            house.store.append([Exposure(row.assignment_id, row.assigned_at, row.assigned_at, row.slot)])
    closed(house)
    log = read(house.store, "hero")
    n_slots = [sum(int(row.unit.id[1:]) == number for row in rows) for number in range(4)]
    assert n_slots[0] == 2, "one of the three was excluded"
    assert log.slot.tolist() == [0, 1, 0, 0]
    assert [len(block) for block in log.blocks(1)] == [2, 1, 1]
    assert {str(count.what): count.n for count in log.left_out}["slots behind one that cannot be used"] == 3
