"""Frames of paths become the same journeys from every library; what is wrong is left out by a rule, and counted."""

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from analysis.attribution.doors import path_rows
from analysis.attribution.doors.frames import paths
from analysis.attribution.journeys import MAX_TOUCHPOINTS, NO_CHANNEL, OTHERS
from engine.errors import InvalidRequest
from tests.analysis.attribution.doors.meeting import left_out, met, noted

ROWS = {
    "path": ["email > search", "search", "email > search > email"],
    "conversions": [2, 0, 1],
    "nulls": [1, 2, 0],
    "value": [30.0, 0.0, -5.0],
}
LIBRARIES = [pd.DataFrame, pl.DataFrame, lambda columns: pl.DataFrame(columns).lazy(), pa.table]
KINDS = ["pandas", "polars", "lazy", "arrow"]
WHOLE = [
    (["email", "search"], 1.0, 15.0),
    (["email", "search"], 1.0, 15.0),
    (["email", "search"], 0.0, 0.0),
    (["search"], 0.0, 0.0),
    (["search"], 0.0, 0.0),
    (["email", "search", "email"], 1.0, -5.0),
]


@pytest.mark.parametrize("frame", LIBRARIES, ids=KINDS)
@pytest.mark.parametrize("is_list", [False, True], ids=["text", "list"])
def test_paths_of_any_library_stand_for_journeys_of_a_unit_each(frame, is_list):
    written = [path.split(" > ") for path in ROWS["path"]] if is_list else ROWS["path"]
    taken = paths(frame({**ROWS, "path": written}), nulls="nulls", value="value")
    assert met(taken) == WHOLE
    assert taken.journeys.unit.tolist() == list(range(6))
    assert taken.journeys.age_s is None
    assert left_out(taken) == {}


def test_a_csv_file_is_a_table_whose_broken_lines_are_counted(tmp_path):
    file = tmp_path / "paths.csv"
    pd.DataFrame(ROWS).to_csv(file, index=False)
    file.write_text(file.read_text() + "email,1\n")
    taken = paths(file, nulls="nulls", value="value")
    assert met(taken) == WHOLE
    assert left_out(taken) == {"broken": 1}


def test_all_journeys_may_be_given_in_place_of_those_that_did_not_convert():
    totals = {**ROWS, "all": [3, 2, 1]}
    assert met(paths(pd.DataFrame(totals), journeys="all", value="value")) == WHOLE


def test_a_row_may_be_a_journey_whose_conversion_is_yes_or_no_and_then_each_is_worth_1():
    frame = pl.DataFrame({"path": ["a", "b > a"], "conversions": [True, False]})
    assert met(paths(frame)) == [(["a"], 1.0, 1.0), (["b", "a"], 0.0, 0.0)]


def test_rows_of_one_unit_stay_together_and_rows_without_one_are_alone():
    frame = pd.DataFrame({"path": list("abcd"), "conversions": [2, 1, 1, 1], "who": ["u", None, "u", ""]})
    unit = paths(frame, unit="who").journeys.unit
    assert unit[0] == unit[1] == unit[3]
    assert len(set(unit.tolist())) == 3


def test_a_separator_is_the_users_and_may_be_within_no_name():
    frame = pd.DataFrame({"path": ["a > b|c"], "conversions": [1]})
    assert met(paths(frame, separator="|")) == [(["a > b", "c"], 1.0, 1.0)]


@pytest.mark.parametrize("nothing", [None, "", "  ", []])
def test_rows_without_a_path_are_conversions_that_no_touch_preceded(nothing):
    frame = pd.DataFrame({"path": [nothing, "a"], "conversions": [2, 1], "nulls": [3, 0]})
    taken = paths(frame, nulls="nulls")
    assert met(taken) == [([], 1.0, 1.0), ([], 1.0, 1.0), (["a"], 1.0, 1.0)]
    assert left_out(taken) == {"untouched": 2, "nothing": 3}


@pytest.mark.parametrize("path", ["a >  > b", ["a", None, "b"], ["a", "", "b"], ("a", float("nan"), "b")])
def test_an_empty_name_within_a_path_is_a_touch_without_a_channel(path):
    taken = paths(pd.DataFrame({"path": [path], "conversions": [1]}))
    assert taken.journeys.touchpoints == ("a", "b", NO_CHANNEL)
    assert taken.journeys.touchpoint.tolist() == [0, 2, 1]
    assert left_out(taken) == {"no_channel_named": 1}


def test_channels_that_are_not_declared_are_among_the_others():
    frame = pd.DataFrame({"path": ["x > a > y > a"], "conversions": [1]})
    taken = paths(frame, channels=["b", "a"])
    assert taken.journeys.touchpoints == ("b", "a", OTHERS)
    assert taken.journeys.touchpoint.tolist() == [2, 1, 2, 1]
    assert left_out(taken) == {"unknown": 2}


def test_of_ten_thousand_channels_those_with_the_most_touches_are_told_apart():
    names = [f"c{number}" for number in range(10_000)]
    taken = paths(pd.DataFrame({"path": [*names, *names[-MAX_TOUCHPOINTS:]], "conversions": 1}))
    assert taken.journeys.touchpoints == (*names[-MAX_TOUCHPOINTS:], OTHERS)
    assert left_out(taken) == {"rare_channel": 10_000 - MAX_TOUCHPOINTS}


def test_one_channel_alone_is_all_there_is():
    taken = paths(pd.DataFrame({"path": ["a", "a > a"], "conversions": [1, 0]}))
    assert taken.journeys.touchpoints == ("a",)
    assert taken.journeys.lengths.tolist() == [1, 2]
    assert noted(taken) == {"everywhere": 1}


def test_touchpoints_that_every_journey_meets_are_counted():
    taken = paths(pd.DataFrame({"path": ["a > b", "b > c > a", "a", ""], "conversions": [1, 0, 1, 1]}))
    assert noted(taken) == {"everywhere": 1, "untouched": 1}


def test_values_that_cannot_be_computed_with_are_0_and_none_is_missed_without_a_conversion():
    values = [float("nan"), float("inf"), 1e61, None, 4.0]
    frame = pl.DataFrame({"path": ["a"] * 5, "conversions": [1, 1, 1, 0, 1], "value": values}, strict=False)
    taken = paths(frame, value="value")
    assert [value for _, _, value in met(taken)] == [0.0, 0.0, 0.0, 0.0, 4.0]
    assert left_out(taken) == {"values": 3}


def test_a_refund_of_a_row_that_did_not_convert_is_a_value_without_a_conversion():
    frame = pd.DataFrame({"path": ["a", "a"], "conversions": [0, 1], "value": [-3.0, 8.0]})
    taken = paths(frame, value="value")
    assert met(taken) == [(["a"], 0.0, 0.0), (["a"], 1.0, 8.0), ([], 0.0, -3.0)]
    assert left_out(taken) == {"alone": 1}


@pytest.mark.parametrize("wrong", [-1, 0.5, None, "many", float("inf")])
@pytest.mark.parametrize("column", ["conversions", "nulls"])
def test_a_count_that_is_none_is_an_error_that_names_its_row(column, wrong):
    frame = pd.DataFrame({"path": ["a", "b"], "conversions": [1, 1], "nulls": [1, 1]}).astype({column: object})
    frame.loc[1, column] = wrong
    with pytest.raises(InvalidRequest, match=f"row 2 has .* in the column '{column}'"):
        paths(frame, nulls="nulls")


def test_more_conversions_than_journeys_are_an_error_that_names_their_row():
    frame = pd.DataFrame({"path": ["a", "b"], "conversions": [1, 3], "all": [1, 2]})
    with pytest.raises(InvalidRequest, match=r"row 2 has .*2.* in the column 'all'"):
        paths(frame, journeys="all")


def test_rows_that_stand_for_more_journeys_than_fit_in_memory_are_an_error():
    frame = pd.DataFrame({"path": ["a"], "conversions": [path_rows._MOST_JOURNEYS + 1]})
    with pytest.raises(InvalidRequest, match="100,000,001 journeys"):
        paths(frame)


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"path": [], "conversions": []}, {}, "no journeys in this table: it has no rows"),
        ({"path": [None], "conversions": [0]}, {}, "no journeys in this table: journeys without a touch"),
        ({"paths": ["a"], "conversions": [1]}, {}, "one column 'path'"),
        ({"path": ["a"], "conversions": [1]}, {"separator": ""}, "separator"),
        ({"path": ["a"], "conversions": [1]}, {"journeys": "n", "nulls": "n"}, "not both"),
    ],
)
def test_what_is_no_table_of_paths_is_an_error(columns, options, message):
    with pytest.raises(InvalidRequest, match=message):
        paths(pd.DataFrame(columns), **options)


def test_what_is_no_table_at_all_is_an_error():
    with pytest.raises(InvalidRequest, match="data frame"):
        paths([1, 2])
