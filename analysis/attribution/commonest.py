"""The commonest journeys: which touchpoints were met in which order, how often, and what came of it.

Paths are told apart without a hash. Neighbouring touches are paired, and the pairs that occur numbered anew, in their
order; then pairs of pairs, until each path is one number. The numbers are in the order of the paths, as words are in a
dictionary. Each round halves the touches, so that all rounds take twice the time of the first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from analysis.arrays import Floats, Ints, renumbered
from analysis.attribution.journeys import Journeys, taken
from analysis.texts import Name
from engine.errors import InvalidRequest

MAX_PATHS = 50_000
"""So many different paths are kept."""

MAX_TOUCHES = 20 * MAX_PATHS
"""So many touches they have in all."""


@dataclass(frozen=True, slots=True)
class Path:
    """Touchpoints in the order in which n journeys met them, and what these journeys brought."""

    touchpoints: tuple[Name, ...]
    n: int
    conversions: float
    value: float


@dataclass(frozen=True, slots=True, eq=False)
class Commonest:
    """p different paths of journeys with a touch, in the order of a dictionary, and those of two logs added up.

    Path i has the `touchpoint`s from `starts[i]` (p + 1,) up to `starts[i + 1]`; `columns` (p, 3) are its journeys,
    conversions and value. Where there are more than MAX_PATHS paths, or they have more than MAX_TOUCHES touches, the
    rarest are dropped, and of those as rare the longest: `n_dropped` journeys had them. A path that was dropped in one
    block and is kept in the next is short of some: of `n_missed` journeys at most.
    """

    touchpoints: tuple[Name, ...]
    starts: Ints
    touchpoint: Ints
    columns: Floats
    n_dropped: int = 0
    n_missed: int = 0

    @classmethod
    def of(cls, journeys: Journeys) -> Commonest:
        """Return the commonest paths of journeys; those without a touch have none.

        >>> found = Commonest.of(Journeys.of([["email", "search"], ["search"], ["search"]], [1, 0, 1]))
        >>> [(each.touchpoints, each.n, each.conversions) for each in found.top(2)]
        [(('search',), 2, 1.0), (('email', 'search'), 1, 1.0)]
        """
        met = journeys.chosen(journeys.lengths > 0)
        columns = np.stack([np.ones(len(met)), met.conversions, met.value], axis=1)
        return cls(met.touchpoints, met.starts, met.touchpoint, columns)._gathered()._bounded()

    def __len__(self) -> int:
        return len(self.columns)

    def __add__(self, other: Commonest) -> Commonest:
        if self.touchpoints != other.touchpoints:
            raise InvalidRequest("paths among different touchpoints do not add up: read both by the same names")
        both = Commonest(
            self.touchpoints,
            np.concatenate([self.starts, self.starts[-1] + other.starts[1:]]),
            np.concatenate([self.touchpoint, other.touchpoint]),
            np.concatenate([self.columns, other.columns]),
            self.n_dropped + other.n_dropped,
            self.n_missed + other.n_missed,
        )
        return both._gathered()._bounded()

    def top(self, n: int) -> tuple[Path, ...]:
        """Return the n commonest paths, or all that there are; of those as common the first in a dictionary."""
        return tuple(map(self._path, np.argsort(-self.columns[:, 0], kind="stable")[:n].tolist()))

    def _path(self, place: int) -> Path:
        n, conversions, value = self.columns[place].tolist()
        touches = self.touchpoint[self.starts[place] : self.starts[place + 1]].tolist()
        return Path(tuple(self.touchpoints[each] for each in touches), round(n), conversions, value)

    def _gathered(self) -> Commonest:
        """Return each path once."""
        number, n = _numbers(self.starts, self.touchpoint, len(self.touchpoints))
        place = np.zeros(n, np.int64)
        place[number] = np.arange(len(number))
        columns: Floats = np.stack([np.bincount(number, column, n) for column in self.columns.T], axis=1)
        return self._at(place, columns)

    def _bounded(self) -> Commonest:
        """Return no more paths than are kept."""
        if len(self) <= MAX_PATHS and len(self.touchpoint) <= MAX_TOUCHES:
            return self
        n, lengths = self.columns[:, 0], np.diff(self.starts)
        ranked = np.lexsort((lengths, -n))
        n_kept = min(MAX_PATHS, int(np.searchsorted(np.cumsum(lengths[ranked]), MAX_TOUCHES, "right")))
        kept, dropped = np.sort(ranked[:n_kept]), ranked[n_kept:]
        return replace(
            self._at(kept, self.columns[kept]),
            n_dropped=self.n_dropped + round(n[dropped].sum()),
            n_missed=self.n_missed + round(n[dropped].max()),
        )

    def _at(self, places: Ints, columns: Floats) -> Commonest:
        """Return the paths at some places (k,), with what they brought (k, 3)."""
        starts, touches = taken(self.starts, places)
        return replace(self, starts=starts, touchpoint=self.touchpoint[touches], columns=columns)


def _numbers(starts: Ints, touchpoint: Ints, n_touchpoints: int) -> tuple[Ints, int]:
    """Return a number below k for each path (n,), in the order of a dictionary, and how many there are, k.

    A pair is a touch and the next one, or nothing, which comes before every touch.
    """
    step = np.arange(len(touchpoint)) - np.repeat(starts[:-1], np.diff(starts))
    codes, known = renumbered(touchpoint, n_touchpoints)
    while step.any():
        is_first = step % 2 == 0
        second = np.where(is_first, 0, codes + 1)
        pairs = codes * (len(known) + 1) + np.append(second[1:], 0)
        codes, known = renumbered(pairs[is_first], len(known) * (len(known) + 1))
        step = step[is_first] // 2
    return codes, len(known)
