"""Rules that share each journey by the places of its touches: first, last, last but direct, linear and by position."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats, Ints
from analysis.attribution.journeys import Journeys
from analysis.attribution.rules.base import ByTouch
from analysis.texts import Text, share, text
from engine.errors import InvalidRequest

DIRECT = frozenset({"direct"})
"""What touchpoints are usually called at which a unit came by itself."""


@dataclass(frozen=True, slots=True)
class First(ByTouch):
    """All credit to the first touch."""

    name = "first"

    def shares(self, journeys: Journeys) -> Floats:
        """Return 1 for the first touches, (m,)."""
        return _at(journeys, journeys.starts[:-1])


@dataclass(frozen=True, slots=True)
class Last(ByTouch):
    """All credit to the last touch."""

    name = "last"

    def shares(self, journeys: Journeys) -> Floats:
        """Return 1 for the last touches, (m,)."""
        return _at(journeys, journeys.starts[1:] - 1)


@dataclass(frozen=True, slots=True)
class LastNonDirect(ByTouch):
    """All credit to the last touch that is not of a touchpoint named in `direct`; to the last one where all are.

    Raises:
        InvalidRequest: `direct` names nothing, or is a text in place of a set of names.

    >>> journeys = Journeys.of([["email", "search", "direct"], ["direct"]], [1, 1])
    >>> LastNonDirect().sums(journeys).totals[:, 1].tolist(), journeys.touchpoints
    ([1.0, 1.0], ('email', 'search', 'direct'))
    """

    direct: frozenset[str] = DIRECT

    def __post_init__(self) -> None:
        if isinstance(self.direct, str) or not self.direct:
            raise InvalidRequest('last_non_direct needs the names of the direct touchpoints: give a set, as {"direct"}')

    @property
    def name(self) -> str:
        """What it is called."""
        return "last_non_direct" if self._is_usual else "last_non_" + ",".join(sorted(self.direct))

    @property
    def title(self) -> Text:
        """Its name in words, with what counts as direct where that is not the usual."""
        if self._is_usual:
            return text("attribution.rules.last_non_direct")
        return text("attribution.rules.last_non_direct_with", direct=tuple(sorted(self.direct)))

    @property
    def assumes(self) -> Text:
        """When its credit is the truth, and when it misleads."""
        return text("attribution.rules.last_non_direct_assumes")

    @property
    def _is_usual(self) -> bool:
        return self.direct == DIRECT

    def shares(self, journeys: Journeys) -> Floats:
        """Return 1 for the last touches that are not direct, (m,)."""
        # Names of ours are never direct; they cannot be looked up in a set.
        is_direct = np.array([isinstance(name, str) and name in self.direct for name in journeys.touchpoints], np.bool_)
        place = np.arange(len(journeys.touchpoint))
        last = journeys.starts[1:] - 1
        found = np.maximum.reduceat(np.where(is_direct[journeys.touchpoint], -1, place), journeys.starts[:-1])
        return _at(journeys, np.where(found < 0, last, found))


@dataclass(frozen=True, slots=True)
class Linear(ByTouch):
    """Equal credit to all touches of a journey."""

    name = "linear"

    def shares(self, journeys: Journeys) -> Floats:
        """Return equal shares, (m,)."""
        return 1 / _lengths(journeys)


@dataclass(frozen=True, slots=True)
class Position(ByTouch):
    """Set shares to the `first` and the `last` touch, and the rest to those in between, in equal parts.

    Where there are none in between, two touches share all credit in proportion to `first` and `last` (half each where
    both are 0), and one touch has it all.

    Raises:
        InvalidRequest: a share is below 0, or both together are above 1.
    """

    first: float = 0.4
    last: float = 0.4

    def __post_init__(self) -> None:
        if not (self.first >= 0 and self.last >= 0 and self.first + self.last <= 1):
            raise InvalidRequest(
                f"position gives {self.first} to the first touch and {self.last} to the last: "
                "give shares from 0 on that are at most 1 together"
            )

    @property
    def name(self) -> str:
        """What it is called."""
        return "position" if self._is_usual else f"position_{self.first:g}_{self.last:g}"

    @property
    def title(self) -> Text:
        """Its name in words, with its shares where they are not the usual ones."""
        if self._is_usual:
            return text("attribution.rules.position")
        middle = max(1 - self.first - self.last, 0.0)
        return text(
            "attribution.rules.position_with", first=share(self.first), middle=share(middle), last=share(self.last)
        )

    @property
    def assumes(self) -> Text:
        """When its credit is the truth, and when it misleads."""
        return text("attribution.rules.position_assumes")

    @property
    def _is_usual(self) -> bool:
        return self == Position()

    def shares(self, journeys: Journeys) -> Floats:
        """Return shares by position, (m,)."""
        n = _lengths(journeys)
        ends = self.first + self.last
        of_two = self.first / ends if ends else 0.5
        found = (1 - ends) / np.maximum(n - 2, 1)
        first, last = journeys.starts[:-1], journeys.starts[1:] - 1
        found[first] = np.where(n[first] == 2, of_two, self.first)
        found[last] = np.where(n[last] == 2, 1 - of_two, self.last)
        found[n == 1] = 1
        return found


def _at(journeys: Journeys, touch: Ints) -> Floats:
    """Return 1 for some touches, (m,), and 0 for all others."""
    shares = np.zeros(len(journeys.touchpoint))
    shares[touch] = 1
    return shares


def _lengths(journeys: Journeys) -> Floats:
    """Return how many touches there are in each touch's journey, (m,)."""
    return np.repeat(journeys.lengths.astype(np.float64), journeys.lengths)
