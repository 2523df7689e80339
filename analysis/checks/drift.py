"""Did the world drift under a policy that learns? An alarm for its rewards, its context and its predictions.

An alarm means: something changed, and what was learned before may no longer hold. All three kinds are tested by
e-processes (`analysis.sequential.shifts`), which hold for any shape of the values and however often one looks; each
kind has a third of LEVEL, and its tests share that evenly. So a log in which nothing drifts ever raises an alarm of any
kind with a probability of at most LEVEL.

- Rewards: the mean of each variant over all visits, whoever got it (`analysis.checks.earnings`), because a policy that
  learns changes whom a variant is shown to, and so moves the mean of its draws while the world stands still. Of a slate
  the first slot alone is tested: what is left for the others is the policy's doing.
- Context: how often each value of a declared field came (`analysis.checks.fields`), whatever was drawn.
- Calibration: what snapshots predicted, against what was earned (`analysis.checks.calibration`). A policy that learns
  fast follows the world, and its predictions stay right: then this is silent where the other two are not.

An alarm that may be looked at as often as one likes, in any log, is slow where the change is small: where all rewards
fall to 40 % it takes one to two thousand visits, and where they fall to 70 % more than six thousand, mostly.

What this needs is that visits are alike over time as long as nothing drifts, and that none changes what others bring.
Where few units come very often, visits that follow each other are less alike than that, and alarms come more easily.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

import numpy as np

from analysis.arrays import Ints
from analysis.checks import fields, predicting
from analysis.checks.calibration import LEAST_TOLERANCE, TOLERANCE, calibration
from analysis.checks.earnings import streams
from analysis.checks.fields import Shares
from analysis.checks.predicting import Learned
from analysis.document import Cell, Grid
from analysis.logs import crediting, rewards
from analysis.logs.frames import Frame
from analysis.sequential import shifts
from analysis.sequential.shifts import Shift
from analysis.texts import Name, Number, Style, Text, amount, plain, probability, share, text
from engine.clock import from_micros

LEVEL = 0.01
"""A log in which nothing drifts raises an alarm with at most this probability, at all looks together."""

FEWEST = 500
"""Rows without which nothing is tested."""


class Kind(Enum):
    """What may drift."""

    REWARD = "reward"
    """What a variant, or the control group, earns."""
    CONTEXT = "context"
    """Who comes: the declared fields of the context."""
    CALIBRATION = "calibration"
    """What the policy predicts, against what it earns."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something drifted, about from `since` on.

    `statistic` is the logarithm of the e-process, and `p_value` what it is worth beside all other tests: LEVEL at most.
    """

    kind: Kind
    what: Name
    since: datetime
    statistic: float
    p_value: float
    sentence: Text


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one kind on `n` rows.

    `p_value` is the least of its tests, None where nothing could be tested; `said` are sentences on what was found.
    """

    kind: Kind
    n: int
    p_value: float | None
    alarms: tuple[Alarm, ...]
    said: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class _Test:
    """One test of a kind: what of, the logarithm of its e-value, the row from which on, and what an alarm would say."""

    what: Name
    log_e: float
    row: int
    sentence: Text


def findings(frame: Frame, learned: Learned | None = None) -> tuple[Finding, ...]:
    """Return what drifted of each kind. Without snapshots nothing is said of what they predict."""
    return _of_reward(frame), _of_context(frame), _of_calibration(frame, learned)


def alarms(found: Sequence[Finding]) -> tuple[Alarm, ...]:
    """Return all alarms."""
    return tuple(alarm for each in found for alarm in each.alarms)


def grid(found: Sequence[Finding]) -> Grid:
    """Return what was found as a section of a report."""
    columns = tuple(text(f"drift.{column}") for column in ("kind", "what", "finding", "since", "p"))
    rows = (row for each in found for row in _rows(each))
    tolerated = {"tolerance": share(TOLERANCE), "least": plain(LEAST_TOLERANCE)}
    note = text("drift.note", level=share(LEVEL), **tolerated)
    return Grid("drift", text("drift.title"), columns, tuple(rows), note)


def _rows(found: Finding) -> Iterator[tuple[Cell, ...]]:
    kind = text(f"drift.of_{found.kind.value}")
    for alarm in found.alarms:
        since = Number(alarm.since.timestamp(), Style.MOMENT)
        yield kind, alarm.what, alarm.sentence, since, probability(alarm.p_value)
    if not found.alarms:
        p_value = None if found.p_value is None else probability(found.p_value)
        yield kind, None, found.said[0], None, p_value


def adjusted(log_e: float, n_tests: int) -> float:
    """Return the p-value of an e-process beside all other kinds, and all tests of its own, of which it is one."""
    return min(1.0, math.exp(-max(log_e, 0.0)) * len(Kind) * n_tests)


def _of_reward(frame: Frame) -> Finding:
    rows = frame.assignments
    is_first = rows.is_first_slot
    subjects = crediting.assignments(frame, rows.is_usable & rows.is_exposed & (rows.pattern >= 0) & is_first)
    values = rewards.earned(frame, subjects)
    if len(values) < FEWEST:
        return _untested(Kind.REWARD, text("drift.too_few"))
    row, cuts = subjects.row[: len(values)], shifts.places(len(values))
    found = [(what, shifts.shift(shifts.of_rows(stream, cuts))) for what, stream in streams(frame, row, values)]
    tests = [_Test(what, each.log_e, int(row[cuts[each.place]]), _earned(what, each)) for what, each in found]
    return _finding(frame, Kind.REWARD, tests, len(values))


def _of_context(frame: Frame) -> Finding:
    declared = fields.read(frame)
    rows = fields.drawn(frame)
    if not declared or len(rows) < FEWEST:
        return _untested(Kind.CONTEXT, text("drift.too_few" if declared else "drift.no_fields"))
    tests = [_of_field(each.name, fields.shares(frame, each, rows), rows) for each in declared]
    return _finding(frame, Kind.CONTEXT, tests, len(rows))


def _of_field(name: str, found: Shares, row: Ints) -> _Test:
    """Return the test of a field: the mean of its shares' e-processes, told by the one that moved most clearly."""
    cuts = shifts.places(len(row))
    each = [shifts.shift(segments) for segments in found.segments(cuts)]
    log_e = np.array([one.log_e for one in each])
    best = int(log_e.argmax())
    mean = float(np.logaddexp.reduce(log_e) - math.log(len(log_e)))
    return _Test(name, mean, int(row[cuts[each[best].place]]), _came(found.what[best], each[best]))


def _of_calibration(frame: Frame, learned: Learned | None) -> Finding:
    if learned is None:
        return _untested(Kind.CALIBRATION, text("drift.no_snapshots"))
    found = calibration(predicting.predicted(frame, learned))
    if found is None:
        return _untested(Kind.CALIBRATION, text("drift.too_few"))
    slope = text("drift.no_slope") if found.slope is None else text("drift.slope", slope=amount(found.slope))
    off = text("drift.off", predicted=amount(found.predicted), earned=amount(found.earned), slope=slope)
    tests = [_Test(text("drift.predictions"), found.log_e, found.row, off)]
    return _finding(frame, Kind.CALIBRATION, tests, found.n, calm=text("drift.calibrated", slope=slope))


def _finding(frame: Frame, kind: Kind, tests: Sequence[_Test], n: int, calm: Text | None = None) -> Finding:
    if not tests:
        return _untested(kind, text("drift.too_few"))
    p_values = [adjusted(test.log_e, len(tests)) for test in tests]
    at = frame.assignments.at
    raised = tuple(
        Alarm(kind, test.what, from_micros(int(at[test.row])), test.log_e, p_value, test.sentence)
        for test, p_value in zip(tests, p_values, strict=True)
        if p_value <= LEVEL
    )
    said = tuple(alarm.sentence for alarm in raised)
    return Finding(kind, n, min(p_values), raised, said or (calm or text("drift.none"),))


def _untested(kind: Kind, why: Text) -> Finding:
    return Finding(kind, 0, None, (), (why,))


def _earned(what: Name, found: Shift) -> Text:
    return text("drift.earned", what=what, before=amount(found.before), since=amount(found.since))


def _came(what: Text, found: Shift) -> Text:
    return text("drift.came", what=what, before=share(found.before), since=share(found.since))
