"""An asymptotic sequence, block by block: it holds at any look, in large samples, whatever rewards may be.

Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (arXiv 2103.06476), equation 9, for martingales with variances that
change: time is measured by the variance that has come together, in units of what a draw had brought when the sequence
first spoke (as in `adaptive.sequences`). It is silent until the rewarded draws weigh as much as so many equal ones, on
both sides of a difference: 20 of a share, `ENOUGH` of an amount.

In simulations with thirty looks, weights up to 100 and a policy that learns, shares then miss in 0 to 4 %, amounts that
are lognormal (sigma 1 and 1.5) in 3 to 4 %; with a gate of 20 these would miss in 9 to 18 %.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats
from analysis.ope.intervals import rewarded
from analysis.ope.intervals.rewarded import Rewarded
from analysis.ope.weighed import Weighed
from analysis.sequential import asymptotic, choice

ENOUGH = 80
"""An asymptotic sequence of amounts, which are seldom alike, is silent until so many effective rewarded draws."""


@dataclass(frozen=True, slots=True)
class Spread:
    """`n` scores: the sums of their distances from `origin` and of the squares of these."""

    origin: float = 0.0
    n: int = 0
    total: float = 0.0
    square: float = 0.0

    def with_scores(self, scores: Floats) -> Spread:
        """Return that of more scores (n,) as well; the first of all is the origin."""
        if not len(scores):
            return self
        origin = self.origin if self.n else float(scores[0])
        off = scores - origin
        return Spread(origin, self.n + len(off), self.total + float(off.sum()), self.square + float(off @ off))

    @property
    def mean(self) -> float:
        """The mean score, 0 for none."""
        return self.origin + self.total / max(self.n, 1)

    @property
    def around(self) -> float:
        """The sum of squared distances from the mean."""
        return max(self.square - self.total**2 / max(self.n, 1), 0.0)

    @property
    def standard_error(self) -> float:
        """The standard error of the mean."""
        return float(np.sqrt(self.around)) / max(self.n, 1)


@dataclass(frozen=True, slots=True)
class Limit:
    """What has been seen at a look; `unit` is what a draw had added to the spread when there first was `enough`."""

    spread: Spread
    effective: float
    enough: int
    unit: float | None

    @property
    def has_enough(self) -> bool:
        """Whether there are enough effective rewarded draws."""
        return self.unit is not None and self.effective >= self.enough

    @property
    def is_silent(self) -> bool:
        """Whether nothing is said: there is not enough, or scores are all alike."""
        return not self.has_enough or not self.spread.around

    def interval(self, n_planned: int, alpha: float) -> tuple[float, float]:
        """Return low and high of one that speaks."""
        return asymptotic.sequence(self.spread.mean, self.spread.standard_error, self._time, n_planned, alpha)

    def p_value(self, n_planned: int, alpha: float) -> float:
        """Return the least error at which 0 is left out by one that speaks."""
        return asymptotic.p_value(self.spread.mean, self.spread.standard_error, self._time, n_planned, alpha)

    @property
    def _time(self) -> int:
        return max(round(self.spread.around / (self.unit or 1.0)), 1)


class ByLimit:
    """What draws said so far."""

    def __init__(self, *, is_share: bool, is_difference: bool) -> None:
        self._kinds = {"is_share": is_share, "is_difference": is_difference}
        self._enough = choice.ENOUGH if is_share else ENOUGH
        self._spread = Spread()
        self._rewarded = Rewarded.none(rewarded.n_kinds(**self._kinds))
        self._unit: float | None = None

    def add(self, part: Weighed) -> None:
        """See more draws."""
        sizes = rewarded.sizes(part, **self._kinds)
        if self._unit is None:
            self._unit = self._first_unit(part, sizes)
        self._rewarded = self._rewarded.with_sizes(sizes)
        self._spread = self._spread.with_scores(part.score)

    def _first_unit(self, part: Weighed, sizes: Floats) -> float | None:
        """Return the spread that a draw had added at the first one after which there was enough, or None."""
        enough = self._rewarded.reaches(sizes, self._enough)
        if not len(enough):
            return None
        then = self._spread.with_scores(part.score[: enough[0] + 1])
        return then.around / then.n or 1.0

    @property
    def look(self) -> Limit:
        """What has been seen until now."""
        return Limit(self._spread, self._rewarded.effective, self._enough, self._unit)
