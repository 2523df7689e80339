"""Logistic regressions: scikit-learn's and statsmodels', the written-out likelihood, and columns that separate."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from statsmodels.api import Logit

from analysis.adaptive.encoding import Encoding
from analysis.adaptive.ridge import PRIOR
from analysis.ope.models.logistic import Logistic, newton
from analysis.ope.models.ridge import Ridge
from tests.analysis.ope.models import made_logs

K = made_logs.K


def encoded(log):
    return Encoding.of(log.context).columns(log.context)


@pytest.mark.parametrize("penalty", [0.1, 1.0, 30.0])
def test_newton_finds_what_scikit_learn_finds(penalty):
    log = made_logs.clicks()
    columns = encoded(log)
    wanted = LogisticRegression(C=1 / penalty, fit_intercept=False, tol=1e-10).fit(columns, log.reward).coef_[0]
    np.testing.assert_allclose(newton(columns, log.reward, np.zeros(len(log)), penalty), wanted, atol=1e-5)


def test_without_a_penalty_newton_finds_what_statsmodels_finds():
    log = made_logs.clicks()
    columns = encoded(log)
    # Every text has a level of its own or is missing, so that no column is the sum of others.
    wanted = Logit(log.reward, columns).fit(disp=False).params
    np.testing.assert_allclose(newton(columns, log.reward, np.zeros(len(log)), 1e-9), wanted, atol=1e-6)


def test_a_variants_model_has_the_largest_likelihood_around_that_of_all():
    log, other = made_logs.clicks(), made_logs.clicks(n=50, seed=1)
    encoding = Encoding.of(log.context)
    columns, asked = encoding.columns(log.context), encoding.columns(other.context)
    row = log.reward.mean() * (1 - log.reward.mean())

    def best(rows, rewards, offset, penalty):
        def loss(slopes):
            odds = offset + rows @ slopes
            value = np.logaddexp(0, odds).sum() - rewards @ odds + penalty / 2 * slopes @ slopes
            return value, rows.T @ (expit(odds) - rewards) + penalty * slopes

        found = minimize(loss, np.zeros(rows.shape[1]), jac=True, method="BFGS", options={"gtol": 1e-6})
        return found.x

    common = best(columns, log.reward, np.zeros(len(log)), row)
    found = Logistic().fit(log).predict(other)
    for place in range(K):
        is_own = log.variant == place
        own = best(columns[is_own], log.reward[is_own], columns[is_own] @ common, PRIOR * row)
        np.testing.assert_allclose(found[:, place], expit(asked @ (common + own)), atol=1e-6)


def test_it_bends_where_ridge_cannot():
    log, other = made_logs.clicks(n=20_000), made_logs.clicks(seed=1)
    wanted = made_logs.truth(other)
    missed = [np.mean((model.fit(log).predict(other) - wanted) ** 2) for model in (Logistic(), Ridge())]
    assert missed[0] < 0.5 * missed[1]


def test_a_column_that_separates_the_rewards_gives_finite_slopes():
    log = made_logs.clicks(n=300)
    separated = replace(log, reward=(log.context.numbers[:, 0] > 0).astype(np.float64))
    found = Logistic().fit(separated).predict(separated)
    assert np.isfinite(found).all()
    assert (np.abs(found[np.arange(300), separated.variant] - separated.reward) < 0.5).mean() > 0.97


def test_newton_halves_a_step_that_goes_too_far():
    # From 0 the first Newton step overshoots by far: nearly all rewards are 0, far out on a column.
    columns = np.array([[1.0, 0.0]] * 500 + [[1.0, 40.0]] * 5)
    rewards = np.array([0.0] * 500 + [1.0] * 5)
    slopes = newton(columns, rewards, np.full(505, 8.0), 0.01)
    odds = 8.0 + columns @ slopes
    np.testing.assert_allclose(columns.T @ (rewards - expit(odds)) - 0.01 * slopes, 0, atol=1e-3)


def test_rewards_on_another_scale_are_shares_of_what_was_seen():
    log, other = made_logs.clicks(), made_logs.clicks(n=50, seed=1)
    amounts = replace(log, reward=5 + 20 * log.reward)
    np.testing.assert_allclose(
        Logistic().fit(amounts).predict(other), 5 + 20 * Logistic().fit(log).predict(other), rtol=1e-9
    )


def test_parts_of_a_success_are_learned_as_what_they_are_on_average():
    log = made_logs.clicks(n=1000)
    halves = replace(log, reward=made_logs.truth(log)[np.arange(1000), log.variant])
    found = Logistic().fit(halves).predict(log)
    assert np.abs(found - made_logs.truth(log)).mean() < 0.05


@pytest.mark.parametrize("change", [made_logs.without_context, lambda log: replace(log, reward=log.reward * 0 + 0.25)])
def test_without_a_context_or_different_rewards_it_is_ridge(change):
    log = change(made_logs.clicks(n=300))
    np.testing.assert_array_equal(Logistic().fit(log).predict(log), Ridge().fit(log).predict(log))


def test_no_draws_predict_nothing():
    log = made_logs.clicks(n=10)
    assert not Logistic().fit(log[:0]).predict(log).any()
