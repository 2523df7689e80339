"""Coba's interactions: what its actions and contexts can be, and what it would read as certain."""

import json
from collections import Counter

import numpy as np
import pytest

from analysis.ope.doors import coba
from engine.errors import InvalidRequest

LOGGED = {"context": {"day": "Mon"}, "actions": ["a", "b"], "action": "b", "reward": 1, "probability": 0.25}


def read(*interactions, **options):
    (log,) = coba.read(interactions, **options)
    return log


def but(**changes):
    """Return the interaction with changes; what is None is not there."""
    return {name: value for name, value in {**LOGGED, **changes}.items() if value is not None}


def test_a_logged_interaction_is_a_draw():
    log = read(LOGGED)
    assert (log.variants, log.variant.tolist()) == (("a", "b"), [1])
    assert (log.reward.tolist(), log.propensity.tolist()) == ([1.0], [0.25])
    assert log.probabilities is None
    assert next(log.questions()).context == {"day": "Mon"}


def test_a_missing_probability_is_never_one():
    log = read(LOGGED, but(probability=None), {**LOGGED, "probability": None}, LOGGED)
    assert log.row.tolist() == [1, 4]
    assert [(left.n, left.what.key) for left in log.left_out] == [(2, "ope.door.no_propensity")]
    with pytest.raises(InvalidRequest, match="left out were draws without a propensity, which is never taken for 1"):
        read(but(probability=None))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"action": None, "rewards": [0, 1]}, "not_drawn"),
        ({"action": "c"}, "variant"),
        ({"actions": None}, "variant"),
        ({"actions": []}, "variant"),
        ({"actions": ["b", "b"]}, "variant"),
        ({"probability": 0.0}, "propensity"),
        ({"probability": 1.5}, "propensity"),
        ({"probability": "often"}, "propensity"),
        ({"reward": None}, "reward"),
        ({"reward": float("inf")}, "reward"),
        ({"probabilities": [0.5, 0.4]}, "distribution"),
        ({"probabilities": [1.0]}, "distribution"),
        ({"probabilities": [0.5, 0.5]}, "propensity"),
        ({"unit": ["a"]}, "broken"),
        ({"slot": 0.5}, "broken"),
    ],
)
def test_what_cannot_be_used_is_counted_and_the_rest_is_read(changes, why):
    log = read(LOGGED, but(**changes), LOGGED)
    assert log.row.tolist() == [1, 3]
    assert Counter(left.what.key for left in log.left_out) == {f"ope.door.{why}": 1}


@pytest.mark.parametrize(
    ("context", "fields"),
    [
        (None, {}),
        (3, {"context": 3.0}),
        ("red", {"context": "red"}),
        ((1, "x"), {"0": 1.0, "x": True}),
        ({"a": {"b": np.float32(0.5)}, "c": None}, {"a.b": 0.5}),
    ],
)
def test_a_context_may_be_anything_that_coba_takes(context, fields):
    assert next(read({**LOGGED, "context": context}).questions()).context == fields


def test_actions_may_be_values_or_have_features():
    actions = [{"price": 3, "size": [1, 2]}, {"price": 4, "size": [2, 2]}]
    log = read({**LOGGED, "actions": actions, "action": actions[1]})
    assert log.variant.tolist() == [1]
    assert [variant.features for variant in next(log.questions()).eligible] == [
        {"price": 3.0, "size.0": 1.0, "size.1": 2.0},
        {"price": 4.0, "size.0": 2.0, "size.1": 2.0},
    ]
    assert read({**LOGGED, "actions": [(1, 0), (0, 1)], "action": (1, 0)}).variant.tolist() == [0]


def test_actions_that_change_are_places_unless_their_names_are_given():
    other = {**LOGGED, "actions": ["b", "c", "d"], "action": "c"}
    places = read(LOGGED, other)
    assert (places.variants, places.variant.tolist()) == (("1", "2", "3"), [1, 1])
    assert places.could_be.tolist() == [[True, True, False], [True, True, True]]
    named = read(LOGGED, other, variants=("a", "b", "c", "d"))
    assert (named.variants, named.variant.tolist()) == (("a", "b", "c", "d"), [1, 2])
    assert named.could_be.tolist() == [[True, True, False, False], [False, True, True, True]]


def test_a_file_has_one_interaction_a_line(tmp_path):
    path = tmp_path / "log.json"
    path.write_text("\n".join([json.dumps(LOGGED), "{", "7", "", json.dumps(LOGGED)]))
    (log,) = coba.read(path)
    assert log.row.tolist() == [1, 5]
    assert [(left.n, str(left.what)) for left in log.left_out] == [(2, "lines that cannot be read (the first: 2, 3)")]


def test_interactions_may_come_one_by_one():
    blocks = list(coba.read((LOGGED for _ in range(5)), n=2))
    assert [len(block) for block in blocks] == [2, 2, 1]
