"""The lift as it came to be known: at each moment the difference of the subjects so far, with its sequence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Ints
from analysis.document import Band, Trajectory
from analysis.estimate import Estimate
from analysis.lifts.cells import Cells, Side
from analysis.logs import timeline
from analysis.sequential import choice, looks
from analysis.sequential.choice import Watched
from analysis.texts import Name, text


@dataclass(frozen=True, slots=True)
class Compared:
    """A side that is compared with another, by the name of the first."""

    name: Name
    plus: Side
    minus: Side


def lift_over_time(
    watched: Watched,
    compared: Sequence[Compared],
    cells: Cells,
    compare: Callable[[Cells, Side, Side], Estimate],
) -> Trajectory | None:
    """Return the difference of each pair of sides over time, or None for a single stretch of time.

    `cells` are those of the whole sample, and `compare` gives the difference of some cells at one planned look, as it
    is given for the table of the metric: so the last moment agrees with `choice.anytime`.
    """
    if not len(watched.sample) or not compared:
        return None
    spread = timeline.stretches(watched.sample.since)
    if len(spread) < 2:
        return None
    ends = np.cumsum(np.bincount(spread.index, minlength=len(spread)))
    known = list(looks.cumulative(watched.sample, cells, ends))
    bands = []
    for one in compared:
        fixed = [compare(part, one.plus, one.minus) for part in known]
        bands.append(_band(one.name, _over_time(watched, one, ends, fixed)))
    return Trajectory(
        text("sequence.over_time"),
        text("sequence.over_time_caption"),
        spread.starts,
        spread.step_s,
        tuple(bands),
        cells.scale.difference,
        reference=0.0,
    )


def _over_time(watched: Watched, one: Compared, ends: Ints, fixed: Sequence[Estimate]) -> list[Estimate]:
    found = choice.scores(watched, one.plus, one.minus)
    if found is not None:
        return choice.by_betting(watched, found, ends, fixed)
    return choice.by_limit(watched, ends, choice.n_events(watched, one.plus, one.minus, ends), fixed)


def _band(name: Name, over_time: Sequence[Estimate]) -> Band:
    shown = [(at.value, at.low, at.high) if at.interval else (None, None, None) for at in over_time]
    values, low, high = zip(*shown, strict=True)
    return Band(name, values, low, high)
