"""Numbers that somebody worked out elsewhere, found again by the rows of a log in whatever part of it they come."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats, Ints, places
from analysis.ope.logged import Logged
from engine.errors import InvalidRequest


@dataclass(frozen=True, slots=True, eq=False)
class ByRow:
    """`values` (k,) for all draws, or (n, k), or (n, k, n_slots) for those of `rows` (n,), ascending.

    They are called `what`, in the singular, and are `of` so many variants.
    """

    values: Floats
    rows: Ints
    what: str
    of: str = "of"

    @classmethod
    def given(cls, values: Floats, rows: Ints, what: str, of: str = "of") -> ByRow:
        """Return values in the order of different rows (n,), which need not ascend.

        >>> log = Logged.of(("a", "b"), np.array([0, 1]), np.ones(2), np.ones(2))
        >>> ByRow.given(np.array([[0.1, 0.2], [0.3, 0.4]]), np.array([1, 0]), "prediction").at(log[:1]).tolist()
        [[0.3, 0.4]]
        """
        if values.ndim == 1 or (rows[1:] > rows[:-1]).all():
            return cls(values, rows, what, of)
        order = np.argsort(rows, kind="stable")
        return cls(values[order], rows[order], what, of)

    def at(self, log: Logged) -> Floats:
        """Return those of some draws, (n, k), where there are several slots each draw's own.

        Raises:
            InvalidRequest: they are of another number of variants or of fewer slots, or none is given for a draw.
        """
        k = self.values.shape[min(1, self.values.ndim - 1)]
        if k != log.k:
            raise InvalidRequest(
                f"{self.what}s {self.of} {k} variants are given, and the log has {log.k}: give as many"
            )
        if self.values.ndim == 1:
            return np.tile(self.values, (len(log), 1))
        place = places(log.row, self.rows)
        if (place < 0).any():
            row = int(log.row[place < 0][0])
            raise InvalidRequest(f"no {self.what} is given for row {row}: give the log that they are for as well")
        return self._of(place, log.slot)

    def _of(self, place: Ints, slot: Ints) -> Floats:
        if self.values.ndim == 2:
            return np.asarray(self.values[place])
        n_slots = self.values.shape[2]
        if slot.max(initial=0) >= n_slots:
            raise InvalidRequest(f"{self.what}s of {n_slots} slots are given, and the log has more: give all of them")
        return np.asarray(self.values[place, :, slot])


def numbers(values: object, what: str) -> Floats:
    """Return what was given as an array of numbers, (k,), (n, k) or (n, k, n_slots).

    Raises:
        InvalidRequest: it is no numbers, or has another shape.

    >>> numbers([[1, 0]], "prediction").tolist()
    [[1.0, 0.0]]
    """
    try:
        found = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise InvalidRequest(f"{what}s are an array of numbers, (k,), (n, k) or (n, k, n_slots)") from None
    if not 1 <= found.ndim <= 3:
        raise InvalidRequest(f"{what}s are (k,), (n, k) or (n, k, n_slots), and these are {found.shape}")
    return found


def rows_of(log: Logged) -> Ints:
    """Return the different rows of a log in the order in which they come, (n_rows,).

    >>> from dataclasses import replace
    >>> log = Logged.of(("a",), np.zeros(3, np.int64), np.ones(3), np.ones(3))
    >>> rows_of(replace(log, row=np.array([7, 7, 5]))).tolist()
    [7, 5]
    """
    is_new = np.ones(len(log), np.bool_)
    is_new[1:] = log.row[1:] != log.row[:-1]
    rows = log.row[is_new]
    if (rows[1:] > rows[:-1]).all():
        return rows
    return np.asarray(log.row[np.sort(np.unique(log.row, return_index=True)[1])])
