"""Small worlds for the policies that learn averages: an experiment, rewards, and a game against known rates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from engine.experiments import Experiment, Variant
from engine.metrics import Metric
from engine.policies import learned_policy
from engine.records import Assignment, Reason, Reward, Unit
from engine.specs import PolicySpec

START = datetime(2024, 1, 1, tzinfo=UTC)
NAMES = "abcdefgh"


def experiment_of(spec: PolicySpec, n_variants: int = 3) -> Experiment:
    return Experiment("hero", tuple(map(Variant, NAMES[:n_variants])), (Metric("click"),), policy=spec)


def reward(variant: str, value: float, after_s: float = 0.0) -> Reward:
    at = START + timedelta(seconds=after_s)
    return Reward(Assignment("hero", variant, Reason.DRAWN, Unit("customer", "1"), at, at), value, at, 1)


def after(spec: PolicySpec, rewards: Sequence[Reward], n_variants: int = 3) -> tuple[float, ...]:
    """Return the distribution over all variants after some rewards."""
    experiment = experiment_of(spec, n_variants)
    policy = learned_policy(experiment)
    policy.learn(rewards)
    return tuple(policy.distribution({}, experiment.variants))


def shares_over_time(
    spec: PolicySpec, rates: Callable[[int], Sequence[float]], n: int, batch: int, rng: np.random.Generator
) -> np.ndarray:
    """Return the distribution at each of n draws, one a second, shape (n, k): rewards are 1 or 0 and learned at once.

    `rates` says what each variant's rate is at a draw. A batch is drawn from one distribution.
    """
    experiment = experiment_of(spec, len(rates(0)))
    policy = learned_policy(experiment)
    shares = np.empty((n, len(experiment.variants)))
    for begin in range(0, n, batch):
        shares[begin : begin + batch] = policy.distribution({}, experiment.variants)
        drawn = rng.choice(len(experiment.variants), size=batch, p=shares[begin])
        hits = rng.random(batch) < [rates(begin + i)[k] for i, k in enumerate(drawn)]
        policy.learn(
            [reward(NAMES[k], float(hit), begin + i) for i, (k, hit) in enumerate(zip(drawn, hits, strict=True))]
        )
    return shares
