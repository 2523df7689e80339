"""Predictions that somebody has worked out elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats, Ints, distinct, places
from analysis.ope.logged import Logged
from analysis.texts import Name, text
from engine.errors import InvalidRequest


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """Predicts (k,) of all draws, or (n, k), or (n, k, n_slots), of the draws of `rows` (n,), ascending.

    Whoever gives it vouches that no draw's own reward is in its prediction.
    """

    predictions: Floats
    rows: Ints
    name: Name

    def predict(self, log: Logged) -> Floats:
        """Return the predictions of some draws, (n, k).

        Raises:
            InvalidRequest: they are of another number of variants or of fewer slots, or none is given for a draw.
        """
        k = self.predictions.shape[min(1, self.predictions.ndim - 1)]
        if k != log.k:
            raise InvalidRequest(f"predictions of {k} variants are given, and the log has {log.k}: give as many")
        if self.predictions.ndim == 1:
            return np.tile(self.predictions, (len(log), 1))
        place = places(log.row, self.rows)
        if (place < 0).any():
            row = int(log.row[place < 0][0])
            raise InvalidRequest(f"no prediction is given for row {row}: give the log that they are for as well")
        return self._of(place, log.slot)

    def _of(self, place: Ints, slot: Ints) -> Floats:
        if self.predictions.ndim == 2:
            return np.asarray(self.predictions[place])
        n_slots = self.predictions.shape[2]
        if slot.max(initial=0) >= n_slots:
            raise InvalidRequest(f"predictions of {n_slots} slots are given, and the log has more: give all of them")
        return np.asarray(self.predictions[place, :, slot])


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
    found = np.asarray(predictions, np.float64)
    _check(found)
    if found.ndim == 1:
        return Given(found, np.zeros(0, np.int64), name or text("ope.model.given"))
    order, rows = _ordered(found, log)
    return Given(found[order], rows, name or text("ope.model.given"))


def _check(found: Floats) -> None:
    if not 1 <= found.ndim <= 3:
        raise InvalidRequest(f"predictions are (k,), (n, k) or (n, k, n_slots), and these are {found.shape}")
    if not np.isfinite(found).all():
        raise InvalidRequest(f"a prediction is no number, the first in row {np.argwhere(~np.isfinite(found))[0][0]}")


def _ordered(found: Floats, log: Logged | None) -> tuple[Ints, Ints]:
    """Return in which order the predictions are those of ascending rows, (n,), and these rows."""
    rows = np.arange(len(found)) if log is None else log.row if found.ndim == 2 else distinct(log.row)
    if len(rows) != len(found):
        raise InvalidRequest(f"{len(found)} predictions are given for {len(rows)} draws: give one for each")
    order = np.argsort(rows, kind="stable")
    if (np.diff(rows[order]) == 0).any():
        raise InvalidRequest("several draws have one row, so that no prediction is one's own: give them by slot")
    return order, rows[order]
