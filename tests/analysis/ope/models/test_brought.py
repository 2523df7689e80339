"""Models that are brought: any object with scikit-learn's methods, fitted on draws or before them."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from analysis.adaptive.encoding import Encoding
from analysis.ope.logged import Question
from analysis.ope.models.brought import Brought, FittedBefore
from analysis.ope.models.inputs import plain
from analysis.ope.models.predicting import predictor
from engine.errors import InvalidRequest
from engine.experiments import Variant
from tests.analysis.ope.models import made_logs

K = made_logs.K


def one_hot(n, place):
    return np.eye(K)[np.full(n, place)]


def priced(n=400, seed=0):
    """Each draw is among two or three offers of its own; a cheap one brings more, and so does one in budget."""
    random = np.random.default_rng(seed)
    prices = random.random((n, 3))
    n_offers = random.integers(2, 4, n)
    log = made_logs.without_context(made_logs.clicks(n=n, seed=seed))
    variant = (random.random(n) * n_offers).astype(int)

    def ask(rows):
        for row in rows:
            offers = tuple(
                Variant(f"offer {row} {place}", features={"price": price})
                for place, price in enumerate(prices[row, : n_offers[row]])
            )
            yield Question({}, offers)

    reward = 1 - prices[np.arange(n), variant]
    return replace(log, variant=variant, reward=reward, ask=ask), prices, n_offers


def by_price(question, variant):
    return [1.0, variant.features["price"]]


def test_it_is_fitted_on_the_encoded_context_and_one_column_a_variant():
    log, other = made_logs.baskets(), made_logs.baskets(n=60, seed=1)
    encoding = Encoding.of(log.context)

    def columns(draws):
        return encoding.columns(draws.context)[:, 1:]

    tree = DecisionTreeRegressor(max_depth=5, random_state=1)
    wanted = DecisionTreeRegressor(max_depth=5, random_state=1)
    wanted.fit(np.hstack([columns(log), np.eye(K)[log.variant]]), log.reward)
    found = Brought(tree).fit(log).predict(other)
    for place in range(K):
        inputs = np.hstack([columns(other), one_hot(len(other), place)])
        np.testing.assert_array_equal(found[:, place], wanted.predict(inputs))


def test_what_is_brought_stays_unfitted():
    tree = DecisionTreeRegressor(random_state=1)
    Brought(tree).fit(made_logs.clicks(n=100))
    assert not hasattr(tree, "tree_")


def test_a_classifier_predicts_the_mean_of_its_classes():
    log = made_logs.clicks()
    halves = replace(log, reward=log.reward * (1 + log.variant) / 4)
    amounts = sorted(set(halves.reward.tolist()))
    assert amounts == [0.0, 0.25, 0.5, 0.75]
    labels = DecisionTreeClassifier(max_depth=1, random_state=1)
    found = Brought(_OfAmounts(labels)).fit(halves).predict(halves)
    assert 0 < found.min() < found.max() < 0.75


class _OfAmounts:
    """A classifier of amounts: scikit-learn's own takes whole numbers alone."""

    def __init__(self, labels):
        self.labels = labels

    def fit(self, inputs, rewards):
        self.classes_, codes = np.unique(rewards, return_inverse=True)
        self.labels.fit(inputs, codes)

    def predict_proba(self, inputs):
        return self.labels.predict_proba(inputs)


def test_a_classifier_of_clicks_predicts_their_chance():
    log, other = made_logs.clicks(n=6000), made_logs.clicks(n=500, seed=1)
    found = Brought(LogisticRegression()).fit(log).predict(other)
    by_chance = LogisticRegression()
    encoding = Encoding.of(log.context)
    by_chance.fit(np.hstack([encoding.columns(log.context)[:, 1:], np.eye(K)[log.variant]]), log.reward)
    inputs = np.hstack([encoding.columns(other.context)[:, 1:], one_hot(500, 2)])
    np.testing.assert_allclose(found[:, 2], by_chance.predict_proba(inputs)[:, 1], rtol=1e-12)


def test_without_two_different_rewards_the_one_that_there_is_is_predicted():
    log = made_logs.clicks(n=50)
    same = replace(log, reward=np.full(50, 0.25))
    assert (Brought(LogisticRegression()).fit(same).predict(log) == 0.25).all()
    assert not Brought(LogisticRegression()).fit(log[:0]).predict(log).any()


def test_a_pair_tells_candidates_apart_by_their_features():
    log, prices, n_offers = priced()
    other, other_prices, n_other = priced(n=100, seed=1)
    found = Brought(LinearRegression(), by_price).fit(log).predict(other)
    could_be = np.arange(3) < n_other[:, None]
    np.testing.assert_allclose(found[could_be], np.clip(1 - other_prices, log.reward.min(), log.reward.max())[could_be])
    # What could not be drawn is of no weight, and finite all the same.
    assert np.isfinite(found).all()
    streamed = made_logs.streamed(
        predictor(None, Brought(LinearRegression(), by_price), is_adaptive=True), log.blocks()
    )
    is_later = np.arange(400) >= 256
    could_be = (np.arange(3) < n_offers[:, None]) & is_later[:, None]
    assert np.abs(streamed - (1 - prices))[could_be].max() < 0.05


def test_what_was_fitted_before_is_used_as_it_is():
    log, other = made_logs.baskets(), made_logs.baskets(seed=1)
    tree = DecisionTreeRegressor(max_depth=6, random_state=1).fit(plain(log), log.reward)
    found = predictor(other, FittedBefore(tree), is_adaptive=False).predict(other)
    drawn = np.arange(len(other)), other.variant
    np.testing.assert_array_equal(found[drawn], tree.predict(plain(other)))


def test_the_plain_columns_are_the_context_as_it_is_and_one_a_variant():
    log = made_logs.clicks(n=5)
    codes = log.context.codes[:, 0]
    words = (codes[:, None] == np.arange(3)).astype(float)
    wanted = np.hstack([log.context.numbers, words, np.eye(K)[log.variant]])
    np.testing.assert_array_equal(plain(log), wanted)


def test_what_was_fitted_before_reads_pairs_too():
    log, prices, n_offers = priced()
    line = LinearRegression().fit(np.column_stack([np.ones(400), prices[:, 0]]), 2 - prices[:, 0])
    found = FittedBefore(line, by_price).predict(log)
    could_be = np.arange(3) < n_offers[:, None]
    np.testing.assert_allclose(found[could_be], (2 - prices)[could_be])


class _Broken:
    def fit(self, inputs, rewards):
        pass

    def predict(self, inputs):
        return np.full(len(inputs), np.nan)


def test_an_object_that_refuses_or_predicts_no_number_is_an_error_that_names_it():
    log = made_logs.baskets(n=100)
    with pytest.raises(InvalidRequest, match="LogisticRegression cannot be fitted to the draws: Unknown label type"):
        Brought(LogisticRegression()).fit(log)
    with pytest.raises(InvalidRequest, match="_Broken predicts what is no finite number"):
        Brought(_Broken()).fit(log).predict(log)
    tree = DecisionTreeRegressor().fit(np.zeros((4, 2)), np.arange(4.0))
    with pytest.raises(InvalidRequest, match="DecisionTreeRegressor cannot predict the draws: X has 8 features"):
        FittedBefore(tree).predict(log)


def test_a_draw_of_what_was_not_eligible_is_refused():
    log, _, n_offers = priced()
    row = int(np.flatnonzero(n_offers == 2)[0])
    log.variant[row] = 2
    with pytest.raises(InvalidRequest, match=f"row {row}: what was drawn is not among what was eligible"):
        Brought(LinearRegression(), by_price).fit(log)
