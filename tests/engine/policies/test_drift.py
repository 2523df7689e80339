"""A world whose best variant changes: what forgets follows, and what remembers everything lags."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from engine.specs import EpsilonGreedySpec, Posterior, SoftmaxSpec, ThompsonSpec, Ucb1Spec
from tests.engine.policies.choosing import shares_over_time

N, SWITCH = 6_000, 3_000
FORGETFUL = {"half_life": timedelta(seconds=300)}
SLIDING = {"window": timedelta(seconds=900)}


def rates(draw):
    return (0.6, 0.4) if draw < SWITCH else (0.2, 0.4)


def share_of_the_new_best(spec, seed):
    """The second variant's mean share over the thousand draws that begin a thousand after the switch."""
    shares = shares_over_time(spec, rates, N, 20, np.random.default_rng(seed))
    assert shares[SWITCH - 500 : SWITCH, 0].mean() > 0.6, "it knew the old best one"
    return shares[SWITCH + 1000 : SWITCH + 2000, 1].mean()


@pytest.mark.parametrize("forgets", [FORGETFUL, SLIDING], ids=["half-life", "window"])
@pytest.mark.parametrize("posterior", Posterior)
def test_thompson_that_forgets_follows_the_switch_and_plain_thompson_lags(posterior, forgets):
    # Drawn throughout, the old best has at draw 4,000 a mean of (0.6 * 3000 + 0.2 * 1000) / 4000 = 0.5 > 0.4 of all
    # rewards, and is the best until draw 6,000. What forgets has by then lost 90 % of the good ones (three half-lives),
    # or all of them (a window), so that the mean is 0.24 or 0.2.
    plain = share_of_the_new_best(ThompsonSpec(posterior=posterior), 11)
    assert plain < 0.3
    assert share_of_the_new_best(ThompsonSpec(posterior=posterior, **forgets), 11) > 0.8


@pytest.mark.parametrize("forgets", [FORGETFUL, SLIDING], ids=["half-life", "window"])
@pytest.mark.parametrize("make", [EpsilonGreedySpec, SoftmaxSpec, lambda **drift: Ucb1Spec(width=0.3, **drift)])
def test_the_other_averages_that_forget_follow_too(make, forgets):
    assert share_of_the_new_best(make(**forgets), 12) > share_of_the_new_best(make(), 12) + 0.2
