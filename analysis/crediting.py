"""Whose an outcome is: subjects (units at their first exposure, or assignments), and what each metric brought them.

In a test an outcome belongs to its unit. In a bandit it belongs to its assignment; one that names a unit belongs to
the unit's latest exposed assignment, if that one's window holds it: as `engine.rewards` credits it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from analysis.arrays import Flags, Floats, Ints
from analysis.document import Count
from analysis.frames import Frame
from engine.experiments import Metric, MetricKind

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Subjects:
    """What is counted once, (n,) each: its label (a variant or a group), its stratum, and when its window opens.

    Labels compare within a stratum alone.

    `credited` (n_outcomes,) is the subject of each outcome, or -1. `n_switched` units met more than one label.
    """

    label: Ints
    stratum: Ints
    since: Ints
    credited: Ints
    n_switched: int = 0

    def __len__(self) -> int:
        return len(self.label)


@dataclass(frozen=True, slots=True)
class Sample:
    """A metric's values of the subjects whose window has closed, (n,) each, and how many have one that is open."""

    label: Ints
    stratum: Ints
    values: Floats
    n_open: int


def units(frame: Frame, chosen: Flags, label: Ints, stratum: Ints, since: Ints) -> Subjects:
    """Return the units of the chosen assignments, each once: as it was at its first one by `since`, then by seq.

    `chosen`, `label`, `stratum` and `since` are (n_assignments,).
    """
    rows = frame.assignments
    index = np.flatnonzero(chosen)
    index = index[np.lexsort((rows.seq[index], since[index], rows.unit_key[index]))]
    unit = rows.unit_key[index]
    starts = np.flatnonzero(np.diff(unit, prepend=-1))
    first = index[starts]
    # Row -1, none, finds the zero at the end.
    by_assignment = np.append(rows.unit_key, 0)[frame.outcomes.row]
    owner = np.where(frame.outcomes.row >= 0, by_assignment, frame.outcomes.unit_key)
    return Subjects(
        label[first],
        stratum[first],
        since[first],
        _place(owner, unit[starts]),
        _n_switched(label[index], starts),
    )


def assignments(frame: Frame, chosen: Flags) -> Subjects:
    """Return the chosen assignments, each one for itself, labelled with its variant."""
    rows = frame.assignments
    index = np.flatnonzero(chosen)
    place = np.full(len(rows) + 1, -1)
    place[index] = np.arange(len(index))
    latest = _latest_exposed(frame)
    row = np.where(frame.outcomes.row >= 0, frame.outcomes.row, latest)
    return Subjects(rows.variant[index], rows.stratum[index], rows.exposed_at[index], place[row])


def sample(frame: Frame, subjects: Subjects, metric: Metric, cap: float | None = None) -> Sample:
    """Return what each subject with a closed window brought in a metric: 1 or 0, or an amount of at most `cap`.

    The window closes when its length and the experiment's grace have passed before the log's end.
    """
    closed = subjects.since + _micros(metric.window + frame.experiment.grace) <= frame.end
    total, n = _sums(frame, subjects, metric)
    if metric.kind is MetricKind.CONVERSION:
        total = (n > 0).astype(np.float64)
    elif cap is not None:
        total = np.minimum(total, cap)
    return Sample(subjects.label[closed], subjects.stratum[closed], total[closed], int((~closed).sum()))


def not_credited(frame: Frame, subjects: Subjects, where: str = "") -> list[Count]:
    """Return how many outcomes that stand count for no subject, by reason; `where` ends each one's words."""
    outcomes = frame.outcomes
    windows = np.array([_micros(metric.window) for metric in frame.experiment.metrics])
    is_owned = subjects.credited >= 0
    age = outcomes.occurred_at[is_owned] - subjects.since[subjects.credited[is_owned]]
    return [
        Count(int((~is_owned).sum()), f"outcomes of units or assignments that are not analysed{where}"),
        Count(int((age < 0).sum()), f"outcomes from before the exposure{where}"),
        Count(
            int((age > windows[outcomes.metric[is_owned]]).sum()), f"outcomes from after the window had closed{where}"
        ),
    ]


def _micros(length: timedelta) -> int:
    return length // _MICROSECOND


def _sums(frame: Frame, subjects: Subjects, metric: Metric) -> tuple[Floats, Ints]:
    """Return each subject's sum of values and number of outcomes within its window."""
    outcomes = frame.outcomes
    chosen = (outcomes.metric == frame.experiment.metrics.index(metric)) & (subjects.credited >= 0)
    owner = subjects.credited[chosen]
    age = outcomes.occurred_at[chosen] - subjects.since[owner]
    held = (age >= 0) & (age <= _micros(metric.window))
    owner, value = owner[held], outcomes.value[chosen][held]
    total = np.bincount(owner, value, len(subjects)).astype(np.float64)
    return total, np.bincount(owner, minlength=len(subjects))


def _place(wanted: Ints, keys: Ints) -> Ints:
    """Return the place of each wanted key among sorted keys, or -1."""
    if not len(keys):
        return np.full(len(wanted), -1)
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, place, -1)


def _n_switched(label: Ints, starts: Ints) -> int:
    """Return how many runs of labels, one a unit, hold more than one label."""
    if not len(starts):
        return 0
    return int((np.minimum.reduceat(label, starts) != np.maximum.reduceat(label, starts)).sum())


def _latest_exposed(frame: Frame) -> Ints:
    """Return for each outcome by unit the unit's last assignment exposed at or before it, or -1.

    Rows and outcomes are put into one order (unit, time, rows first, seq), in which the last row before an outcome is
    a running maximum.
    """
    rows, outcomes = frame.assignments, frame.outcomes
    shown = np.flatnonzero(rows.is_exposed)
    unit = np.concatenate([rows.unit_key[shown], outcomes.unit_key])
    time = np.concatenate([rows.exposed_at[shown], outcomes.occurred_at])
    is_outcome = np.arange(len(unit)) >= len(shown)
    order = np.lexsort((np.concatenate([rows.seq[shown], np.zeros(len(outcomes), np.int64)]), is_outcome, time, unit))
    place = np.where(is_outcome[order], -1, np.arange(len(order)))
    last = np.maximum.accumulate(place) if len(place) else place
    found = order[np.maximum(last, 0)]
    is_own = (last >= 0) & (unit[found] == unit[order])
    latest = np.full(len(unit), -1)
    latest[order] = np.where(is_own, np.concatenate([shown, np.full(len(outcomes), -1)])[found], -1)
    return latest[len(shown) :]
