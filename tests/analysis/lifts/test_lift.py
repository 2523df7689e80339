import numpy as np
import pandas as pd
import pytest
import tea_tasting as tt
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from analysis.estimate import Estimate, Scale, Validity
from analysis.lifts import lift, relative
from analysis.lifts.cells import Shape, side
from tests.analysis.making_cells import cells, shares

CONTROL, TREATED = side(2, [0]), side(2, [1])


def of_tea_tasting(metric, label, **columns):
    data = pd.DataFrame({"variant": label, **columns})
    return tt.Experiment(metric=metric).analyze(data)["metric"]


# --- means ---------------------------------------------------------------------------------------------------------


def test_an_amounts_lift_against_scipys_and_statsmodels_welch():
    rng = np.random.default_rng(4)
    control, treated = rng.lognormal(size=80), 1.2 * rng.lognormal(size=45)
    found = lift.compare(cells([control, treated]), TREATED, CONTROL)
    welch = stats.ttest_ind(treated, control, equal_var=False)
    expected = welch.confidence_interval(0.95)
    np.testing.assert_allclose(found.absolute.interval, [expected.low, expected.high], rtol=1e-9)
    both = CompareMeans(DescrStatsW(treated), DescrStatsW(control)).tconfint_diff(usevar="unequal")
    np.testing.assert_allclose(found.absolute.interval, both, rtol=1e-9)
    assert found.absolute.value == pytest.approx(treated.mean() - control.mean(), rel=1e-12)
    assert found.absolute.p_value == pytest.approx(welch.pvalue, rel=1e-9)
    assert (str(found.absolute.method), found.absolute.n, str(found.relative.method)) == ("Welch", 125, "Fieller")
    assert (found.absolute.scale, found.relative.scale, found.plain) == (Scale.DIFFERENCE, Scale.RELATIVE, None)


def test_a_tiny_p_value_does_not_vanish():
    rng = np.random.default_rng(4)
    control, treated = rng.normal(0, 1, 500), rng.normal(2, 1, 500)
    found = lift.compare(cells([control, treated]), TREATED, CONTROL).absolute.p_value
    assert 0 < found < 1e-100
    assert found == pytest.approx(stats.ttest_ind(treated, control, equal_var=False).pvalue, rel=1e-6)


def test_an_amounts_value_against_scipys_t():
    values = np.random.default_rng(5).lognormal(size=60)
    found = lift.value(cells([values, values]), CONTROL)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    np.testing.assert_allclose(found.interval, [expected.low, expected.high], rtol=1e-9)


# --- shares --------------------------------------------------------------------------------------------------------

COUNTS = [((30, 200), (50, 210)), ((9, 1000), (14, 1000)), ((0, 50), (7, 50)), ((80, 100), (60, 100))]


@pytest.mark.parametrize(("control", "treated"), COUNTS)
def test_a_conversion_against_statsmodels(control, treated):
    found = cells([shares(*control), shares(*treated)], Shape.SHARE)
    newcomb = confint_proportions_2indep(*treated, *control, method="newcomb")
    compared = lift.compare(found, TREATED, CONTROL).absolute
    np.testing.assert_allclose(compared.interval, newcomb, atol=1e-12)
    exact = proportion_confint(*control, method="beta")
    np.testing.assert_allclose(lift.value(found, CONTROL).interval, exact, atol=1e-12)
    # The p-value inverts the interval: at that error, statsmodels' interval ends at 0.
    ends = confint_proportions_2indep(*treated, *control, method="newcomb", alpha=compared.p_value)
    assert min(np.abs(ends)) < 1e-9
    assert (str(compared.method), compared.scale) == ("Newcomb", Scale.POINTS)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 5))
def test_a_conversions_p_value_and_interval_never_disagree(left, right, family):
    found = lift.compare(cells([shares(left, 40), shares(right, 40)], Shape.SHARE), TREATED, CONTROL, family).absolute
    is_clear = found.low > 0 or found.high < 0
    assert is_clear == (found.p_value < 0.05 / family)


def test_a_family_widens_the_intervals_by_bonferroni():
    found = lift.compare(cells([shares(30, 200), shares(50, 210)], Shape.SHARE), TREATED, CONTROL, family=4)
    expected = confint_proportions_2indep(50, 210, 30, 200, method="newcomb", alpha=0.05 / 4)
    np.testing.assert_allclose(found.absolute.interval, expected, atol=1e-12)
    assert (found.absolute.level, found.absolute.family) == (0.95, 4)


# --- ratios --------------------------------------------------------------------------------------------------------


def orders_per_visit(n, seed):
    rng = np.random.default_rng(seed)
    visits = rng.poisson(3, n) + 1.0
    return np.c_[rng.binomial(visits.astype(int), 0.2).astype(float), visits]


def test_a_ratio_against_tea_tasting_and_by_hand():
    control, treated = orders_per_visit(300, 1), orders_per_visit(170, 2)
    found = lift.compare(cells([control, treated], Shape.RATIO), TREATED, CONTROL, method=relative.LOG_DELTA)
    both, label = np.vstack([control, treated]), np.repeat([0, 1], [300, 170])
    expected = of_tea_tasting(tt.RatioOfMeans("orders", "visits"), label, orders=both[:, 0], visits=both[:, 1])
    assert found.absolute.value == pytest.approx(expected.effect_size, rel=1e-9)
    ends = [expected.effect_size_ci_lower, expected.effect_size_ci_upper]
    np.testing.assert_allclose(found.absolute.interval, ends, rtol=1e-9)
    assert found.absolute.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    relative_ends = [expected.rel_effect_size_ci_lower, expected.rel_effect_size_ci_upper]
    np.testing.assert_allclose(found.relative.interval, relative_ends, rtol=1e-9)
    parts = []
    for group in (control, treated):
        above, below = group.T
        linear = (above - above.mean() / below.mean() * below) / below.mean()
        parts.append(linear.var(ddof=1) / len(group))
    value = lift.value(cells([control, treated], Shape.RATIO), CONTROL)
    half = stats.t.isf(0.025, 299) * np.sqrt(parts[0])
    ratio = control[:, 0].sum() / control[:, 1].sum()
    np.testing.assert_allclose(value.interval, [ratio - half, ratio + half], rtol=1e-9)


def test_a_stratified_ratio_is_the_ratio_of_stratified_means():
    rng = np.random.default_rng(8)
    groups = [orders_per_visit(200, 3), orders_per_visit(200, 4)]
    strata = [rng.integers(0, 2, 200), rng.integers(0, 2, 200)]
    found = lift.compare(cells(groups, Shape.RATIO, strata), TREATED, CONTROL)
    weight = np.bincount(np.concatenate(strata)) / 400
    ratios, variances = [], []
    for group, stratum in zip(groups, strata, strict=True):
        means = sum(weight[s] * group[stratum == s].mean(axis=0) for s in (0, 1))
        ratio = means[0] / means[1]
        linear = (group[:, 0] - ratio * group[:, 1]) / means[1]
        parts = [weight[s] ** 2 * linear[stratum == s].var(ddof=1) / (stratum == s).sum() for s in (0, 1)]
        ratios.append(ratio)
        variances.append(sum(parts))
    assert found.absolute.value == pytest.approx(ratios[1] - ratios[0], rel=1e-9)
    half = (found.absolute.high - found.absolute.low) / 2
    critical = half / np.sqrt(sum(variances))
    assert stats.t.isf(0.025, 396) < critical < stats.t.isf(0.025, 150)
    assert "2 epochs or distributions" in str(found.absolute.method)


# --- relative lifts ------------------------------------------------------------------------------------------------


def test_log_delta_against_tea_tasting():
    rng = np.random.default_rng(9)
    control, treated = rng.gamma(2, size=60), rng.gamma(3, size=150)
    found = lift.compare(cells([control, treated]), TREATED, CONTROL, method=relative.LOG_DELTA).relative
    label, both = np.repeat([0, 1], [60, 150]), np.r_[control, treated]
    expected = of_tea_tasting(tt.Mean("y"), label, y=both)
    ends = [expected.rel_effect_size_ci_lower, expected.rel_effect_size_ci_upper]
    np.testing.assert_allclose(found.interval, ends, rtol=1e-9)
    assert str(found.method) == "delta method on the logarithm"


def test_delta_against_the_formula_of_gbstats():
    # gbstats/frequentist/tests.py: variance_b / (mean_a^2 n_b) + variance_a mean_b^2 / (mean_a^4 n_a).
    rng = np.random.default_rng(10)
    control, treated = rng.gamma(2, size=60), rng.gamma(3, size=150)
    found = lift.compare(cells([control, treated]), TREATED, CONTROL, method=relative.DELTA).relative
    a, b = control.mean(), treated.mean()
    parts = np.array([treated.var(ddof=1) / 150 / a**2, control.var(ddof=1) / 60 * b**2 / a**4])
    freedom = parts.sum() ** 2 / (parts**2 / [149, 59]).sum()
    half = stats.t.isf(0.025, freedom) * np.sqrt(parts.sum())
    np.testing.assert_allclose(found.interval, [b / a - 1 - half, b / a - 1 + half], rtol=1e-9)
    assert str(found.method) == "delta method"


@pytest.mark.parametrize("method", [relative.FIELLER, relative.DELTA, relative.LOG_DELTA])
@pytest.mark.parametrize(("control", "treated"), [(5.0, -5.0), (-5.0, 5.0), (-5.0, -4.0), (5.0, 4.0)])
def test_means_of_different_sign_never_turn_an_interval_upside_down(method, control, treated):
    # A known defect of a peer: low and high change places.
    noise = np.random.default_rng(11).normal(size=400)
    found = lift.compare(
        cells([noise[:200] + control, noise[200:] + treated]), TREATED, CONTROL, method=method
    ).relative
    if control * treated < 0 and method is relative.LOG_DELTA:
        assert "not identified" in str(found.note)
    else:
        assert found.low < found.value < found.high
        assert np.sign(found.value) == np.sign(treated - control)


def test_the_three_methods_agree_far_from_zero():
    rng = np.random.default_rng(12)
    found = cells([rng.normal(100, 1, 5000), rng.normal(101, 1, 5000)])
    ends = [
        lift.compare(found, TREATED, CONTROL, method=method).relative.interval
        for method in (relative.FIELLER, relative.DELTA, relative.LOG_DELTA)
    ]
    np.testing.assert_allclose(ends[1], ends[0], rtol=1e-3)
    np.testing.assert_allclose(ends[2], ends[0], rtol=1e-3)


def test_fieller_holds_its_coverage_for_unequal_arms():
    # 95 % within 3 standard errors of 600 runs, sqrt(0.95 * 0.05 / 600) = 0.9 %.
    rng = np.random.default_rng(13)
    held = 0
    for _ in range(600):
        found = lift.compare(cells([rng.normal(4, 1, 40), rng.normal(5, 2, 400)]), TREATED, CONTROL).relative
        held += found.low <= 0.25 <= found.high
    assert abs(held / 600 - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 600)


# --- strata --------------------------------------------------------------------------------------------------------


def test_epochs_are_strata_weighted_by_their_units():
    # The second epoch has another split and another level: pooling would find a lift where there is none.
    rng = np.random.default_rng(6)
    groups = [np.r_[rng.normal(0, 1, 900), rng.normal(5, 1, 100)], np.r_[rng.normal(0, 1, 100), rng.normal(5, 1, 900)]]
    epochs = [np.repeat([0, 1], [900, 100]), np.repeat([0, 1], [100, 900])]
    found = lift.compare(cells(groups, strata=epochs), TREATED, CONTROL)
    by_hand = 0.5 * (groups[1][:100].mean() - groups[0][:900].mean())
    by_hand += 0.5 * (groups[1][100:].mean() - groups[0][900:].mean())
    assert found.absolute.value == pytest.approx(by_hand, rel=1e-12)
    assert str(found.absolute.method) == "Welch, stratified by 2 epochs or distributions"
    assert found.absolute.low < 0 < found.absolute.high


def test_only_epochs_that_have_both_sides_compare():
    groups = [[1.0, 2.0, 3.0, 4.0, 2.5, 50.0, 60.0], [2.0, 3.0, 5.0, 4.0, 3.5]]
    epochs = [np.array([0, 0, 0, 0, 0, 1, 1]), np.zeros(5, np.int64)]
    found = lift.compare(cells(groups, strata=epochs), TREATED, CONTROL)
    expected = stats.ttest_ind(groups[1], groups[0][:5], equal_var=False).confidence_interval(0.95)
    np.testing.assert_allclose(found.absolute.interval, [expected.low, expected.high], rtol=1e-9)
    assert found.absolute.n == 10


def test_propensities_that_differ_from_row_to_row_do_not_compare():
    groups = [[1.0, 2.0, 3.0, 4.0], [2.0, 3.0, 5.0, 4.0]]
    found = lift.compare(cells(groups, strata=[np.arange(4), np.arange(4, 8)]), TREATED, CONTROL)
    assert found.absolute.interval is None
    assert "their propensities differ" in str(found.absolute.note)


def test_a_levels_mean_weighs_the_other_factors_levels_evenly():
    groups = [shares(10, 100), shares(90, 300), shares(30, 200), shares(60, 150)]
    found = cells(groups, Shape.SHARE)
    value = lift.value(found, side(4, [0, 1]))
    assert value.value == pytest.approx((0.1 + 0.3) / 2)
    compared = lift.compare(found, side(4, [2, 3]), side(4, [0, 1]))
    assert compared.absolute.value == pytest.approx((0.15 + 0.4) / 2 - 0.2)


# --- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("groups", "shape", "reason"),
    [
        ([[], [1.0]], Shape.SHARE, "nobody is in it"),
        ([[], [1.0, 2.0]], Shape.MEAN, "nobody is in it"),
        ([[1.0], [1.0, 2.0]], Shape.MEAN, "a single value has no spread"),
        ([[0.0, 0.0], [1.0, 2.0]], Shape.MEAN, "every value of one side is the same, so its spread is unknown"),
        ([[0.0, 0.0], [0.0, 0.0]], Shape.MEAN, "every value of one side is the same, so its spread is unknown"),
        ([[0.1] * 30, [0.3] * 77], Shape.MEAN, "every value of one side is the same, so its spread is unknown"),
        ([[[1, 2]] * 3, [[2, 2]] * 3], Shape.RATIO, "every value of one side is the same, so its spread is unknown"),
        (
            [[[1, 0], [2, 0]], [[2, 2], [1, 3]]],
            Shape.RATIO,
            "what it is divided by is zero (of scores: nobody gave one)",
        ),
        (
            [[[0, 0]] * 8 + [[1, 1], [0, 1]], [[2, 2], [1, 3]]],
            Shape.RATIO,
            "not identified: what it is divided by may be zero (of scores: too few were given)",
        ),
    ],
)
def test_what_cannot_be_compared_says_why(groups, shape, reason):
    found = lift.compare(cells(groups, shape), TREATED, CONTROL)
    assert found.absolute.validity is found.relative.validity is Validity.NOT_EVALUABLE
    assert str(found.absolute.note) == str(found.relative.note) == reason
    assert found.absolute.p_value is None


def test_values_that_are_the_same_have_a_value_and_no_interval():
    found = lift.value(cells([[2.0, 2.0, 2.0], [1.0, 2.0]]), CONTROL)
    assert (found.value, found.interval, str(found.note)) == (2.0, None, "every value is the same")
    assert lift.value(cells([[7.0], [1.0, 2.0]]), CONTROL).value == 7.0
    assert lift.value(cells([[[3, 2]], [[1, 2], [2, 1]]], Shape.RATIO), CONTROL).value == 1.5


def test_all_zeros_have_an_exact_interval_and_no_relative_lift():
    found = cells([shares(0, 20), shares(0, 20)], Shape.SHARE)
    compared = lift.compare(found, TREATED, CONTROL)
    assert compared.absolute.low < 0 < compared.absolute.high
    assert compared.absolute.p_value == 1
    assert str(compared.relative.note) == "a side has fewer than 5 conversions"
    assert lift.value(found, CONTROL).low == 0


def test_all_ones_have_no_relative_lift_either():
    compared = lift.compare(cells([shares(20, 20), shares(20, 20)], Shape.SHARE), TREATED, CONTROL)
    assert str(compared.relative.note) == "a side has fewer than 5 units without a conversion"


def test_a_base_near_zero_leaves_the_absolute_lift():
    found = lift.compare(cells([np.tile([-1.0, 1.02], 25), np.tile([0.0, 2.0], 25)]), TREATED, CONTROL)
    assert found.absolute.interval is not None
    assert "not identified" in str(found.relative.note)


@given(
    st.lists(st.lists(st.floats(0, 1e9), max_size=5), min_size=2, max_size=2).filter(any),
    st.sampled_from([Shape.MEAN, Shape.SHARE]),
    st.integers(1, 12),
)
def test_every_answer_is_finite_or_in_words(groups, shape, family):
    if shape is Shape.SHARE:
        groups = [[float(value > 1) for value in group] for group in groups]
    answered(cells(groups, shape), family)


PAIRS = st.lists(st.tuples(st.floats(-1e6, 1e6), st.integers(0, 3).map(float)), min_size=1, max_size=6)


@given(PAIRS, PAIRS)
def test_every_ratio_is_finite_or_in_words(left, right):
    answered(cells([left, right], Shape.RATIO), 1)


def answered(found, family):
    compared = lift.compare(found, TREATED, CONTROL, family)
    for estimate in (lift.value(found, CONTROL), compared.absolute, compared.relative):
        assert isinstance(estimate, Estimate)
        assert str(estimate.method)
        assert str(estimate.note) if estimate.note else estimate.low <= estimate.value <= estimate.high
