"""Do the effects of several groups differ by more than luck, and how far is each of them to be believed?

Effects are estimates of g independent groups with known variances, as in a meta-analysis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.arrays import Floats


@dataclass(frozen=True, slots=True)
class Interaction:
    """Cochran's Q with its degrees of freedom and p-value, of effects that are all the same."""

    statistic: float
    freedom: int
    p_value: float


def interaction(effects: Floats, covariances: Floats) -> Interaction:
    """Return Cochran's test (1954) of `effects` (g, c) with `covariances` (g, c, c), of c comparisons in g groups.

    For c = 1 the statistic is sum w (d - sum w d / sum w)**2 with w = 1 / variance; for several comparisons with one
    control it is the same with matrices. It is chi-square with (g - 1) c degrees of freedom; g is at least 2.

    >>> found = interaction(np.array([[1.0], [2.0]]), np.array([[[0.1]], [[0.4]]]))
    >>> found.statistic, found.freedom, round(found.p_value, 4)
    (2.0, 1, 0.1573)
    """
    weights = np.linalg.inv(covariances)
    mean = np.linalg.solve(weights.sum(axis=0), np.einsum("gij,gj->i", weights, effects))
    deviation = effects - mean
    statistic = float(np.einsum("gi,gij,gj->", deviation, weights, deviation))
    freedom = (len(effects) - 1) * effects.shape[1]
    return Interaction(statistic, freedom, float(stats.chi2.sf(statistic, freedom)))


def between(effects: Floats, variances: Floats) -> float:
    """Return the variance of the true effects between groups, by moments (DerSimonian and Laird 1986).

    `effects` and `variances` are (g,); g is at least 2.
    """
    weights = 1 / variances
    statistic = float(weights @ (effects - np.average(effects, weights=weights)) ** 2)
    return max(0.0, (statistic - (len(effects) - 1)) / float(weights.sum() - (weights**2).sum() / weights.sum()))


def shrunk(effects: Floats, variances: Floats) -> Floats:
    """Return effects drawn towards their weighted mean as far as luck explains their differences, (g,).

    The empirical Bayes estimate of a normal model (Efron and Morris 1975) with the variance `between` groups: an effect
    keeps the share between / (between + variance) of its distance from the mean. Also two groups have one.

    >>> shrunk(np.array([0.0, 1.0]), np.array([0.5, 0.5])).tolist()
    [0.5, 0.5]
    """
    spread = between(effects, variances)
    mean = np.average(effects, weights=1 / (spread + variances))
    return np.asarray(mean + spread / (spread + variances) * (effects - mean))
