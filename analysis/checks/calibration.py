"""Does a policy earn what it predicts? Its snapshots' predictions of recent draws, against what those brought.

Each prediction is of the snapshot that the row names, which learned from rewards that had matured before. So it was
made before the outcome, and its expected error is the model's own, whatever the policy drew and why. No model is exact,
and a policy need not be: an error is tolerated up to a share of what was predicted.

The evidence is an e-process of "neither the mean error of all draws nor that of any group of alike predictions is off
by more than what is tolerated". With errors e_i = reward - predicted of a mean d_i each, a bet of rate b multiplies its
wealth by (1 + b e_i) exp(-b d_i), which cannot be expected to gain; while the sum of d_i is within that of the t_i,
the product of (1 + b e_i) exp(-b t_i) is no more than that (as in `analysis.sequential.shifts`). Half of the wealth is
bet on all draws, half on the groups, in bets of both signs, and a share of it is set aside for each stretch of the log
with which the bets can begin. So it holds however often one looks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats
from analysis.checks.predicting import Predicted
from analysis.sequential.shifts import RATES, share_of

TOLERANCE, LEAST_TOLERANCE = 0.25, 0.02
"""An error is tolerated up to this share of the prediction, or to so much of the reward's scale."""

FEWEST_ROWS = 200
"""With fewer predictions nothing is said."""

_N_GROUPS = 10
_FOR_EDGES = 5
"""The first fifth of the rows says where the groups of predictions begin, and is tested no further."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was predicted of recent draws and what they earned: the means of all, or of the group that is furthest off.

    `log_e` is the logarithm of the e-process. `slope` is that of the rewards on the predictions over all `n` draws:
    about 1 where predictions are right, and None where they are all alike. `row` is the first draw.
    """

    n: int
    log_e: float
    predicted: float
    earned: float
    slope: float | None
    row: int


def calibration(found: Predicted) -> Calibration | None:
    """Return how far predictions are off, or None where there are too few.

    >>> chance = np.random.default_rng(1)
    >>> said = chance.uniform(0.1, 0.5, 4_000)
    >>> right, half = ((chance.random(4_000) < share * said).astype(float) for share in (1.0, 0.5))
    >>> [round(calibration(Predicted(np.arange(4_000), said, earned, 0)).log_e) for earned in (right, half)]
    [-3, 55]
    """
    if len(found.row) < FEWEST_ROWS:
        return None
    start = len(found.row) // _FOR_EDGES
    edges = np.quantile(found.reward[:start], np.arange(1, _N_GROUPS) / _N_GROUPS)
    said, earned = found.reward[start:], found.earned[start:]
    group = np.searchsorted(edges, said, side="right")
    chosen = [np.ones(len(said), np.bool_), *(group == each for each in range(_N_GROUPS))]
    log_e = np.array([_log_e(said[which], earned[which]) for which in chosen])
    furthest = chosen[int(log_e.argmax())]
    shares = np.array([0.5, *np.full(_N_GROUPS, 0.5 / _N_GROUPS)])
    return Calibration(
        n=len(said),
        log_e=float(np.logaddexp.reduce(log_e + np.log(shares)) + np.log(share_of(found.stretch))),
        predicted=float(said[furthest].mean()),
        earned=float(earned[furthest].mean()),
        slope=_slope(said, earned),
        row=int(found.row[start]),
    )


def _log_e(said: Floats, earned: Floats) -> float:
    """Return the logarithm of the e-value of a mean error beyond what is tolerated, to either side."""
    if not len(said):
        return -np.inf
    error, tolerated = earned - said, float(np.maximum(TOLERANCE * said, LEAST_TOLERANCE).sum())
    wealth = [np.log1p(side * rate * error).sum() - rate * tolerated for rate in RATES for side in (1, -1)]
    return float(np.logaddexp.reduce(wealth) - np.log(len(wealth)))


def _slope(said: Floats, earned: Floats) -> float | None:
    away = said - said.mean()
    square = float((away**2).sum())
    return float((away * earned).sum()) / square if square > 0 else None
