"""The difference as it came to be known ends where the evaluation does, and never looks ahead."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analysis import ope
from analysis.ope.logged import Collection, Logged
from tests.analysis.ope.drawn_logs import CLICKS, drawn, even, with_numbers

DAY = 86_400_000_000
N = 3_000


def month(collection: Collection = CLICKS, n: int = N) -> Logged:
    """Return draws that are spread over 30 days, with a number of the context."""
    log = drawn(even(n, 2), np.array([0.2, 0.5]), seed=6, collection=collection)
    log = with_numbers(log, np.arange(n) % 7.0)
    return replace(log, at=20_000 * DAY + np.arange(n) * 30 * DAY // n)


@pytest.mark.parametrize(
    "collection", [CLICKS, replace(CLICKS, is_adaptive=True), Collection(is_adaptive=True, is_share=True)]
)
def test_its_last_moment_is_what_is_said_of_the_difference_at_any_look(collection: Collection) -> None:
    log = month(collection)
    whole = ope.evaluate(log, ope.always("b"), level=0.97).difference_anytime
    course = ope.over_time(log, ope.always("b"), level=0.97)
    assert course is not None
    assert len(course.starts) == 30
    (band,) = course.bands
    assert (band.values[-1], band.low[-1], band.high[-1]) == pytest.approx((whole.value, whole.low, whole.high))


def test_a_moment_knows_what_came_until_then_alone() -> None:
    log, course = month(), ope.over_time(month(), ope.always("b"))
    half = ope.over_time(log[: N // 2], ope.always("b"))
    assert course is not None
    assert half is not None
    assert half.bands[0].low == pytest.approx(course.bands[0].low[:15])
    assert half.starts == course.starts[:15]


def test_what_was_drawn_before_is_learned_from_and_not_judged() -> None:
    log = month()
    since = int(log.at[N // 2])
    course = ope.over_time(log, ope.always("b"), since=since)
    alone = ope.over_time(log[N // 2 :], ope.always("b"))
    whole = ope.evaluate(log, ope.always("b"), since=since).difference_anytime
    assert course is not None
    assert alone is not None
    assert course.starts == alone.starts
    assert course.bands[0].low[-1] == pytest.approx(whole.low)
    assert course.bands[0].low != alone.bands[0].low


def test_while_nothing_can_be_said_and_where_nothing_came_the_last_word_stands() -> None:
    log = month(Collection(is_adaptive=True, is_share=True))
    gap = (log.at < 20_010 * DAY) | (log.at >= 20_013 * DAY)
    course = ope.over_time(log[gap], ope.always("b"))
    assert course is not None
    (band,) = course.bands
    assert band.low[0] is None, "an asymptotic sequence is silent at first"
    assert band.values[0] is None
    assert len(course.starts) == 30
    assert band.low[9] == band.low[10] == band.low[12] != band.low[13]


def test_a_row_that_was_written_late_stands_where_it_was_written() -> None:
    log = month()
    late = log.at.copy()
    late[N // 2 + 10] = late[0]
    course = ope.over_time(replace(log, at=late), ope.always("b"))
    assert course is not None
    on_time = ope.over_time(log, ope.always("b"))
    assert on_time is not None
    assert course.bands[0].low == pytest.approx(on_time.bands[0].low)


def test_of_a_single_stretch_or_of_nothing_there_is_no_course() -> None:
    log = month()
    assert ope.over_time(replace(log, at=np.zeros(N, np.int64)), ope.always("b")) is None
    assert ope.over_time(log[:0], ope.always("b")) is None


def test_a_policy_against_another() -> None:
    log = month()
    course = ope.over_time(log, ope.always("b"), against=ope.always("a"))
    whole = ope.evaluate(log, ope.always("b"), against=ope.always("a")).difference_anytime
    assert course is not None
    assert course.bands[0].high[-1] == pytest.approx(whole.high)
