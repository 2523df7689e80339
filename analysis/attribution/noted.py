"""What is noted of events on their way into journeys, by reason: so much was merged, moved or left out, and why."""

from __future__ import annotations

from collections import Counter
from enum import Enum

from analysis.document import Count
from analysis.texts import text


class Noted(Enum):
    """Why something is noted: the key of its words."""

    NO_UNIT = "no_unit"
    NO_TIME = "no_time"
    NO_CHANNEL = "no_channel_named"
    UNKNOWN = "unknown"
    RARE_CHANNELS = "rare_channel"
    RARE_EXPERIMENTS = "rare_experiment"
    RARE_VARIANTS = "rare_variant"
    EVERYWHERE = "everywhere"
    MERGED = "merged"
    EARLY = "early"
    AFTER = "after"
    OPEN = "open"
    NOTHING = "nothing"
    UNTOUCHED = "untouched"
    REFUNDS = "refunds"
    ALONE = "alone"
    VALUES = "values"


Notes = Counter[Noted]
"""How many there were for each reason: those of two blocks add up."""


def said(notes: Notes) -> tuple[Count, ...]:
    """Return what was noted, in the order of the reasons.

    >>> [f"{each.n} {each.what}" for each in said(Notes({Noted.UNTOUCHED: 2}))]
    ['2 conversions that no touch preceded: they are credited to “no touch”']
    """
    return tuple(
        Count(notes[reason], text(f"attribution.journeys.{reason.value}")) for reason in Noted if notes[reason]
    )
