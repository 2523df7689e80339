"""Channels of a table by number, as they come; and which of them are told apart in the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from analysis.arrays import Flags, Ints, Texts
from analysis.attribution.doors.cells import coded, named
from analysis.attribution.journeys import NO_CHANNEL, OTHERS, Journeys, told_apart
from analysis.attribution.noted import Noted, Notes
from analysis.ope.doors.rows import Coding
from analysis.texts import Name


@dataclass(frozen=True, slots=True)
class Names:
    """Numbers for channels: 0 is none, then come those that are declared. Without a declaration all are known."""

    n_declared: int = 0
    coding: Coding = field(default_factory=Coding)

    @classmethod
    def declared(cls, channels: Sequence[str]) -> Names:
        """Return numbers for declared channels, in their order."""
        coding = Coding()
        coding.of(map(named, channels))
        return cls(len(coding.codes), coding)

    def of(self, cells: Texts) -> Ints:
        """Return the numbers of the channels that cells name, (n,)."""
        place, texts = coded(cells)
        return (self.coding.of(map(named, texts)) + 1)[place]

    @property
    def all(self) -> tuple[Name, ...]:
        """What was named so far, by number."""
        return (NO_CHANNEL, *self.coding.words)

    def told_apart(self, journeys: Journeys, notes: Notes) -> Journeys:
        """Return journeys among `all` as ones among the touchpoints that are told apart: others are one, and noted."""
        known = self._known(journeys, notes)
        apart = told_apart(known.touchpoints, np.bincount(known.touchpoint, minlength=len(known.touchpoints)))
        found = known.among(apart.names, apart.place)
        notes.update({Noted.RARE_CHANNELS: apart.n_rare, Noted.EVERYWHERE: int(found.met_by_all.sum())})
        return found

    def _known(self, journeys: Journeys, notes: Notes) -> Journeys:
        """Return journeys among the known channels; then none, and the others, where there are such touches."""
        n_touches = np.bincount(journeys.touchpoint, minlength=len(self.all))
        is_known = self._are_known(n_touches)
        n_none, n_unknown = int(n_touches[0]), int(n_touches[1:][~is_known].sum())
        notes.update({Noted.NO_CHANNEL: n_none, Noted.UNKNOWN: n_unknown})
        known = [word for word, it_is in zip(self.coding.words, is_known, strict=True) if it_is]
        place = np.full(len(self.all), len(known) + (n_none > 0))
        place[0] = len(known)
        place[1:][is_known] = np.arange(len(known))
        return journeys.among((*known, *[NO_CHANNEL] * (n_none > 0), *[OTHERS] * (n_unknown > 0)), place)

    def _are_known(self, n_touches: Ints) -> Flags:
        """Return which channels (c,) are declared; or, where none are, which have a touch."""
        n = len(self.coding.words)
        return np.asarray(np.arange(n) < self.n_declared if self.n_declared else n_touches[1:] > 0)
