"""One estimator's value of one log, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from analysis.arrays import Floats
from analysis.ope.estimators import slates
from analysis.ope.estimators.base import Estimator
from analysis.ope.logged import Logged
from analysis.ope.models.base import Ready
from analysis.ope.targets.base import Target
from analysis.ope.weighed import weighed_plainly
from engine.errors import InvalidRequest


def point(
    estimator: Estimator, log: Logged | Iterable[Logged], target: Target | Floats, model: Ready | Floats | None = None
) -> float:
    """Return what an estimator makes of a log for a target, with predictions of the reward; NaN of no draws.

    Both are asked block by block, or are tables (n, k). Estimators that want the largest possible weight are told that
    of the draws. Nothing is checked here: `analysis.ope.checking` does that, and `evaluate` for whoever asks for more
    than a number.

    Raises:
        InvalidRequest: the estimator needs predictions, and there are none.

    >>> from analysis import ope
    >>> log = Logged.of(("a", "b"), np.array([0, 1]), np.array([1.0, 0.0]), np.array([0.5, 0.25]))
    >>> round(point(ope.estimators.Snips(), log, ope.uniform()), 4)
    0.3333
    >>> point(ope.estimators.Dr(), log, np.full((2, 2), 0.5), np.array([[0.5, 0.0], [0.5, 0.25]]))
    0.3125
    """
    if estimator.is_modelled and model is None:
        raise InvalidRequest(f"{estimator.method} needs a model of the reward: give predictions")
    sums, n, largest, start = np.zeros(len(estimator.columns)), 0, 0.0, 0
    for block in _blocks(log):
        rows = slice(start, start + len(block))
        pi = target[rows] if isinstance(target, np.ndarray) else target.probabilities(block)
        part = slates.whole(weighed_plainly(block, pi, _predicted(model, block, rows)))
        sums += [float(term.sum()) for term in estimator.terms(part)]
        n, largest, start = n + len(part), max(largest, float(part.weight.max())), rows.stop
    return estimator.told(n, largest).value(sums / n) if n else float("nan")


def _blocks(log: Logged | Iterable[Logged]) -> Iterable[Logged]:
    return (block for part in ([log] if isinstance(log, Logged) else log) for block in part.blocks())


def _predicted(model: Ready | Floats | None, block: Logged, rows: slice) -> Floats | None:
    return model[rows] if isinstance(model, np.ndarray) else None if model is None else model.predict(block)
