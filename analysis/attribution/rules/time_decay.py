"""Credit that fades with a touch's age: half as much for each half-life before the journey's end, continuously."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from analysis.arrays import Floats
from analysis.attribution.journeys import Journeys
from analysis.attribution.rules.base import ByTouch
from analysis.texts import Text, duration, text
from engine.errors import InvalidRequest

HALF_LIFE = timedelta(days=7)
"""The usual half-life."""


@dataclass(frozen=True, slots=True)
class TimeDecay(ByTouch):
    """Credit in proportion to 2 ** (-age / half_life), shared within each journey.

    Raises:
        InvalidRequest: the half-life is not above 0.

    >>> week = 7 * 86_400.0
    >>> TimeDecay().sums(Journeys.of([["email", "search"]], [1], age_s=[[week, 0.0]])).totals[:, 1].round(4).tolist()
    [0.3333, 0.6667]
    """

    half_life: timedelta = HALF_LIFE

    needs_times = True

    def __post_init__(self) -> None:
        if self.half_life <= timedelta(0):
            raise InvalidRequest(f"the half-life of time_decay is {self.half_life}: give one above 0")

    @property
    def name(self) -> str:
        """What it is called."""
        return "time_decay" if self._is_usual else f"time_decay_{self.half_life.total_seconds():g}s"

    @property
    def title(self) -> Text:
        """Its name in words, with its half-life where it is not the usual one."""
        if self._is_usual:
            return text("attribution.rules.time_decay")
        return text("attribution.rules.time_decay_with", half_life=duration(self.half_life.total_seconds()))

    @property
    def assumes(self) -> Text:
        """When its credit is the truth, and when it misleads."""
        return text("attribution.rules.time_decay_assumes")

    @property
    def _is_usual(self) -> bool:
        return self.half_life == HALF_LIFE

    def shares(self, journeys: Journeys) -> Floats:
        """Return shares by age, (m,).

        Raises:
            InvalidRequest: the journeys do not say how old their touches are.
        """
        if journeys.age_s is None:
            raise InvalidRequest(
                "time_decay needs the age of each touch, and these journeys have no times: "
                "give the touches' times, or leave time_decay out"
            )
        first, n = journeys.starts[:-1], journeys.lengths
        # Counted from the youngest touch, whose weight is 1: however old all are, not all weights vanish.
        older = journeys.age_s - np.repeat(np.minimum.reduceat(journeys.age_s, first), n)
        weight = np.exp2(-older / self.half_life.total_seconds())
        return np.asarray(weight / np.repeat(np.add.reduceat(weight, first), n))
