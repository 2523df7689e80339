"""Training on successes early and failures late is a bias; training at a fixed age is none.

A worse variant, `plain`, converts at once, and a better one, `bold`, when its window is about to close. Traffic doubles
with every window, as it does when something is rolled out. Who learns a success when it comes and a failure when its
window closes has the successes of today's visits beside the failures of yesterday's, which were half as many: what
converts at once looks twice as good as it is.
"""

from __future__ import annotations

import math
from collections import Counter

import pytest

from engine.ledger import RewardLedger
from engine.policies import learned_policy
from engine.records import Assignment, Outcome, Reward
from engine.specs import ThompsonSpec
from tests.analysis.checks.living import START, WINDOW, Lived, lived

TRUE = {"plain": 0.18, "bold": 0.25, "loud": 0.1}
N, N_WINDOWS = 12_000, 7
WINDOW_MINUTES = WINDOW.total_seconds() / 60


def minute(number: int) -> float:
    """Return when visits come, whose number doubles with every window."""
    return WINDOW_MINUTES * math.log2(1 + number / N * (2**N_WINDOWS - 1))


def wait(variant: str, luck: float) -> float:
    return luck if variant == "plain" else WINDOW_MINUTES - 1 - luck


@pytest.fixture(scope="module")
def found() -> Lived:
    """The log of a policy that gives each variant a sixth at least, cut off while windows are open."""
    spec = ThompsonSpec(floor=0.5, publish_every=100)
    return lived(spec, N, 7, lambda _, variant, __: TRUE[variant], minute=minute, wait=wait, closes=False)


def fixed_age(log: Lived) -> list[Reward]:
    """Return what the learner learned up to the live snapshot, in its order."""
    store = log.door.store
    ledger = RewardLedger(store.state("hero").experiment)
    rewards = [reward for entry in store.entries(limit=10**6) for reward in ledger.feed(entry)]
    live = log.door.snapshots.snapshot("hero", store.state("hero").snapshot)
    return rewards[: live.n_rewards]


def as_they_come(log: Lived) -> list[Reward]:
    """Return what a wrong learner learns: a success when it comes, and a failure when its window closes."""
    store = log.door.store
    ledger = RewardLedger(store.state("hero").experiment)
    rows: dict[str, Assignment] = {}
    rewards = []
    for entry in store.entries(limit=10**6):
        rewards += [reward for reward in ledger.feed(entry) if reward.value == 0]
        if isinstance(entry, Assignment):
            rows[entry.assignment_id] = entry
        elif isinstance(entry, Outcome):
            rewards.append(Reward(rows[entry.assignment_id], 1.0, entry.received_at, 1))
    return rewards


def learned_means(log: Lived, rewards: list[Reward]) -> dict[str, float]:
    experiment = log.door.store.state("hero").experiment
    policy = learned_policy(experiment)
    policy.learn(rewards)
    means = policy.expected_rewards({}, experiment.variants)
    return dict(zip(TRUE, means, strict=True))


def allowed(rewards: list[Reward], variant: str) -> float:
    """Return 4 standard errors of a proportion, and what the prior of one success and one failure can move."""
    n = Counter(reward.assignment.variant for reward in rewards)[variant]
    assert n > 500
    return 4 * math.sqrt(TRUE[variant] * (1 - TRUE[variant]) / n) + 1 / (n + 2)


def test_what_is_learned_at_a_fixed_age_has_no_bias_however_late_a_variant_converts(found):
    rewards = fixed_age(found)
    means = learned_means(found, rewards)
    for variant, true in TRUE.items():
        assert abs(means[variant] - true) < allowed(rewards, variant), variant
    live = found.door.snapshots.snapshot("hero", found.door.store.state("hero").snapshot)
    state = found.door.store.state("hero").experiment
    restored = learned_policy(state, live.blob).expected_rewards({}, state.variants)
    assert restored == pytest.approx(list(means.values())), "the engine's own learner learned just this"


def test_a_learner_of_outcomes_as_they_come_is_off_and_takes_the_worse_variant_for_the_better(found):
    """Of visits that double with every window, half of the successes at once are of those whose failures are not in.

    With the rate p, a variant that converts at once shows up to 2 p / (2 p + 1 - p) in place of p: 0.31 for 0.18.
    """
    rewards = as_they_come(found)
    means = learned_means(found, rewards)
    assert means["plain"] - TRUE["plain"] > 2 * allowed(rewards, "plain")
    assert means["plain"] > means["bold"] + 0.02


def test_half_of_the_windows_are_open_where_the_log_ends(found):
    """Otherwise all failures were in, and any order of learning would come to the same."""
    (last,) = found.door.store.entries(found.door.store.last_seq() - 1)
    assert last.received_at < START + (N_WINDOWS + 0.1) * WINDOW
    assert 0.45 * N < len(fixed_age(found)) < 0.55 * N
