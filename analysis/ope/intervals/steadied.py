"""The doubly robust value with weights that steady it, for one look at an adaptive log.

    V = sum h_t score_t / sum h_t,    with standard error sqrt(sum h_t**2 (score_t - V)**2) / sum h_t

(Hadad, Hirshberg, Zhan, Wager and Athey 2021, PNAS 118(15); Zhan, Ren, Athey and Zhou 2021, arXiv 2106.02029). A policy
that learns draws ever less of what the target would have shown: scores get noisier, a few late ones carry the mean, and
its error is not normal. h_t is phi_t**-0.5, with phi_t the mean noise sum_a pi(a)**2 / p(a) of the latest earlier draws
(StableVar, as in `adaptive.weighting`), and known before the draw. A draw counts as no quieter than one of a policy on
its own log, whose noise is 1: so weights are at most 1, also of a difference of two policies that are nearly alike.

The rule: it is there for who asks, and says that it takes the value to be the same throughout, since these weights
favour the early times. `one_look` answers for the whole time instead, whatever changed in it, and keeps its coverage
under a policy that learns. In simulations of Thompson sampling with a floor of .02 (rates .009, .1 and .5, 5,000 draws,
150 runs each) this one covers 93 to 100 % beside 92 to 98 % of the normal interval with uniform weights, and is 1 to
1.8 times as wide.
"""

from __future__ import annotations

import numpy as np

from analysis.adaptive import means
from analysis.adaptive.estimates import MIN_EVENTS
from analysis.adaptive.means import Mean
from analysis.adaptive.weighting import RECENT, recent_means
from analysis.arrays import Floats
from analysis.estimate import LEVEL, Estimate, Scale, error_rate, not_evaluable
from analysis.ope.intervals import rewarded
from analysis.ope.intervals.rewarded import Rewarded
from analysis.ope.logged import Collection
from analysis.ope.weighed import Weighed
from analysis.texts import Text, count, text

_POWERS = 5
"""Powers of weights and scores from 0 to 4 are added up, for the spread of the mean and its skewness."""


class Steadied:
    """What draws said so far, fed block by block in the order of the log; where a log is cut changes nothing."""

    def __init__(self, collection: Collection, *, is_difference: bool) -> None:
        self._kinds = {"is_share": collection.is_share, "is_difference": is_difference}
        self._is_adaptive = collection.is_adaptive
        self._is_difference = is_difference
        self._n = 0
        self._origin = 0.0
        self._recent = np.zeros(0)
        self._sums = np.zeros((_POWERS, _POWERS))
        self._rewarded = Rewarded.none(rewarded.n_kinds(**self._kinds))

    def add(self, part: Weighed) -> None:
        """See a block of draws."""
        if not len(part):
            return
        if not self._n:
            self._origin = float(part.score[0])
        weights = self._weights(part.noise)
        self._n += len(part)
        self._sums += _sums(weights, part.score - self._origin)
        self._rewarded = self._rewarded.with_sizes(weights * rewarded.sizes(part, **self._kinds))

    def estimate(self, estimand: Text, scale: Scale, level: float = LEVEL, family: int = 1) -> Estimate:
        """Return the value with its interval for one look; without one it says why.

        The interval is studentised and fits the skewness of the scores (`adaptive.means`).
        """
        why = self._why_not
        if why is not None:
            return not_evaluable(why, estimand, self._n, scale=scale)
        mean = self._mean
        low, high = means.interval(mean, error_rate(level, family))
        return Estimate(
            self._origin + mean.value,
            self._origin + low,
            self._origin + high,
            self._n,
            text("ope.sequence.steadied", method=text("ope.estimator.dr")),
            estimand,
            scale,
            note=text("ope.sequence.steady"),
            level=level,
            family=family,
            p_value=self._p_value(mean) if self._is_difference else None,
        )

    @property
    def effective(self) -> float:
        """The effective number of rewarded draws with these weights, of the side with fewer; NaN if not known."""
        return self._rewarded.effective

    @property
    def _why_not(self) -> Text | None:
        if not self._is_adaptive:
            return text("ope.interval.fixed")
        if not self._n:
            return text("ope.sequence.nothing")
        if np.isnan(self._sums).any():
            return text("ope.sequence.unknown")
        if self.effective < MIN_EVENTS:
            return text("ope.sequence.few", n=count(int(self.effective)))
        return None if self._mean.square else text("ope.sequence.alike")

    def _weights(self, noise: Floats) -> Floats:
        """Return h (n,) of the next draws, and remember the noise of the latest ones."""
        so_far = np.concatenate([self._recent, noise])
        # Nothing came before the first draw, whose own noise is known before it is made.
        found = recent_means(so_far, float(so_far[0]))[len(self._recent) :]
        self._recent = so_far[-RECENT:]
        return np.asarray(np.maximum(found, 1.0) ** -0.5)

    @property
    def _mean(self) -> Mean:
        """The mean above the origin, and the sums of powers of h (score - mean) / sum h."""
        total = float(self._sums[1, 0])
        value = float(self._sums[1, 1]) / total
        square, cube, fourth = (_about(self._sums[power], value, power) / total**power for power in (2, 3, 4))
        return Mean(value, max(square, 0.0), cube, fourth)

    def _p_value(self, mean: Mean) -> float:
        return means.p_value(Mean(mean.value + self._origin, mean.square, mean.cube, mean.fourth))


def _sums(weights: Floats, scores: Floats) -> Floats:
    """Return the sums of weight**i * score**j, (5, 5)."""
    i, j = (np.vander(each, _POWERS, increasing=True) for each in (weights, scores))
    return np.asarray(i.T @ j)


def _about(sums: Floats, value: float, power: int) -> float:
    """Return the sum of weight**power * (score - value)**power from the sums of weight**power * score**j, (5,)."""
    terms = np.poly1d([1.0, -value]) ** power
    return float(terms.coeffs[::-1] @ sums[: power + 1])
