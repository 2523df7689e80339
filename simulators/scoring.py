"""What the served variants were worth, against random ones and against an oracle, from the world's own table."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from armlift import Answer
from numpy.typing import NDArray

from engine.definition import default_reward
from engine.experiments import Experiment
from engine.metrics import RewardTerm
from engine.records import Group, Reason
from engine.reward_rules import default_scale, why_no_reward

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Score:
    """Expected rewards per decision of the policy, and how far what was served is from random and from the oracle.

    `random` is the mean over the variants, `best_single` the best that one variant for everybody could bring (NaN where
    requests bring candidates), `oracle` the best variant of each visit; of a slate all of them are sums over its slots.
    `gain` is served - random and `gain_se` its standard error, by the differences of the n decisions. `regret` is the
    sum of oracle - served.
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
    _n_slots: list[int] = field(default_factory=list)
    _served: list[float] = field(default_factory=list)
    _expected: list[tuple[float, ...]] = field(default_factory=list)

    def add(self, answers: Sequence[Answer], expected: Mapping[str, float]) -> None:
        """Count the answers of a request's slots; only draws of the policy enter the score."""
        self.reasons.update(answer.reason for answer in answers)
        drawn = [answer.variant for answer in answers if _is_draw(answer)]
        if not drawn:
            return
        self.variants.update(drawn)
        self._n_slots.append(len(drawn))
        self._served.append(math.fsum(expected[name] for name in drawn))
        self._expected.append(tuple(expected.values()))

    @property
    def n_decisions(self) -> int:
        """How many requests the policy answered."""
        return len(self._served)

    @property
    def has_candidates(self) -> bool:
        """Whether requests brought the variants, so that none was there for everybody."""
        return self.experiment.candidates is not None

    def score(self) -> Score:
        """Return the score; NaN where the policy never drew."""
        if not self._served:
            return Score(0, *[math.nan] * 7)
        served, even, best = self.served(), self.even(), self.oracle()
        gains = served - even
        spread = float(gains.std(ddof=1)) if len(gains) > 1 else math.nan
        return Score(
            n=len(served),
            served=float(served.mean()),
            random=float(even.mean()),
            best_single=self._best_single(),
            oracle=float(best.mean()),
            gain=float(gains.mean()),
            gain_se=spread / math.sqrt(len(gains)),
            regret=float((best - served).sum()),
        )

    def expected(self) -> Floats:
        """Return the expected reward of each variant for each decision (n, k), in the order of the file.

        Where requests bring candidates, of each candidate in the order of the request; no two requests are alike, and
        all bring as many.
        """
        return np.array(self._expected, np.float64) if self._expected else np.zeros((0, 1))

    def served(self) -> Floats:
        """Return the expected reward of what each decision served (n,)."""
        return np.array(self._served, np.float64)

    def even(self) -> Floats:
        """Return what even chances would be expected to bring each decision (n,)."""
        even: Floats = self._slots() * self.expected().mean(axis=1)
        return even

    def oracle(self) -> Floats:
        """Return what the best variants would be expected to bring each decision (n,): as many as it has slots."""
        if max(self._n_slots, default=1) == 1:
            best: Floats = self.expected().max(axis=1)
            return best
        ordered = np.sort(self.expected(), axis=1)[:, ::-1].cumsum(axis=1)
        sums: Floats = ordered[np.arange(len(ordered)), self._slots().astype(int) - 1]
        return sums

    def regret_curve(self) -> Floats:
        """Return the regret of the decisions so far (n,), of each decision: the sum of oracle - served."""
        return np.cumsum(self.oracle() - self.served())

    def _slots(self) -> Floats:
        return np.array(self._n_slots, np.float64)

    def _best_single(self) -> float:
        if self.has_candidates:
            return math.nan
        means = np.sort(self.expected().mean(axis=0))[::-1]
        return float(means[: max(self._n_slots)].sum())


def scored(experiment: Experiment) -> Experiment:
    """Return the experiment with a reward to score it by: its own, else its first metric that has a scale.

    >>> from engine.files import load
    >>> scored(load("{experiment: hero, variants: [plain, bold], metrics: [click]}")).reward[0].metric
    'click'
    """
    if experiment.reward:
        return experiment
    complete = replace(experiment, reward=tuple(_first_scaled(experiment)) or default_reward(experiment))
    return replace(complete, reward_scale=default_scale(complete))


def _first_scaled(experiment: Experiment) -> Iterator[RewardTerm]:
    for metric in experiment.metrics:
        if not why_no_reward(metric):
            yield RewardTerm(metric.name, 1.0)
            return


def _is_draw(answer: Answer) -> bool:
    return answer.reason == Reason.DRAWN.name and answer.group == Group.POLICY.value
