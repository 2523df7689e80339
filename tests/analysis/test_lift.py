import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from analysis import lift
from analysis.estimate import Estimate, Validity
from analysis.lift import Cells
from analysis.moments import Moments

CONTROL, TREATED = lift.side(2, [0]), lift.side(2, [1])


def cells(groups, is_conversion=False, epochs=None):
    values = np.concatenate([np.asarray(group, float) for group in groups])
    variant = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    epoch = np.zeros(len(values), np.int64) if epochs is None else np.concatenate(epochs)
    shape = (len(groups), int(epoch.max(initial=0)) + 1)
    return Cells(Moments.of(values, variant, epoch, shape), is_conversion, "mean")


def shares(successes, n):
    return np.repeat([1.0, 0.0], [successes, n - successes])


def test_an_amounts_lift_against_scipys_welch():
    rng = np.random.default_rng(4)
    control, treated = rng.lognormal(size=80), 1.2 * rng.lognormal(size=45)
    found = lift.compare(cells([control, treated]), TREATED, CONTROL)
    expected = stats.ttest_ind(treated, control, equal_var=False).confidence_interval(0.95)
    np.testing.assert_allclose(found.absolute.interval, [expected.low, expected.high], rtol=1e-9)
    assert found.absolute.value == pytest.approx(treated.mean() - control.mean(), rel=1e-12)
    assert (found.absolute.method, found.absolute.n, found.relative.method) == ("Welch", 125, "Fieller")


def test_an_amounts_value_against_scipys_t():
    values = np.random.default_rng(5).lognormal(size=60)
    found = lift.value(cells([values, values]), CONTROL)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    np.testing.assert_allclose(found.interval, [expected.low, expected.high], rtol=1e-9)


@pytest.mark.parametrize(("control", "treated"), [((30, 200), (50, 210)), ((9, 1000), (14, 1000)), ((0, 50), (7, 50))])
def test_a_conversion_against_statsmodels(control, treated):
    found = cells([shares(*control), shares(*treated)], is_conversion=True)
    newcomb = confint_proportions_2indep(*treated, *control, method="newcomb")
    np.testing.assert_allclose(lift.compare(found, TREATED, CONTROL).absolute.interval, newcomb, atol=1e-12)
    exact = proportion_confint(*control, method="beta")
    np.testing.assert_allclose(lift.value(found, CONTROL).interval, exact, atol=1e-12)


def test_a_family_widens_the_intervals_by_bonferroni():
    groups = [shares(30, 200), shares(50, 210)]
    found = lift.compare(cells(groups, is_conversion=True), TREATED, CONTROL, family=4)
    expected = confint_proportions_2indep(50, 210, 30, 200, method="newcomb", alpha=0.05 / 4)
    np.testing.assert_allclose(found.absolute.interval, expected, atol=1e-12)
    assert (found.absolute.level, found.absolute.family) == (0.95, 4)


def test_epochs_are_strata_weighted_by_their_units():
    # The second epoch has another split and another level: pooling would find a lift where there is none.
    rng = np.random.default_rng(6)
    groups = [np.r_[rng.normal(0, 1, 900), rng.normal(5, 1, 100)], np.r_[rng.normal(0, 1, 100), rng.normal(5, 1, 900)]]
    epochs = [np.repeat([0, 1], [900, 100]), np.repeat([0, 1], [100, 900])]
    found = lift.compare(cells(groups, epochs=epochs), TREATED, CONTROL)
    by_hand = 0.5 * (groups[1][:100].mean() - groups[0][:900].mean())
    by_hand += 0.5 * (groups[1][100:].mean() - groups[0][900:].mean())
    assert found.absolute.value == pytest.approx(by_hand, rel=1e-12)
    assert found.absolute.method == "Welch, stratified by 2 epochs or distributions"
    assert found.absolute.low < 0 < found.absolute.high


def test_only_epochs_that_have_both_sides_compare():
    groups = [[1.0, 2.0, 3.0, 4.0, 2.5, 50.0, 60.0], [2.0, 3.0, 5.0, 4.0, 3.5]]
    epochs = [np.array([0, 0, 0, 0, 0, 1, 1]), np.zeros(5, np.int64)]
    found = lift.compare(cells(groups, epochs=epochs), TREATED, CONTROL)
    expected = stats.ttest_ind(groups[1], groups[0][:5], equal_var=False).confidence_interval(0.95)
    np.testing.assert_allclose(found.absolute.interval, [expected.low, expected.high], rtol=1e-9)
    assert found.absolute.n == 10


def test_propensities_that_differ_from_row_to_row_do_not_compare():
    groups = [[1.0, 2.0, 3.0, 4.0], [2.0, 3.0, 5.0, 4.0]]
    found = lift.compare(cells(groups, epochs=[np.arange(4), np.arange(4, 8)]), TREATED, CONTROL)
    assert found.absolute.interval is None
    assert "their propensities differ" in found.absolute.note


def test_a_levels_mean_weighs_the_other_factors_levels_evenly():
    groups = [shares(10, 100), shares(90, 300), shares(30, 200), shares(60, 150)]
    found = cells(groups, is_conversion=True)
    value = lift.value(found, lift.side(4, [0, 1]))
    assert value.value == pytest.approx((0.1 + 0.3) / 2)
    compared = lift.compare(found, lift.side(4, [2, 3]), lift.side(4, [0, 1]))
    assert compared.absolute.value == pytest.approx((0.15 + 0.4) / 2 - 0.2)


@pytest.mark.parametrize(
    ("groups", "is_conversion", "reason"),
    [
        ([[], []], True, "nobody is in it"),
        ([[], [1.0, 2.0]], False, "nobody is in it"),
        ([[1.0], [1.0, 2.0]], False, "a single value has no spread"),
        ([[0.0, 0.0], [1.0, 2.0]], False, "every value of one side is the same, so its spread is unknown"),
        ([[0.0, 0.0], [0.0, 0.0]], False, "every value of one side is the same, so its spread is unknown"),
    ],
)
def test_what_cannot_be_compared_says_why(groups, is_conversion, reason):
    found = lift.compare(cells(groups, is_conversion=is_conversion), TREATED, CONTROL)
    assert found.absolute.validity is found.relative.validity is Validity.NOT_EVALUABLE
    assert found.absolute.note == found.relative.note == reason


def test_all_zeros_have_an_exact_interval_and_no_relative_lift():
    found = cells([shares(0, 20), shares(0, 20)], is_conversion=True)
    compared = lift.compare(found, TREATED, CONTROL)
    assert compared.absolute.low < 0 < compared.absolute.high
    assert compared.relative.note == "a side has fewer than 5 conversions"
    assert lift.value(found, CONTROL).low == 0


def test_a_base_near_zero_leaves_the_absolute_lift():
    found = lift.compare(cells([np.tile([-1.0, 1.02], 25), np.tile([0.0, 2.0], 25)]), TREATED, CONTROL)
    assert found.absolute.interval is not None
    assert "not identified" in found.relative.note


@given(
    st.lists(st.lists(st.floats(0, 1e9), max_size=5), min_size=2, max_size=2),
    st.booleans(),
    st.integers(1, 12),
)
def test_every_answer_is_finite_or_in_words(groups, is_conversion, family):
    if is_conversion:
        groups = [[float(value > 1) for value in group] for group in groups]
    found = cells(groups, is_conversion=is_conversion)
    compared = lift.compare(found, TREATED, CONTROL, family)
    for estimate in (lift.value(found, CONTROL), compared.absolute, compared.relative):
        assert isinstance(estimate, Estimate)
        assert estimate.note or estimate.low <= estimate.value <= estimate.high
