"""A hash of whole numbers that is the same in every process: which draws go together is a matter of their units alone.

SplitMix64 (Steele, Lea and Flood 2014, OOPSLA).
"""

from __future__ import annotations

import numpy as np

from analysis.arrays import Ints


def buckets(keys: Ints, n: int, seed: int) -> Ints:
    """Return which of n buckets each key (m,) is in; another seed puts them in others.

    >>> buckets(np.array([7, 8, 7]), 100, seed=1).tolist()
    [20, 63, 20]
    """
    mixed = keys.astype(np.uint64) + np.uint64(seed)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
    return ((mixed ^ (mixed >> np.uint64(31))) % np.uint64(n)).astype(np.int64)
