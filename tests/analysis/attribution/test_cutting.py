"""Journeys against a slow and obvious cut of one unit after the other; nothing is lost, nothing is there twice."""

from collections import Counter
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.attribution.cutting import cut
from analysis.attribution.events import CONVERSION, Events, Windows
from analysis.attribution.journeys import Journeys
from analysis.attribution.noted import Noted, said
from engine.errors import InvalidRequest

NAMES = ("email", "search", "social")
WINDOWS = Windows(timedelta(microseconds=10), timedelta(microseconds=3))
LOOK_BACK, GAP = 10, 3

ROW = st.tuples(
    st.integers(0, 3),
    st.integers(0, 40),
    st.integers(CONVERSION, 2),
    st.sampled_from([5.0, 7.0, 0.0, -2.0, -3.0, float("nan"), float("inf"), -float("inf"), 1e61]),
)
ROWS = st.lists(ROW, max_size=40)


def events(rows):
    unit, at, touchpoint, value = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [], [])
    return Events(
        np.array(unit, np.int64), np.array(at, np.int64), np.array(touchpoint, np.int64), np.array(value, np.float64)
    )


def made(rows, windows=WINDOWS, end=None):
    return cut(events(rows), windows, NAMES, end)


def written(found):
    """Return journeys as (unit, names of touches with ages, conversions, value), sorted."""
    ages = np.round(found.age_s * 1e6).astype(int).tolist()
    touches = list(zip(found.touchpoint.tolist(), ages, strict=True))
    return sorted(
        (unit, touches[start:end], won, value)
        for unit, start, end, won, value in zip(
            found.unit.tolist(),
            found.starts[:-1].tolist(),
            found.starts[1:].tolist(),
            found.conversions.tolist(),
            found.value.tolist(),
            strict=True,
        )
    )


# --- the reference -------------------------------------------------------------------------------------------------


def kind(row):
    _, _, touchpoint, value = row
    return 0 if touchpoint != CONVERSION else 2 if value < 0 else 1


def usable(value):
    return abs(value) <= 1e60


def slowly(rows):
    """Return the journeys of each unit after the other, event by event."""
    found = []
    for unit in {row[0] for row in rows}:
        own = sorted((row for row in rows if row[0] == unit), key=lambda row: (row[1], kind(row)))
        found += [(unit, *journey) for journey in of_a_unit(own)]
    return sorted(found)


def of_a_unit(own):
    waiting, done = [], []
    before = None
    for _, at, touchpoint, value in own:
        if touchpoint != CONVERSION:
            repeats = before is not None and before[0] == touchpoint and at - before[1] <= GAP
            before = touchpoint, at
            if not repeats:
                waiting.append((touchpoint, at))
        elif value < 0:
            if usable(value):
                refund(done, value)
        else:
            early = [touch for touch in waiting if at - touch[1] > LOOK_BACK]
            done += lost(early)
            reached = [touch for touch in waiting if at - touch[1] <= LOOK_BACK]
            done.append([aged(reached, at), 1.0, value if usable(value) else 0.0])
            waiting, before = [], None
    return [tuple(journey) for journey in done + lost(waiting)]


def refund(done, value):
    won = [journey for journey in done if journey[1] == 1.0]
    if won:
        won[-1][2] += value
    else:
        done.append([[], 0.0, value])


def lost(touches):
    """Return journeys without a conversion, ended by pauses."""
    found = []
    for touch in touches:
        if found and touch[1] - found[-1][-1][1] <= LOOK_BACK:
            found[-1].append(touch)
        else:
            found.append([touch])
    return [[aged(journey, journey[-1][1]), 0.0, 0.0] for journey in found]


def aged(touches, end):
    return [(touchpoint, end - at) for touchpoint, at in touches]


@given(ROWS)
def test_journeys_are_those_of_an_obvious_cut(rows):
    assert written(made(rows).journeys) == slowly(rows)


@given(ROWS)
def test_every_touch_is_in_one_journey_or_merged_and_conversions_and_values_are_kept(rows):
    found = made(rows)
    touches = [row for row in rows if row[2] != CONVERSION]
    values = [row[3] for row in rows if row[2] == CONVERSION and usable(row[3])]
    assert len(found.journeys.touchpoint) + found.notes[Noted.MERGED] == len(touches)
    assert found.journeys.conversions.sum() == sum(kind(row) == 1 for row in rows)
    assert found.journeys.value.sum() == pytest.approx(sum(values))


@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_rows_says_nothing_where_times_differ(rows, random):
    timed = [(unit, 100 * place + at, touchpoint, value) for place, (unit, at, touchpoint, value) in enumerate(rows)]
    wide = Windows(timedelta(microseconds=500), timedelta(microseconds=120))
    shuffled = random.sample(timed, len(timed))
    assert written(made(shuffled, wide).journeys) == written(made(timed, wide).journeys)


@given(ROWS)
def test_blocks_of_whole_units_add_up(rows):
    even, odd = (made([row for row in rows if row[0] % 2 == rest], end=40) for rest in (0, 1))
    whole = made(rows, end=40)
    assert written(Journeys.joined([even.journeys, odd.journeys])) == written(whole.journeys)
    assert even.notes + odd.notes == whole.notes


# --- by hand -------------------------------------------------------------------------------------------------------


def test_a_touch_at_the_time_of_a_conversion_comes_before_it_and_a_refund_after_it():
    found = made([(1, 5, CONVERSION, -2.0), (1, 5, CONVERSION, 9.0), (1, 5, 0, 0.0)])
    assert written(found.journeys) == [(1, [(0, 0)], 1.0, 7.0)]


def test_a_touch_as_long_before_as_the_look_back_takes_part_and_an_earlier_one_does_not():
    found = made([(1, 0, 0, 0.0), (1, 1, 1, 0.0), (1, 11, CONVERSION, 1.0)])
    assert written(found.journeys) == [(1, [(0, 0)], 0.0, 0.0), (1, [(1, 10)], 1.0, 1.0)]
    assert found.notes == Counter({Noted.EARLY: 1})


def test_a_session_is_one_touch_at_its_first_time_however_long_it_is():
    found = made([(1, at, 2, 0.0) for at in (0, 3, 6, 9)] + [(1, 10, CONVERSION, 1.0)])
    assert written(found.journeys) == [(1, [(2, 10)], 1.0, 1.0)]
    assert found.notes[Noted.MERGED] == 3


def test_touches_do_not_merge_across_another_touch_or_a_conversion():
    found = made([(1, 0, 0, 0.0), (1, 1, 1, 0.0), (1, 2, 0, 0.0), (1, 3, CONVERSION, 1.0), (1, 4, 0, 0.0)])
    assert found.journeys.touchpoint.tolist() == [0, 1, 0, 0]
    assert found.notes == Counter({Noted.AFTER: 1})


def test_a_refund_counts_at_the_latest_conversion_and_alone_it_is_a_value_without_one():
    found = made([(1, 0, CONVERSION, -4.0), (1, 1, CONVERSION, 9.0), (1, 2, 0, 0.0), (1, 3, CONVERSION, -2.0)])
    assert written(found.journeys) == [(1, [], 0.0, -4.0), (1, [], 1.0, 7.0), (1, [(0, 0)], 0.0, 0.0)]
    assert found.notes == Counter({Noted.ALONE: 1, Noted.REFUNDS: 1, Noted.UNTOUCHED: 1, Noted.AFTER: 1})


def test_journeys_whose_last_touch_is_near_the_end_may_still_convert():
    rows = [(1, 0, 0, 0.0), (2, 35, 0, 0.0), (3, 36, 0, 0.0), (3, 40, CONVERSION, 1.0), (4, 30, 1, 0.0)]
    assert made(rows, end=40).notes[Noted.OPEN] == 2
    assert Noted.OPEN not in made(rows).notes


def test_a_value_that_cannot_be_computed_with_is_0_and_such_a_refund_is_none():
    rows = [(1, 0, CONVERSION, value) for value in (float("nan"), float("inf"), -float("inf"), 1e61)]
    found = made(rows)
    assert (found.journeys.conversions.sum(), found.journeys.value.sum()) == (3, 0)
    assert found.notes[Noted.VALUES] == 4


def test_what_is_noted_is_said_in_words():
    every = [f"{each.n} {each.what}" for each in said(Counter(dict.fromkeys(Noted, 2)))]
    assert len(set(every)) == len(Noted)
    assert "2 refunds: each lowers the value of the conversion before it" in every


def test_a_window_is_not_negative():
    with pytest.raises(InvalidRequest, match="negative"):
        Windows(look_back=timedelta(seconds=-1))
