"""Predictions that somebody has worked out elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats, Ints
from analysis.ope.by_row import ByRow, numbers, rows_of
from analysis.ope.logged import Logged
from analysis.texts import Name, text
from engine.errors import InvalidRequest


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """Predicts of each draw what is given for its row.

    Whoever gives it vouches that no draw's own reward is in its prediction.
    """

    predictions: ByRow
    name: Name

    def predict(self, log: Logged) -> Floats:
        """Return the predictions of some draws, (n, k).

        Raises:
            InvalidRequest: they are of another number of variants or of fewer slots, or none is given for a draw.
        """
        return self.predictions.at(log)


def predicted(predictions: Floats, log: Logged | None = None, name: Name | None = None) -> Given:
    """Return the model of some predictions: (k,) for all draws, (n, k), or as obp has them (n, k, n_slots).

    The n are the draws of `log` in its order, or rows 0 to n - 1 without one. With slots they are its rows, of which
    one may have several draws.

    Raises:
        InvalidRequest: they have another shape, are not finite, or are not as many as the draws.

    >>> log = Logged.of(("a", "b"), np.array([0, 1]), np.ones(2), np.array([0.5, 0.5]))
    >>> predicted(np.array([[0.1, 0.2], [0.3, 0.4]])).predict(log[1:]).tolist()
    [[0.3, 0.4]]
    """
    found = numbers(predictions, "prediction")
    if not np.isfinite(found).all():
        raise InvalidRequest(f"a prediction is no number, the first in row {np.argwhere(~np.isfinite(found))[0][0]}")
    return Given(ByRow.given(found, _rows(found, log), "prediction"), name or text("ope.model.given"))


def _rows(found: Floats, log: Logged | None) -> Ints:
    """Return the rows that predictions are given for, in their order, (n,)."""
    if log is None or found.ndim == 1:
        return np.arange(len(found))
    rows = rows_of(log)
    n = len(log) if found.ndim == 2 else len(rows)
    if n != len(found):
        raise InvalidRequest(f"{len(found)} predictions are given for {n} draws: give one for each")
    if n != len(rows):
        raise InvalidRequest("several draws have one row, so that no prediction is one's own: give them by slot")
    return rows
