"""From a log to the journeys of its units, in blocks, whether or not the log fits in memory."""

from __future__ import annotations

import weakref
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np

from analysis.arrays import Ints, distinct
from analysis.attribution.cutting import cut
from analysis.attribution.events import CONVERSION, Events, Windows
from analysis.attribution.journeys import By, Journeys
from analysis.attribution.noted import Noted, Notes, said
from analysis.attribution.stores.answers import Answer, Touchpoints
from analysis.attribution.stores.asked import CHANNEL_FIELD, Asked
from analysis.attribution.stores.gathering import Gathered, gathered
from analysis.attribution.stores.paging import Paging
from analysis.document import Count, Period
from analysis.logs.sources import LogSource
from analysis.ope.stores.asking import opening
from analysis.texts import Name
from engine.clock import from_micros
from engine.errors import InvalidRequest

ROWS = 500_000
"""So many rows are held in memory at a time, unless another number is asked for."""

USUAL = Windows()
"""The windows by which journeys are cut, unless others are asked for."""


class Touched:
    """What the units of a log met and did, on disk until it is closed or nobody has it any more."""

    def __init__(self, outcome: str, windows: Windows, channels: frozenset[str], found: Gathered, end: int) -> None:
        self.outcome = outcome
        self._windows = windows
        self._channels = channels
        self._found = found
        self._end = end
        self._notes: dict[By, Notes] = {}
        self._finalizer = weakref.finalize(self, found.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give up the files."""
        self._finalizer()

    def journeys(self, by: By) -> Iterator[Journeys]:
        """Yield all journeys in blocks, those of a unit in one block; may be asked for as often as one likes.

        Raises:
            InvalidRequest: it was closed.
        """
        found = self._touchpoints(by)
        notes, is_met_by_all = Notes(found.notes), np.ones(len(found.names), np.bool_)
        for events in self._parts(found.place):
            made = cut(events, self._windows, found.names, self._end)
            notes.update(made.notes)
            if len(made.journeys.touchpoint):
                is_met_by_all &= made.journeys.met_by_all
            yield made.journeys
        self._notes[by] = notes + Notes({Noted.EVERYWHERE: int(is_met_by_all.sum())})

    def touchpoints(self, by: By) -> tuple[Name, ...]:
        """Return what touches are told apart by, the most touched first."""
        return self._touchpoints(by).names

    @property
    def answers(self) -> tuple[Answer, ...]:
        """The different answers that touches are of."""
        return tuple(self._found.answers.codes)

    @property
    def left_out(self) -> tuple[Count, ...]:
        """What could not be used, and once all journeys were yielded also what was noted of them.

        Where they were yielded among several kinds of touchpoints, each reason has the number of the first kind for
        which there was something to note.
        """
        noted = Notes()
        for notes in self._notes.values():
            noted = Notes({**notes, **noted})
        return *self._found.left_out, *said(noted)

    @property
    def period(self) -> Period | None:
        """When the first and the last touch were, and the log's end; None where there is no touch."""
        first, last = self._found.first, self._found.last
        return Period(*(from_micros(at).isoformat() for at in (first, last, self._end))) if first <= last else None

    @cached_property
    def n_units(self) -> int:
        """How many units have a touch or a conversion."""
        everything = np.zeros(len(self._found.answers.codes), np.int64)
        return sum(len(distinct(events.unit)) for events in self._parts(everything))

    def _touchpoints(self, by: By) -> Touchpoints:
        return self._found.answers.touchpoints(by, self._channels)

    def _parts(self, place: Ints) -> Iterator[Events]:
        """Yield the events of some units after the others'; `place` is the touchpoint of each code."""
        if not self._finalizer.alive:
            raise InvalidRequest("these journeys were closed: read the log again")
        for number in range(self._found.touches.n_parts):
            events = self._events(number, place)
            # A log in which nobody met or did anything has journeys too: none.
            if len(events) or not number:
                yield events

    def _events(self, number: int, place: Ints) -> Events:
        touches, conversions = self._found.touches.part(number), self._found.conversions.part(number)
        # Conversions of one moment come by value, and touches as the log has them: however it was divided.
        conversions = conversions[np.argsort(conversions["value"], kind="stable")]
        return Events(
            np.concatenate([touches["unit"], conversions["unit"]]),
            np.concatenate([touches["at"], conversions["at"]]),
            np.concatenate([place[touches["code"]], np.full(len(conversions), CONVERSION)]),
            np.concatenate([np.zeros(len(touches)), conversions["value"]]),
        )


def read(
    log: str | Path | LogSource,
    outcome: str,
    *,
    windows: Windows = USUAL,
    channel_field: str = CHANNEL_FIELD,
    channels: Collection[str] = (),
    experiments: Collection[str] | None = None,
    rows_at_once: int = ROWS,
) -> Touched:
    """Return the touches and the conversions of a store's directory, an exported log, or any source of a log.

    A conversion is an outcome of the name `outcome`, of a unit or of an assignment: then it is its unit's. A touch is
    an answer of one of the `experiments` (None: of all) that is not blank and not for quality assurance, at the time of
    the answer or, where exposures are reported, of its first report. Its channel is what the field `channel_field` of
    its context says, else the brief of its experiment; touches of channels that are not among `channels`, where these
    are given, are among the others. Each slot of an answer is a touch. Definitions are today's, but what was blank is
    so by the revision that decided.

    A unit is what was answered, and who keeps what was drawn before a login is the unit that was drawn then, as for
    the incremental effect: see `analysis.attribution.stores.logins`. Units of another type are others: touches of
    sessions meet no conversions of customers, and are counted.

    The log is gone through once, `rows_at_once` entries at a time, and sorted on disk by unit: what is in memory does
    not grow with the log, only with the different answers, with the longest history of one unit, and with the draws
    that are kept over logins.

    Raises:
        UnknownExperiment: the log has no experiment of an id.
        InvalidRequest: there is no such outcome, or no experiment declares the field of the channel.
        StoreUnavailable: there is no store in the directory.

    >>> from analysis.logs.simple_log import simple_log
    >>> from engine.experiments import Experiment, Variant
    >>> from engine.metrics import Metric
    >>> hero = Experiment("hero", (Variant("plain"), Variant("bold")), (Metric("click"),))
    >>> store = simple_log(hero, {"variant": np.array([0, 1, 1])}, {"row": np.array([2])})
    >>> with read(store, "click") as touched:
    ...     (found,) = touched.journeys(By.VARIANT)
    >>> found.touchpoints, found.conversions.tolist()
    (('hero/bold', 'hero/plain'), [0.0, 0.0, 1.0])
    """
    with opening(log)() as source:
        asked = Asked.of(source, outcome, channel_field, experiments)
        paging, end = Paging.of(source, rows_at_once), source.ended_at()
        n_parts = -(-paging.last // rows_at_once) or 1
        return Touched(outcome, windows, frozenset(channels), gathered(paging, asked, n_parts), end)
