"""A sequence by bets, block by block: it holds at any look and at any n, for rewards within a declared range.

As in `sequential.betting`: score_i = e_i + x_i, with e_i = sum_a pi(a) q(a) known before the draw and the residual
x_i = w_i (r_i - q_i), so that given the past a score is expected to be d_i, what the target would have earned (or the
difference of two). A bet of rate b multiplies its wealth by (1 + b x_i) exp(-b (d_i - e_i)), whose expected value is at
most 1, whatever the d_i are; the product depends on them through their mean alone.

The residual lies within [-below_i, above_i], which are known before the draw, and one side is not the other: b > 0
needs b below_i < 1, b < 0 needs -b above_i < 1. Where clicks are rare and the model knows it, `below` is tiny, and
lower ends come from fast bets. As they multiply by 1 + b x, large residuals are no danger to them: cutting those off
(as for empirical Bernstein bounds; Waudby-Smith, Wu, Ramdas, Karampatziakis and Mineiro, arXiv 2210.10768) would only
lose.

A rate that a draw does not allow is bet in part: for the rest it counts that d_i lies within the declared range. So a
log without a floor, one of whose draws could have had a weight of a million, still says something. Beside giving such
rates up for good: of 20,000 rare clicks of which 1 % had propensities down to 1e-5, a width of .02 instead of the whole
range; on a policy that learns with a floor of .02, 2.6 instead of 5.7 normal intervals.

Rates are fixed at the first draw that can be bet on, by what was known before it. What was measured, as multiples of
the normal interval for one look with the variance of the true model (10,000 planned draws, 10,000 and 100,000 made):

    effective rewarded draws, and weights              value         difference
    60 to 1,000, up to 27                              1.62 to 1.73  1.63 to 1.72
    130, up to 20, and rates that change by 80 %       1.79          1.79
    30, up to 100                                      1.75 to 1.84  1.79 to 1.93
    3 to 10, up to 100                                 1.52 to 2.04  1.62 to 2.44
    a policy that learns, floor .02, rates .2 and .5   1.70 to 1.75  1.77 to 1.93
    the same, rate .009, weights up to 190             2.6 to 3.0    3.0 to 4.9

Of 60 to 80 runs with thirty looks in each cell at 10,000 draws, 0 to 5 % missed, 1 % in the mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats
from analysis.ope.weighed import Weighed
from analysis.sequential import betting
from analysis.sequential.betting import Bets, Wealth

_UNLIKELY = 8
"""The standard deviation of a score is thought to be at most so many times below the largest possible."""

_QUIETEST = 0.1
"""The noise of the first draw is taken to be at least this, since later ones may be noisier."""

_ROUNDING = 1e-6
"""By what share rounded probabilities may take a residual out of its bounds."""


@dataclass(frozen=True, slots=True)
class Bet:
    """What bets on `n` draws had grown to at a look, `growth` (k,), and the mean score.

    There are no bets (`offered` None) where no draw could have said anything but what it did: the mean is then certain.
    """

    n: int
    mean: float
    offered: Bets | None
    growth: Floats

    @property
    def p_value(self) -> float:
        """The least error at which a mean of 0 is left out: 1 / the wealth at it, at this look."""
        return float(self.mean == 0) if self.offered is None else float(_wealth([self], self.offered).p_value[0])


def intervals(looks: Sequence[Bet], limits: tuple[float, float], alpha: float) -> list[tuple[float, float]]:
    """Return low and high within `limits` at several looks at the same draws, each of one draw or more."""
    certain = [(each.mean, each.mean) for each in looks if each.offered is None]
    told = looks[len(certain) :]
    if not told or told[0].offered is None:
        return certain
    means = np.array([each.mean for each in told])
    low, high = _wealth(told, told[0].offered).interval(means, limits, alpha)
    return certain + list(zip(low.tolist(), high.tolist(), strict=True))


def _wealth(looks: Sequence[Bet], offered: Bets) -> Wealth:
    """Return the wealth of the same bets at several looks."""
    growth = np.stack([each.growth for each in looks], axis=1)
    return Wealth(offered.rates, growth + offered.log_shares[:, None], np.array([each.n for each in looks]))


class ByBetting:
    """Bets on draws so far, of values within `limits` (least, most); tightest around `n_planned` draws."""

    def __init__(self, limits: tuple[float, float], n_planned: int) -> None:
        self._limits = limits
        self._n_planned = n_planned
        self._n = 0
        self._predicted = 0.0
        self._residual = 0.0
        self._offered: Bets | None = None
        self._growth = np.zeros(0)

    def add(self, part: Weighed) -> None:
        """Bet on more draws, for which `is_bounded`."""
        residual = part.score - part.expected
        if self._offered is None:
            self._offer(part)
        if self._offered is not None:
            sides = part.below, part.above
            self._growth = self._growth + betting.growth(
                self._offered.rates, part.expected, residual, sides, self._limits
            )
        self._n += len(part)
        self._predicted += float(part.expected.sum())
        self._residual += float(residual.sum())

    @property
    def look(self) -> Bet:
        """What the bets have grown to."""
        return Bet(self._n, (self._predicted + self._residual) / max(self._n, 1), self._offered, self._growth)

    def _offer(self, part: Weighed) -> None:
        """Fix the rates at the first draw that can be bet on; all that came before it was certain for any of them."""
        able = np.flatnonzero(part.below + part.above > 0)
        if len(able):
            below, above, noise = (float(each[able[0]]) for each in (part.below, part.above, part.noise))
            quiet = (self._limits[1] - self._limits[0]) / 2
            most = quiet * np.sqrt(max(noise, _QUIETEST))
            deviations = min(quiet, most / _UNLIKELY), most
            self._offered = betting.bets_of_sides(below, above, deviations, self._n_planned)
            self._growth = self._offered.rates * self._predicted


def is_bounded(part: Weighed) -> bool:
    """Return whether all residuals have bounds, which need whole distributions and a declared range, and keep them."""
    residual = part.score - part.expected
    spare = _ROUNDING * (1 + part.below + part.above)
    # Comparing with what is not known is False.
    return bool(((residual >= -part.below - spare) & (residual <= part.above + spare)).all())
