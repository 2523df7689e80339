"""Regret of Thompson sampling in a small Bernoulli world: it grows with the logarithm of the draws."""

from __future__ import annotations

import math

import numpy as np

from engine.specs import EpsilonGreedySpec, ThompsonSpec
from tests.engine.policies.choosing import shares_over_time

RATES = (0.2, 0.5)
N = 4_000


def regrets(spec, n_runs):
    """Return the expected regret of each run after each draw, shape (runs, n)."""
    shares = [shares_over_time(spec, lambda _: RATES, N, 20, np.random.default_rng(seed)) for seed in range(n_runs)]
    return np.cumsum([each[:, 0] * (RATES[1] - RATES[0]) for each in shares], axis=1)


def lai_robbins(gap, rate, best):
    """The least that a regret grows for each unit of log n: the gap by the divergence of the rates."""
    divergence = rate * math.log(rate / best) + (1 - rate) * math.log((1 - rate) / (1 - best))
    return gap / divergence


def test_thompsons_regret_grows_like_the_logarithm_of_the_draws():
    """Every doubling of the draws adds something, and no more than Lai and Robbins' limit, which Thompson comes to.

    Sources: Lai and Robbins, "Asymptotically efficient adaptive allocation rules", 1985; Kaufmann, Korda and Munos,
    "Thompson Sampling: An Asymptotically Optimal Finite-Time Analysis", 2012.
    """
    runs = regrets(ThompsonSpec(), 16)
    most = lai_robbins(RATES[1] - RATES[0], *RATES) * math.log(2)
    for n in (N // 8, N // 4, N // 2):
        grown = runs[:, 2 * n - 1] - runs[:, n - 1]
        assert grown.min() > 0
        # The mean of 16 runs strays by its standard error. A regret that is linear in n would double each time: from
        # 0.3 at the first doubling to 1.2 at the last.
        assert grown.mean() < most + 3 * grown.std(ddof=1) / math.sqrt(len(runs))
    assert grown.mean() < 3 * (runs[:, N // 4 - 1] - runs[:, N // 8 - 1]).mean()


def test_a_constant_epsilon_has_linear_regret():
    runs = regrets(EpsilonGreedySpec(epsilon=0.1), 4)
    # Half of epsilon goes to the worse variant at every draw, at the least.
    least = 0.05 * (RATES[1] - RATES[0]) * N
    assert np.all(runs[:, -1] >= least * (1 - 1e-9))
    assert np.all(runs[:, -1] < 2 * least)
