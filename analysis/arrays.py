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


def first_of(major: Ints, minor: Ints) -> Ints:
    """Return the lowest index of each pair that occurs, in the order of the pairs.

    >>> first_of(np.array([7, 7, 5, 7]), np.array([1, 2, 1, 1])).tolist()
    [2, 0, 1]
    """
    order = np.lexsort((minor, major))
    is_new = np.ones(len(order), np.bool_)
    is_new[1:] = (np.diff(major[order]) != 0) | (np.diff(minor[order]) != 0)
    return order[is_new]
