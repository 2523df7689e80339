"""Ridge regressions: the closed form, scikit-learn's, and means where there is no context."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import Ridge as Sklearn

from analysis.adaptive.encoding import Encoding
from analysis.adaptive.ridge import PRIOR
from analysis.ope.models.ridge import Ridge
from analysis.ope.models.rows import N_KEPT
from tests.analysis.ope.models import made_logs

K = made_logs.K


def test_it_is_scikit_learns_ridge_of_all_variants_and_of_what_that_one_leaves_to_each():
    log, other = made_logs.baskets(), made_logs.baskets(seed=1)
    encoding = Encoding.of(log.context)
    columns, asked = encoding.columns(log.context), encoding.columns(other.context)
    common = Sklearn(1.0, fit_intercept=False).fit(columns, log.reward)
    left = log.reward - common.predict(columns)
    wanted = np.empty((len(other), K))
    for place in range(K):
        is_own = log.variant == place
        own = Sklearn(PRIOR, fit_intercept=False).fit(columns[is_own], left[is_own])
        wanted[:, place] = common.predict(asked) + own.predict(asked)
    wanted = wanted.clip(log.reward.min(), log.reward.max())
    np.testing.assert_allclose(Ridge().fit(log).predict(other), wanted, rtol=1e-9)


def test_without_a_context_it_is_the_mean_of_each_variant_shrunk_towards_all():
    log = made_logs.without_context(made_logs.clicks(n=400))
    common = log.reward.sum() / (len(log) + 1)
    for place, found in enumerate(Ridge().fit(log).predict(log[:1])[0]):
        own = log.reward[log.variant == place]
        # X'X is the count and X'y the total, and a ridge on what is left of them is linear in both.
        assert found == pytest.approx(common + (own.sum() - len(own) * common) / (len(own) + PRIOR), rel=1e-12)


def test_a_context_that_tells_something_leaves_less_to_chance():
    log, other = made_logs.baskets(), made_logs.baskets(seed=1)
    wanted = 10 + 10 * made_logs.truth(other)
    by_context = Ridge().fit(log).predict(other)
    by_means = Ridge().fit(made_logs.without_context(log)).predict(made_logs.without_context(other))
    # The lines cannot bend as the truth does; means miss its spread within a variant as well.
    assert np.mean((by_context - wanted) ** 2) < 0.25 * np.mean((by_means - wanted) ** 2)


def test_a_variant_that_was_never_drawn_is_predicted_as_all_variants_together():
    log = made_logs.baskets()
    only = log[log.variant != 1]
    found = Ridge().fit(only).predict(log)
    encoding = Encoding.of(only.context)
    columns = encoding.columns(only.context)
    common = Sklearn(1.0, fit_intercept=False).fit(columns, only.reward)
    wanted = common.predict(encoding.columns(log.context)).clip(only.reward.min(), only.reward.max())
    np.testing.assert_allclose(found[:, 1], wanted, rtol=1e-9)


def test_predictions_stay_within_what_was_seen_whatever_a_context_holds():
    log = made_logs.baskets()
    log.context.numbers[::5] = np.nan
    log.context.numbers[3::7] = -1e300
    found = Ridge().fit(log).predict(log)
    assert np.isfinite(found).all()
    assert found.min() >= log.reward.min()
    assert found.max() <= log.reward.max()


def test_no_draws_predict_nothing():
    log = made_logs.clicks(n=10)
    assert not Ridge().fit(log[:0]).predict(log).any()


def test_the_models_without_each_fold_are_those_fitted_on_the_others():
    log = made_logs.baskets(n=600)
    fold = np.arange(600) % 3
    found = Ridge().fit_without_each(log, fold, 3)
    for place in range(3):
        # Encoded alike: the other folds' draws come three times, and those of the fold bring what the model says.
        alone = Ridge().fit_without_each(log[fold != place], fold[fold != place], 4)[3]
        np.testing.assert_allclose(found[place].predict(log), alone.predict(log), rtol=0.01)
    assert not np.allclose(found[0].predict(log), found[1].predict(log), rtol=1e-6)


def test_variants_and_words_are_known_by_their_names_in_whatever_order_a_log_has_them():
    log, other = made_logs.baskets(), made_logs.baskets(n=50, seed=1)
    turned = np.array([2, 0, 1])
    renamed = replace(
        other,
        variants=tuple(other.variants[place] for place in turned),
        words=(("a new word", *reversed(made_logs.WORDS)),),
        context=replace(other.context, codes=np.where(other.context.codes < 0, -1, 3 - other.context.codes)),
    )
    fitted = Ridge().fit(log)
    np.testing.assert_allclose(fitted.predict(renamed), fitted.predict(other)[:, turned], rtol=1e-12)


def test_a_variant_that_comes_later_is_predicted_as_all_and_then_learned():
    early, late = made_logs.baskets(n=300, k=2), made_logs.baskets(n=300, k=4, seed=1)
    memory = Ridge().memory()
    memory.add(early)
    before = memory.fitted().predict(late)
    np.testing.assert_array_equal(before[:, 2], before[:, 3])
    memory.add(late)
    after = memory.fitted().predict(late)
    assert np.abs(after[:, 2] - after[:, 3]).max() > 1


def test_sums_go_on_where_draws_are_kept_no_longer():
    n = N_KEPT + 5_000
    log = made_logs.baskets(n=n)
    memory = Ridge().memory()
    # The sums are cut within a block and widened by a variant after it.
    for start, stop in ((0, 100_000), (100_000, n)):
        memory.add(log[start:stop])
    whole, asked = Ridge().fit(log), log[:100]
    # The only difference is that contexts are encoded by the first draws, or by an even half of them.
    np.testing.assert_allclose(memory.fitted().predict(asked), whole.predict(asked), rtol=0.01)
