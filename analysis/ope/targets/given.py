"""Distributions that somebody has worked out elsewhere, draw by draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from analysis.arrays import Floats
from analysis.ope.by_row import ByRow, numbers, rows_of
from analysis.ope.logged import Logged
from analysis.texts import Name, text
from engine.errors import InvalidRequest


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """Gives each draw the distribution that is given for its row."""

    distributions: ByRow
    name: Name
    since: ClassVar[int | None] = None

    def probabilities(self, log: Logged) -> Floats:
        """Return the distributions of some draws, (n, k).

        Raises:
            InvalidRequest: they are of another number of variants or of fewer slots, or none is given for a draw.
        """
        return self.distributions.at(log)


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
    found = numbers(distributions, "distribution")
    rows = np.arange(len(found)) if log is None else rows_of(log)
    if found.ndim > 1 and len(rows) != len(found):
        raise InvalidRequest(f"{len(found)} distributions are given for {len(rows)} rows: give one for each")
    return Given(ByRow.given(found, rows, "distribution", "over"), name or text("ope.target.given"))
