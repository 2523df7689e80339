"""Whose an outcome is: subjects (units at their first exposure, or assignments), and what each outcome brings them.

In a test an outcome belongs to its unit. In a bandit it belongs to its assignment; one that names a unit belongs to
the unit's latest exposed assignment, if a window of that one holds it: as `engine.rewards` credits it. A sticky answer
stands for the draw that it repeats, as all of that unit or assignment is the draw's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

import numpy as np

from analysis.arrays import LARGEST, Flags, Ints
from analysis.document import Count
from analysis.logs.frames import Frame
from analysis.texts import text
from engine.metrics import Metric, MetricKind

NPS_SCALE = (0.0, 10.0)
"""The lowest and the highest score that an NPS can be made of."""

_GAPS = 8
"""So many times more keys than rows are too many for a table by key."""

_MICROSECOND = timedelta(microseconds=1)


class Counted(Enum):
    """What is counted once."""

    UNIT = "unit"
    ASSIGNMENT = "assignment"


class Part(Enum):
    """The part of a report that subjects are for, where it has several."""

    ALL = "all"
    MEANS = "means"
    """The variants' means of a bandit."""
    GROUPS = "groups"
    """A bandit's comparison of groups."""


@dataclass(frozen=True, slots=True)
class Subjects:
    """What is counted once, in the order in which their windows open, then of seq; arrays are (n,).

    `label` is a variant or a group, and compares within a `stratum` alone. `since` is when the window opens, in
    microseconds. `row` is the assignment that the subject is, or the one by which its unit counts; `first` is the
    unit's first assignment, exposed or not: what is known of a unit beforehand is as it was then. Both are indices
    into the frame's assignments.

    `credited` (n_outcomes,) is the subject of each outcome, or -1; `age` (n_outcomes,) how long after its subject's
    `since` it came, in microseconds, negative where it came before or belongs to nobody. `n_switched` units met
    several labels.
    """

    counted: Counted
    label: Ints
    stratum: Ints
    since: Ints
    unit_key: Ints
    row: Ints
    first: Ints
    credited: Ints
    age: Ints
    n_switched: int = 0

    def __len__(self) -> int:
        return len(self.label)


def units(frame: Frame, chosen: Flags, label: Ints, stratum: Ints, since: Ints) -> Subjects:
    """Return the units of the chosen assignments, each once: as it was at its first one by `since`, then by seq.

    `chosen`, `label`, `stratum` and `since` are (n_assignments,).
    """
    index = _in_order(since, np.flatnonzero(chosen))
    code = _codes(frame)
    own = code.rows[index]
    first = _first_places(own, code.n)[own]
    row = index[first == np.arange(len(index))]
    subject = np.full(code.n, -1)
    subject[code.rows[row]] = np.arange(len(row))
    switched = own[label[index] != label[index[first]]]
    return _subjects(
        frame, Counted.UNIT, row, (label, stratum, since), subject[code.outcomes], n_switched=len(np.unique(switched))
    )


def assignments(frame: Frame, chosen: Flags, *, from_exposure: bool = True) -> Subjects:
    """Return the chosen assignments, each one for itself, labelled with its variant.

    Windows open at the exposure, and what names a unit belongs to its latest exposed assignment; otherwise they open
    at the assignment, and it belongs to the latest one. `unit_key` says which of them are not independent.
    """
    rows, outcomes = frame.assignments, frame.outcomes
    since = rows.exposed_at if from_exposure else rows.at
    index = _in_order(since, np.flatnonzero(chosen))
    subject = np.full(len(rows) + 1, -1)
    subject[index] = np.arange(len(index))
    row, by_unit = outcomes.row.copy(), np.flatnonzero(outcomes.row < 0)
    shown = rows.is_exposed if from_exposure else np.ones_like(rows.is_exposed)
    # Row -1, none, finds the -1 at the end.
    row[by_unit] = np.append(rows.origin, -1)[_latest(frame, since, shown, by_unit)]
    return _subjects(frame, Counted.ASSIGNMENT, index, (rows.variant, rows.stratum, since), subject[row])


def held(frame: Frame, subjects: Subjects, metric: Metric) -> Ints:
    """Return the outcomes that count for a subject in a metric, as indices: those that came within its window."""
    outcomes = frame.outcomes
    if metric.outcome not in frame.outcome_names:
        return np.zeros(0, np.int64)
    is_of = outcomes.metric == frame.outcome_names.index(metric.outcome)
    is_in = (subjects.age >= micros(metric.after)) & (subjects.age <= micros(metric.window))
    index = np.flatnonzero(is_of & is_in)
    return index[_is_score(frame, index)] if metric.kind is MetricKind.NPS else index


def not_credited(frame: Frame, subjects: Subjects, part: Part = Part.ALL) -> list[Count]:
    """Return how many outcomes that stand count for no subject, by reason, said for a part of the report."""
    found = {reason: int(which.sum()) for reason, which in _reasons(frame, subjects)}
    return [Count(n, text(f"not_credited.{reason}_{part.value}")) for reason, n in found.items()]


def micros(length: timedelta) -> int:
    """Return a length of time in microseconds."""
    return length // _MICROSECOND


def _reasons(frame: Frame, subjects: Subjects) -> Iterator[tuple[str, Flags]]:
    """Yield each reason for which outcomes are not credited, and which they are, (n_outcomes,): one reason each."""
    is_large = np.abs(frame.outcomes.value) > LARGEST
    is_owned = subjects.credited >= 0
    counts = np.zeros(len(frame.outcomes), np.bool_)
    unfit = np.zeros(len(frame.outcomes), np.bool_)
    for metric in frame.experiment.metrics:
        counts[held(frame, subjects, metric)] = True
        if metric.kind is MetricKind.NPS and metric.outcome in frame.outcome_names:
            unfit |= frame.outcomes.metric == frame.outcome_names.index(metric.outcome)
    unfit[np.flatnonzero(unfit)] = ~_is_score(frame, np.flatnonzero(unfit))
    is_early = is_owned & (subjects.age < 0)
    is_unfit = is_owned & ~is_early & ~counts & unfit
    yield "large", is_large
    yield "stranger", ~is_owned & ~is_large
    yield "early", is_early
    yield "unfit", is_unfit
    yield "outside", is_owned & ~is_early & ~counts & ~is_unfit


def _is_score(frame: Frame, index: Ints) -> Flags:
    """Whether the values of some outcomes lie on the scale of an NPS."""
    value = frame.outcomes.value[index]
    return (value >= NPS_SCALE[0]) & (value <= NPS_SCALE[1])


def _subjects(
    frame: Frame,
    counted: Counted,
    row: Ints,
    columns: tuple[Ints, Ints, Ints],
    credited: Ints,
    *,
    n_switched: int = 0,
) -> Subjects:
    """Return the subjects that are, or count by, some rows; `columns` are label, stratum and since of every row."""
    label, stratum, since = (column[row] for column in columns)
    credited = np.where(np.abs(frame.outcomes.value) > LARGEST, -1, credited)
    age = np.where(credited >= 0, frame.outcomes.occurred_at - np.append(since, 0)[credited], -1)
    first, unit_key = _first_rows(frame)[row], frame.assignments.unit_key[row]
    return Subjects(counted, label, stratum, since, unit_key, row, first, credited, age, n_switched)


@dataclass(frozen=True, slots=True)
class _Codes:
    """Numbers of units below `n`, for each assignment and for the unit of each outcome."""

    rows: Ints
    outcomes: Ints
    n: int


def _codes(frame: Frame) -> _Codes:
    """Number the units that were drawn."""
    rows, outcomes = frame.assignments, frame.outcomes
    of_outcome = np.where(outcomes.row < 0, outcomes.unit_key, np.append(rows.unit_key, 0)[outcomes.row])
    return _numbered(rows.unit_key, of_outcome)


def _numbered(rows: Ints, outcomes: Ints) -> _Codes:
    """Number units so that tables by unit are no larger than the log; keys of a large store leave gaps."""
    keys = np.concatenate([rows, outcomes])
    if len(keys) and int(keys.max()) >= _GAPS * len(keys):
        keys = np.unique(keys, return_inverse=True)[1]
    return _Codes(keys[: len(rows)], keys[len(rows) :], int(keys.max(initial=-1)) + 1)


def _first_places(code: Ints, n: int) -> Ints:
    """Return the first place of each code below `n`, (n,), or len(code) where it has none."""
    first = np.full(n, len(code))
    np.minimum.at(first, code, np.arange(len(code)))
    return first


def _in_order(since: Ints, index: Ints) -> Ints:
    """Return some rows in the order of `since`, then of seq."""
    # Rows are in the order of seq, and a stable sort keeps it.
    return index[np.argsort(since[index], kind="stable")]


def _first_rows(frame: Frame) -> Ints:
    """Return for each assignment the first one of its unit, by time, then by seq, (n_assignments,)."""
    index = _in_order(frame.assignments.at, np.arange(len(frame.assignments)))
    code = _codes(frame)
    return index[_first_places(code.rows[index], code.n)[code.rows]]


def _latest(frame: Frame, since: Ints, shown: Flags, which: Ints) -> Ints:
    """Return for each of some outcomes by unit the unit's last shown row at or before it, by seq where tied, or -1."""
    index = _in_order(since, np.flatnonzero(shown))
    if not len(index):
        return np.full(len(which), -1)
    # The unit that was answered, not the one that was drawn: what it met last is what its own answers say.
    code, n = _numbered(frame.assignments.named_key, frame.outcomes.named_key), len(index)
    # One number for unit and place in time: what is sorted by it is sorted by both.
    placed = np.sort(code.rows[index] * n + np.arange(n))
    owner = code.outcomes[which]
    n_before = np.searchsorted(since[index], frame.outcomes.occurred_at[which], side="right")
    found = placed[np.searchsorted(placed, owner * n + n_before) - 1]
    return np.where((found < owner * n + n_before) & (found // n == owner), index[found % n], -1)
