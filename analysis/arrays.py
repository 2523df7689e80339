"""Names for the types of arrays, and what numpy has no word for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
"""Numbers."""

Ints = NDArray[np.int64]
"""Keys, indices, counts, and times in microseconds since the Unix epoch."""

Flags = NDArray[np.bool_]
"""True or false by row."""

Texts = NDArray[Any]
"""Names and identifiers."""

LARGEST = 1e60
"""A number further from 0 is not computed with: fourth powers of such have no float64."""

_DENSE = 16
"""Up to so many possible codes a row, a table of all of them is quicker than sorting the rows."""


def first_of(major: Ints, minor: Ints) -> Ints:
    """Return the lowest index of each pair that occurs, in the order of the pairs.

    >>> first_of(np.array([7, 7, 5, 7]), np.array([1, 2, 1, 1])).tolist()
    [2, 0, 1]
    """
    order = np.lexsort((minor, major))
    is_new = np.ones(len(order), np.bool_)
    is_new[1:] = (np.diff(major[order]) != 0) | (np.diff(minor[order]) != 0)
    return order[is_new]


def distinct(values: Ints) -> Ints:
    """Return the different values of (n,), ascending: as `np.unique`, which is many times slower where most differ.

    >>> distinct(np.array([3, 3, 1, 1, 3])).tolist()
    [1, 3]
    """
    # Neighbours are often alike, or in order already, and then there is little to sort.
    runs = _starts_of_runs(values)
    return runs if (runs[1:] > runs[:-1]).all() else _starts_of_runs(np.sort(runs))


def _starts_of_runs(values: Ints) -> Ints:
    is_start = np.ones(len(values), np.bool_)
    is_start[1:] = values[1:] != values[:-1]
    return values[is_start]


def places(wanted: Ints, keys: Ints) -> Ints:
    """Return the place of each wanted key (n,) among sorted keys, or -1 where there is no such key.

    >>> places(np.array([7, 5, 6]), np.array([5, 7])).tolist()
    [1, 0, -1]
    """
    if not len(keys):
        return np.full(len(wanted), -1)
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, place, -1)


def renumbered(codes: Ints, n_codes: int) -> tuple[Ints, Ints]:
    """Return codes (n,) below `n_codes` numbered anew without gaps, and the old ones in their order.

    >>> [each.tolist() for each in renumbered(np.array([9, 2, 9]), 10)]
    [[1, 0, 1], [2, 9]]
    """
    if n_codes > _DENSE * len(codes) + _DENSE:
        old, new = np.unique(codes, return_inverse=True)
        return new, old
    old = np.flatnonzero(np.bincount(codes, minlength=n_codes))
    place = np.zeros(n_codes, np.int64)
    place[old] = np.arange(len(old))
    return place[codes], old
