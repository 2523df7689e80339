"""Paths against a dictionary of tuples, in one block and in several, and with more of them than are kept."""

from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.attribution import commonest as module
from analysis.attribution.commonest import Commonest
from analysis.attribution.journeys import Journeys
from engine.errors import InvalidRequest

NAMES = tuple("abcde")
PATHS = st.lists(st.tuples(st.lists(st.integers(0, 4), max_size=9), st.integers(0, 1), st.integers(-9, 9)), max_size=30)


def journeys(rows):
    lengths = [len(path) for path, _, _ in rows]
    return Journeys(
        NAMES,
        np.cumsum([0, *lengths]),
        np.array([place for path, _, _ in rows for place in path], np.int64),
        np.array([won for _, won, _ in rows], np.float64),
        np.array([value for _, _, value in rows], np.float64),
        np.arange(len(rows)),
    )


def by_path(rows):
    """Return n, conversions and value by path."""
    found = defaultdict(lambda: np.zeros(3))
    for path, won, value in rows:
        if path:
            found[tuple(NAMES[place] for place in path)] += [1, won, value]
    return {path: tuple(sums) for path, sums in found.items()}


def all_of(commonest):
    return {each.touchpoints: (each.n, each.conversions, each.value) for each in commonest.top(len(commonest))}


@given(PATHS)
def test_paths_are_those_of_a_dictionary(rows):
    assert all_of(Commonest.of(journeys(rows))) == by_path(rows)


@given(PATHS, PATHS)
def test_two_blocks_add_up(rows, more):
    found = Commonest.of(journeys(rows)) + Commonest.of(journeys(more))
    assert found.top(99) == Commonest.of(journeys(rows + more)).top(99)


@given(PATHS)
def test_the_commonest_come_first_and_then_the_first_in_a_dictionary(rows):
    top = Commonest.of(journeys(rows)).top(5)
    expected = sorted(by_path(rows).items(), key=lambda each: (-each[1][0], each[0]))
    assert [each.touchpoints for each in top] == [path for path, _ in expected[:5]]


@given(st.lists(PATHS, min_size=1, max_size=6))
def test_where_paths_are_dropped_no_journey_is_and_what_a_path_lacks_is_bounded(blocks):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MAX_PATHS", 4)
        patch.setattr(module, "MAX_TOUCHES", 12)
        parts = [Commonest.of(journeys(rows)) for rows in blocks]
        found = sum(parts[1:], parts[0])
    whole = by_path([row for rows in blocks for row in rows])
    assert len(found) <= 4
    assert len(found.touchpoint) <= 12
    assert sum(n for n, _, _ in all_of(found).values()) + found.n_dropped == sum(n for n, _, _ in whole.values())
    for path, (n, _, _) in all_of(found).items():
        assert whole[path][0] - found.n_missed <= n <= whole[path][0]
    for path in whole.keys() - all_of(found).keys():
        assert whole[path][0] <= found.n_missed


def test_the_rarest_are_dropped_and_of_those_as_rare_the_longest(monkeypatch):
    monkeypatch.setattr(module, "MAX_PATHS", 2)
    found = Commonest.of(journeys([([0, 1], 0, 0), ([2], 0, 0), ([3, 4, 3], 1, 1), ([3, 4, 3], 0, 0)]))
    assert all_of(found) == {("d", "e", "d"): (2, 1, 1), ("c",): (1, 0, 0)}
    assert (found.n_dropped, found.n_missed) == (1, 1)


def test_many_paths_of_many_touchpoints_are_told_apart():
    """As many as a dictionary has, where touches are of 300 touchpoints and paths up to 40 long."""
    rng = np.random.default_rng(3)
    lengths = rng.integers(1, 41, 3_000)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    touchpoint = rng.integers(0, 300, starts[-1])
    zeros, names = np.zeros(len(lengths)), tuple(map(str, range(300)))
    twice = np.arange(6_000) % 3_000
    found = Commonest.of(Journeys(names, starts, touchpoint, zeros, zeros, zeros.astype(np.int64)).at(twice))
    paths = Counter(tuple(touchpoint[start:end]) for start, end in pairwise(starts))
    assert len(found) == len(paths)
    assert found.columns[:, 0].sum() == 6_000


def test_nothing_has_no_paths():
    assert Commonest.of(journeys([])).top(3) == ()


def test_paths_among_other_touchpoints_do_not_add_up():
    one, other = (Commonest.of(Journeys.of([[name]], [1])) for name in "ab")
    with pytest.raises(InvalidRequest, match="touchpoints"):
        one + other
