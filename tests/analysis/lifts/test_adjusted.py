import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import tea_tasting as tt
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.estimate import Validity
from analysis.lifts import adjusted, lift, relative
from analysis.lifts.cells import Shape, side
from analysis.lifts.moments import Moments
from tests.analysis.making_cells import cells, of_columns

CONTROL, TREATED = side(2, [0]), side(2, [1])


def drawn(n, share=0.5, seed=0, c=2):
    """Return outcomes (n,), covariates (n, c) and labels of units that react to both, by side with other slopes."""
    rng = np.random.default_rng(seed)
    label = (rng.random(n) < share).astype(np.int64)
    covariates = rng.normal(5, 2, (n, c)) + rng.normal(size=(n, 1))
    y = 3 + covariates @ np.linspace(1, 0.4, c) + label * (0.5 + 0.3 * covariates[:, 0]) + rng.normal(0, 1 + label, n)
    return y, covariates, label


def interacted(y, covariates, label):
    centred = covariates - covariates.mean(axis=0)
    return sm.OLS(y, np.column_stack([np.ones(len(y)), label, centred, label[:, None] * centred]))


# --- Lin -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("share", "c"), [(0.5, 1), (0.2, 3)])
def test_lin_against_statsmodels_regressions_of_each_side(share, c):
    y, covariates, label = drawn(400, share, c=c)
    found = adjusted.lin(of_columns(np.c_[y, covariates], label, covariates="abc"[:c]), TREATED, CONTROL).absolute
    whole = interacted(y, covariates, label).fit()
    assert found.value == pytest.approx(whole.params[1], rel=1e-9)
    centre, slopes, parts = np.r_[1, covariates.mean(axis=0)], [], []
    for one in (0, 1):
        own = sm.OLS(y[label == one], sm.add_constant(covariates[label == one])).fit()
        slopes.append(own.params[1:])
        parts.append(own.get_prediction(centre).se_mean.item() ** 2)
    n = np.bincount(label)
    within = sum(n[one] / 400 * np.atleast_2d(np.cov(covariates[label == one].T, ddof=1)) for one in (0, 1))
    step = slopes[1] - slopes[0]
    variance = sum(parts) + step @ within @ step / 400
    # Welch's freedom of what both sides add, each by its regression's.
    pieces = [
        part + n[one] / 400**2 * step @ np.atleast_2d(np.cov(covariates[label == one].T)) @ step
        for one, part in enumerate(parts)
    ]
    freedom = variance**2 / sum(piece**2 / (n[one] - 1 - c) for one, piece in enumerate(pieces))
    half = stats.t.isf(0.025, freedom) * np.sqrt(variance)
    np.testing.assert_allclose(found.interval, [found.value - half, found.value + half], rtol=1e-9)
    assert found.p_value == pytest.approx(2 * stats.t.sf(abs(found.value) / np.sqrt(variance), freedom), rel=1e-9)
    assert str(found.method) == "Lin's regression adjustment"


def test_lin_is_close_to_statsmodels_hc2_where_slopes_are_alike():
    rng = np.random.default_rng(3)
    label = rng.integers(0, 2, 20_000)
    x = rng.normal(size=20_000)
    y = 2 * x + 0.1 * label + rng.normal(0, 1 + label)
    found = adjusted.lin(of_columns(np.c_[y, x], label, covariates="x"), TREATED, CONTROL).absolute
    hc2 = interacted(y, x[:, None], label).fit(cov_type="HC2")
    assert (found.high - found.low) / 2 / stats.norm.isf(0.025) == pytest.approx(hc2.bse[1], rel=5e-3)


def test_the_gain_is_stated_and_the_plain_difference_shown_beside():
    y, covariates, label = drawn(2000)
    with_them = of_columns(np.c_[y, covariates], label, covariates=("visits", "age"))
    found = lift.compare(with_them, TREATED, CONTROL)
    alone = lift.compare(of_columns(y, label), TREATED, CONTROL)
    np.testing.assert_allclose(found.plain.interval, alone.absolute.interval, rtol=1e-12)
    shrunk = (found.absolute.high - found.absolute.low) / (alone.absolute.high - alone.absolute.low)
    said = found.absolute.note.args["reduction"].value
    assert said == pytest.approx(1 - shrunk**2, abs=0.01)
    assert str(found.absolute.note).startswith("The covariates (visits, age) took ")
    assert str(found.relative.method) == "Fieller, relative to the adjusted value of the baseline"


def test_a_value_is_never_adjusted():
    y, covariates, label = drawn(300)
    with_them = of_columns(np.c_[y, covariates], label, covariates="ab")
    assert lift.value(with_them, CONTROL) == lift.value(of_columns(y, label), CONTROL)


def test_streamed_parts_say_the_same():
    y, covariates, label = drawn(900)
    columns, nowhere = np.c_[y, covariates] + 1e6, np.zeros(900, np.int64)
    whole = of_columns(columns, label, covariates="ab")
    parts = [
        Moments.of(columns[part], label[part], nowhere[part], (2, 1)) for part in np.split(np.arange(900), [100, 650])
    ]
    streamed = type(whole)(parts[0] + parts[1] + parts[2], whole.shape, whole.estimand, whole.scale, whole.covariates)
    expected = lift.compare(whole, TREATED, CONTROL).absolute
    np.testing.assert_allclose(lift.compare(streamed, TREATED, CONTROL).absolute.interval, expected.interval, rtol=1e-7)


def test_lin_holds_its_coverage_for_units_to_come():
    # Slopes of opposite sign, where HC2, for these units alone, covers too little. Within 3 standard errors of 500.
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(500):
        x, label = rng.normal(1, 1, 120), rng.permutation(np.repeat([0, 1], [40, 80]))
        y = np.where(label, 1, -1) * x + rng.normal(size=120)
        found = adjusted.lin(of_columns(np.c_[y, x], label, covariates="x"), TREATED, CONTROL).absolute
        held += found.low <= 2 <= found.high
    assert abs(held / 500 - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 500)


# --- CUPED ---------------------------------------------------------------------------------------------------------


def of_tea_tasting(metric, label, **columns):
    return tt.Experiment(m=metric).analyze(pd.DataFrame({"variant": label, **columns}))["m"]


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_cuped_against_tea_tasting(share):
    y, covariates, label = drawn(500, share, c=1)
    found = adjusted.cuped(of_columns(np.c_[y, covariates], label, covariates="x"), TREATED, CONTROL)
    expected = of_tea_tasting(tt.Mean("y", "x"), label, y=y, x=covariates[:, 0])
    assert found.absolute.value == pytest.approx(expected.effect_size, rel=1e-9)
    ends = [expected.effect_size_ci_lower, expected.effect_size_ci_upper]
    np.testing.assert_allclose(found.absolute.interval, ends, rtol=1e-9)
    assert found.absolute.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    # The base of the relative lift is the adjusted value of the control, as theirs.
    assert found.relative.value == pytest.approx(expected.rel_effect_size, rel=1e-9)
    assert str(found.absolute.method) == "CUPED"


def test_cuped_of_a_ratio_against_tea_tasting():
    rng = np.random.default_rng(5)
    label, before = rng.integers(0, 2, 600), rng.poisson(3, 600).astype(float)
    visits = rng.poisson(2 + before) + 1.0
    orders = rng.binomial(visits.astype(int), 0.2 + 0.05 * label).astype(float)
    found = adjusted.cuped(
        of_columns(np.c_[orders, visits, before], label, shape=Shape.RATIO, covariates=("before",)), TREATED, CONTROL
    )
    expected = of_tea_tasting(tt.RatioOfMeans("o", "v", "b"), label, o=orders, v=visits, b=before)
    assert found.absolute.value == pytest.approx(expected.effect_size, rel=1e-9)
    ends = [expected.effect_size_ci_lower, expected.effect_size_ci_upper]
    np.testing.assert_allclose(found.absolute.interval, ends, rtol=1e-9)


def test_several_covariates_by_hand():
    y, covariates, label = drawn(700, 0.3, c=3)
    found = adjusted.cuped(of_columns(np.c_[y, covariates], label, covariates="abc"), TREATED, CONTROL).absolute
    together = np.cov(np.c_[y, covariates].T)
    left = y - covariates @ np.linalg.solve(together[1:, 1:], together[1:, 0])
    expected = stats.ttest_ind(left[label == 1], left[label == 0], equal_var=False)
    np.testing.assert_allclose(found.interval, list(expected.confidence_interval()), rtol=1e-9)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-9)


# --- shares, ratios, strata ----------------------------------------------------------------------------------------


def test_a_share_with_covariates_is_welch_on_adjusted_values():
    rng = np.random.default_rng(6)
    x, label = rng.normal(size=4000), rng.integers(0, 2, 4000)
    y = (rng.random(4000) < 1 / (1 + np.exp(1 - 2 * x - 0.3 * label))).astype(float)
    found = lift.compare(of_columns(np.c_[y, x], label, shape=Shape.SHARE, covariates="x"), TREATED, CONTROL)
    assert found.absolute.value == pytest.approx(interacted(y, x[:, None], label).fit().params[1], rel=1e-9)
    assert str(found.plain.method) == "Newcomb"
    assert found.absolute.high - found.absolute.low < 0.9 * (found.plain.high - found.plain.low)


def test_a_ratio_is_made_linear_before_it_is_adjusted():
    rng = np.random.default_rng(6)
    label, before = rng.integers(0, 2, 3000), rng.gamma(2, size=3000)
    visits = rng.poisson(2, 3000) + 1.0
    orders = visits * before * 0.3 + rng.normal(size=3000) + 0.1 * label
    found = lift.compare(
        of_columns(np.c_[orders, visits, before], label, shape=Shape.RATIO, covariates=("before",)), TREATED, CONTROL
    )
    linear = np.empty(3000)
    for one in (0, 1):
        of = label == one
        ratio = orders[of].mean() / visits[of].mean()
        linear[of] = ratio + (orders[of] - ratio * visits[of]) / visits[of].mean()
    assert found.absolute.value == pytest.approx(interacted(linear, before[:, None], label).fit().params[1], rel=1e-9)
    assert found.absolute.high - found.absolute.low < 0.8 * (found.plain.high - found.plain.low)


def test_strata_are_adjusted_each_around_its_own_centre():
    rng = np.random.default_rng(2)
    stratum = rng.integers(0, 3, 3000)
    label = (rng.random(3000) < np.array([0.2, 0.5, 0.8])[stratum]).astype(np.int64)
    x = rng.normal(size=3000) + stratum
    y = 2 * x + 5 * stratum + label + rng.normal(size=3000)
    found = lift.compare(of_columns(np.c_[y, x], label, stratum, covariates="x"), TREATED, CONTROL)
    assert found.absolute.low < 1 < found.absolute.high
    assert found.absolute.high - found.absolute.low < 0.6 * (found.plain.high - found.plain.low)
    assert "stratified by 3" in str(found.absolute.method)


def test_one_stratum_of_all_is_no_stratum():
    y, covariates, label = drawn(200)
    one = lift.compare(of_columns(np.c_[y, covariates], label, covariates="ab"), TREATED, CONTROL)
    columns = np.c_[y, covariates]
    two = cells([columns[label == 0], columns[label == 1]], covariates="ab")
    np.testing.assert_allclose(lift.compare(two, TREATED, CONTROL).absolute.interval, one.absolute.interval, rtol=1e-9)


# --- covariates that cannot be used --------------------------------------------------------------------------------


@pytest.mark.parametrize("adjust", [adjusted.lin, adjusted.cuped])
def test_covariates_that_say_the_same_count_once(adjust):
    y, covariates, label = drawn(300, c=1)
    once = adjust(of_columns(np.c_[y, covariates], label, covariates="a"), TREATED, CONTROL).absolute
    thrice = np.c_[y, covariates, 2 * covariates, np.full(300, 7.0)]
    found = adjust(of_columns(thrice, label, covariates="abc"), TREATED, CONTROL).absolute
    np.testing.assert_allclose(found.interval, once.interval, rtol=1e-7)
    assert "2 of them say nothing that the others do not" in str(found.note)


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (lambda y, x: np.full(len(y), 3.0), "Not adjusted: the covariates (x) are the same for all units."),
        (lambda y, x: 2 * y + 1, "foretell the outcome completely"),
    ],
)
def test_what_covariates_cannot_do_is_said_and_not_done(column, reason):
    y, covariates, label = drawn(200)
    found = lift.compare(of_columns(np.c_[y, column(y, covariates)], label, covariates="x"), TREATED, CONTROL)
    alone = lift.compare(of_columns(y, label), TREATED, CONTROL)
    assert reason in str(found.absolute.note)
    assert (found.absolute.interval, found.plain) == (alone.absolute.interval, None)


def test_too_few_units_for_so_many_covariates():
    y, covariates, label = drawn(30)
    found = lift.compare(of_columns(np.c_[y, covariates], label, covariates="ab"), TREATED, CONTROL).absolute
    assert str(found.note) == "Not adjusted: a variant has fewer than 10 units for each covariate."


def test_too_few_conversions_for_welch():
    rng = np.random.default_rng(1)
    y, x, label = (rng.random(1000) < 0.01).astype(float), rng.normal(size=1000), rng.integers(0, 2, 1000)
    found = lift.compare(of_columns(np.c_[y, x], label, shape=Shape.SHARE, covariates="x"), TREATED, CONTROL).absolute
    assert str(found.method) == "Newcomb"
    assert "fewer than 20 units with a conversion" in str(found.note)


@pytest.mark.parametrize("y", [[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 1.0, 2.0]])
def test_what_cannot_be_compared_stays_so_with_covariates(y):
    columns = np.c_[y, [1.0, 2.0, 3.0, 4.0]]
    found = lift.compare(of_columns(columns, np.array([0, 0, 1, 1]), covariates="x"), TREATED, CONTROL)
    assert found.absolute.validity is Validity.NOT_EVALUABLE
    assert "every value of one side is the same" in str(found.absolute.note)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 1e-9, 1.0, 1e9]), st.integers(2, 60), st.sampled_from([*Shape]))
def test_every_answer_is_finite_or_in_words(seed, size, n, shape):
    rng = np.random.default_rng(seed)
    label, x = rng.integers(0, 2, n), rng.integers(0, 3, (n, 2)) * size
    y = rng.integers(0, 2, n) * (1.0 if shape is Shape.SHARE else size)
    below = rng.integers(0, 3, (n, 1)) if shape is Shape.RATIO else np.empty((n, 0))
    found = of_columns(np.c_[y, below, x], label, shape=shape, covariates="ab")
    for adjust in (adjusted.lin, adjusted.cuped):
        for estimate in (adjust(found, TREATED, CONTROL).absolute, adjust(found, TREATED, CONTROL).relative):
            assert estimate.low <= estimate.value <= estimate.high if estimate.interval else str(estimate.note)


def test_relative_methods_can_be_named_with_covariates():
    y, covariates, label = drawn(400)
    found = lift.compare(
        of_columns(np.c_[y, covariates], label, covariates="ab"), TREATED, CONTROL, method=relative.LOG_DELTA
    ).relative
    assert "delta method on the logarithm, relative to the adjusted" in str(found.method)
    assert found.low < found.value < found.high
