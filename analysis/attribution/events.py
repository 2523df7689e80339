"""What units met and did, as rows, before it is cut into journeys; and by which windows that is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from analysis.arrays import Flags, Floats, Ints
from engine.errors import InvalidRequest

CONVERSION = -1
"""What an event has in place of a touchpoint that is a conversion, or a refund where its value is negative."""


@dataclass(frozen=True, slots=True)
class Windows:
    """How events are cut into journeys.

    A touch more than `look_back` before a conversion has no part in it. Neighbouring touches of one touchpoint are one
    touch where each comes at most `session_gap` after the one before.

    Raises:
        InvalidRequest: one of them is negative.
    """

    look_back: timedelta = timedelta(days=30)
    session_gap: timedelta = timedelta(minutes=30)

    def __post_init__(self) -> None:
        if min(self.look_back, self.session_gap) < timedelta():
            raise InvalidRequest("a look-back window and a session gap must not be negative")


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """Touches and conversions in any order, (r,) each: `at` is in microseconds.

    `touchpoint` is a place among the names of touchpoints, or CONVERSION; `value` is what a conversion brought, and of
    no meaning at a touch.
    """

    unit: Ints
    at: Ints
    touchpoint: Ints
    value: Floats

    def __len__(self) -> int:
        return len(self.unit)

    def __getitem__(self, rows: Flags | Ints) -> Events:
        return Events(self.unit[rows], self.at[rows], self.touchpoint[rows], self.value[rows])

    @classmethod
    def joined(cls, blocks: Sequence[Events]) -> Events:
        """Return the events of some blocks, of which there is one at least, as one."""
        return cls(
            np.concatenate([block.unit for block in blocks]),
            np.concatenate([block.at for block in blocks]),
            np.concatenate([block.touchpoint for block in blocks]),
            np.concatenate([block.value for block in blocks]),
        )

    @property
    def is_conversion(self) -> Flags:
        """Which events are conversions or refunds, (r,)."""
        return np.asarray(self.touchpoint == CONVERSION)
