"""Slates against loops, and against every slate of a tiny world."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.ope.estimators.dr import Dr
from analysis.ope.estimators.ips import Ips
from analysis.ope.estimators.slates import reward_interaction, whole
from analysis.ope.logged import Logged
from analysis.ope.weighed import less, on_policy, weighed
from tests.analysis.ope.estimators.making import names, part_of

FIRST_LOGGED, FIRST_TARGET = np.array([0.5, 0.3, 0.2]), np.array([0.1, 0.2, 0.7])
SECOND_LOGGED = np.array([[0.0, 0.6, 0.4], [0.5, 0.0, 0.5], [0.9, 0.1, 0.0]])
SECOND_TARGET = np.array([[0.0, 0.1, 0.9], [0.8, 0.0, 0.2], [0.4, 0.6, 0.0]])
"""A slate of two out of three: the second slot's distribution, (3, 3), is by what the first one got."""

PREDICTIONS = st.lists(st.floats(-2, 2), min_size=12, max_size=12)


def cascade(first, second):
    """What the two slots bring where people look from the top: a slot's reward depends on those up to it."""
    return 0.1 + 0.3 * first, 0.2 + 0.5 * (first == 0) + 0.1 * second


def interacting(first, second):
    """What they bring where the second slot takes from the first."""
    return 0.1 + 0.3 * first - 0.2 * (second == 1), 0.2 + 0.1 * second


def every_slate(rewards, predicted, second_logged=SECOND_LOGGED):
    """Return all slates that are logged as the rows of one log, what they say, their probabilities, and the value.

    `predicted` are three for the first slot and nine for the second, by what the first one got.
    """
    pairs = [(one, two) for one, two in product(range(3), range(3)) if one != two and second_logged[one, two] > 0]
    variant = np.array(pairs).ravel()
    logged = by_slot(pairs, FIRST_LOGGED, second_logged)
    target = by_slot(pairs, FIRST_TARGET, SECOND_TARGET)
    rows = np.arange(len(variant))
    reward = np.array([each for pair in pairs for each in rewards(*pair)], np.float64)
    log = Logged.of(names(3), variant, reward, logged[rows, variant], probabilities=logged)
    log = replace(log, slate=rows // 2, slot=rows % 2)
    part = weighed(log, target, by_slot(pairs, np.array(predicted[:3]), np.reshape(predicted[3:], (3, 3))))
    value = sum(FIRST_TARGET[one] * SECOND_TARGET[one, two] * sum(rewards(one, two)) for one, two in ALL)
    return log, part, np.array([FIRST_LOGGED[one] * second_logged[one, two] for one, two in pairs]), value


ALL = [(one, two) for one, two in product(range(3), range(3)) if one != two]


def by_slot(pairs, first, second):
    """Return a row for each slot of each slate, (2 * n_slates, 3)."""
    return np.array([row for one, _ in pairs for row in (first, second[one])])


def expected(estimator, part, probability):
    (term,) = estimator.terms(part)
    return float(probability @ term)


@given(PREDICTIONS)
def test_under_the_cascade_no_slate_estimator_is_biased_whatever_the_model(predicted):
    _, part, probability, value = every_slate(cascade, predicted)
    assert expected(Ips(), whole(part), probability) == pytest.approx(value, abs=1e-13)
    assert expected(Dr(), whole(part), probability) == pytest.approx(value, abs=1e-13)
    assert expected(Dr(), reward_interaction(part), probability) == pytest.approx(value, abs=1e-13)


def test_where_later_slots_act_on_earlier_ones_standard_ips_alone_is_right():
    _, part, probability, value = every_slate(interacting, np.zeros(12))
    assert expected(Ips(), whole(part), probability) == pytest.approx(value, abs=1e-13)
    assert abs(expected(Dr(), reward_interaction(part), probability) - value) > 0.01
    assert abs(expected(Dr(), whole(part), probability) - value) > 0.01


def test_each_assumption_makes_it_narrower_and_a_model_narrower_still():
    true = [*(0.1 + 0.3 * np.arange(3)), *(0.2 + 0.5 * (one == 0) + 0.1 * two for one in range(3) for two in range(3))]
    _, part, probability, value = every_slate(cascade, true)
    variances = [
        float(probability @ (term - value) ** 2)
        for term in (whole(part).score, reward_interaction(part).score, whole(part).weight * whole(part).reward)
    ]
    assert variances == sorted(variances)
    assert variances[0] < variances[1] / 2


def test_predictions_may_be_of_the_rewards_from_a_slot_on_and_are_narrower_then():
    own = [*(0.1 + 0.3 * np.arange(3)), *(0.2 + 0.5 * (one == 0) + 0.1 * two for one in range(3) for two in range(3))]
    second = np.reshape(own[3:], (3, 3))
    onward = [*(own[one] + SECOND_TARGET[one] @ second[one] for one in range(3)), *own[3:]]
    spread = {}
    for name, model in (("own", own), ("onward", onward)):
        _, part, probability, value = every_slate(cascade, model)
        score = whole(part).score
        assert float(probability @ score) == pytest.approx(value, abs=1e-13)
        spread[name] = float(probability @ (score - value) ** 2)
    assert spread["onward"] < 1e-20 < spread["own"]


def test_what_a_slate_leaves_unsupported_is_what_the_target_could_not_have_drawn():
    """After variant 1 the log never has variant 2, and a fifth of the target's slates there do."""
    second_logged = np.array([[0.0, 0.6, 0.4], [1.0, 0.0, 0.0], [0.9, 0.1, 0.0]])
    _, part, probability, _ = every_slate(cascade, np.zeros(12), second_logged)
    assert float(probability @ whole(part).unsupported) == pytest.approx(FIRST_TARGET[1] * 0.2, abs=1e-14)


def by_loop(part):
    """The same, slate by slate and slot by slot."""
    found = {}
    for row in range(len(part)):
        slate = found.setdefault(int(part.slate[row]), {"before": 1.0, "reward": 0.0, "score": 0.0, "expected": 0.0})
        slate["reward"] += part.reward[row]
        slate["score"] += slate["before"] * part.score[row]
        slate["expected"] += slate["before"] * part.expected[row]
        slate["before"] *= part.weight[row]
    return found


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 5), min_size=1, max_size=30))
def test_slates_of_any_length_are_put_together_as_a_loop_does(seed, lengths):
    n = sum(lengths)
    part = part_of(seed, n=n)
    rng = np.random.default_rng(seed)
    weight = np.where(rng.random(n) < 0.3, 0.0, part.weight)
    score = part.expected + weight * (part.reward - part.predicted)
    part = replace(part, weight=weight, score=score, slate=np.repeat(np.arange(len(lengths)) + 7, lengths))
    found, looped = whole(part), by_loop(part)
    assert found.slate.tolist() == list(looped)
    np.testing.assert_allclose(found.weight, [each["before"] for each in looped.values()], rtol=1e-14, atol=0)
    for name in ("reward", "score", "expected"):
        np.testing.assert_allclose(getattr(found, name), [each[name] for each in looped.values()], atol=1e-12)


def test_a_log_without_slates_is_what_it_was():
    part = part_of(3)
    assert whole(part) is part
    assert len(whole(part[:0])) == 0


def test_a_slate_has_no_bounds_and_is_of_its_first_slots_unit():
    _, part, _, _ = every_slate(cascade, np.zeros(12))
    found = whole(replace(part, unit=np.arange(12) + 100))
    assert found.unit.tolist() == [100, 102, 104, 106, 108, 110]
    for name in ("largest", "noise", "below", "above"):
        assert np.isnan(getattr(found, name)).all()


def test_the_difference_of_two_targets_is_that_of_their_slates():
    log, part, probability, value = every_slate(cascade, np.zeros(12))
    drawn = on_policy(log)
    found = less(whole(part), whole(drawn))
    worth = float(probability @ log.reward.reshape(-1, 2).sum(axis=1))
    assert float(probability @ found.score) == pytest.approx(value - worth, abs=1e-13)
