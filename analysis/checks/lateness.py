"""Outcomes that came too late: after the assignment that they are of had matured and was learned from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analysis.document import Count
from analysis.logs import rewards
from analysis.logs.crediting import Subjects, micros
from analysis.logs.frames import Frame
from analysis.texts import duration, share, text
from engine.records import Source

_NINE_IN_TEN = 0.9
_UNITS_S = (86_400, 3_600, 60, 1)
_SECOND = 1_000_000


def late(frame: Frame, subjects: Subjects) -> Iterator[Count]:
    """Yield how many outcomes of the reward's metrics happened in time and came too late, if any, with what to do.

    `subjects` are the policy's draws. Imported rows are not counted: when theirs were received says nothing of how
    late outcomes come.
    """
    found = list(rewards.told(frame, subjects))
    if not found:  # nothing is rewarded where nothing learns
        return
    index = np.concatenate([each.index for each in found])
    owner = np.concatenate([each.owner for each in found])
    counts = frame.assignments.source[subjects.row[owner]] != Source.IMPORTED.value
    is_late = counts & np.concatenate([each.is_late for each in found])
    n, n_late = (len(np.unique(index[which])) for which in (counts, is_late))
    if n_late:
        matures_at = subjects.since[owner[is_late]] + micros(frame.experiment.maturity_age)
        behind = frame.outcomes.received_at[index[is_late]] - matures_at
        wait = _rounded_up(float(np.quantile(behind, _NINE_IN_TEN)) / _SECOND)
        yield Count(n_late, text("lateness.late", share=share(n_late / n), wait=duration(wait)))


def _rounded_up(seconds: float) -> float:
    """Return more than a length of time, in whole units of the largest kind that it has any of.

    >>> _rounded_up(5000.0), _rounded_up(0.0)
    (7200, 1)
    """
    unit = next((unit for unit in _UNITS_S if seconds >= unit), 1)
    return (int(seconds / unit) + 1) * unit
