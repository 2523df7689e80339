"""Distributions that somebody has worked out elsewhere, draw by draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from analysis.arrays import Floats, Ints, distinct, places
from analysis.ope.logged import Logged
from analysis.texts import Name, text
from engine.errors import InvalidRequest


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """Gives `distributions` (k,) to all draws, or (n, k), or (n, k, n_slots), to the draws of `rows` (n,)."""

    distributions: Floats
    rows: Ints
    name: Name
    since: ClassVar[int | None] = None

    def probabilities(self, log: Logged) -> Floats:
        """Return the distributions of some draws, (n, k).

        Raises:
            InvalidRequest: they are of another number of variants, or none is given for a draw.
        """
        k = self.distributions.shape[min(1, self.distributions.ndim - 1)]
        if k != log.k:
            raise InvalidRequest(f"distributions over {k} variants are given, and the log has {log.k}: give as many")
        if self.distributions.ndim == 1:
            return np.tile(self.distributions, (len(log), 1))
        place = places(log.row, self.rows)
        if (place < 0).any():
            row = int(log.row[place < 0][0])
            raise InvalidRequest(f"no distribution is given for row {row}: give the log that they are for as well")
        return self._of(place, log.slot)

    def _of(self, place: Ints, slot: Ints) -> Floats:
        if self.distributions.ndim == 2:
            return np.asarray(self.distributions[place])
        n_slots = self.distributions.shape[2]
        if slot.max(initial=0) >= n_slots:
            raise InvalidRequest(f"distributions of {n_slots} slots are given, and the log has more: give all of them")
        return np.asarray(self.distributions[place, :, slot])


def given(distributions: Floats, log: Logged | None = None, name: Name | None = None) -> Given:
    """Return the policy of some distributions: (k,) for all draws, (n, k), or as obp has them (n, k, n_slots).

    The n are the rows of `log`, in their order: each draw, or where several slots have one row, each row. Without a log
    they are rows 0 to n - 1, as those of arrays are.

    Raises:
        InvalidRequest: they are no numbers, have another shape, or are not as many as the log's rows.

    >>> log = Logged.of(("a", "b"), np.array([0, 1]), np.ones(2), np.array([0.5, 0.5]))
    >>> given(np.array([[1.0, 0.0], [0.25, 0.75]])).probabilities(log[1:]).tolist()
    [[0.25, 0.75]]
    """
    try:
        found = np.asarray(distributions, np.float64)
    except (TypeError, ValueError):
        raise InvalidRequest("distributions are an array of numbers, (k,), (n, k) or (n, k, n_slots)") from None
    if not 1 <= found.ndim <= 3:
        raise InvalidRequest(f"distributions are (k,), (n, k) or (n, k, n_slots), and these are {found.shape}")
    rows = np.arange(len(found)) if log is None else distinct(log.row)
    if found.ndim > 1 and len(rows) != len(found):
        raise InvalidRequest(f"{len(found)} distributions are given for {len(rows)} rows: give one for each")
    return Given(found, rows, name or text("ope.target.given"))
