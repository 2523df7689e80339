"""The linear bandit, against the textbook's ridge regression and in a world of which the best variant is known."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from engine.errors import PolicyFailed, SnapshotRefused
from engine.experiments import ContextField, Experiment, FieldType, Variant
from engine.metrics import Metric
from engine.policies.linear import MAX_FEATURES, LinearPolicy
from engine.records import Assignment, Reason, Reward, Unit
from engine.specs import LinearSpec

VARIANTS = (Variant("a"), Variant("b"), Variant("c"))
FIELDS = (
    ContextField("x", FieldType.NUMBER),
    ContextField("y", FieldType.NUMBER),
    ContextField("city", FieldType.TEXT),
)
HERO = Experiment("hero", VARIANTS, (Metric("click"),), context=FIELDS, policy=LinearSpec(width=0.3, prior_weight=2.0))
START = datetime(2026, 3, 1, tzinfo=UTC)


def reward(context, variant, value, seq=0):
    names = tuple(each.name for each in VARIANTS)
    row = Assignment(
        "hero", variant, Reason.DRAWN, Unit("customer", "u"), START, START, eligible=names, context=context
    )
    return Reward(row, value, START + timedelta(seconds=seq), 1)


def some_rewards(n, seed=0):
    rng = np.random.default_rng(seed)
    slopes = {"a": (0.2, 0.0), "b": (-0.2, 0.1), "c": (0.0, 0.0)}
    found = []
    for seq in range(n):
        x, y = rng.uniform(-1, 1, 2).tolist()
        variant = "abc"[rng.integers(3)]
        mean = 0.5 + slopes[variant][0] * x + slopes[variant][1] * y
        found.append(reward({"x": x, "y": y, "city": "Oslo"}, variant, float(rng.random() < mean), seq))
    return found


def test_its_model_is_ridge_regression_around_the_average():
    policy, rewards = LinearPolicy(HERO), some_rewards(500)
    policy.learn(rewards)
    average = np.mean([each.value for each in rewards])
    for name in "abc":
        own = [each for each in rewards if each.assignment.variant == name]
        # A constant, the numbers, and the one city: the order of the columns does not matter to a prediction.
        design = np.array([[1.0, each.assignment.context["x"], each.assignment.context["y"], 1.0] for each in own])
        target = np.array([each.value for each in own]) - average
        coefficients = np.linalg.solve(design.T @ design + 2.0 * np.eye(4), design.T @ target)
        predicted = average + np.array([1.0, 0.3, -0.4, 1.0]) @ coefficients
        (ours,) = policy.expected_rewards({"x": 0.3, "y": -0.4, "city": "Oslo"}, [Variant(name)])
        # Features are 32-bit floats: seven digits.
        assert ours == pytest.approx(predicted, abs=1e-6)


def test_the_better_variant_of_a_context_is_drawn_more():
    policy = LinearPolicy(HERO)
    policy.learn(some_rewards(3000))
    right = policy.distribution({"x": 0.9, "y": 0.0, "city": "Oslo"}, VARIANTS)
    left = policy.distribution({"x": -0.9, "y": 0.0, "city": "Oslo"}, VARIANTS)
    assert right[0] > 0.9
    assert left[1] > 0.9


def test_batches_change_no_byte_and_bytes_restore_it():
    whole, parts = LinearPolicy(HERO), LinearPolicy(HERO)
    rewards = some_rewards(60)
    whole.learn(rewards)
    for start in range(0, 60, 7):
        parts = LinearPolicy(HERO, parts.serialize()) if start else parts
        parts.learn(rewards[start : start + 7])
    assert whole.serialize() == parts.serialize()
    context = {"x": 0.1, "city": "Rome"}
    assert whole.distribution(context, VARIANTS) == LinearPolicy(HERO, whole.serialize()).distribution(
        context, VARIANTS
    )


def test_a_variant_that_was_never_drawn_is_taken_for_an_average_one():
    policy = LinearPolicy(HERO)
    policy.learn([each for each in some_rewards(400) if each.assignment.variant != "c"])
    rewards = [each.value for each in some_rewards(400) if each.assignment.variant != "c"]
    assert policy.expected_rewards({}, VARIANTS[2:]) == pytest.approx([np.mean(rewards)])
    assert policy.distribution({"x": 0.0, "y": 0.0}, VARIANTS)[2] > 0.1


def test_contributions_and_the_base_make_the_prediction():
    policy = LinearPolicy(HERO)
    policy.learn(some_rewards(2000))
    context = {"x": 0.2, "y": 0.1, "city": "Oslo"}
    (whole,), (base,) = policy.expected_rewards(context, VARIANTS[:1]), policy.expected_rewards({}, VARIANTS[:1])
    moved = policy.contributions(context, VARIANTS[0])
    assert set(moved) == {"x", "y", "city"}
    assert base + sum(moved.values()) == pytest.approx(whole)


def test_features_beyond_the_most_are_not_read():
    policy = LinearPolicy(HERO)
    policy.learn([reward({"city": f"city {n}"}, "a", 0.5, n) for n in range(MAX_FEATURES + 50)])
    assert policy.distribution({"city": f"city {MAX_FEATURES + 40}"}, VARIANTS) == policy.distribution(
        {"city": "never seen"}, VARIANTS
    )
    LinearPolicy(HERO, policy.serialize())


@pytest.mark.parametrize("bad", [reward({}, "a", 1.5), reward({}, "z", 0.5), reward({"x": float("nan")}, "a", 0.5)])
def test_a_bad_reward_is_refused_and_nothing_learned(bad):
    policy = LinearPolicy(HERO)
    before = policy.serialize()
    with pytest.raises(PolicyFailed):
        policy.learn([reward({"x": 0.5}, "a", 1.0), bad])
    assert policy.serialize() == before


@pytest.mark.parametrize("damage", [lambda blob: blob[:-3], lambda _: b"[]\n", lambda blob: b"x" + blob])
def test_damaged_bytes_are_refused(damage):
    policy = LinearPolicy(HERO)
    policy.learn(some_rewards(10))
    with pytest.raises(SnapshotRefused):
        LinearPolicy(HERO, damage(policy.serialize()))
