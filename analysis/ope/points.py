"""One estimator's value of one log, and nothing else: for whoever has a target and predictions as tables."""

from __future__ import annotations

import numpy as np

from analysis.arrays import Floats
from analysis.ope.estimators import slates
from analysis.ope.estimators.base import Estimator
from analysis.ope.logged import Logged
from analysis.ope.weighed import weighed_plainly


def point(estimator: Estimator, log: Logged, target: Floats, predicted: Floats | None = None) -> float:
    """Return what an estimator makes of a log for a target (n, k), with a model's predictions (n, k); NaN of no draws.

    Estimators that want the largest possible weight are told that of the draws. Nothing is checked here:
    `analysis.ope.checking` does that, and `evaluate` for whoever asks for more than a number.

    >>> from analysis.ope.estimators.snips import Snips
    >>> log = Logged.of(("a", "b"), np.array([0, 1]), np.array([1.0, 0.0]), np.array([0.5, 0.25]))
    >>> round(point(Snips(), log, np.full((2, 2), 0.5)), 4)
    0.3333
    """
    sums, n, largest, start = np.zeros(len(estimator.columns)), 0, 0.0, 0
    for block in log.blocks():
        rows = slice(start, start + len(block))
        part = slates.whole(weighed_plainly(block, target[rows], None if predicted is None else predicted[rows]))
        sums += [float(term.sum()) for term in estimator.terms(part)]
        n, largest, start = n + len(part), max(largest, float(part.weight.max())), start + len(block)
    return estimator.told(n, largest).value(sums / n) if n else float("nan")
