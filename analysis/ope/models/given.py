"""Predictions that somebody has worked out elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats, Ints, places
from analysis.ope.logged import Logged
from analysis.texts import Name, text
from engine.errors import InvalidRequest


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """Predicts (k,) of all draws, or (n, k) of the draws of `rows` (n,), ascending.

    Whoever gives it vouches that no draw's own reward is in its prediction.
    """

    predictions: Floats
    rows: Ints
    name: Name

    def predict(self, log: Logged) -> Floats:
        """Return the predictions of some draws, (n, k).

        Raises:
            InvalidRequest: they are of another number of variants, or none is given for a draw.
        """
        if self.predictions.shape[-1] != log.k:
            k = self.predictions.shape[-1]
            raise InvalidRequest(f"predictions of {k} variants are given, and the log has {log.k}: give as many")
        if self.predictions.ndim == 1:
            return np.tile(self.predictions, (len(log), 1))
        place = places(log.row, self.rows)
        if (place < 0).any():
            row = int(log.row[place < 0][0])
            raise InvalidRequest(f"no prediction is given for row {row}: give the log that they are for as well")
        return np.asarray(self.predictions[place])


def given(predictions: Floats, log: Logged | None = None, name: Name | None = None) -> Given:
    """Return the model of some predictions: (k,) for all draws, or (n, k) for the draws of `log`, in its order.

    Without a log the n are rows 0 to n - 1, as those of arrays are.

    Raises:
        InvalidRequest: they have another shape, are not finite, or are not as many as the draws.

    >>> log = Logged.of(("a", "b"), np.array([0, 1]), np.ones(2), np.array([0.5, 0.5]))
    >>> given(np.array([[0.1, 0.2], [0.3, 0.4]])).predict(log[1:]).tolist()
    [[0.3, 0.4]]
    """
    found = np.asarray(predictions, np.float64)
    if found.ndim not in (1, 2):
        raise InvalidRequest(f"predictions are (k,) or (n, k), and these are {found.shape}")
    if not np.isfinite(found).all():
        raise InvalidRequest(f"a prediction is no number, the first in row {np.argwhere(~np.isfinite(found))[0][0]}")
    rows = np.arange(len(found)) if log is None else log.row
    if found.ndim == 2 and len(rows) != len(found):
        raise InvalidRequest(f"{len(found)} predictions are given for {len(rows)} draws: give one for each")
    order = np.argsort(rows, kind="stable")
    if found.ndim == 2 and (np.diff(rows[order]) == 0).any():
        raise InvalidRequest("several draws have one row, so that no prediction is one's own: give a log of one slot")
    return Given(found[order] if found.ndim == 2 else found, rows[order], name or text("ope.model.given"))
