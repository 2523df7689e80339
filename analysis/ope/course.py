"""The difference of two policies as it came to be known: at the end of each stretch of time, at any look."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analysis.arrays import Floats, Ints
from analysis.document import Band, Trajectory
from analysis.estimate import LEVEL, Scale
from analysis.logs import timeline
from analysis.ope.gathering import Always, Asked, Way
from analysis.ope.intervals.any_look import Looks
from analysis.ope.logged import Logged
from analysis.ope.models.predicting import predictor
from analysis.ope.models.ridge import Ridge
from analysis.ope.targets.base import Target
from analysis.texts import Name, text


def over_time(
    log: Logged,
    target: Target,
    *,
    against: Target | None = None,
    since: int | None = None,
    level: float = LEVEL,
) -> Trajectory | None:
    """Return the difference of a target to another policy over time, or None for a single stretch of time.

    Its last moment is what `evaluate` says of the difference at any look, given the same. So it is to be shown where
    the log can say it: here nobody asks.

    Raises:
        InvalidRequest: a policy's answers are no probabilities of these draws: it says which.
    """
    asked = Asked(target, against, since)
    is_judged = np.ones(len(log), np.bool_) if asked.begin is None else log.at >= asked.begin
    judged = log[is_judged]
    if not len(judged) or len(spread := timeline.stretches(judged.at)) < 2:
        return None
    always, model = Always(log.collection.of_answers), predictor(None, Ridge(), is_adaptive=True)
    for before in log[~is_judged].blocks():
        model.learn(before)
    way, ended = Way(model, [always]), []
    for place, piece in _pieces(judged, spread.index):
        way.add(piece, asked.answers(piece))
        ended.append(place)
    scale = Scale.SHARE if log.collection.is_share else Scale.AMOUNT
    last = np.searchsorted(ended, np.arange(len(spread)), "right") - 1
    return Trajectory(
        text("ope.over_time"),
        text("ope.over_time_caption", policy=asked.target.name, against=asked.other),
        spread.starts,
        spread.step_s,
        (_band(asked.target.name, always.difference.looks(level), last),),
        scale.difference,
        reference=0.0,
    )


def _pieces(log: Logged, stretch: Ints) -> Iterator[tuple[int, Logged]]:
    """Yield pieces of a log that end where a stretch (n,) does, with that stretch, in the order of the log."""
    # A row that was written late belongs to the stretch that it was written in.
    so_far = np.maximum.accumulate(stretch)
    is_last = np.append((so_far[1:] != so_far[:-1]) & (log.slate[1:] != log.slate[:-1]), True)
    start = 0
    for end in (np.flatnonzero(is_last) + 1).tolist():
        for piece in log[start:end].blocks():
            yield int(so_far[end - 1]), piece
        start = end


def _band(name: Name, looks: Looks, last: Ints) -> Band:
    """Return what was known at the `last` look of each stretch (n_stretches,), None while there was no interval."""
    is_silent = np.isnan(looks.low)[last]

    def shown(numbers: Floats) -> tuple[float | None, ...]:
        pairs = zip(numbers[last].tolist(), is_silent, strict=True)
        return tuple(None if silent else number for number, silent in pairs)

    return Band(name, shown(looks.value), shown(looks.low), shown(looks.high))
