"""Units that are one: who kept what was drawn before a login is the unit that was drawn then, in all experiments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from analysis.arrays import Ints, distinct, places


@dataclass(frozen=True, slots=True, eq=False)
class Identities:
    """The units `known` (k,), ascending, are the units `same` (k,); all others are themselves."""

    known: Ints
    same: Ints

    @classmethod
    def of_pairs(cls, pairs: Sequence[tuple[Ints, Ints]]) -> Identities:
        """Return who is one, of pairs of units that are: the one with the lowest key stands for all.

        >>> Identities.of_pairs([(np.array([5]), np.array([3])), (np.array([9]), np.array([5]))]).same.tolist()
        [3, 3, 3]
        """
        left, right = (np.concatenate([np.zeros(0, np.int64), *(pair[side] for pair in pairs)]) for side in (0, 1))
        known = distinct(np.concatenate([left, right]))
        links = np.ones(len(left)), (places(left, known), places(right, known))
        _, part = csgraph.connected_components(sparse.coo_array(links, shape=(len(known), len(known))), directed=False)
        _, lowest, place = np.unique(part, return_index=True, return_inverse=True)
        return cls(known, known[lowest[place]])

    def of(self, unit: Ints) -> Ints:
        """Return who units (r,) are."""
        place = places(unit, self.known)
        # Place -1, none, finds the 0 at the end.
        return np.where(place < 0, unit, np.append(self.same, 0)[place])
