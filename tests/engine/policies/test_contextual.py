from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from engine.errors import PolicyFailed
from engine.experiments import ContextField, Experiment, FieldType, Variant
from engine.metrics import Metric
from engine.policies.contextual import ContextualPolicy
from engine.randomness import ONE, draw, quantise
from engine.records import Assignment, Candidate, Context, Reason, Reward, Unit
from engine.specs import ContextualSpec, Explorer

START = datetime(2024, 1, 1, tzinfo=UTC)
FIELDS = (ContextField("device", FieldType.TEXT), ContextField("visits", FieldType.NUMBER))
VARIANTS = (Variant("general"), Variant("loyalty"), Variant("bundle"))
EXPERIMENT = Experiment("offer", VARIANTS, (Metric("click"),), context=FIELDS, policy=ContextualSpec())
NAMES = tuple(variant.name for variant in VARIANTS)
DEVICES = ("phone: new", "tablet|old", "ラップトップ\n")
MEANS = np.array([[0.7, 0.2, 0.2], [0.2, 0.7, 0.2], [0.2, 0.2, 0.7]])
"""The mean reward by device and variant: no variant is better than another on average."""


def rewarded(seq: int, context: Context, weights: tuple[int, ...], chosen: str, value: float) -> Reward:
    at = START + timedelta(seconds=seq)
    drawn = Assignment(
        "offer",
        chosen,
        Reason.DRAWN,
        Unit("customer", str(seq)),
        at,
        at,
        is_draw=True,
        eligible=NAMES,
        distribution=weights,
        context=context,
        seq=seq,
    )
    return Reward(drawn, value, at, 1)


def play(policy: ContextualPolicy, n: int, batch: int, rng: np.random.Generator) -> list[int]:
    """Draw n times as the engine does, learn in batches, and return the rewards, which are 0 or 1."""
    waiting: list[Reward] = []
    values = []
    for seq in range(n):
        device = int(rng.integers(3))
        context: Context = {"device": DEVICES[device], "visits": float(rng.integers(20))}
        weights = quantise(policy.distribution(context, VARIANTS), 0.02)
        chosen = draw(weights, int(rng.integers(ONE)))
        value = int(rng.random() < MEANS[device, chosen])
        values.append(value)
        waiting.append(rewarded(seq, context, weights, NAMES[chosen], float(value)))
        if len(waiting) == batch:
            policy.learn(waiting)
            waiting = []
    return values


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_learns_which_variant_is_best_in_which_context(seed):
    n, uniform, best = 3000, MEANS.mean(), 0.7
    rewards = play(ContextualPolicy(EXPERIMENT), n, 50, np.random.default_rng(seed))
    # Under draws at random the mean reward has this standard error; no z beyond 6 happens by chance.
    z = (np.mean(rewards) - uniform) / math.sqrt(uniform * (1 - uniform) / n)
    assert z > 15
    # In the last third most of what could be gained is: the floor alone costs 0.02 * (0.7 - 0.3667) = 0.0067.
    late = np.mean(rewards[-1000:])
    standard_error = math.sqrt(best * (1 - best) / 1000)
    assert late > uniform + 0.8 * (best - uniform) - 3 * standard_error


def test_wild_numbers_do_not_stop_it_from_learning():
    policy = ContextualPolicy(EXPERIMENT)
    rng = np.random.default_rng(5)
    even = quantise([1 / 3] * 3)
    wild = [1e308, -1e308, 1e30, 1e-300, 5e-324]
    for seq in range(600):
        visits = wild[seq % 5] if seq % 10 == 0 else 1.0
        k = int(rng.integers(3))
        value = float(rng.random() < (0.1, 0.2, 0.8)[k])
        policy.learn([rewarded(seq, {"device": "phone", "visits": visits}, even, NAMES[k], value)])
    for visits in (*wild, 1.0):
        assert sum(policy.distribution({"device": "phone", "visits": visits}, VARIANTS)) == pytest.approx(1)
    assert policy.distribution({"device": "phone", "visits": 1.0}, VARIANTS)[2] > 0.8


def test_features_carry_over_to_a_variant_that_was_never_shown():
    variants = tuple(Variant(name, features={"price": price}) for name, price in (("a", 0.0), ("b", 1.0), ("c", 1.0)))
    policy = ContextualPolicy(replace(EXPERIMENT, variants=variants))
    rng = np.random.default_rng(6)
    for seq in range(400):
        k = int(rng.integers(2))
        value = float(rng.random() < (0.1, 0.8)[k])
        reward = rewarded(seq, {}, (), "ab"[k], value)
        assignment = replace(reward.assignment, eligible=("a", "b"), distribution=(ONE // 2, ONE // 2))
        policy.learn([replace(reward, assignment=assignment)])
    answer = policy.distribution({}, variants)
    assert answer[1] > answer[2] > 1.5 * answer[0]


def test_what_was_not_drawn_is_not_learned_from():
    policy = ContextualPolicy(EXPERIMENT)
    before = policy.serialize()
    reward = rewarded(1, {}, quantise([1 / 3] * 3), "loyalty", 1.0)
    with pytest.raises(PolicyFailed, match="not drawn"):
        policy.learn([reward, replace(reward, assignment=replace(reward.assignment, is_draw=False))])
    assert policy.serialize() == before


def test_a_bad_value_is_refused_and_the_next_question_answered():
    policy = ContextualPolicy(EXPERIMENT)
    with pytest.raises(PolicyFailed):
        policy.distribution({"visits": math.nan}, VARIANTS)
    assert policy.distribution({"visits": 1.0}, VARIANTS) == pytest.approx([1 / 3] * 3, abs=1e-6)


def test_what_it_was_configured_with_is_said():
    policy = ContextualPolicy(replace(EXPERIMENT, policy=ContextualSpec(gamma=25, learning_rate=0.1)))
    assert policy.library == "vowpal-wabbit-next 0.7.0"
    explorer = "--cb_explore_adf --squarecb --gamma_scale 25.0"
    learner = "--cb_type mtr --learning_rate 0.1 -q UA -b 18 --random_seed 0"
    assert " ".join(policy.arguments) == f"{explorer} {learner}"


def test_a_greater_gamma_explores_less():
    shares = []
    for gamma in (1, 10, 100):
        policy = ContextualPolicy(replace(EXPERIMENT, policy=ContextualSpec(gamma=gamma)))
        even = quantise([1 / 3] * 3)
        policy.learn([rewarded(i, {}, even, NAMES[i % 3], float(i % 3 == 1)) for i in range(90)])
        shares.append(policy.distribution({}, VARIANTS)[1])
    assert shares == sorted(shares)
    assert shares[2] > shares[0] + 0.1


def test_candidates_are_learned_from_and_chosen_by_their_features():
    declared = (ContextField("topic", FieldType.TEXT), ContextField("price", FieldType.NUMBER))
    experiment = replace(EXPERIMENT, candidates=declared)
    policy = ContextualPolicy(experiment)
    rng = np.random.default_rng(7)
    topics = ("news", "sport")
    rewards = []
    for seq in range(500):
        device = int(rng.integers(2))
        brought = tuple(Candidate(f"{seq}/{k}", {"topic": topics[k], "price": float(rng.random())}) for k in range(2))
        chosen = int(rng.integers(2))
        row = rewarded(seq, {"device": DEVICES[device]}, (), brought[chosen].name, float(chosen == device)).assignment
        names = tuple(candidate.name for candidate in brought)
        row = replace(row, eligible=names, distribution=(ONE // 2, ONE // 2), candidates=brought)
        rewards.append(Reward(row, float(chosen == device), START, 1))
    policy.learn(rewards)
    new = [Variant(f"new {topic}", features={"topic": topic}) for topic in topics]
    for device, best in ((0, 0), (1, 1)):
        answer = ContextualPolicy(experiment, policy.serialize()).distribution({"device": DEVICES[device]}, new)
        assert answer[best] > 0.9
        assert policy.expected_rewards({"device": DEVICES[device]}, new)[best] > 0.7


def taught(**spec: object) -> ContextualPolicy:
    policy = ContextualPolicy(replace(EXPERIMENT, policy=ContextualSpec(**spec)))
    play(policy, 600, 50, np.random.default_rng(8))
    return policy


def test_contributions_and_the_prediction_without_context_sum_to_the_prediction():
    policy = taught()
    context: Context = {"device": DEVICES[0], "visits": 3.0}
    for variant in VARIANTS:
        (whole,), (empty,) = (policy.expected_rewards(given, [variant]) for given in (context, {}))
        moved = policy.contributions(context, variant)
        assert moved.keys() == {"device", "visits"}
        assert sum(moved.values()) + empty == pytest.approx(whole, abs=1e-6)
    assert policy.contributions(context, VARIANTS[0])["device"] > policy.contributions(context, VARIANTS[1])["device"]
    assert policy.contributions({}, VARIANTS[0]) == {}
    assert policy.contributions({"device": DEVICES[0]}, VARIANTS[0]).keys() == {"device"}


def test_with_products_of_two_fields_a_contribution_is_that_beside_the_other():
    policy = taught(interactions=(("context", "context", "variant"),))
    context: Context = {"device": DEVICES[0], "visits": 3.0}
    without, both = policy.expected_rewards({"visits": 3.0}, VARIANTS), policy.expected_rewards(context, VARIANTS)
    moved = policy.contributions(context, VARIANTS[0])["device"]
    assert moved == pytest.approx(both[0] - without[0], abs=1e-6)


def test_the_explorer_goes_by_the_expected_rewards():
    policy = taught(explorer=Explorer.SOFTMAX, temperature=0.2)
    context: Context = {"device": DEVICES[1], "visits": 3.0}
    expected = np.array(policy.expected_rewards(context, VARIANTS))
    softmax = np.exp(expected / 0.2) / np.exp(expected / 0.2).sum()
    assert policy.distribution(context, VARIANTS) == pytest.approx(softmax, abs=1e-5)
