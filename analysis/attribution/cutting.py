"""Events are cut into journeys.

A conversion ends its unit's journey, and what the unit meets afterwards is its next one. A touch at the microsecond of
a conversion comes before it. Touches more than the look-back before the conversion are a journey without one; so are
those after the last conversion; and a longer pause between two touches ends a journey as well. So every touch is in
one journey, but those that repeat the one before within a session, which are one with it, at the first one's time.

A refund lowers the value of its unit's latest conversion at or before it. Where there is none, it is a value without a
conversion and without a touch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from analysis.arrays import LARGEST, Flags, Ints
from analysis.attribution.events import Events, Windows
from analysis.attribution.journeys import Journeys
from analysis.attribution.noted import Noted, Notes
from analysis.texts import Name

_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Cut:
    """Journeys, and how much was noted on the way; what is noted of two blocks adds up."""

    journeys: Journeys
    notes: Notes


def cut(events: Events, windows: Windows, touchpoints: tuple[Name, ...], end: int | None = None) -> Cut:
    """Return the journeys of units, all of whose events are here, in the order of units and time.

    Values without a conversion are the last. `end` (microseconds) is when the log ended: journeys whose last touch is
    within the look-back of it may still convert, and are counted. A value that cannot be computed with is 0.

    >>> events = Events(np.array([7, 7, 7]), np.array([0, 10, 20]), np.array([0, -1, 1]), np.array([0.0, 30.0, 0.0]))
    >>> found = cut(events, Windows(), ("email", "search")).journeys
    >>> found.starts.tolist(), found.conversions.tolist(), found.value.tolist()
    ([0, 1, 2], [1.0, 0.0], [30.0, 0.0])
    """
    notes = Notes()
    settled, alone = _settled(_readable(events, notes), notes)
    merged = _merged(settled, _micros(windows.session_gap), notes)
    journeys = _journeys(merged, _micros(windows.look_back), touchpoints, end, notes)
    return Cut(journeys.and_values(alone.unit, alone.value), +notes)


def _micros(length: timedelta) -> int:
    return length // timedelta(microseconds=1)


def _readable(events: Events, notes: Notes) -> Events:
    """Return events whose values can be computed with. A refund of nobody knows how much is none."""
    is_conversion = events.is_conversion
    is_wrong = is_conversion & ~(np.abs(events.value) <= LARGEST)
    notes[Noted.VALUES] += int(is_wrong.sum())
    readable = replace(events, value=np.where(is_conversion & ~is_wrong, events.value, 0.0))
    is_lost = is_wrong & (events.value < 0)
    return readable[~is_lost] if is_lost.any() else readable


def _settled(events: Events, notes: Notes) -> tuple[Events, Events]:
    """Return touches and conversions in their order, refunds taken off the conversions, and the refunds without one."""
    is_refund = events.is_conversion & (events.value < 0)
    kind = events.is_conversion.astype(np.int8) + is_refund
    order = np.lexsort((kind, events.at, events.unit))
    ordered, is_refund = events[order], is_refund[order]
    place = _latest(ordered.is_conversion & ~is_refund)
    is_known = is_refund & (place >= 0) & (ordered.unit[place] == ordered.unit)
    refunded = np.bincount(place[is_known], ordered.value[is_known], len(ordered))
    is_alone = is_refund & ~is_known
    notes[Noted.REFUNDS] += int(is_known.sum())
    notes[Noted.ALONE] += int(is_alone.sum())
    return replace(ordered, value=ordered.value + refunded)[~is_refund], ordered[is_alone]


def _latest(flags: Flags) -> Ints:
    """Return the place of the latest flag at or before each place (n,), -1 where there is none."""
    return np.maximum.accumulate(np.where(flags, np.arange(len(flags)), -1))


def _merged(events: Events, session_gap: int, notes: Notes) -> Events:
    """Return events without the touches that repeat the event before them."""
    repeats = np.zeros(len(events), np.bool_)
    is_same = (np.diff(events.unit) == 0) & (np.diff(events.touchpoint) == 0) & ~events.is_conversion[1:]
    repeats[1:] = is_same & (np.diff(events.at) <= session_gap)
    notes[Noted.MERGED] += int(repeats.sum())
    return events[~repeats]


def _journeys(events: Events, look_back: int, touchpoints: tuple[Name, ...], end: int | None, notes: Notes) -> Journeys:
    wait = _wait(events)
    is_start = _starts(events, wait <= look_back, look_back)
    first, is_touch = np.flatnonzero(is_start), ~events.is_conversion
    last = np.append(first[1:], len(events))[: len(first)] - 1
    journey = np.cumsum(is_start) - 1
    lengths = np.bincount(journey[is_touch], minlength=len(first))
    won = events.is_conversion[last]
    notes[Noted.EARLY] += int((is_touch & (wait > look_back) & (wait < _NEVER)).sum())
    notes[Noted.AFTER] += int((is_touch & _is_after(events)).sum())
    notes[Noted.UNTOUCHED] += int((lengths == 0).sum())
    notes[Noted.OPEN] += 0 if end is None else int((~won & (end - events.at[last] <= look_back)).sum())
    return Journeys(
        touchpoints,
        np.concatenate([[0], np.cumsum(lengths)]),
        events.touchpoint[is_touch],
        won.astype(np.float64),
        events.value[last],
        events.unit[first],
        (events.at[last][journey] - events.at)[is_touch] / 1e6,
    )


def _wait(events: Events) -> Ints:
    """Return how long after each event its unit's next conversion came, (r,): 0 at one, _NEVER where none did."""
    following = len(events) - 1 - _latest(events.is_conversion[::-1])[::-1]
    is_there = following < len(events)
    place = np.where(is_there, following, -1)
    is_own = is_there & (events.unit[place] == events.unit)
    return np.where(is_own, events.at[place] - events.at, _NEVER)


def _is_after(events: Events) -> Flags:
    """Return which events have a conversion of their unit before them, (r,)."""
    place = _latest(events.is_conversion)
    return np.asarray((place >= 0) & (events.unit[place] == events.unit))


def _starts(events: Events, reaches: Flags, look_back: int) -> Flags:
    """Return which events begin a journey, (r,); those that `reach` a conversion are within the look-back of it."""
    is_start = np.ones(len(events), np.bool_)
    is_other = np.diff(events.unit) != 0
    is_start[1:] = (
        is_other | events.is_conversion[:-1] | (np.diff(events.at) > look_back) | (reaches[1:] & ~reaches[:-1])
    )
    return is_start
