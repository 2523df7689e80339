"""A log that goes out through a door and comes in again is the same log, to the last digit."""

from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings

from analysis.adaptive.drawn import Context
from analysis.ope.doors import coba, dsjson, obp, open_bandit, tables
from analysis.ope.logged import Logged, Question
from engine.errors import InvalidRequest
from engine.experiments import Variant
from tests.analysis.ope.doors.making import check_same, in_pieces, logs

FEW = settings(max_examples=40)
AGES = Context(np.array([[30.0], [31.0]]), np.zeros((2, 0), np.int64))


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("doors") / "log"


@FEW
@given(log=logs(is_whole=True))
def test_dsjson_gives_back_what_it_was_given(file, log):
    dsjson.write(log, file)
    check_same([log], list(dsjson.read(file, dsjson.Reading(variants=log.variants))))


@FEW
@given(log=logs())
def test_coba_gives_back_what_it_was_given(file, log):
    assert coba.write(log, file) == len(log)
    check_same([log], list(coba.read(file, variants=log.variants)))


@FEW
@given(log=logs())
def test_interactions_need_no_file(log):
    check_same([log], list(coba.read(coba.interactions(log), variants=log.variants)))


@FEW
@given(log=logs())
def test_csv_gives_back_what_it_was_given(file, log):
    assert tables.write(log, file) == len(log)
    check_same([log], list(tables.read(file)))


@FEW
@given(log=logs())
@pytest.mark.parametrize("made", [pd.DataFrame, pl.DataFrame, lambda columns: pl.DataFrame(columns).lazy()])
def test_frames_give_back_what_they_were_given(made, log):
    check_same([log], list(tables.read(made(tables.to_columns(log)))))


@FEW
@given(log=logs(has_texts=False, has_slates=False, has_sets=False))
def test_obp_gives_back_what_it_was_given(log):
    """It knows neither units nor times nor loggers, and calls variants and fields by their numbers."""
    found = obp.read(obp.feedback_of(log))
    for name in ("variant", "reward", "propensity", "slot", "could_be"):
        assert getattr(found, name).tolist() == getattr(log, name).tolist(), name
    assert np.array_equal(found.context.numbers, log.context.numbers, equal_nan=True)
    assert (found.patterns is None) == (log.patterns is None)
    if log.patterns is not None:
        assert found.probabilities.tolist() == log.probabilities.tolist()


@FEW
@given(log=logs(is_whole=False, has_slates=False, has_sets=False))
def test_open_bandit_files_give_back_what_they_were_given(file, log):
    """They know neither units nor loggers, and call items and fields by their numbers."""
    path = file.with_name("men.csv")
    open_bandit.write(log, path)
    (found,) = open_bandit.read(path)
    for name in ("variant", "reward", "propensity", "at", "slot"):
        assert getattr(found, name).tolist() == getattr(log, name).tolist(), name
    assert found.k == log.k
    assert np.array_equal(found.context.numbers, log.context.numbers, equal_nan=True)
    assert spelled(found) == spelled(log)


def spelled(log):
    return [log.words[0][code] for code in log.context.codes[:, 0]]


@FEW
@given(log=logs(is_whole=True))
def test_a_log_in_pieces_is_written_like_the_whole(file, log):
    for door in (tables, coba):
        door.write(log, file)
        whole = file.read_text("utf-8")
        door.write(in_pieces(log), file)
        assert file.read_text("utf-8") == whole


@FEW
@given(log=logs(is_whole=True))
def test_small_blocks_are_the_whole_log(file, log):
    """Units, slates, words and lines are numbered alike, and no slate is cut."""
    for door, options in (
        (dsjson, {"reading": dsjson.Reading(variants=log.variants)}),
        (coba, {"variants": log.variants}),
        (tables, {}),
    ):
        door.write(log, file)
        blocks = list(door.read(file, n=2, **options))
        check_same(list(door.read(file, **options)), blocks)
        slates = [set(block.slate.tolist()) for block in blocks]
        assert sum(map(len, slates)) == len(set().union(*slates))


@FEW
@given(log=logs(is_whole=True))
def test_a_question_is_asked_again_for_any_rows(file, log):
    for door, options in (
        (dsjson, {"reading": dsjson.Reading(variants=log.variants)}),
        (coba, {"variants": log.variants}),
    ):
        door.write(log, file)
        (found,) = door.read(file, **options)
        asked = list(found.questions())
        backwards = np.arange(len(log))[::-1]
        assert list(found[backwards].questions()) == asked[::-1]
        names = [tuple(variant.name for variant in question.eligible) for question in asked]
        assert names == [tuple(np.array(log.variants)[row].tolist()) for row in log.could_be]


def test_numbers_of_64_bits_stay_exact(file):
    p = np.array([[0.1 + 0.2, 1 - (0.1 + 0.2)], [1 / 3, 2 / 3]])
    log = Logged.of(("a", "b"), np.array([0, 1]), np.array([0.1, 1e-17]), p[[0, 1], [0, 1]], probabilities=p)
    for door in (tables, coba, dsjson):
        door.write(log, file)
        (found,) = door.read(file)
        assert (found.propensity.tolist(), found.reward.tolist()) == (log.propensity.tolist(), log.reward.tolist())


def test_dsjson_cannot_hold_propensities_alone(file):
    log = Logged.of(("a", "b"), np.array([0]), np.ones(1), np.array([0.5]))
    with pytest.raises(InvalidRequest, match="write it as CSV"):
        dsjson.write(log, file)


def test_a_file_gets_its_name_when_it_is_whole(tmp_path):
    whole = Logged.of(("a",), np.array([0]), np.ones(1), np.ones(1), probabilities=np.ones((1, 1)))
    alone = Logged.of(("a",), np.array([0]), np.ones(1), np.ones(1))
    with pytest.raises(InvalidRequest):
        dsjson.write([whole, alone], tmp_path / "log.json")
    assert not (tmp_path / "log.json").exists()


def test_fields_that_dsjson_keeps_for_itself_are_refused(file):
    log = Logged.of(("a",), np.array([0]), np.ones(1), np.ones(1), probabilities=np.ones((1, 1)))
    asked = Question({"_multi": 1.0}, (Variant("a"),))
    with pytest.raises(InvalidRequest, match="'_multi'"):
        dsjson.write(replace(log, ask=lambda rows: iter([asked] * len(rows))), file)


def test_a_slate_of_several_contexts_is_refused(file):
    log = Logged.of(("a", "b"), np.array([0, 1]), np.ones(2), np.full(2, 0.5), probabilities=np.full((2, 2), 0.5))
    slots = replace(log, slate=np.zeros(2, np.int64), slot=np.arange(2), numbers=("age",), context=AGES)
    with pytest.raises(InvalidRequest, match="different contexts"):
        dsjson.write(slots, file)
