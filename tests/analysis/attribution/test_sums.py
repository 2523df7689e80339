"""Sums of journeys by key and group of units: what they hold, and that they add up."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.attribution.journeys import Journeys
from analysis.attribution.sums import CONVERSIONS, JOURNEYS, N_GROUPS, VALUE, Sums, groups

ROWS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 40), st.sampled_from([1, 1 << 40, 5])), max_size=20)


def sums_of(rows):
    """Of rows (value, unit, key): a row of value 0 did not convert."""
    value, unit, key = np.array(rows, np.int64).reshape(-1, 3).T
    journeys = Journeys.of(
        [["a"]] * len(rows), list((value > 0).astype(float)), list(value.astype(float)), unit=list(unit)
    )
    return Sums.of(journeys, np.arange(len(rows)), key)


def as_table(sums):
    return {
        (key, group): tuple(columns) for key, group, columns in zip(sums.key, sums.group, sums.columns, strict=True)
    }


def by_hand(rows):
    table = {}
    for value, unit, key in rows:
        pair = key, groups(np.array([unit]))[0]
        old = table.get(pair, (0, 0, 0))
        table[pair] = old[JOURNEYS] + 1, old[CONVERSIONS] + (value > 0), old[VALUE] + value
    return table


@settings(max_examples=40)
@given(ROWS)
def test_they_are_sums_by_key_and_group(rows):
    found = sums_of(rows)
    assert as_table(found) == by_hand(rows)
    assert list(as_table(found)) == sorted(as_table(found))


@settings(max_examples=40)
@given(ROWS, ROWS, ROWS)
def test_sums_of_two_logs_add_up_in_any_order(one, two, three):
    a, b, c = sums_of(one), sums_of(two), sums_of(three)
    whole = as_table(sums_of(one + two + three))
    assert as_table(a + b + c) == as_table(a + (b + c)) == as_table(c + a + b) == whole
    assert as_table(a + Sums.nothing()) == as_table(Sums.nothing() + a) == as_table(a)


@settings(max_examples=40)
@given(ROWS)
def test_totals_are_those_of_all_groups(rows):
    found = sums_of(rows)
    keys = sorted({key for *_, key in rows})
    assert found.keys.tolist() == keys
    assert found.totals[:, VALUE].tolist() == [sum(value for value, _, key in rows if key == of) for of in keys]
    for column in (JOURNEYS, CONVERSIONS, VALUE):
        table = found.by_group(column)
        assert table.shape == (N_GROUPS, len(keys))
        assert table.sum(axis=0) == pytest.approx(found.totals[:, column])


def test_shares_weigh_journeys_conversions_and_value():
    journeys = Journeys.of([["a", "b"]], [1], [8.0])
    found = Sums.of(journeys, np.array([0, 0]), np.array([3, 4]), np.array([0.25, 0.75]))
    assert found.totals.tolist() == [[0.25, 0.25, 2.0], [0.75, 0.75, 6.0]]


def test_a_unit_is_in_the_same_group_in_every_log_and_groups_are_about_as_large():
    units = np.arange(100_000)
    found = groups(units)
    assert np.array_equal(found[::-1], groups(units[::-1]))
    # Chi-square with N_GROUPS - 1 degrees of freedom: 5 standard deviations.
    expected = len(units) / N_GROUPS
    chi_square = ((np.bincount(found, minlength=N_GROUPS) - expected) ** 2).sum() / expected
    assert abs(chi_square - (N_GROUPS - 1)) < 5 * np.sqrt(2 * (N_GROUPS - 1))
