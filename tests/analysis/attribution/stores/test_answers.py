"""Answers have codes, and their touchpoints are ranked by their touches."""

from __future__ import annotations

import numpy as np

from analysis.attribution.journeys import MAX_TOUCHPOINTS, NO_CHANNEL, OTHERS, By
from analysis.attribution.noted import Noted, Notes
from analysis.attribution.stores.answers import Answer, Answers


def touched(*answers: tuple[Answer, int]) -> Answers:
    found = Answers()
    for answer, n in answers:
        found.count(np.full(n, found.code(answer)))
    return found


def test_touchpoints_come_by_their_touches_and_then_by_name() -> None:
    answers = touched(
        (Answer("home", "bold", "web"), 2),
        (Answer("mail", "bold", ""), 1),
        (Answer("home", "plain", "app"), 2),
        (Answer("shelf", "bold", "web"), 1),
    )
    expected = {
        By.CHANNEL: ("web", "app", NO_CHANNEL),
        By.EXPERIMENT: ("home", "mail", "shelf"),
        By.VARIANT: ("home/bold", "home/plain", "mail/bold", "shelf/bold"),
    }
    assert {by: answers.touchpoints(by).names for by in By} == expected
    assert answers.touchpoints(By.CHANNEL).place.tolist() == [0, 2, 1, 0]
    assert {by: answers.touchpoints(by).notes for by in By} == {
        By.CHANNEL: Notes({Noted.NO_CHANNEL: 1}),
        By.EXPERIMENT: Notes(),
        By.VARIANT: Notes(),
    }


def test_channels_that_are_not_declared_are_among_the_others() -> None:
    answers = touched(*((Answer("home", "bold", name), n) for name, n in (("web", 2), ("", 1), ("wbe", 3))))
    found = answers.touchpoints(By.CHANNEL, ["web", "app"])
    assert found.names == ("web", NO_CHANNEL, OTHERS)
    assert found.place.tolist() == [0, 1, 2]
    assert found.notes == Notes({Noted.NO_CHANNEL: 1, Noted.UNKNOWN: 3})
    assert answers.touchpoints(By.EXPERIMENT, ["web"]).names == ("home",)


def test_ten_thousand_channels_are_the_most_touched_and_one_for_the_others() -> None:
    answers = touched(*((Answer("home", "bold", f"{i:05}"), 1 + (i % 10_000 == 9_999)) for i in range(10_000)))
    found = answers.touchpoints(By.CHANNEL)
    assert len(found.names) == MAX_TOUCHPOINTS + 1
    assert (found.names[0], found.names[1], found.names[-1]) == ("09999", "00000", OTHERS)
    assert found.notes == Notes({Noted.RARE_CHANNELS: 10_000 - MAX_TOUCHPOINTS})
    assert np.bincount(found.place).tolist() == [1] * MAX_TOUCHPOINTS + [10_000 - MAX_TOUCHPOINTS]


def test_the_most_that_are_told_apart_need_no_others() -> None:
    answers = touched(*((Answer("home", f"{i}", ""), 1) for i in range(MAX_TOUCHPOINTS)))
    assert OTHERS not in answers.touchpoints(By.VARIANT).names
    assert answers.touchpoints(By.VARIANT).notes == Notes()
