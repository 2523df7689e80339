"""Journeys that are picked, put together and renamed stay what they were."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.attribution.journeys import MAX_TOUCHPOINTS, NO_CHANNEL, OTHERS, Journeys, told_apart

PATHS = st.lists(st.lists(st.sampled_from("abc"), max_size=4), min_size=1, max_size=8)


def journeys(paths):
    ages = [[10.0 * row + step for step in range(len(path))] for row, path in enumerate(paths)]
    made = Journeys.of([list("abc"), *paths], range(len(paths) + 1), age_s=[[0, 0, 0], *ages])
    return made.chosen(np.arange(len(made)) > 0)


def written(found):
    ages = [None] * len(found.touchpoint) if found.age_s is None else found.age_s.tolist()
    touches = [(found.touchpoints[place], age) for place, age in zip(found.touchpoint.tolist(), ages, strict=True)]
    parts = zip(found.starts[:-1].tolist(), found.starts[1:].tolist(), strict=True)
    rows = zip(found.conversions.tolist(), found.value.tolist(), found.unit.tolist(), strict=True)
    return [(touches[start:end], *row) for (start, end), row in zip(parts, rows, strict=True)]


@given(PATHS, st.data())
def test_journeys_at_places_are_those_of_a_list(paths, data):
    places = data.draw(st.lists(st.integers(0, len(paths) - 1), max_size=12))
    found = journeys(paths)
    assert written(found.at(np.array(places, np.int64))) == [written(found)[place] for place in places]


@given(PATHS, PATHS)
def test_joined_journeys_are_one_list_after_the_other(paths, more):
    one, other = journeys(paths), journeys(more)
    assert written(Journeys.joined([one, other])) == written(one) + written(other)


def test_values_without_a_conversion_come_after_the_journeys():
    found = journeys([["a", "b"]])
    assert written(found.and_values(np.array([9]), np.array([-3.0]))) == [*written(found), ([], 0.0, -3.0, 9)]


def test_ages_that_one_block_lacks_are_not_known():
    one = journeys([["a"]])
    assert Journeys.joined([one, Journeys.of([["a", "b", "c"]], [1])]).age_s is None


@given(PATHS)
def test_what_every_journey_meets_is_what_no_touched_one_lacks(paths):
    expected = [all(name in path for path in paths if path) and any(paths) for name in "abc"]
    assert journeys(paths).met_by_all.tolist() == expected


@given(st.lists(st.integers(0, 5), max_size=2 * MAX_TOUCHPOINTS))
def test_the_touchpoints_with_the_most_touches_are_told_apart(counts):
    names = tuple(map(str, range(len(counts))))
    apart = told_apart(names, np.array(counts, np.int64))
    ranked = sorted(range(len(counts)), key=lambda each: (-counts[each], each))
    kept = sorted(ranked[:MAX_TOUCHPOINTS])
    assert apart.names == (*(names[each] for each in kept), *[OTHERS] * (len(counts) > MAX_TOUCHPOINTS))
    assert [apart.names[each] for each in apart.place] == [
        names[each] if each in kept else OTHERS for each in range(len(counts))
    ]
    assert apart.n_rare == sum(counts) - sum(counts[each] for each in kept)


@pytest.mark.parametrize("n", [2, MAX_TOUCHPOINTS, 60])
def test_others_are_the_last_and_displace_nothing(n):
    names = [OTHERS, NO_CHANNEL, *map(str, range(n - 1))]
    apart = told_apart(names, np.arange(n + 1, 0, -1))
    assert apart.names[0] is NO_CHANNEL
    assert apart.names[-1] is OTHERS
    assert len(apart.names) == min(n, MAX_TOUCHPOINTS) + 1
    assert apart.place[0] == len(apart.names) - 1
