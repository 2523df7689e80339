"""Which draws a draw is predicted from: by folds, by earlier ones, or by none where the model was there before."""

from __future__ import annotations

import numpy as np

from analysis.arrays import Floats
from analysis.ope.logged import Logged
from analysis.ope.models.base import Predictor, Ready, RewardModel
from analysis.ope.models.earlier import Earlier
from analysis.ope.models.folds import ByFolds
from analysis.texts import Name, Text, text
from engine.errors import InvalidRequest


def predictor(log: Logged | None, model: RewardModel | Ready, *, is_adaptive: bool) -> Predictor:
    """Return what predicts the draws of a log, none of them by a model that has seen it.

    A log of a fixed policy that is held in memory is predicted by folds, an adaptive one, or a stream (None), by
    earlier draws alone. A model that is `Ready` predicts all as it is.

    Raises:
        InvalidRequest: it is no model of the reward.
    """
    if isinstance(model, Ready):
        return _AsItIs(model)
    if not hasattr(model, "memory"):
        kind = type(model).__name__
        raise InvalidRequest(
            f"{kind} is no model of the reward as it is: give ope.models.Brought of it, or FittedBefore where it is "
            "fitted to other draws, or ope.models.predicted of a table of predictions"
        )
    if log is None or is_adaptive:
        return Earlier(model)
    return ByFolds(log, model)


def no_model() -> Predictor:
    """Return what expects nothing of any variant: so the doubly robust score is that of inverse propensities.

    >>> log = Logged.of(("a", "b"), np.array([0]), np.ones(1), np.ones(1))
    >>> no_model().predict(log).tolist()
    [[0.0, 0.0]]
    """
    return _AsItIs(Nothing())


class _AsItIs:
    """Predicts by a model that learns nothing from the log."""

    def __init__(self, model: Ready) -> None:
        self._model = model

    @property
    def name(self) -> Name:
        """By which model."""
        return self._model.name

    def predict(self, block: Logged) -> Floats:
        """Return the reward that is expected of each variant, (n, k)."""
        return self._model.predict(block)

    def learn(self, block: Logged) -> None:
        """See nothing."""


class Nothing:
    """A model that expects no reward."""

    @property
    def name(self) -> Text:
        """What it is called."""
        return text("ope.model.nothing")

    def predict(self, log: Logged) -> Floats:
        """Return zeros, (n, k)."""
        return np.zeros((len(log), log.k))
