"""obp's bandit feedback: positions or none, whole distributions or none, and each fault."""

import numpy as np
import pytest

from analysis.ope.doors import obp
from analysis.ope.targets.given import given
from engine.errors import InvalidRequest

FEEDBACK = {
    "n_rounds": 3,
    "n_actions": 2,
    "action": np.array([0, 1, 1]),
    "position": np.array([0, 2, 1]),
    "reward": np.array([0, 1, 0]),
    "pscore": np.array([0.5, 0.25, 0.5]),
    "context": np.array([[1.0, 2.0], [3.0, np.nan], [5.0, 6.0]]),
    "action_context": np.array([[0.5], [1.5]]),
}


def test_a_round_is_a_row_and_its_position_a_slot():
    log = obp.read(FEEDBACK)
    assert (log.variants, log.variant.tolist(), log.slot.tolist()) == (("0", "1"), [0, 1, 1], [0, 2, 1])
    assert (log.reward.tolist(), log.propensity.tolist()) == ([0.0, 1.0, 0.0], [0.5, 0.25, 0.5])
    assert (log.row.tolist(), log.slate.tolist()) == ([0, 1, 2], [0, 1, 2])
    assert log.collection.is_adaptive, "obp does not say that it is not"
    assert log.probabilities is None


def test_a_policy_is_asked_with_both_contexts():
    (question,) = obp.read(FEEDBACK)[1:2].questions()
    assert question.context == {"x0": 3.0}
    assert [(variant.name, variant.features) for variant in question.eligible] == [
        ("0", {"x0": 0.5}),
        ("1", {"x0": 1.5}),
    ]


def test_there_need_be_no_position_and_no_context():
    log = obp.read({**FEEDBACK, "position": None, "context": None, "action_context": None})
    assert log.slot.tolist() == [0, 0, 0]
    assert next(log.questions()).context == {}


def test_whole_distributions_are_those_of_each_rounds_position():
    pi_b = np.zeros((3, 2, 3))
    pi_b[0, :, 0], pi_b[1, :, 2], pi_b[2, :, 1] = (0.5, 0.5), (0.75, 0.25), (0.5, 0.5)
    log = obp.read({**FEEDBACK, "pi_b": pi_b})
    assert log.probabilities.tolist() == [[0.5, 0.5], [0.75, 0.25], [0.5, 0.5]]
    assert log.could_be.all()
    back = obp.feedback_of(log)["pi_b"]
    assert np.isnan(back[0, :, 1:]).all()
    assert back[1, :, 2].tolist() == [0.75, 0.25]


def test_an_action_dist_is_a_given_target():
    action_dist = np.random.default_rng(1).dirichlet([1.0, 1.0], size=(3, 3)).transpose(0, 2, 1)
    log = obp.read({**FEEDBACK, "reward": np.array([0, np.nan, 1])})
    found = given(action_dist).probabilities(log)
    assert found.tolist() == [action_dist[0, :, 0].tolist(), action_dist[2, :, 1].tolist()]


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("action", 2, "variant"),
        ("action", -1, "variant"),
        ("action", 0.5, "variant"),
        ("position", -1, "variant"),
        ("pscore", np.nan, "no_propensity"),
        ("pscore", 0, "propensity"),
        ("pscore", 1.5, "propensity"),
        ("reward", np.inf, "reward"),
        ("reward", np.nan, "reward"),
    ],
)
def test_a_round_that_cannot_be_used_is_counted_and_the_rest_is_read(name, value, why):
    column = FEEDBACK[name].astype(float)
    column[1] = value
    log = obp.read({**FEEDBACK, name: column})
    assert log.row.tolist() == [0, 2]
    (left,) = log.left_out
    assert (left.n, left.what.key, str(left.what)[-14:]) == (1, f"ope.door.{why}", "(the first: 1)")


def test_a_propensity_that_is_not_its_distributions_is_left_out():
    log = obp.read({**FEEDBACK, "position": None, "pi_b": np.full((3, 2, 1), 0.5)})
    assert [count.what.key for count in log.left_out] == ["ope.door.propensity"]
    assert log.row.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"pscore": None}, "has no `pscore`"),
        ({"n_rounds": None}, "must say `n_rounds`"),
        ({"reward": np.zeros(4)}, r"`reward` must be \(3,\)"),
        ({"context": np.zeros((2, 1))}, r"`context` must be \(3, -1\)"),
        ({"action": ["a", "b", "c"]}, "must be an array of numbers"),
        ({"pi_b": np.zeros((3, 2, 1))}, "has 1 positions, and `position` goes up to 2"),
        ({"pscore": np.zeros(3)}, "no draw to evaluate from: left out were draws whose propensity"),
    ],
)
def test_feedback_that_cannot_be_read_is_one_error(changes, match):
    with pytest.raises(InvalidRequest, match=match):
        obp.read({**FEEDBACK, **changes})
