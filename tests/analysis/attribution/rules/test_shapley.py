"""Shapley values of both games: by hand, by brute force over sets and over orders, by their axioms, and sampled."""

import itertools
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.attribution.journeys import Journeys
from analysis.attribution.rules import sampled
from analysis.attribution.rules.shapley import (
    MAX_EXACT,
    MAX_ROUNDS,
    MIN_ROUNDS,
    ShapleyConversions,
    ShapleyRate,
    rounds_of,
)
from analysis.attribution.sums import JOURNEYS
from tests.analysis.attribution.drawn_journeys import drawn

BOTH = [ShapleyConversions(), ShapleyRate()]
MET = st.sets(st.integers(0, 4), min_size=1).map(sorted)
SETS = st.lists(st.tuples(MET, st.integers(0, 1), st.integers(-5, 20)), min_size=1, max_size=12)


def credit(rule, journeys):
    sums = rule.sums(journeys)
    return rule.credit(sums.keys, sums.totals, len(journeys.touchpoints))


def touched(random, n_units, p):
    return drawn(random, n_units, p, direct=0.0)


def worth(rule, journeys, within):
    """The worth of a set of touchpoints, by the definition: conversions, and value."""
    sets = [set(journeys.touchpoint[a:b]) for a, b in itertools.pairwise(journeys.starts)]
    inside = np.array([each <= set(within) for each in sets])
    total = np.array([journeys.conversions[inside].sum(), journeys.value[inside].sum()])
    if isinstance(rule, ShapleyConversions):
        return total
    return total / inside.sum() * len(journeys) if inside.any() else np.zeros(2)


def over_sets(rule, journeys, p):
    """The Shapley value as it is defined, summed over all sets."""
    worths = {
        frozenset(within): worth(rule, journeys, within)
        for size in range(p + 1)
        for within in itertools.combinations(range(p), size)
    }
    found = np.zeros((p, 2))
    for within, touchpoint in itertools.product(worths, range(p)):
        if touchpoint not in within:
            weight = factorial(len(within)) * factorial(p - len(within) - 1) / factorial(p)
            found[touchpoint] += weight * (worths[within | {touchpoint}] - worths[within])
    return found


def over_orders(rule, journeys, p):
    """The mean over all orders of what a touchpoint adds to those before it."""
    found = np.zeros((p, 2))
    for order in itertools.permutations(range(p)):
        for place, touchpoint in enumerate(order):
            found[touchpoint] += worth(rule, journeys, order[: place + 1]) - worth(rule, journeys, order[:place])
    return found / factorial(p)


def test_conversions_are_shared_equally_by_what_a_journey_met():
    journeys = Journeys.of([["a", "b", "a"], ["b"], ["a", "c"], ["c"]], [1, 1, 1, 0], [30.0, 5.0, 8.0, 0.0])
    assert credit(ShapleyConversions(), journeys).tolist() == [[1.0, 19.0], [1.5, 20.0], [0.5, 4.0]]


def test_rates_by_hand():
    # v(a) = 1/2, v(b) = 0, v(ab) = 2/4: a gets ((1/2 - 0) + (1/2 - 0)) / 2 and b the rest, times 4 journeys.
    journeys = Journeys.of([["a"], ["a"], ["b"], ["b", "a"]], [1, 0, 0, 1], [6.0, 0.0, 0.0, 2.0])
    assert credit(ShapleyRate(), journeys) == pytest.approx(np.array([[2.0, 10.0], [0.0, -2.0]]))


def test_a_touchpoint_that_keeps_units_from_converting_costs_credit():
    journeys = Journeys.of([["a"], ["a", "b"]], [1, 0])
    assert credit(ShapleyRate(), journeys)[:, 0].tolist() == [1.5, -0.5]


@pytest.mark.parametrize("rule", BOTH)
def test_brute_force_over_all_sets_of_8_touchpoints_gives_the_same(rule):
    journeys = touched(np.random.default_rng(1), 150, 8)
    found = credit(rule, journeys)
    assert np.abs(found - over_sets(rule, journeys, 8)).max() < 1e-12 * max(journeys.value.sum(), 1)


@pytest.mark.parametrize("rule", BOTH)
@pytest.mark.parametrize("p", [4, 5])
def test_brute_force_over_all_orders_gives_the_same(rule, p):
    journeys = touched(np.random.default_rng(p), 15, p)
    found = credit(rule, journeys)
    assert np.abs(found - over_orders(rule, journeys, p)).max() < 1e-12 * max(journeys.value.sum(), 1)


def with_names_changed(sets):
    """The same journeys once more, with touchpoints 0 and 1 in each other's place."""
    other = {0: 1, 1: 0}
    return [(sorted(other.get(each, each) for each in met), won, value) for met, won, value in sets]


@pytest.mark.parametrize("rule", [*BOTH, ShapleyRate(max_exact=1, n_rounds=4)])
@given(sets=SETS)
@settings(max_examples=20)
def test_axioms(rule, sets):
    """Everything is shared, touchpoints that are alike get the same, and those that add nothing get nothing."""
    twice = sets + with_names_changed(sets)
    paths, won, value = zip(*twice, strict=True)
    # The first journey brings nothing and puts the names in order; nobody else meets touchpoint 5.
    alike = Journeys.of([range(6), *paths], [0, *won], [0, *np.multiply(won, value)])
    found, sums = credit(rule, alike), rule.sums(alike)
    assert found.sum(axis=0) == pytest.approx([alike.conversions.sum(), alike.value.sum()], abs=1e-9)
    if rule.sampling_error(sums.keys, sums.totals, 6).max() == 0:
        assert found[0] == pytest.approx(found[1], abs=1e-9)
    without = alike.chosen(np.arange(len(alike)) > 0)
    assert credit(rule, without)[5].tolist() == [0, 0]


def test_a_touchpoint_that_changes_no_rate_gets_nothing():
    # v(c) = 0, v(a) = v(ac) = 1/2.
    alike = Journeys.of([["a"], ["a"], ["a", "c"], ["a", "c"]], [1, 0, 1, 0])
    assert credit(ShapleyRate(), alike)[:, 0] == pytest.approx([2.0, 0.0])


@pytest.mark.parametrize("rule", [*BOTH, ShapleyRate(max_exact=2, n_rounds=3)])
def test_the_influence_is_the_derivative_times_the_groups_sums(rule):
    """Of the sums weighed by group, 1 + h * direction: a central difference, exact to h**2."""
    journeys, random = touched(np.random.default_rng(3), 400, 5), np.random.default_rng(4)
    sums = rule.sums(journeys)
    direction, h = random.normal(size=512), 1e-5
    columns = [sums.by_group(column) for column in range(3)]

    def credited(step):
        totals = np.stack([(1 + step * direction) @ column for column in columns], axis=1)
        return rule.credit(sums.keys, totals, 5)

    wanted = (credited(h) - credited(-h)) / (2 * h)
    found = np.tensordot(direction, rule.influence(sums, 5), 1)
    assert found == pytest.approx(wanted, rel=1e-6, abs=1e-5)


@pytest.mark.parametrize("n_rounds", [1, 3])
def test_rounds_are_orders_from_everywhere_on_a_circle_both_ways_round(n_rounds):
    """Each order is followed by hand, with the worth of all who have joined by the definition."""
    p, journeys = 6, touched(np.random.default_rng(7), 40, 6)
    rule, wanted = ShapleyRate(max_exact=1, n_rounds=n_rounds, seed=4), np.zeros((p, 2))
    for circle in sampled.circles(p, n_rounds, 4).tolist():
        turned = [circle[start:] + circle[:start] for start in range(p)]
        for order in turned + [order[::-1] for order in turned]:
            for place, touchpoint in enumerate(order):
                wanted[touchpoint] += worth(rule, journeys, order[: place + 1]) - worth(rule, journeys, order[:place])
    assert credit(rule, journeys) == pytest.approx(wanted / (2 * p * n_rounds), rel=1e-12, abs=1e-12)


def test_all_circles_together_give_the_exact_value():
    journeys = touched(np.random.default_rng(8), 60, 5)
    sums = ShapleyRate().sums(journeys)
    rounds = np.array(list(itertools.permutations(range(5))))
    found = sampled.credit(sums.keys, sums.totals, rounds)
    assert found == pytest.approx(credit(ShapleyRate(), journeys), rel=1e-12, abs=1e-12)


def test_sampling_agrees_with_the_exact_value_within_its_stated_error():
    """Errors over seeds are Student's with the freedom of 16 rounds, correlated within a seed.

    A square of Student's has 1.6 times its mean for a standard deviation: so has a seed's mean of 20 squares at most.
    """
    journeys = touched(np.random.default_rng(5), 2000, 10)
    exact, n_seeds, freedom = credit(ShapleyRate(), journeys), 40, 15
    z = []
    for seed in range(n_seeds):
        rule = ShapleyRate(max_exact=9, n_rounds=20, seed=seed)
        sums = rule.sums(journeys)
        error = rule.sampling_error(sums.keys, sums.totals, 10)
        assert (error > 0).all()
        z.append((rule.credit(sums.keys, sums.totals, 10) - exact) / error)
    inside = (np.abs(z) < stats.t.ppf(0.975, freedom)).mean(axis=(1, 2))
    # As if the 20 of a seed were one.
    assert abs(inside.mean() - 0.95) < 5 * np.sqrt(0.95 * 0.05 / n_seeds)
    assert abs(np.mean(np.square(z)) / stats.t.var(freedom) - 1) < 3 * 1.6 / np.sqrt(n_seeds)


def test_a_larger_log_is_sampled_more_often_and_so_is_one_with_few_sets_within_limits():
    assert [rounds_of(n, 10_000_000) for n in (10, 3e6, 1e9)] == [MIN_ROUNDS, 100, MAX_ROUNDS]
    assert [rounds_of(1e5, members) for members in (1, 200_000, 10**9)] == [MAX_ROUNDS, 50, MIN_ROUNDS]


def test_more_than_so_many_touchpoints_are_sampled_the_same_by_the_same_seed():
    journeys = touched(np.random.default_rng(6), 200, MAX_EXACT + 3)
    one, other = credit(ShapleyRate(), journeys), credit(ShapleyRate(seed=2), journeys)
    assert np.array_equal(one, credit(ShapleyRate(), journeys))
    assert not np.allclose(one, other, atol=1e-9)
    totals = [journeys.conversions.sum(), journeys.value.sum()]
    assert one.sum(axis=0) == pytest.approx(totals, abs=1e-9)


def test_touchpoints_that_do_not_occur_do_not_count_towards_the_limit():
    names = tuple(f"t{place}" for place in range(41))
    few = Journeys(names, np.array([0, 2, 3]), np.array([40, 0, 40]), np.ones(2), np.ones(2), np.arange(2))
    sums = ShapleyRate().sums(few)
    assert ShapleyRate().sampling_error(sums.keys, sums.totals, 41).max() == 0
    assert np.flatnonzero(credit(ShapleyRate(), few)[:, 0]).tolist() == [40]


@pytest.mark.parametrize("rule", BOTH)
def test_no_journeys_have_no_credit(rule):
    sums = rule.sums(Journeys.of([], []))
    assert rule.credit(sums.keys, sums.totals, 3).tolist() == [[0, 0]] * 3
    assert not rule.influence(sums, 3).any()
    assert sums.by_group(JOURNEYS).shape[1] == 0
