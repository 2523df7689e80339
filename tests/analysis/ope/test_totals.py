"""Totals against numpy, whatever the blocks, with units that repeat and without."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.ope import totals as module
from analysis.ope.estimators.ips import Ips
from analysis.ope.totals import Totals, deviation, standard_error

HALVES = slice(0, 1_000), slice(1_000, 2_000)
SEEDS = st.integers(0, 2**32 - 1)


def terms_of(seed, n=120):
    rng = np.random.default_rng(seed)
    return list((rng.normal(size=(n, 3)) @ rng.normal(size=(3, 3)) + 5).T)


def added(terms, unit, cuts):
    ends = [0, *sorted(cuts), len(unit)]
    parts = [Totals.of([term[start:end] for term in terms], unit[start:end]) for start, end in pairwise(ends)]
    return sum(parts[1:], parts[0])


@given(SEEDS)
def test_without_units_they_are_means_and_their_covariance(seed):
    terms = terms_of(seed)
    found = Totals.of(terms)
    np.testing.assert_allclose(found.mean, np.mean(terms, axis=1), rtol=1e-12)
    np.testing.assert_allclose(found.covariance, np.cov(terms) / 120, rtol=1e-10)
    assert (found.n, found.n_units, found.by_unit) == (120, 120, None)


def by_hand(terms, unit):
    """The covariance of a ratio of means over units, by the delta method."""
    units = np.unique(unit)
    sums = np.array([[term[unit == each].sum() for term in terms] for each in units])
    n = np.array([(unit == each).sum() for each in units])
    off = sums - n[:, None] * np.mean(terms, axis=1)
    return np.cov(off.T) * len(units) / len(unit) ** 2


@given(SEEDS, st.lists(st.integers(0, 120), max_size=4))
def test_units_that_repeat_are_what_is_counted_whatever_the_blocks(seed, cuts):
    terms, unit = terms_of(seed), np.random.default_rng(seed).integers(0, 40, 120)
    found = added(terms, unit, cuts)
    assert found.n_units == len(np.unique(unit))
    np.testing.assert_allclose(found.mean, np.mean(terms, axis=1), rtol=1e-12)
    np.testing.assert_allclose(found.covariance, by_hand(terms, unit), rtol=1e-8, atol=1e-12)


@given(SEEDS, st.lists(st.integers(0, 120), max_size=4))
def test_units_with_a_draw_each_are_draws(seed, cuts):
    terms, unit = terms_of(seed), np.random.default_rng(seed).permutation(120)
    np.testing.assert_allclose(added(terms, unit, cuts).covariance, np.cov(terms) / 120, rtol=1e-9)


def test_places_that_wait_become_one(monkeypatch):
    monkeypatch.setattr(module, "_MANY", 50)
    terms, unit = terms_of(1), np.random.default_rng(1).integers(0, 20, 120)
    found = added(terms, unit, range(0, 120, 10))
    assert sum(map(len, found.parts)) <= 20 + 50
    np.testing.assert_allclose(found.covariance, by_hand(terms, unit), rtol=1e-9)
    assert found.by_unit.units.tolist() == np.unique(unit).tolist()
    assert found.by_unit.sums[:, 0].tolist() == np.bincount(unit, minlength=20)[np.unique(unit)].tolist()


def test_units_that_ascend_do_not_make_it_grow(monkeypatch):
    monkeypatch.setattr(module, "_MANY", 300)
    monkeypatch.setattr(module, "_N_GROUPS", 100)
    terms = terms_of(5, n=2_000)
    found = added(terms, np.arange(2_000), range(0, 2_000, 50))
    assert sum(map(len, found.parts)) <= 100 + 300 + 50
    assert (found.n_units, found.has_groups) == (2_000, True)
    np.testing.assert_allclose(found.covariance, np.cov(terms) / 2_000, rtol=1e-10)
    np.testing.assert_allclose(found.squares, np.square(terms).sum(axis=1), rtol=1e-10)


def numbered_late(n=40_000):
    """Return a term of draws of units that are numbered as they come: 20,000 new ones, then half of all come again."""
    rng = np.random.default_rng(6)
    unit = np.arange(n)
    is_again = (unit >= n // 2) & (rng.random(n) < 0.5)
    unit[is_again] = rng.integers(0, n // 2, is_again.sum())
    unit = np.unique(unit, return_inverse=True)[1]
    return rng.normal(size=unit.max() + 1)[unit] + rng.normal(size=n) + 0.1, unit


def test_units_that_repeat_after_all_are_counted_by_groups(monkeypatch):
    """A variance by 500 groups is known to sqrt(2 / 500) of itself: four times that."""
    term, unit = numbered_late()
    exact = added([term], unit, range(0, 40_000, 1_000))
    monkeypatch.setattr(module, "_MANY", 5_000)
    monkeypatch.setattr(module, "_N_GROUPS", 500)
    found = added([term], unit, range(0, 40_000, 1_000))
    assert (exact.has_groups, found.has_groups) == (False, True)
    assert found.n_units == exact.n_units == len(np.unique(unit)) < 40_000
    np.testing.assert_allclose(found.mean, exact.mean, rtol=1e-12)
    np.testing.assert_allclose(found.covariance, exact.covariance, rtol=4 * np.sqrt(2 / 500))
    np.testing.assert_allclose(found.squares, exact.squares, rtol=4 * np.sqrt(2 / 500))
    assert exact.covariance > 1.1 * np.var(term) / 40_000


def test_two_logs_of_groups_add_up(monkeypatch):
    monkeypatch.setattr(module, "_MANY", 300)
    monkeypatch.setattr(module, "_N_GROUPS", 100)
    terms = terms_of(7, n=2_000)
    one, other = (added([term[rows] for term in terms], np.arange(2_000)[rows], range(0, 1_000, 50)) for rows in HALVES)
    both = one + other
    assert (both.n, both.n_units, both.has_groups) == (2_000, 2_000, True)
    np.testing.assert_allclose(both.covariance, np.cov(terms) / 2_000, rtol=1e-10)
    # Of the same units twice, it is their groups that count: each has as many draws, all of them twice.
    again = one + one
    assert (again.n, again.n_units) == (2_000, 1_000)
    np.testing.assert_allclose(again.covariance, one.covariance, rtol=6 * np.sqrt(2 / 100))
    assert (again + Totals.of([term[:1] for term in terms], np.array([5_000]))).n_units == 1_001


def test_some_terms_are_chosen_with_their_units():
    terms, unit = terms_of(2), np.arange(120) // 3
    found = Totals.of(terms, unit).chosen([2, 0])
    np.testing.assert_allclose(found.covariance, by_hand([terms[2], terms[0]], unit), rtol=1e-10)
    assert Totals.of(terms).chosen([1]).mean == pytest.approx([terms[1].mean()])


def test_units_that_are_not_named_in_one_log_are_in_none():
    terms = terms_of(3)
    assert (Totals.of(terms) + Totals.of(terms, np.arange(120))).by_unit is None


def test_one_unit_has_no_error():
    one = Totals.of([np.ones(5)], np.zeros(5, np.int64))
    assert np.isnan(one.covariance).all()
    assert np.isnan(standard_error(one, Ips()))


def test_no_draws_have_totals_that_add_nothing():
    terms = terms_of(4)
    nothing = Totals.of([term[:0] for term in terms], np.arange(0))
    found = nothing + Totals.of(terms, np.arange(120))
    np.testing.assert_allclose(found.covariance, np.cov(terms) / 120, rtol=1e-10)


@given(SEEDS, st.floats(-100, 100))
def test_what_cancels_out_has_no_deviation(seed, factor):
    terms = terms_of(seed)[:1]
    both = Totals.of([terms[0], terms[0] * factor])
    assert deviation(np.array([-factor, 1.0]), both.covariance) == 0
    assert deviation(np.array([1.0, 0.0]), both.covariance) > 0
