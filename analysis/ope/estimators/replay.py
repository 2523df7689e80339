"""Replay by rejection: of the draws in a log, those are kept that the target could have made itself.

A draw of weight w = pi(a) / p(a) is kept with probability w / M, with M at least the largest weight: the kept ones are
then draws of the target (von Neumann's rejection; Dudik, Erhan, Langford and Li 2012, Sample-efficient nonstationary
policy evaluation for contextual bandits, UAI 28). Of a uniform log over k variants and a target that always knows its
variant M is k and all draws where the two agree are kept (Li, Chu, Langford and Wang 2011, WSDM 4): about n / k.

The kept rewards are plain ones, with a plain mean and error: what an experiment of n / M draws would have seen. It uses
less of the log than weights do, and in large samples its error is never smaller than that of SNIPS. The target is one
that does not learn: how a policy would have learned on the way is `armlift replay`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from analysis.estimate import LEVEL, Estimate, Scale, error_rate, not_evaluable
from analysis.ope.estimators.ips import Ips
from analysis.ope.totals import Totals, standard_error
from analysis.ope.weighed import Weighed
from analysis.texts import Text, text
from engine.errors import InvalidRequest

_ROUNDING = 1e-9


@dataclass(slots=True)
class Replay:
    """Gathers the kept draws of a log, block by block, and counts all; replays of two logs add up.

    `most` is M, known before the log is read: k for a uniform log, 1 over the least propensity for any. `random` says
    which draws are kept.

    >>> from analysis.ope.logged import Logged
    >>> from analysis.ope.weighed import weighed
    >>> log = Logged.of(("a", "b"), np.array([0, 1, 0, 1]), np.array([1.0, 1.0, 0.0, 1.0]), np.full(4, 0.5))
    >>> replay = Replay.of(most=2, seed=1)
    >>> replay.add(weighed(log, np.tile([1.0, 0.0], (4, 1))))
    >>> replay.n_kept, replay.estimate(text("ope.reward")).value
    (2, 0.5)
    """

    most: float
    random: np.random.Generator
    n: int = 0
    kept: Totals | None = None

    @classmethod
    def of(cls, most: float, seed: int) -> Replay:
        """Return a replay of which the seed decides what is kept: of one log the same draws, whatever its blocks."""
        return cls(most, np.random.default_rng(seed))

    def add(self, part: Weighed) -> None:
        """Take in some draws.

        Raises:
            InvalidRequest: a weight is above the largest one.
        """
        if len(part) and (largest := float(part.weight.max())) > self.most * (1 + _ROUNDING):
            raise InvalidRequest(f"a draw has the weight {largest:g}: the largest must be at least that")
        kept = part[self.random.random(len(part)) * self.most < part.weight]
        found = Totals.of([kept.reward], kept.unit)
        self.n, self.kept = self.n + len(part), found if self.kept is None else self.kept + found

    def __add__(self, other: Replay) -> Replay:
        if self.kept is None or other.kept is None:
            return replace(other if self.kept is None else self)
        return replace(self, n=self.n + other.n, kept=self.kept + other.kept)

    @property
    def n_kept(self) -> int:
        """How many draws were kept."""
        return 0 if self.kept is None else self.kept.n

    def estimate(self, estimand: Text, scale: Scale = Scale.AMOUNT, level: float = LEVEL) -> Estimate:
        """Return the mean reward of the kept draws with a normal interval; its n is how many they are."""
        if self.kept is None or not self.kept.n:
            return not_evaluable(text("ope.estimator.no_value"), estimand, scale=scale)
        value, error = float(self.kept.mean[0]), standard_error(self.kept, Ips())
        point = Estimate(value, None, None, self.kept.n, text("ope.estimator.replay"), estimand, scale, level=level)
        if math.isnan(error):
            return replace(point, note=text("ope.estimator.too_few"))
        reach = -float(special.ndtri(error_rate(level, 1) / 2)) * error
        return replace(point, low=value - reach, high=value + reach)
