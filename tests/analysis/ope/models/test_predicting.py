"""No draw is predicted by a model that has seen it: not its own reward, not its unit's, not a later one."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.tree import DecisionTreeRegressor

from analysis.adaptive.drawn import Drawn
from analysis.adaptive.models import predictions
from analysis.ope.models.brought import Brought
from analysis.ope.models.folds import N_FOLDS, folds
from analysis.ope.models.given import predicted
from analysis.ope.models.logistic import Logistic
from analysis.ope.models.predicting import no_model, predictor
from analysis.ope.models.ridge import Ridge
from analysis.ope.models.vowpal import Vowpal
from engine.errors import InvalidRequest
from tests.analysis.ope.models import made_logs

N = 1500
MODELS = [Ridge(), Logistic(), Brought(DecisionTreeRegressor(max_depth=4, random_state=1)), Vowpal()]
QUICK = MODELS[:2]


def by_folds(log, model):
    return made_logs.streamed(predictor(log, model, is_adaptive=False), log.blocks())


def by_earlier(log, model, cuts=()):
    bounds = [0, *sorted(cuts), len(log)]
    blocks = (log[start:stop] for start, stop in pairwise(bounds) if stop > start)
    return made_logs.streamed(predictor(None, model, is_adaptive=True), blocks)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_a_draws_own_reward_changes_nothing_in_its_prediction_by_folds(model):
    log = made_logs.ranged(made_logs.clicks(n=400), 0.0, 1.0)
    row = 123
    before, after = by_folds(log, model), by_folds(made_logs.with_reward(log, row, 1 - log.reward[row]), model)
    is_its_fold = folds(log) == folds(log)[row]
    np.testing.assert_array_equal(before[is_its_fold], after[is_its_fold])
    assert not np.array_equal(before[~is_its_fold], after[~is_its_fold])


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
@pytest.mark.parametrize("row", [0, 255, 256, 600])
def test_no_reward_changes_an_earlier_or_its_own_prediction(model, row):
    log = made_logs.ranged(made_logs.clicks(n=1100), 0.0, 1.0)
    before, after = by_earlier(log, model), by_earlier(made_logs.with_reward(log, row, 1 - log.reward[row]), model)
    np.testing.assert_array_equal(before[: row + 1], after[: row + 1])
    assert not np.array_equal(before[row + 1 :], after[row + 1 :])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, N - 1), st.lists(st.integers(1, N - 1), max_size=6))
def test_it_is_the_same_however_a_log_is_cut_into_blocks(row, cuts):
    log = made_logs.with_reward(made_logs.baskets(n=N), row, 1e3)
    for model in QUICK:
        np.testing.assert_allclose(by_earlier(log, model, cuts), by_earlier(log, model), rtol=1e-9)


@pytest.mark.parametrize("model", MODELS[2:], ids=lambda model: type(model).__name__)
def test_models_that_are_slow_too_are_the_same_however_a_log_is_cut(model):
    log = made_logs.ranged(made_logs.clicks(n=700), 0.0, 1.0)
    np.testing.assert_allclose(by_earlier(log, model, [1, 300, 512]), by_earlier(log, model), rtol=1e-9)


def test_an_adaptive_log_in_memory_is_predicted_as_a_stream():
    log = made_logs.baskets()
    in_memory = made_logs.streamed(predictor(log, Ridge(), is_adaptive=True), log.blocks())
    np.testing.assert_array_equal(in_memory, by_earlier(log, Ridge()))


def test_ridge_by_earlier_draws_is_what_adaptive_reports_use():
    log = made_logs.baskets()
    drawn = Drawn.of(log.variant, log.reward, np.zeros(len(log), np.int64), log.patterns, log.context)
    np.testing.assert_allclose(by_earlier(log, Ridge()), predictions(drawn), rtol=1e-9)


def test_a_log_has_the_same_folds_in_whatever_part_it_comes():
    log = made_logs.clicks()
    assert folds(log).tolist() == [*folds(log[:100]), *folds(log[100:])]
    # 1,500 units fall into 5 folds of 300 each, give or take 4 standard deviations of 15.5.
    assert np.abs(np.bincount(folds(log), minlength=N_FOLDS) - 300).max() < 62


def test_a_units_draws_are_in_one_fold_and_so_are_a_slates():
    log = made_logs.clicks()
    units = np.random.default_rng(1).integers(0, 200, len(log))
    fold = folds(replace(log, unit=units))
    assert all(len(set(fold[units == unit].tolist())) == 1 for unit in range(200))
    slates = np.arange(len(log)) // 3
    fold = folds(replace(log, slate=slates))
    assert all(len(set(fold[slates == slate].tolist())) == 1 for slate in range(500))


def test_another_draw_of_the_same_unit_does_not_teach_its_prediction():
    log = made_logs.baskets()
    log = replace(log, unit=np.arange(len(log)) % 300)
    changed = made_logs.with_reward(log, 42, 1e3)
    before, after = by_folds(log, Ridge()), by_folds(changed, Ridge())
    np.testing.assert_array_equal(before[log.unit == 42], after[log.unit == 42])


@pytest.mark.parametrize("row", [255, 256, 257, 511, 512])
def test_a_slate_is_predicted_by_what_came_before_all_of_it(row):
    log = made_logs.baskets()
    log = replace(log, slate=np.arange(len(log)) // 4)
    before, after = by_earlier(log, Ridge()), by_earlier(made_logs.with_reward(log, row, 1e3), Ridge())
    until = 4 * (row // 4 + 1) if row >= 256 else row + 1
    np.testing.assert_array_equal(before[:until], after[:until])


def test_blocks_that_were_only_learned_teach_as_much_as_those_that_were_predicted():
    log = made_logs.baskets()
    passed_over = predictor(None, Ridge(), is_adaptive=True)
    passed_over.learn(log[:1000])
    np.testing.assert_array_equal(passed_over.predict(log[1000:]), by_earlier(log, Ridge(), [1000])[1000:])


def test_a_block_that_is_asked_about_twice_is_learned_once():
    log = made_logs.baskets()
    found = predictor(None, Ridge(), is_adaptive=True)
    first = found.predict(log)
    assert found.predict(log) is first
    found.learn(log)
    other = predictor(None, Ridge(), is_adaptive=True)
    other.learn(log)
    asked = made_logs.baskets(n=50, seed=1)
    np.testing.assert_array_equal(found.predict(asked), other.predict(asked))


def test_a_stream_may_number_variants_and_words_anew_in_each_part():
    log = made_logs.baskets()
    part = log[700:]
    turned = np.array([2, 0, 1])
    renamed = replace(
        part,
        variants=tuple(log.variants[place] for place in turned),
        variant=np.argsort(turned)[part.variant],
        words=(tuple(reversed(made_logs.WORDS)),),
        context=replace(part.context, codes=np.where(part.context.codes < 0, -1, 2 - part.context.codes)),
    )
    wanted = by_earlier(log, Ridge(), [700])
    found = made_logs.streamed(predictor(None, Ridge(), is_adaptive=True), [log[:700], renamed])
    np.testing.assert_allclose(found[:700], wanted[:700], rtol=1e-12)
    np.testing.assert_allclose(found[700:], wanted[700:][:, turned], rtol=1e-9)


def test_without_a_model_nothing_is_expected():
    log = made_logs.clicks()
    found = no_model()
    found.learn(log)
    assert not found.predict(log).any()
    assert found.predict(log).shape == (len(log), log.k)


def test_what_was_there_before_predicts_a_log_as_it_is():
    log = made_logs.clicks(n=300)
    numbers = np.random.default_rng(2).random((300, 3))
    for is_adaptive in (False, True):
        found = predictor(log, predicted(numbers, log), is_adaptive=is_adaptive)
        np.testing.assert_array_equal(made_logs.streamed(found, log.blocks(100)), numbers)


def test_draws_that_cannot_be_read_are_left_out_of_folds():
    log = made_logs.clicks(n=300)
    log.reward[3] = np.nan
    log.variant[4] = 99
    sound = np.delete(np.arange(300), [3, 4])
    found = predictor(log, Ridge(), is_adaptive=False).predict(log[sound])
    np.testing.assert_array_equal(found, predictor(log[sound], Ridge(), is_adaptive=False).predict(log[sound]))


def test_its_name_says_by_which_draws():
    log = made_logs.clicks(n=10)
    assert str(predictor(log, Ridge(), is_adaptive=False).name) == "ridge regression by 5 folds"
    assert str(predictor(log, Logistic(), is_adaptive=True).name) == "logistic regression on earlier draws"
    assert str(no_model().name) == "no model of the reward"


@pytest.mark.parametrize("brought", [DecisionTreeRegressor(), np.zeros((10, 3))])
def test_what_is_no_model_is_refused_with_how_to_bring_it(brought):
    log = made_logs.clicks(n=10)
    with pytest.raises(InvalidRequest, match=r"give ope\.models\.Brought of it, or FittedBefore"):
        predictor(log, brought, is_adaptive=False)
