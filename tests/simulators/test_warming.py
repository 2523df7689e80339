"""Warm start: what a CSV and an older log teach a draft, by hand and through the command's function."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from engine import lifecycle
from engine.definition import define
from engine.errors import InvalidRequest, InvalidTransition, UnknownExperiment
from engine.experiments import ContextField, Experiment, ExposureRule, FieldType, Status, Variant
from engine.lifecycle import Author
from engine.metrics import Metric, MetricKind, RewardTerm
from engine.records import Exposure, Outcome, Reward, Source
from engine.service.management import Management
from engine.service.server import Serving, serving_beside
from engine.specs import ThompsonSpec
from engine.storage import open_store
from simulators.imported import entries, import_rows
from simulators.recipe import read_recipe
from simulators.rows import START, read_rows
from simulators.showing import Screen
from simulators.warming import Teacher, of_csv, of_log, taught, warm

RECIPE = """\
recipe: mail
context: {visits: number, plan: text}
variant: {column: arm, names: {n: none, m: mens, w: womens}}
propensity: {none: 0.5, mens: 0.25, womens: 0.25}
metrics: {visit: {kind: conversion, window: 1h}, spend: {kind: revenue, window: 1h, cap: 100}}
shuffle_seed: none
"""
CSV = """\
arm,visits,plan,visit,spend
n,1,free,1,0
m,2,pro,0,0
w,,pro,1,50
m,4,free,1,300
"""
DRAFT = define(
    Experiment(
        "offer",
        (Variant("none"), Variant("mens"), Variant("new")),
        (Metric("visit", window=timedelta(days=1)), Metric("spend", MetricKind.REVENUE, timedelta(days=1), cap=100.0)),
        context=(ContextField("visits", FieldType.NUMBER), ContextField("plan", FieldType.FLAG)),
        reward=(RewardTerm("visit", 0.5), RewardTerm("spend", 0.5)),
        policy=ThompsonSpec(),
    )
)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    csv, recipe = tmp_path / "mail.csv", tmp_path / "mail.yaml"
    csv.write_text(CSV)
    recipe.write_text(RECIPE)
    return csv, recipe


def lessons(files: tuple[Path, Path], experiment: Experiment = DRAFT) -> list[Reward]:
    with of_csv(*files) as teacher:
        return list(taught(experiment, teacher))


def test_a_csv_teaches_what_its_rows_earned_under_the_drafts_definition(files: tuple[Path, Path]) -> None:
    found = [(lesson.assignment.variant, lesson.value, lesson.assignment.propensity) for lesson in lessons(files)]
    assert found == [("none", 0.5, 0.5), ("mens", 0.0, 0.25), ("mens", 1.0, 0.25)], "nobody can have womens any more"


def test_what_the_draft_does_not_know_is_left_out(files: tuple[Path, Path]) -> None:
    first, *_ = lessons(files)
    assert first.assignment.eligible == ("none", "mens")
    assert dict(first.assignment.context) == {"visits": 1.0}, "its plan is a flag, and that of the file a text"


def test_all_variants_teach_where_the_draft_has_them(files: tuple[Path, Path]) -> None:
    variants = tuple(map(Variant, ("none", "mens", "womens")))
    found = lessons(files, define(replace(DRAFT, variants=variants, control="", default="")))
    assert Counter(lesson.assignment.variant for lesson in found) == {"none": 1, "mens": 2, "womens": 1}
    assert [lesson.value for lesson in found] == [0.5, 0.0, 0.75, 1.0]


def test_a_reported_exposure_of_the_draft_asks_nothing_of_a_csv(files: tuple[Path, Path]) -> None:
    assert len(lessons(files, replace(DRAFT, exposure=ExposureRule.REPORTED))) == 3


def test_what_the_file_knows_nothing_of_cannot_be_rewarded(files: tuple[Path, Path]) -> None:
    bought = define(replace(DRAFT, metrics=(Metric("visit"), Metric("bought")), reward=(RewardTerm("bought", 1.0),)))
    with pytest.raises(InvalidRequest, match=r"mail\.csv has no 'bought', for which the experiment is rewarded"):
        lessons(files, bought)


# --- a log -----------------------------------------------------------------------------------------------------------


def old_log(directory: Path, files: tuple[Path, Path], exposure: ExposureRule = ExposureRule.ASSIGNED) -> Path:
    """Keep the rows as a server would have, each when it came, and something a day later."""
    csv, recipe_file = files
    recipe = read_recipe(recipe_file)
    author = Author("kim", "a test", START)
    with closing(open_store(directory)) as store:
        state, change = lifecycle.create(replace(recipe.imported(), exposure=exposure), author)
        store.save(state, change, "")
        rows = read_rows(csv, recipe).rows
        for row in rows:
            store.append([replace(entry, source=Source.LIVE) for entry in entries(recipe, row, row.at)])
        if exposure is ExposureRule.REPORTED:
            (first, *_) = entries(recipe, rows[1], rows[1].at)
            store.append([Exposure(first.assignment_id, rows[1].at, rows[1].at)])
        late = rows[-1].at + timedelta(days=1)
        store.append([Outcome("late", "", 0.0, late, late)])
    return directory


def told(found: list[Reward]) -> list[tuple[str, float, float | None]]:
    return [(lesson.assignment.variant, lesson.value, lesson.assignment.propensity) for lesson in found]


def test_a_log_teaches_what_the_csv_does(tmp_path: Path, files: tuple[Path, Path]) -> None:
    with of_log(old_log(tmp_path / "old", files), "mail") as teacher:
        assert told(list(taught(DRAFT, teacher))) == told(lessons(files))


def test_what_an_exposure_is_is_as_it_was_in_the_log(tmp_path: Path, files: tuple[Path, Path]) -> None:
    with of_log(old_log(tmp_path / "old", files, ExposureRule.REPORTED), "mail") as teacher:
        assert told(list(taught(DRAFT, teacher))) == [("mens", 0.0, 0.25)]


def test_a_row_whose_window_is_still_open_teaches_nothing(tmp_path: Path, files: tuple[Path, Path]) -> None:
    longer = replace(DRAFT, metrics=tuple(replace(metric, window=timedelta(days=2)) for metric in DRAFT.metrics))
    with of_log(old_log(tmp_path / "old", files), "mail") as teacher:
        assert list(taught(longer, teacher)) == []


def test_an_imported_file_teaches_as_it_does_by_itself(tmp_path: Path, files: tuple[Path, Path]) -> None:
    """All its rows came at one time, after all windows, and nothing of the log says that time went by."""
    csv, recipe_file = files
    recipe = read_recipe(recipe_file)
    assert sum(import_rows(tmp_path / "imported", recipe, read_rows(csv, recipe).rows)) == 4
    with of_log(tmp_path / "imported", "mail") as teacher:
        assert told(list(taught(DRAFT, teacher))) == told(lessons(files))


def test_an_experiment_that_the_store_has_not_is_named(tmp_path: Path, files: tuple[Path, Path]) -> None:
    with pytest.raises(UnknownExperiment, match="--from"), of_log(old_log(tmp_path / "old", files), "mial"):
        pass


# --- a draft ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    with serving_beside(Serving(tmp_path / "store", "127.0.0.1:0", companions=())) as bound:
        with Management(bound, "tests") as management:
            management.apply(DRAFT, "a test")
        yield bound


def begin(address: str, teacher: object, reason: str = "a test") -> None:
    warm("offer", teacher, reason=reason, server=address, actor="kim", screen=Screen(quiet=True))  # type: ignore[arg-type]


def test_a_draft_begins_with_the_posteriors_that_the_lessons_have(address: str, files: tuple[Path, Path]) -> None:
    begin(address, of_csv(*files))
    with Management(address, "tests") as management:
        (snapshot,) = management.snapshots("offer")
        assert (snapshot.n_warm, snapshot.n_rewards, snapshot.is_live) == (3, 0, True)
        assert list(management.history("offer"))[-1].reason == "a test (from mail.csv)"


def test_a_teacher_that_teaches_nothing_is_refused(address: str, files: tuple[Path, Path]) -> None:
    csv, _ = files
    csv.write_text("".join(line for line in CSV.splitlines(keepends=True) if line[0] in "aw"))
    with pytest.raises(InvalidRequest, match=r"mail\.csv teaches nothing: no draw of none, mens, new"):
        begin(address, of_csv(*files))


def test_nothing_is_read_for_what_cannot_begin_warm(address: str, files: tuple[Path, Path]) -> None:
    with pytest.raises(InvalidRequest, match="for a reason"):
        begin(address, of_csv(Path("nowhere.csv"), Path("nowhere.yaml")), "")
    with Management(address, "tests") as management:
        management.move("offer", Status.RUNNING, "go")
    with pytest.raises(InvalidTransition, match="a warm start is for drafts"):
        begin(address, of_csv(Path("nowhere.csv"), Path("nowhere.yaml")))


def test_a_teacher_without_an_end_has_one_only_where_nothing_more_comes(files: tuple[Path, Path]) -> None:
    with of_csv(*files) as teacher:
        open_ended = Teacher(teacher.name, teacher.experiment, list(teacher.entries))
    assert list(taught(DRAFT, open_ended)) == []
    assert len(list(taught(DRAFT, replace(open_ended, ended=True)))) == 3
