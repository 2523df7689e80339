import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from statsmodels.stats.multitest import multipletests

from analysis.deciding import multiplicity

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=20).map(np.array)
METHODS = {
    "bonferroni": multiplicity.bonferroni,
    "holm": multiplicity.holm,
    "fdr_bh": multiplicity.benjamini_hochberg,
}


@pytest.mark.parametrize("method", METHODS)
# statsmodels collects garbage for Holm's, which takes its time.
@settings(max_examples=8)
@given(p=P_VALUES)
def test_adjusted_p_values_against_statsmodels(method, p):
    np.testing.assert_allclose(METHODS[method](p), multipletests(p, method=method)[1], rtol=1e-12, atol=1e-300)


@given(P_VALUES)
def test_benjamini_hochberg_against_scipy(p):
    np.testing.assert_allclose(multiplicity.benjamini_hochberg(p), stats.false_discovery_control(p), rtol=1e-12)


@given(P_VALUES)
def test_holm_is_never_above_bonferroni_nor_below_the_p_value(p):
    assert (multiplicity.holm(p) <= multiplicity.bonferroni(p)).all()
    assert (multiplicity.holm(p) >= p).all()


def test_e_benjamini_hochberg_by_its_definition():
    # Wang and Ramdas (2022): the largest k with at least k e-values of m / (k alpha) or more.
    rng = np.random.default_rng(1)
    for _ in range(200):
        e = rng.lognormal(1, 2, rng.integers(1, 12))
        ordered = np.sort(e)[::-1]
        k = max([0, *(i for i in range(1, len(e) + 1) if ordered[i - 1] >= len(e) / (i * 0.05))])
        assert (multiplicity.e_benjamini_hochberg(e) <= 0.05).sum() == k


def test_the_calibrator_has_mean_one_and_falls():
    # The tail below u = -log(p) is integrated in u, where it is smooth.
    value = integrate.quad(lambda u: float(multiplicity.e_values(np.exp(-np.array([u])))[0]) * np.exp(-u), 0, 500)
    # Beyond u = 500 the integrand is 1 / u**2 to within exp(-500): the rest is 1 / 500.
    assert value[0] + 1 / 500 == pytest.approx(1, abs=1e-7)
    p = np.linspace(0, 1, 10_001)
    assert (np.diff(multiplicity.e_values(p)) < 0).all()


def test_the_calibrators_series_meets_its_formula():
    log = 0.0011
    near = np.exp(-np.array([0.0009, log]))
    series = 0.5 + np.array([0.0009, log]) / 6 + np.array([0.0009, log]) ** 2 / 24
    np.testing.assert_allclose(multiplicity.e_values(near), series, rtol=1e-9)


def test_what_is_certain_is_a_discovery():
    assert multiplicity.e_benjamini_hochberg(np.array([np.inf, 0.0])).tolist() == [0.0, 1.0]
    found = multiplicity.e_benjamini_hochberg(multiplicity.e_values(np.array([0.0, 1.0])))
    assert found[0] < 1e-300
    assert found[1] == 1


@pytest.mark.parametrize("wrong", [[-0.1], [1.1], [np.nan]])
@pytest.mark.parametrize("adjust", [*METHODS.values(), multiplicity.e_values])
def test_what_is_no_p_value_is_refused(adjust, wrong):
    with pytest.raises(ValueError, match="p-values are in"):
        adjust(np.array(wrong))


@pytest.mark.parametrize("wrong", [-1.0, np.nan])
def test_what_is_no_e_value_is_refused(wrong):
    with pytest.raises(ValueError, match="e-values are not negative"):
        multiplicity.e_benjamini_hochberg(np.array([wrong]))


@pytest.mark.parametrize("adjust", [*METHODS.values(), multiplicity.e_benjamini_hochberg])
def test_no_questions_have_no_answers(adjust):
    assert len(adjust(np.array([]))) == 0
