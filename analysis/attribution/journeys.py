"""Journeys: what units met, touch by touch, until they converted or were not heard of any more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from analysis.arrays import Flags, Floats, Ints, distinct
from analysis.texts import Name, text


class By(Enum):
    """What touches are told apart by: then it is what gets the credit."""

    CHANNEL = "channel"
    EXPERIMENT = "experiment"
    VARIANT = "variant"


MAX_TOUCHPOINTS = 40
"""So many touchpoints are told apart, those with the most touches; all others are one, the last."""

OTHERS = text("attribution.journeys.others")
"""What that one is called."""

NO_CHANNEL = text("attribution.journeys.no_channel")
"""What the touchpoint of touches is called that name no channel."""

NONE = text("attribution.journeys.none")
"""What the conversions are credited to that no touch preceded."""


@dataclass(frozen=True, slots=True, eq=False)
class Journeys:
    """n journeys with m touches in all, each a unit's touches in the order of time.

    Journey i has the touches from `starts[i]` (n + 1,) up to `starts[i + 1]`; `touchpoint` (m,) are places among the
    names of `touchpoints`, of which there are at most MAX_TOUCHPOINTS and one for the others. `age_s` (m,) is how long
    before the journey's end a touch was, in seconds, or None where it is not known: time decay then says nothing.

    `conversions` (n,) is 1 where the journey ended in a conversion and 0 where it did not. `value` (n,) is what it
    brought, less what was refunded, so it may be negative; it is 0 where nothing was converted. `unit` (n,) says whose
    the journey is: journeys of one unit depend on each other. A journey without a touch is a conversion that nothing
    known preceded; or, where it did not convert, a value that belongs to no conversion, as of a refund alone.
    """

    touchpoints: tuple[Name, ...]
    starts: Ints
    touchpoint: Ints
    conversions: Floats
    value: Floats
    unit: Ints
    age_s: Floats | None = None

    @classmethod
    def of(
        cls,
        paths: Sequence[Sequence[str]],
        conversions: Sequence[float],
        value: Sequence[float] | None = None,
        age_s: Sequence[Sequence[float]] | None = None,
        unit: Sequence[int] | None = None,
    ) -> Journeys:
        """Return journeys that are written out, each of a unit of its own unless `unit` says whose it is.

        >>> found = Journeys.of([["email", "search"], ["search"]], [1, 0], [30.0, 0.0])
        >>> found.touchpoints, found.touchpoint.tolist(), found.starts.tolist()
        (('email', 'search'), [0, 1, 1], [0, 2, 3])
        """
        names = tuple(dict.fromkeys(name for path in paths for name in path))
        index = {name: place for place, name in enumerate(names)}
        won = np.array(conversions, np.float64)
        return cls(
            names,
            np.cumsum([0, *map(len, paths)]),
            np.array([index[name] for path in paths for name in path], np.int64),
            won,
            won if value is None else np.array(value, np.float64),
            np.arange(len(paths)) if unit is None else np.array(unit, np.int64),
            None if age_s is None else np.array([age for ages in age_s for age in ages], np.float64),
        )

    @classmethod
    def joined(cls, blocks: Sequence[Journeys]) -> Journeys:
        """Return the journeys of some blocks among the same touchpoints, of which there is one at least, as one."""
        lengths = np.concatenate([block.lengths for block in blocks])
        ages = [block.age_s for block in blocks if block.age_s is not None]
        return cls(
            blocks[0].touchpoints,
            np.concatenate([[0], np.cumsum(lengths)]),
            np.concatenate([block.touchpoint for block in blocks]),
            np.concatenate([block.conversions for block in blocks]),
            np.concatenate([block.value for block in blocks]),
            np.concatenate([block.unit for block in blocks]),
            np.concatenate(ages) if len(ages) == len(blocks) else None,
        )

    def __len__(self) -> int:
        return len(self.conversions)

    @property
    def pays(self) -> Flags:
        """Which journeys brought anything, (n,)."""
        return np.asarray((self.conversions != 0) | (self.value != 0))

    @property
    def lengths(self) -> Ints:
        """How many touches each journey has, (n,)."""
        return np.diff(self.starts)

    @property
    def journey(self) -> Ints:
        """Which journey each touch is of, (m,)."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @property
    def step(self) -> Ints:
        """Which touch of its journey each touch is, from 0 on, (m,)."""
        return np.arange(len(self.touchpoint)) - np.repeat(self.starts[:-1], self.lengths)

    @property
    def met_by_all(self) -> Flags:
        """Which touchpoints every journey has that has any, (p,).

        >>> Journeys.of([["a", "b"], [], ["b", "a", "b"], ["c", "b"]], [1, 1, 0, 1]).met_by_all.tolist()
        [False, True, False]
        """
        found = np.zeros(len(self.touchpoints), np.bool_)
        starts = self.starts[:-1][self.lengths > 0]
        # What all have, the first has.
        for place in distinct(self.touchpoint[: self.lengths[self.lengths > 0][:1].sum()]).tolist():
            found[place] = np.logical_or.reduceat(self.touchpoint == place, starts).all()
        return found

    def chosen(self, which: Flags) -> Journeys:
        """Return some of the journeys (n,), in their order."""
        kept = np.repeat(which, self.lengths)
        return replace(
            self,
            starts=np.concatenate([[0], np.cumsum(self.lengths[which])]),
            touchpoint=self.touchpoint[kept],
            conversions=self.conversions[which],
            value=self.value[which],
            unit=self.unit[which],
            age_s=None if self.age_s is None else self.age_s[kept],
        )

    def at(self, places: Ints) -> Journeys:
        """Return the journeys at some places (k,), in that order and as often as they are named.

        >>> found = Journeys.of([["email"], ["search", "email"]], [0, 1]).at(np.array([1, 0, 1]))
        >>> found.touchpoint.tolist(), found.conversions.tolist()
        ([1, 0, 0, 1, 0], [1.0, 0.0, 1.0])
        """
        starts, touches = taken(self.starts, places)
        return replace(
            self,
            starts=starts,
            touchpoint=self.touchpoint[touches],
            conversions=self.conversions[places],
            value=self.value[places],
            unit=self.unit[places],
            age_s=None if self.age_s is None else self.age_s[touches],
        )

    def among(self, touchpoints: tuple[Name, ...], place: Ints) -> Journeys:
        """Return the same journeys among other touchpoints: `place` (p,) is where each of the present ones is in them.

        >>> Journeys.of([["a", "b", "c"]], [1]).among(("a", OTHERS), np.array([0, 1, 1])).touchpoint.tolist()
        [0, 1, 1]
        """
        return replace(self, touchpoints=touchpoints, touchpoint=place[self.touchpoint])

    def and_values(self, unit: Ints, value: Floats) -> Journeys:
        """Return the same journeys, and after them values (k,) of units (k,) that belong to no conversion."""
        nothing = np.zeros(len(unit))
        return replace(
            self,
            starts=np.concatenate([self.starts, np.full(len(unit), self.starts[-1])]),
            conversions=np.concatenate([self.conversions, nothing]),
            value=np.concatenate([self.value, value]),
            unit=np.concatenate([self.unit, unit]),
        )


def taken(starts: Ints, places: Ints) -> tuple[Ints, Ints]:
    """Return where the journeys at some places (k,) start once they stand alone, (k + 1,), and where their touches are.

    >>> [each.tolist() for each in taken(np.array([0, 1, 3]), np.array([1, 0, 1]))]
    [[0, 2, 3, 5], [1, 2, 0, 1, 2]]
    """
    lengths = np.diff(starts)[places]
    ends = np.cumsum(lengths)
    shift = np.repeat(starts[places] - ends + lengths, lengths)
    return np.concatenate([[0], ends]), np.arange(len(shift)) + shift


@dataclass(frozen=True, slots=True, eq=False)
class Apart:
    """The touchpoints that are told apart: the place among their `names` of each of all, `place` (p,).

    `n_rare` touches are among the others as their touchpoints have so few.
    """

    names: tuple[Name, ...]
    place: Ints
    n_rare: int


def told_apart(touchpoints: Sequence[Name], n_touches: Ints) -> Apart:
    """Return which touchpoints are told apart, in their order.

    Where there are more than MAX_TOUCHPOINTS, those with the fewest touches (p,) are one, OTHERS, which is the last;
    of those with as many, the ones that are named first stay.

    >>> apart = told_apart([str(number) for number in range(50)], np.arange(50))
    >>> len(apart.names), str(apart.names[0]), str(apart.names[-1]), apart.place[[9, 10, 49]].tolist(), apart.n_rare
    (41, '10', 'others', [40, 0, 39], 45)
    """
    is_own = np.array([name != OTHERS for name in touchpoints], np.bool_)
    ranked = np.argsort(np.where(is_own, -n_touches, 1), kind="stable")
    kept = np.sort(ranked[: min(MAX_TOUCHPOINTS, int(is_own.sum()))])
    place = np.full(len(touchpoints), len(kept))
    place[kept] = np.arange(len(kept))
    names = tuple(touchpoints[each] for each in kept)
    n_rare = int(n_touches[is_own & (place == len(kept))].sum())
    return Apart(names if len(kept) == len(touchpoints) else (*names, OTHERS), place, n_rare)
