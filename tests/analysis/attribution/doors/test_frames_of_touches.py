"""Frames of touches are cut into the same journeys however they are written; what is wrong is left out, and counted."""

from datetime import UTC, date, datetime, timedelta, timezone

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from analysis.attribution.doors import reading
from analysis.attribution.doors.frames import touches
from analysis.attribution.events import Windows
from analysis.attribution.journeys import NO_CHANNEL, OTHERS
from engine.errors import InvalidRequest
from tests.analysis.attribution.doors.meeting import left_out, met

START = datetime(2026, 3, 1)
HOURS = [0, 1, 2, 3, 30, 31]
MOMENTS = [START + timedelta(hours=hour) for hour in HOURS]
ROWS = {
    "unit": ["u", "u", "u", "u", "w", "u"],
    "channel": ["email", "search", None, "social", "email", None],
    "converted": [0, 0, 1, 0, 0, 1],
    "value": [0.0, 0.0, 20.0, 0.0, 0.0, -5.0],
}
"""One unit meets two touchpoints, converts, meets a third and is refunded; another one meets one."""

WHOLE = [(["email", "search"], 1.0, 15.0), (["social"], 0.0, 0.0), (["email"], 0.0, 0.0)]
NOTED = {"after": 1, "open": 2, "refunds": 1}

FRAMES = {
    "pandas": lambda at: pd.DataFrame({**ROWS, "at": at}),
    "polars": lambda at: pl.DataFrame({**ROWS, "at": at}),
    "lazy": lambda at: pl.LazyFrame({**ROWS, "at": at}),
    "arrow": lambda at: pa.table({**ROWS, "at": at}),
}
WARSAW = timezone(timedelta(hours=1))
TIMES = {
    "times": MOMENTS,
    "times of a zone": [(moment + timedelta(hours=1)).replace(tzinfo=WARSAW) for moment in MOMENTS],
    "seconds": [moment.replace(tzinfo=UTC).timestamp() for moment in MOMENTS],
    "whole seconds": [3600 * hour for hour in HOURS],
    "texts": [moment.isoformat() for moment in MOMENTS],
    "texts of seconds": [str(3600 * hour) for hour in HOURS],
}


def row(unit="u", at=0, channel="a", converted=0, value=None):
    return {"unit": unit, "at": at, "channel": channel, "converted": converted, "value": value}


def frame(*rows):
    return pl.DataFrame(list(rows), strict=False, infer_schema_length=None)


@pytest.mark.parametrize("made", FRAMES.values(), ids=FRAMES)
@pytest.mark.parametrize("at", TIMES.values(), ids=TIMES)
def test_touches_of_any_library_and_times_of_any_kind_are_the_same_journeys(made, at):
    taken = touches(made(at), value="value")
    assert met(taken) == WHOLE
    assert taken.journeys.age_s.tolist() == [7200.0, 3600.0, 0.0, 0.0]
    assert left_out(taken) == NOTED


@pytest.mark.parametrize("made", FRAMES.values(), ids=FRAMES)
@pytest.mark.parametrize("at", [MOMENTS, TIMES["times of a zone"]], ids=["times", "times of a zone"])
def test_a_time_that_is_missing_in_a_column_of_times_is_none(made, at):
    taken = touches(made([None, *at[1:]]), value="value")
    assert met(taken) == [(["search"], 1.0, 15.0), *WHOLE[1:]]
    assert left_out(taken) == {"no_time": 1, **NOTED}


def test_times_are_no_values():
    taken = touches(FRAMES["pandas"](MOMENTS), value="at")
    assert taken.journeys.value.tolist() == [0.0, 0.0, 0.0]
    assert left_out(taken)["values"] == 2


def test_cells_that_are_lists_are_told_apart_by_what_is_written_in_them():
    taken = touches(frame(row(channel=["a"]), row(at=1, channel=["b"]), row(at=2, channel=["a"])))
    assert met(taken) == [(["['a']", "['b']", "['a']"], 0.0, 0.0)]


def test_a_csv_file_is_a_table_as_well(tmp_path):
    FRAMES["pandas"](MOMENTS).to_csv(tmp_path / "touches.csv", index=False)
    taken = touches(tmp_path / "touches.csv", value="value")
    assert met(taken) == WHOLE
    assert left_out(taken) == NOTED


def test_a_day_is_its_first_moment():
    taken = touches(frame(row(at=date(2026, 3, 1)), row(at=date(2026, 3, 2), channel=None, converted=1)))
    assert taken.journeys.age_s.tolist() == [86_400.0]


@pytest.mark.parametrize("units", [["x", "y", "x"], [b"x", b"y", b"x"], [7, 8, 7], [7.0, 8.5, 7.0], ["7", "8", "7"]])
def test_units_are_texts_bytes_or_numbers(units):
    taken = touches(frame(*(row(unit=unit, at=place, channel="abc"[place]) for place, unit in enumerate(units))))
    assert met(taken) == [(["a", "c"], 0.0, 0.0), (["b"], 0.0, 0.0)]


def test_a_conversion_that_names_a_channel_is_a_touch_just_before_and_a_refund_is_none():
    rows = [row(at=5, channel="a", converted=1, value=3.0), row(at=9, channel="b", converted=1, value=-1.0)]
    taken = touches(frame(*rows), value="value")
    assert met(taken) == [(["a"], 1.0, 2.0)]


def test_without_a_value_each_conversion_is_worth_1():
    taken = touches(frame(row(at=1), row(at=2, channel=None, converted=True), row(at=3, channel=None, converted=True)))
    assert met(taken) == [(["a"], 1.0, 1.0), ([], 1.0, 1.0)]
    assert left_out(taken) == {"untouched": 1}


def test_rows_without_a_unit_or_a_time_are_left_out_and_name_no_touchpoint():
    times = [None, "soon", float("nan"), float("inf"), 1e300]
    frame_of = pd.DataFrame(
        [row(), row(unit=None, channel="b"), row(unit="", channel="c")]
        + [row(at=at, channel=f"d{place}") for place, at in enumerate(times)]
    )
    taken = touches(frame_of)
    assert taken.journeys.touchpoints == ("a",)
    assert left_out(taken) == {"no_unit": 2, "no_time": 5, "open": 1}


@pytest.mark.parametrize("missing", [None, "", "  ", float("nan")])
def test_a_touch_that_names_no_channel_is_one_of_a_touchpoint_of_its_own(missing):
    taken = touches(pd.DataFrame([row(), row(at=1, channel=missing), row(at=2, channel=" a ")]))
    assert taken.journeys.touchpoints == ("a", NO_CHANNEL)
    assert taken.journeys.touchpoint.tolist() == [0, 1, 0]
    assert left_out(taken) == {"no_channel_named": 1, "open": 1}


def test_channels_that_are_not_declared_are_among_the_others_but_no_repetition_of_each_other():
    taken = touches(frame(row(channel="x"), row(at=1, channel="y"), row(at=2, channel="y"), row(at=3)), channels=["a"])
    assert taken.journeys.touchpoints == ("a", OTHERS)
    assert taken.journeys.touchpoint.tolist() == [1, 1, 0]
    assert left_out(taken) == {"unknown": 2, "merged": 1, "open": 1}


def test_windows_are_the_users():
    hour = timedelta(hours=1)
    rows = [row(at=0), row(at=1000), row(at=3000, channel="b"), row(at=7000, channel=None, converted=1)]
    taken = touches(frame(*rows), windows=Windows(look_back=2 * hour, session_gap=timedelta(seconds=999)))
    assert met(taken) == [(["a", "a", "b"], 1.0, 1.0)]
    assert met(touches(frame(*rows), windows=Windows(look_back=1.5 * hour))) == [(["a"], 0.0, 0.0), (["b"], 1.0, 1.0)]


def test_values_that_cannot_be_computed_with_are_0():
    values = [None, float("inf"), 1e61, 4.0]
    rows = [row(at=place, channel=None, converted=1, value=value) for place, value in enumerate(values)]
    taken = touches(frame(*rows), value="value")
    assert [value for _, _, value in met(taken)] == [0.0, 0.0, 0.0, 4.0]
    assert left_out(taken)["values"] == 3


def test_rows_may_come_in_any_order_and_in_several_blocks(monkeypatch):
    whole = FRAMES["pandas"](MOMENTS)
    monkeypatch.setattr(reading, "_BLOCK", 2)
    assert met(touches(whole[::-1], value="value")) == WHOLE


@pytest.mark.parametrize("wrong", [2, -1, "perhaps"])
def test_a_conversion_that_is_neither_yes_nor_no_is_an_error_that_names_its_row(wrong):
    with pytest.raises(InvalidRequest, match=r"row 2 has .* in the column 'converted'"):
        touches(pd.DataFrame([row(), row(converted=wrong)]))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (pd.DataFrame(columns=["unit", "at", "channel", "converted"]), "no journeys in this table: it has no rows"),
        (pd.DataFrame([row(unit=None)]), "no journeys in this table: rows that name no unit: they are left out: 1"),
        (pd.DataFrame({"unit": ["u"], "at": [0], "channel": ["a"]}), "one column 'converted'"),
    ],
)
def test_what_is_no_table_of_touches_is_an_error(rows, message):
    with pytest.raises(InvalidRequest, match=message):
        touches(rows)
