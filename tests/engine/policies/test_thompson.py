from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from engine.errors import SnapshotRefused
from engine.experiments import Experiment, Variant
from engine.metrics import Metric
from engine.policies.posteriors import probability_of_best
from engine.policies.thompson import ThompsonPolicy
from engine.records import Assignment, Reason, Reward, Unit
from engine.specs import ThompsonSpec

VARIANTS = (Variant("a"), Variant("b"), Variant("é"))
EXPERIMENT = Experiment("hero", VARIANTS, (Metric("click"),), policy=ThompsonSpec())
NOW = datetime(2024, 1, 1, tzinfo=UTC)


def reward(variant: str, value: float) -> Reward:
    return Reward(Assignment("hero", variant, Reason.DRAWN, Unit("customer", "1"), NOW, NOW), value, NOW, 1)


def test_rewards_are_successes_and_the_rest_failures():
    policy = ThompsonPolicy(EXPERIMENT)
    policy.learn([reward("a", 1.0), reward("a", 0.0), reward("b", 0.25), reward("é", 1.0)])
    assert json.loads(policy.serialize()) == {"a": [2.0, 2.0], "b": [1.25, 1.75], "é": [2.0, 1.0]}
    assert policy.distribution({}, VARIANTS) == probability_of_best([(2, 2), (1.25, 1.75), (2, 1)])
    assert policy.distribution({}, VARIANTS[:2]) == probability_of_best([(2, 2), (1.25, 1.75)])


def test_an_answer_is_remembered_until_something_is_learned():
    policy = ThompsonPolicy(EXPERIMENT)
    before = policy.distribution({}, VARIANTS)
    assert policy.distribution({"age": 3.0}, list(VARIANTS)) is before
    policy.learn([reward("a", 1.0)])
    assert policy.distribution({}, VARIANTS)[0] > before[0]


def test_the_state_is_canonical_json_whose_floats_survive():
    policy = ThompsonPolicy(EXPERIMENT)
    policy.learn([reward("a", value) for value in (0.1, 0.2, 1 / 3)])
    blob = policy.serialize()
    assert blob == b'{"a":[%r,%r],"b":[1.0,1.0],"\\u00e9":[1.0,1.0]}' % (
        1.0 + 0.1 + 0.2 + 1 / 3,
        1.0 + (1 - 0.1) + (1 - 0.2) + (1 - 1 / 3),
    )
    assert ThompsonPolicy(EXPERIMENT, blob).serialize() == blob


@pytest.mark.parametrize(
    "blob",
    [
        b'{"a":[1.0,1.0],"b":[1.0,1.0]}',
        b'{"a":[1.0,1.0],"b":[1.0,1.0],"c":[1.0,1.0],"\\u00e9":[1.0,1.0]}',
        b'{"a":[1.0,1.0],"b":[1.0,1.0],"\\u00e9":[1.0]}',
        b'{"a":[1.0,1.0],"b":[1.0,1.0],"\\u00e9":[1.0,1.0,1.0]}',
        b'{"a":[1.0,1.0],"b":[1.0,1.0],"\\u00e9":[1.0,"x"]}',
        b'{"a":[1.0,1.0],"b":[1.0,1.0],"\\u00e9":[0.5,1.0]}',
        b'{"a":[1.0,1.0],"b":[1.0,1.0],"\\u00e9":[NaN,1.0]}',
        b'{"a":[1.0,1.0],"b":[1.0,1.0],"\\u00e9":[1.0,Infinity]}',
        b'{"a":[1.0, 1.0],"b":[1.0,1.0],"\\u00e9":[1.0,1.0]}',
        b'{"a":[2.0,1.0],"a":[1.0,1.0],"b":[1.0,1.0],"\\u00e9":[1.0,1.0]}',
        b'["a","b"]',
        b"null",
        b"\x80",
        b"[" * 100_000,
    ],
)
def test_what_is_no_state_is_refused(blob):
    with pytest.raises(SnapshotRefused):
        ThompsonPolicy(EXPERIMENT, blob)


def test_the_prior_is_declared_and_said():
    spec = ThompsonSpec(prior_alpha=2, prior_beta=5.5)
    policy = ThompsonPolicy(Experiment("hero", VARIANTS, (Metric("click"),), policy=spec))
    assert policy.arguments == ("prior_alpha=2.0", "prior_beta=5.5")
    assert policy.library.startswith("scipy ")
    assert json.loads(policy.serialize())["b"] == [2.0, 5.5]


def test_a_prior_that_grew_is_no_state_of_the_smaller_experiment():
    spec = ThompsonSpec(prior_alpha=2, prior_beta=5)
    with pytest.raises(SnapshotRefused):
        ThompsonPolicy(
            Experiment("hero", VARIANTS, (Metric("click"),), policy=spec), ThompsonPolicy(EXPERIMENT).serialize()
        )
