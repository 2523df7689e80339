"""Bias and variance, exactly: over every draw of a tiny world."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.ope.estimators.clipped import Clipped
from analysis.ope.estimators.dm import Dm
from analysis.ope.estimators.dr import Dr
from analysis.ope.estimators.dros import DrOs
from analysis.ope.estimators.ips import Ips
from analysis.ope.estimators.sub_gaussian import SubGaussian
from analysis.ope.estimators.switch_dr import SwitchDr
from tests.analysis.ope.estimators.tiny import CONTEXTS, LOGGED, MEAN, TARGET, VALUE, every_draw, expected_and_variance

MODELS = st.lists(st.floats(-2, 2), min_size=6, max_size=6).map(lambda found: np.array(found).reshape(2, 3))


def test_every_draw_is_there_once():
    _, _, probability = every_draw()
    assert probability.sum() == pytest.approx(1, abs=1e-15)


def test_ips_has_no_bias():
    assert expected_and_variance(Ips())[0] == pytest.approx(VALUE, abs=1e-14)


@given(MODELS)
def test_the_doubly_robust_estimator_has_no_bias_whatever_the_model(model):
    assert expected_and_variance(Dr(), predicted=model)[0] == pytest.approx(VALUE, abs=1e-13)


@given(MODELS)
def test_the_difference_of_two_policies_has_no_bias_either(model):
    worth = float(CONTEXTS @ ((TARGET - LOGGED) * MEAN).sum(axis=1))
    assert expected_and_variance(Dr(), TARGET - LOGGED, model)[0] == pytest.approx(worth, abs=1e-13)


@given(MODELS)
def test_the_direct_method_is_off_by_what_the_model_is(model):
    off = float(CONTEXTS @ (TARGET * (model - MEAN)).sum(axis=1))
    assert expected_and_variance(Dm(), predicted=model)[0] == pytest.approx(VALUE + off, abs=1e-13)


@pytest.mark.parametrize("level", [0.5, 1.0, 2.0])
def test_clipping_is_off_by_the_weights_that_it_cuts(level):
    weight = TARGET / LOGGED
    off = float(CONTEXTS @ (LOGGED * (np.minimum(weight, level) - weight) * MEAN).sum(axis=1))
    found, variance = expected_and_variance(Clipped(level))
    assert off < 0
    assert found == pytest.approx(VALUE + off, abs=1e-14)
    assert variance < expected_and_variance(Ips())[1]


@given(MODELS, st.sampled_from([0.5, 1.0, 2.0, 5.0]))
def test_switch_is_off_by_what_the_model_is_where_weights_are_large(model, level):
    is_large = level < TARGET / LOGGED
    off = float(CONTEXTS @ (TARGET * is_large * (model - MEAN)).sum(axis=1))
    assert expected_and_variance(SwitchDr(level), predicted=model)[0] == pytest.approx(VALUE + off, abs=1e-13)


@given(MODELS, st.sampled_from([0.5, 1.0, 10.0]))
def test_shrinkage_is_off_by_the_share_of_the_weight_that_it_takes(model, level):
    weight = TARGET / LOGGED
    kept = level / (weight**2 + level)
    off = float(CONTEXTS @ (TARGET * (1 - kept) * (model - MEAN)).sum(axis=1))
    assert expected_and_variance(DrOs(level), predicted=model)[0] == pytest.approx(VALUE + off, abs=1e-13)


@pytest.mark.parametrize("estimator", [Dr(), Dm(), SwitchDr(1.0), DrOs(2.0)], ids=lambda each: each.name)
def test_with_the_true_model_none_is_biased(estimator):
    assert expected_and_variance(estimator)[0] == pytest.approx(VALUE, abs=1e-14)


def test_the_true_model_makes_it_narrower_and_shrinking_narrower_still():
    shrunk, switched, robust, plain = (
        expected_and_variance(each)[1] for each in (DrOs(2.0), SwitchDr(1.0), Dr(), Ips())
    )
    assert max(shrunk, switched) < robust < plain


def test_a_level_of_one_is_the_mean_reward_of_what_the_target_could_have_drawn():
    found, _ = expected_and_variance(SubGaussian(1.0))
    assert found == pytest.approx(float(CONTEXTS @ (LOGGED * MEAN).sum(axis=1)), abs=1e-14)


def test_where_the_log_has_no_support_ips_misses_what_is_not_seen():
    logged = np.array([[0.5, 0.0, 0.5], [0.1, 0.1, 0.8]])
    missing = CONTEXTS[0] * TARGET[0, 1] * MEAN[0, 1]
    assert expected_and_variance(Ips(), logged=logged)[0] == pytest.approx(VALUE - missing, abs=1e-14)
