"""Cross-fitting by random folds: each draw is predicted by the model of all folds but its own.

For logs of a fixed policy at a fixed n (Chernozhukov et al. 2018, The Econometrics Journal 21(1)). The draws of a unit
and those of a slate are in one fold, so that none is predicted by a model that saw its fellows.
"""

from __future__ import annotations

import numpy as np

from analysis.arrays import Floats, Ints
from analysis.mixing import buckets
from analysis.ope.logged import Logged
from analysis.ope.models.base import FitsWithoutEach, Fitted, RewardModel
from analysis.texts import Text, count, text

N_FOLDS = 5
"""Each model is fitted on four draws in five."""

_SEED = 0x6172_6D6C_6966_7401


class ByFolds:
    """Predicts the draws of a log in memory by models of its other folds."""

    def __init__(self, log: Logged, model: RewardModel) -> None:
        is_sound = np.isfinite(log.reward) & (log.variant >= 0) & (log.variant < log.k)
        self._model = model
        # What is unsound is refused block by block, with its line.
        self._fitted = _fitted(log if is_sound.all() else log[is_sound], model)

    @property
    def name(self) -> Text:
        """By which model, and from which draws."""
        return text("ope.model.by_folds", model=self._model.name, n=count(N_FOLDS))

    def predict(self, block: Logged) -> Floats:
        """Return the reward that is expected of each variant, (n, k), by the models of the other folds."""
        fold = folds(block)
        found = np.empty((len(block), block.k))
        for place, fitted in enumerate(self._fitted):
            rows = np.flatnonzero(fold == place)
            found[rows] = fitted.predict(block[rows])
        return found

    def learn(self, block: Logged) -> None:
        """See nothing: all was learned before."""


def folds(log: Logged) -> Ints:
    """Return the fold of each draw, (n,): a hash of its unit, so that it is the same in whatever part it comes.

    >>> log = Logged.of(("a",), np.zeros(3, np.int64), np.zeros(3), np.ones(3))
    >>> folds(log).tolist() == [*folds(log[:1]), *folds(log[1:])]
    True
    """
    first = np.arange(len(log))
    first[1:][log.slate[1:] == log.slate[:-1]] = 0
    return buckets(log.unit[np.maximum.accumulate(first)], N_FOLDS, _SEED)


def _fitted(log: Logged, model: RewardModel) -> list[Fitted]:
    fold = folds(log)
    if isinstance(model, FitsWithoutEach):
        return model.fit_without_each(log, fold, N_FOLDS)
    return [model.fit(log[np.flatnonzero(fold != place)]) for place in range(N_FOLDS)]
