import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.meta_analysis import combine_effects

from analysis.deciding import heterogeneity

RNG = np.random.default_rng(3)
EFFECTS, VARIANCES = RNG.normal(0.1, 0.2, 7), RNG.uniform(0.01, 0.05, 7)


def test_cochrans_q_against_statsmodels():
    expected = combine_effects(EFFECTS, VARIANCES, method_re="dl")
    found = heterogeneity.interaction(EFFECTS[:, None], VARIANCES[:, None, None])
    assert found.statistic == pytest.approx(expected.q, rel=1e-12)
    assert found.freedom == 6
    assert heterogeneity.between(EFFECTS, VARIANCES) == pytest.approx(expected.tau2, rel=1e-12)
    assert found.p_value == pytest.approx(stats.chi2.sf(expected.q, 6), rel=1e-12)


def test_several_comparisons_are_one_quadratic_form():
    covariances = np.array([np.diag(v) + 0.02 for v in RNG.uniform(0.01, 0.05, (5, 3))])
    effects = RNG.normal(size=(5, 3))
    found = heterogeneity.interaction(effects, covariances)
    # The generalised least squares fit of one mean to all effects, stacked.
    design = np.tile(np.eye(3), (5, 1))
    whole = np.zeros((15, 15))
    for place, covariance in enumerate(covariances):
        whole[3 * place : 3 * place + 3, 3 * place : 3 * place + 3] = covariance
    inverse = np.linalg.inv(whole)
    mean = np.linalg.solve(design.T @ inverse @ design, design.T @ inverse @ effects.ravel())
    rest = effects.ravel() - design @ mean
    assert found.statistic == pytest.approx(rest @ inverse @ rest, rel=1e-10)
    assert found.freedom == 12


def test_equal_effects_do_not_differ():
    found = heterogeneity.interaction(np.full((4, 1), 0.3), VARIANCES[:4, None, None])
    assert found.p_value == pytest.approx(1)


def test_shrunk_effects_by_hand():
    pooled = combine_effects(EFFECTS, VARIANCES, method_re="dl")
    expected = (EFFECTS / VARIANCES + pooled.mean_effect_re / pooled.tau2) / (1 / VARIANCES + 1 / pooled.tau2)
    np.testing.assert_allclose(heterogeneity.shrunk(EFFECTS, VARIANCES), expected, rtol=1e-12)


def test_equal_effects_stay():
    np.testing.assert_allclose(heterogeneity.shrunk(np.full(4, 0.3), VARIANCES[:4]), 0.3)


@given(st.lists(st.tuples(st.floats(-10, 10), st.floats(1e-4, 10)), min_size=2, max_size=9))
def test_shrinking_never_leaves_the_range(given):
    effects, variances = np.array(given).T
    found = heterogeneity.shrunk(effects, variances)
    assert (found >= effects.min() - 1e-9).all()
    assert (found <= effects.max() + 1e-9).all()


def test_shrunk_effects_are_nearer_to_the_truth():
    # True effects N(0, .1), errors of .2: the best rule has .01 / (.01 + .04) of the risk, and 40 groups are near it.
    rng = np.random.default_rng(8)
    truth = rng.normal(0, 0.1, (200, 40))
    seen = truth + rng.normal(0, 0.2, truth.shape)
    shrunk = np.array([heterogeneity.shrunk(row, np.full(40, 0.04)) for row in seen])
    ratio = ((shrunk - truth) ** 2).mean() / ((seen - truth) ** 2).mean()
    assert 0.2 < ratio < 0.3
