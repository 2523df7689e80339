import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.estimate import Validity
from analysis.lifts import quantiles
from analysis.lifts.cells import side
from analysis.logs.crediting import Counted
from analysis.logs.metrics import Sample
from engine.metrics import Metric, MetricKind

A, B = side(2, [0]), side(2, [1])
RUNS = 400


def metric(q=0.5):
    return Metric("load", MetricKind.QUANTILE, quantile=q)


def sample(groups, stratum=None, unit=None):
    values = np.concatenate([np.asarray(group, float) for group in groups])
    n = len(values)
    label = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    stratum = np.zeros(n, np.int64) if stratum is None else np.concatenate(stratum)
    counted = Counted.UNIT if unit is None else Counted.ASSIGNMENT
    unit = np.arange(n) if unit is None else np.concatenate(unit)
    place = np.arange(n)
    return Sample(label, stratum, place, unit, place, values, values, None, np.zeros((n, 0)), 0, counted)


def prepared(groups, q=0.5, **columns):
    return quantiles.prepared(sample(groups, **columns), metric(q), len(groups))


def misses(covered):
    """Whether a share of RUNS is below 95 % by more than chance: three standard errors of the simulation."""
    return np.mean(covered) < 0.95 - 3 * math.sqrt(0.95 * 0.05 / len(covered))


def covers(found, truth):
    low, high = found.interval
    return low <= truth <= high


# --- one side ------------------------------------------------------------------------------------------------------


@given(st.integers(10, 300), st.sampled_from([0.25, 0.5, 0.9]), st.integers(0, 99))
def test_value_and_interval_against_numpy_and_scipys_exact_ranks(n, q, seed):
    values = np.random.default_rng(seed).lognormal(size=n)
    found = quantiles.value(prepared([values, values], q), A)
    assert found.value == np.quantile(values, q, method="inverted_cdf")
    oracle = stats.quantile_test(values, p=q).confidence_interval(0.95)
    # scipy's ends are nan where no value is far enough out; its ranks may lie one further in, which covers less.
    ranked = np.sort(values)
    if found.interval:
        low, high = np.searchsorted(ranked, found.interval) + 1
        assert stats.binom.cdf(low - 1, n, q) <= 0.025
        assert stats.binom.sf(high - 1, n, q) <= 0.025
        assert abs(low - 1 - np.searchsorted(ranked, oracle.low)) <= 1
        assert abs(high - 1 - np.searchsorted(ranked, oracle.high)) <= 1
    else:
        assert found.validity is Validity.NOT_EVALUABLE
        assert str(found.note) == "too few values for an interval of this quantile"


def test_the_published_ranks_of_a_median_of_twenty():
    # Hollander and Wolfe, Nonparametric Statistical Methods, table of the sign test: ranks 6 and 15 hold 95.9 %.
    found = quantiles.value(prepared([np.arange(1.0, 21.0)] * 2), A)
    assert (found.value, found.interval, str(found.method)) == (10, (6, 15), "order statistics with exact ranks")


@pytest.mark.parametrize(
    ("draw", "truth", "q"),
    [
        (lambda rng, n: rng.lognormal(size=n), 1.0, 0.5),
        (lambda rng, n: rng.lognormal(size=n), math.exp(stats.norm.ppf(0.9)), 0.9),
        (lambda rng, n: rng.poisson(3.0, n), 3.0, 0.5),
        (lambda rng, n: rng.binomial(1, 0.05, n) * rng.lognormal(size=n), 0.0, 0.9),
    ],
)
def test_a_value_is_covered_also_where_values_are_tied_or_rare(draw, truth, q):
    rng = np.random.default_rng(7)
    assert not misses([covers(quantiles.value(prepared([draw(rng, 120), [1.0]], q), A), truth) for _ in range(RUNS)])


# --- two sides -----------------------------------------------------------------------------------------------------


def compare(groups, q=0.5, **columns):
    return quantiles.compare(prepared(groups, q, **columns), B, A)


@pytest.mark.parametrize(
    ("draw", "q", "truth", "lift"),
    [
        (lambda rng, n: rng.lognormal(size=n), 0.5, 0.0, 0.0),
        (lambda rng, n: rng.lognormal(size=n), 0.95, 0.0, 0.0),
        (lambda rng, n: rng.poisson(3.0, n), 0.5, 0.0, 0.0),
        # Half of the mass lies up to 2 and half above it: the estimate jumps between 2 and 7.
        (lambda rng, n: rng.choice([1.0, 2.0, 7.0], n, p=[0.2, 0.3, 0.5]), 0.5, 0.0, 0.0),
        (lambda rng, n: rng.binomial(1, 0.08, n) * rng.lognormal(size=n), 0.9, 0.0, None),
    ],
)
def test_a_difference_is_covered_also_where_values_are_tied_or_rare(draw, q, truth, lift):
    rng = np.random.default_rng(8)
    found = [compare([draw(rng, 150), draw(rng, 400)], q) for _ in range(RUNS)]
    assert not misses([covers(each.absolute, truth) for each in found])
    if lift is not None:
        assert not misses([covers(each.relative, lift) for each in found])


def test_a_shift_and_a_factor_are_found():
    rng = np.random.default_rng(9)
    values = rng.lognormal(size=3000)
    shifted = compare([values, values + 2])
    assert shifted.absolute.value == pytest.approx(2)
    assert covers(shifted.absolute, 2)
    assert shifted.absolute.p_value < 1e-8
    scaled = compare([values, 3 * values])
    assert scaled.relative.value == pytest.approx(2)
    assert str(scaled.relative.method) == "order statistics on logarithms combined by MOVER"


@given(st.integers(30, 80), st.integers(0, 999))
def test_the_p_value_is_below_the_error_where_the_interval_excludes_nothing_changed(n, seed):
    rng = np.random.default_rng(seed)
    found = compare([rng.lognormal(size=n), rng.lognormal(0.6, size=n)]).absolute
    assert (found.p_value < 0.05) == (not covers(found, 0))


def test_more_comparisons_are_wider():
    rng = np.random.default_rng(10)
    found = prepared([rng.normal(size=500), rng.normal(size=500)])
    widths = [np.ptp(quantiles.compare(found, B, A, family).absolute.interval) for family in (1, 3, 20)]
    assert all(narrow < wide for narrow, wide in pairwise(widths))


def test_a_quantile_of_zero_has_no_relative_lift_and_says_so():
    found = compare([np.zeros(100), np.ones(100)])
    assert (found.absolute.value, found.absolute.interval) == (1, (1, 1))
    assert found.relative.value is None
    assert str(found.relative.note) == "a quantile that may be zero or less has no relative lift"


@pytest.mark.parametrize(
    ("groups", "note"),
    [
        ([[1.0], [2.0]], "too few values for an interval of this quantile"),
        ([[], [1.0, 2.0]], "nobody is in it"),
        ([[], []], "nobody is in it"),
    ],
)
def test_too_little_is_said_in_words(groups, note):
    found = compare(groups)
    assert {str(found.absolute.note), str(found.relative.note)} == {note}
    assert quantiles.value(prepared(groups), A).validity is Validity.NOT_EVALUABLE


# --- strata and units that repeat ----------------------------------------------------------------------------------


def test_epochs_with_other_shares_are_compared_within():
    # The second epoch is slower for everybody and gives b most of the traffic: pooled, b would look slower.
    rng = np.random.default_rng(11)
    stratum = [np.repeat([0, 1], [900, 100]), np.repeat([0, 1], [100, 900])]
    values = [rng.normal(10 * where, 1.0) for where in stratum]
    found = compare(values, 0.3, stratum=stratum)
    assert covers(found.absolute, 0)
    assert abs(found.absolute.value) < 1
    assert "stratified by 2" in str(found.absolute.method)
    assert np.quantile(values[1], 0.3) - np.quantile(values[0], 0.3) > 8


def test_a_unit_that_repeats_is_not_worth_as_many():
    rng = np.random.default_rng(12)
    by_unit = rng.normal(size=100)
    values, unit = np.repeat(by_unit, 5), np.repeat(np.arange(100), 5)
    found = quantiles.value(prepared([values, values], unit=[unit, unit + 100]), A)
    assert found.interval == quantiles.value(prepared([by_unit, by_unit]), A).interval
    assert str(found.method) == "order statistics with the ranks of 100 independent values"


@pytest.mark.parametrize("n_units", [1, 2, 6])
def test_few_units_count_once_however_often_they_come(n_units):
    rng = np.random.default_rng(n_units)
    values, unit = rng.normal(size=600), np.repeat(np.arange(n_units), 600 // n_units)
    found = quantiles.value(prepared([values, values], unit=[unit, unit + n_units]), A)
    alone = quantiles.value(prepared([np.arange(n_units)] * 2), A)
    assert (found.interval is None) == (alone.interval is None)
    assert n_units == 1 or f"{n_units} independent" in str(found.method) or found.interval is None


def test_units_on_both_sides_are_covered_and_narrower_for_it():
    rng = np.random.default_rng(13)
    covered, widths = [], []
    for _ in range(150):
        unit = [np.repeat(np.arange(60), 3), np.repeat(np.arange(60), 4)]
        level = 2 * rng.normal(size=60)
        values = [level[each] + rng.normal(size=len(each)) for each in unit]
        paired = compare(values, unit=unit).absolute
        covered.append(covers(paired, 0))
        widths.append(
            [np.ptp(paired.interval), np.ptp(compare(values, unit=[unit[0], unit[1] + 60]).absolute.interval)]
        )
    assert not misses(covered)
    together, apart = np.mean(widths, axis=0)
    assert together < apart
