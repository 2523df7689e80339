"""What the served variants were worth, against random ones and against an oracle, from the world's own table."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from armlift import Answer
from numpy.typing import NDArray

from engine.definition import default_reward
from engine.experiments import Experiment, RewardTerm
from engine.metric_rules import why_no_reward
from engine.records import Group, Reason


@dataclass(frozen=True, slots=True)
class Score:
    """Expected rewards per draw of the policy, and how far what was served is from random and from the oracle.

    `random` is the mean over the variants, `best_single` the best that one variant for everybody could bring, `oracle`
    the best variant of each visit. `gain` is served - random and `gain_se` its standard error, by the differences of
    the n draws. `regret` is the sum of oracle - served.
    """

    n: int
    served: float
    random: float
    best_single: float
    oracle: float
    gain: float
    gain_se: float
    regret: float

    @property
    def gap_closed(self) -> float:
        """The share of the way from random to the oracle; NaN where there is no way."""
        return self.gain / (self.oracle - self.random) if self.oracle > self.random else math.nan

    @property
    def z(self) -> float:
        """How many standard errors the gain is from nothing; 0 where there is neither."""
        return self.gain / self.gain_se if self.gain_se else 0.0


@dataclass(slots=True)
class Tally:
    """Collects what an experiment answered, with what every variant would have been worth."""

    experiment: Experiment
    variants: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    _served: list[int] = field(default_factory=list)
    _expected: list[tuple[float, ...]] = field(default_factory=list)

    def add(self, answer: Answer, expected: Mapping[str, float]) -> None:
        """Count an answer; only draws of the policy enter the score."""
        self.reasons[answer.reason] += 1
        if answer.reason != Reason.DRAWN.name or answer.group != Group.POLICY.value:
            return
        self.variants[answer.variant] += 1
        self._served.append(list(expected).index(answer.variant))
        self._expected.append(tuple(expected.values()))

    def score(self) -> Score:
        """Return the score; NaN where the policy never drew."""
        if not self._served:
            return Score(0, *[math.nan] * 7)
        return score(np.array(self._expected), np.array(self._served))


def score(expected: NDArray[np.float64], served: NDArray[np.int64]) -> Score:
    """Return the score of serving column `served` (n,) of the expected rewards (n, k).

    >>> score(np.array([[0.0, 1.0], [0.5, 0.5]]), np.array([1, 0])).gap_closed
    1.0
    """
    n = len(served)
    got = expected[np.arange(n), served]
    gains = got - expected.mean(axis=1)
    spread = float(gains.std(ddof=1)) if n > 1 else math.nan
    best = expected.max(axis=1)
    return Score(
        n=n,
        served=float(got.mean()),
        random=float(expected.mean()),
        best_single=float(expected.mean(axis=0).max()),
        oracle=float(best.mean()),
        gain=float(gains.mean()),
        gain_se=spread / math.sqrt(n),
        regret=float((best - got).sum()),
    )


def scored(experiment: Experiment) -> Experiment:
    """Return the experiment with a reward to score it by: its own, else its first metric that has a scale.

    >>> from engine.files import load
    >>> scored(load("{experiment: hero, variants: [plain, bold], metrics: [click]}")).reward
    (RewardTerm(metric='click', weight=1.0),)
    """
    if experiment.reward:
        return experiment
    scaled = [metric for metric in experiment.metrics if not why_no_reward(metric)]
    terms = (RewardTerm(scaled[0].name, 1.0),) if scaled else default_reward(experiment)
    return replace(experiment, reward=terms)
