"""The log of one experiment as typed columns, read and checked once; everything after this is numpy.

What cannot be used is left out here and counted, with the reason, in `Frame.left_out`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.arrays import Flags, Floats, Ints, Texts
from analysis.document import Count
from engine.clock import to_micros
from engine.errors import UnknownExperiment
from engine.experiments import Experiment, ExperimentState, ExposureRule
from engine.ports import Reader
from engine.randomness import ONE
from engine.records import DrawKey, Erasure, Group

_ASSIGNMENT_COLUMNS = (
    *("seq", "assignment_id", "slot", "assigned_at", "received_at", "revision", "epoch", "draw_key", "is_draw"),
    *("reason", "group_name", "group_weight", "variant", "weight", "eligible", "distribution", "unit_key", "source"),
)
_OUTCOME_COLUMNS = (
    *("outcome_id", "metric", "value", "occurred_at", "received_at", "void_of", "assignment_id", "slot", "unit_key"),
)
_NO_ID = bytes(16)
_NEVER = np.iinfo(np.int64).max // 4
"""The exposure time of what was not exposed: after every outcome, and far from an overflow."""
_BY_UNIT = list(DrawKey).index(DrawKey.UNIT)
"""The column's number of DrawKey.UNIT: the contract numbers its members in the order of the enum."""


@dataclass(frozen=True, slots=True)
class Assignments:
    """Rows in the order of seq; every array is (n,), `patterns` is (n_patterns, n_variants).

    `variant` and `epoch` are indices into the frame's names. `pattern` is the row's distribution, -1 where nothing
    usable was drawn. `stratum` numbers the pairs of epoch and pattern, within which variants compare as they are.
    `by_unit` is whether the draw was keyed by the unit. `is_usable` marks draws whose propensity holds and whose
    policy is of the same kind as the current one. Times are microseconds.
    """

    seq: Ints
    at: Ints
    exposed_at: Ints
    variant: Ints
    epoch: Ints
    unit_key: Ints
    is_draw: Flags
    is_usable: Flags
    is_exposed: Flags
    is_control_group: Flags
    by_unit: Flags
    group_weight: Ints
    pattern: Ints
    patterns: Floats
    stratum: Ints
    reason: Texts
    source: Texts

    def __len__(self) -> int:
        return len(self.seq)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Outcomes that stand, (n,) each: `metric` is an index, `row` its assignment or -1, `unit_key` its unit or 0."""

    metric: Ints
    value: Floats
    occurred_at: Ints
    row: Ints
    unit_key: Ints

    def __len__(self) -> int:
        return len(self.metric)


@dataclass(frozen=True, slots=True)
class Frame:
    """One experiment's log. `end` is the log's end, in microseconds: the last time at which anything was received."""

    state: ExperimentState
    variants: tuple[str, ...]
    epochs: tuple[int, ...]
    assignments: Assignments
    outcomes: Outcomes
    end: int
    left_out: tuple[Count, ...]

    @property
    def experiment(self) -> Experiment:
        """The current definition."""
        return self.state.experiment

    @property
    def control(self) -> int:
        """The index of the control."""
        return self.variants.index(self.experiment.control)


def read(reader: Reader, experiment_id: str) -> Frame:
    """Return the columns of an experiment's log.

    Raises:
        UnknownExperiment: there is none of this id.
    """
    state = reader.state(experiment_id)
    if state is None:
        known = ", ".join(other.experiment.experiment_id for other in reader.states()) or "none"
        raise UnknownExperiment(f"there is no experiment {experiment_id!r} in this log: there are {known}")
    raw = reader.columns("assignments", _ASSIGNMENT_COLUMNS, experiment_id)
    raw_outcomes = reader.columns("outcomes", _OUTCOME_COLUMNS, experiment_id)
    keys = _keys(raw["assignment_id"], raw["slot"])
    exposed_at = _exposure_times(reader, state.experiment, raw, keys)
    names = tuple(dict.fromkeys([*(variant.name for variant in state.experiment.variants), *raw["variant"]]))
    epochs = tuple(sorted(set(raw["epoch"]))) or (state.epoch,)
    assignments, left_out = _assignments(raw, exposed_at, names, epochs, _kinds(reader, state.experiment, raw))
    outcomes, not_counted = _outcomes(raw_outcomes, keys, state.experiment, _voided(reader))
    end = max([*raw["received_at"], *raw_outcomes["received_at"], _last_time(reader)], default=0)
    return Frame(state, names, epochs, assignments, outcomes, end, (*left_out, *not_counted))


def _keys(assignment_ids: Iterable[bytes | None], slots: Sequence[int]) -> Texts:
    """Return one sortable key for each id and slot, (n,)."""
    ids = np.frombuffer(b"".join([key or _NO_ID for key in assignment_ids]), np.uint8).reshape(-1, len(_NO_ID))
    places = np.array(slots, ">u4").view(np.uint8).reshape(-1, 4)
    # The last byte keeps the key from ending in zeros, which numpy would take for padding.
    joined = np.hstack([ids, places, np.ones((len(ids), 1), np.uint8)])
    return np.ascontiguousarray(joined).view("S21").ravel()


def _rows_of(wanted: Texts, keys: Texts) -> Ints:
    """Return the place of each wanted key among the keys, or -1."""
    if not len(keys):
        return np.full(len(wanted), -1)
    order = np.argsort(keys, kind="stable")
    place = order[np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)]
    return np.where(keys[place] == wanted, place, -1)


def _exposure_times(reader: Reader, experiment: Experiment, raw: dict[str, list[Any]], keys: Texts) -> Ints:
    if experiment.exposure is ExposureRule.ASSIGNED:
        return np.array(raw["assigned_at"], np.int64)
    reported = reader.columns("exposures", ["assignment_id", "slot", "exposed_at"], experiment.experiment_id)
    rows = _rows_of(_keys(reported["assignment_id"], reported["slot"]), keys)
    times = np.full(len(keys), _NEVER)
    known = rows >= 0
    np.minimum.at(times, rows[known], np.array(reported["exposed_at"], np.int64)[known])
    return times


def _kinds(reader: Reader, experiment: Experiment, raw: dict[str, list[Any]]) -> Flags:
    """Whether each row was decided by a policy of the same kind, learning or not, as the current one, (n,)."""
    same = {
        revision: (reader.definition(experiment.experiment_id, revision) or experiment).policy.learns
        == experiment.policy.learns
        for revision in set(raw["revision"])
    }
    return np.array([same[revision] for revision in raw["revision"]], np.bool_)


def _assignments(
    raw: dict[str, list[Any]], exposed_at: Ints, names: tuple[str, ...], epochs: tuple[int, ...], same_kind: Flags
) -> tuple[Assignments, list[Count]]:
    is_draw = np.array(raw["is_draw"], np.bool_)
    variant, epoch = _codes(raw["variant"], names), _codes(raw["epoch"], epochs)
    pattern, patterns, is_whole = _patterns(raw, names)
    weight = np.array(raw["weight"], np.int64)
    logged = np.rint(patterns[pattern, variant] * ONE).astype(np.int64)
    holds = is_whole[pattern] & (weight > 0) & (weight == logged)
    rows = Assignments(
        seq=np.array(raw["seq"], np.int64),
        at=np.array(raw["assigned_at"], np.int64),
        exposed_at=exposed_at,
        variant=variant,
        epoch=epoch,
        unit_key=np.array(raw["unit_key"], np.int64),
        is_draw=is_draw,
        is_usable=is_draw & holds & same_kind,
        is_exposed=exposed_at < _NEVER,
        is_control_group=np.array(raw["group_name"]) == Group.CONTROL.value,
        by_unit=np.array(raw["draw_key"], np.int64) == _BY_UNIT,
        group_weight=np.array(raw["group_weight"], np.int64),
        pattern=np.where(is_draw & holds, pattern, -1),
        patterns=patterns,
        stratum=_strata(epoch, pattern),
        reason=np.array(raw["reason"], np.object_),
        source=np.array(raw["source"], np.object_),
    )
    broken = int((is_draw & ~holds).sum())
    other = int((is_draw & holds & ~same_kind).sum())
    return rows, [
        Count(broken, "draws whose logged propensity does not hold"),
        Count(other, "draws of another kind of policy, in an earlier revision"),
    ]


def _strata(epoch: Ints, pattern: Ints) -> Ints:
    """Number the pairs of epoch and pattern that occur, (n,)."""
    stratum: Ints = np.unique(epoch * (pattern.max(initial=0) + 1) + pattern, return_inverse=True)[1]
    return stratum


def _patterns(raw: dict[str, list[Any]], names: tuple[str, ...]) -> tuple[Ints, Floats, Flags]:
    """Return each row's distribution as an index, (n,); the distributions, (n_patterns, n_variants); and which hold."""
    index: dict[tuple[str, bytes], int] = {}
    rows = [index.setdefault(key, len(index)) for key in zip(raw["eligible"], raw["distribution"], strict=True)]
    patterns = np.zeros((max(len(index), 1), len(names)))
    is_whole = np.zeros(len(patterns), np.bool_)
    alike: dict[str, list[tuple[int, bytes]]] = {}
    for (eligible, distribution), row in index.items():
        alike.setdefault(eligible, []).append((row, distribution))
    for eligible, found in alike.items():
        _fill(patterns, is_whole, json.loads(eligible), found, names)
    return np.array(rows, np.int64), patterns, is_whole


def _fill(
    patterns: Floats, is_whole: Flags, eligible: list[str], found: list[tuple[int, bytes]], names: tuple[str, ...]
) -> None:
    """Write the distributions over some eligible variants, as (row, bytes), into the rows of `patterns`."""
    fitting = [(row, weights) for row, weights in found if eligible and len(weights) == 8 * len(eligible)]
    if not fitting:
        return
    rows = np.array([row for row, _ in fitting], np.int64)
    weights = np.frombuffer(b"".join([weights for _, weights in fitting]), "<i8").reshape(len(rows), -1)
    holds = (weights.sum(axis=1) == ONE) & (weights.min(axis=1) >= 0)
    # An eligible variant that neither is declared nor was ever drawn has no column, and such a row sums to less than 1.
    known = np.array([place for place, name in enumerate(eligible) if name in names], np.int64)
    columns = np.array([names.index(eligible[place]) for place in known], np.int64)
    patterns[np.ix_(rows[holds], columns)] = weights[np.ix_(np.flatnonzero(holds), known)] / ONE
    is_whole[rows[holds]] = True


def _codes(values: Sequence[Any], among: Sequence[Any]) -> Ints:
    code = {value: index for index, value in enumerate(among)}
    return np.array([code[value] for value in values], np.int64)


def _voided(reader: Reader) -> set[str]:
    # A void names no metric, so the outcomes of the experiment's metrics do not have it.
    return set(reader.columns("outcomes", ["void_of"])["void_of"]) - {""}


def _outcomes(
    raw: dict[str, list[Any]], keys: Texts, experiment: Experiment, voided: set[str]
) -> tuple[Outcomes, list[Count]]:
    names = {metric.name: place for place, metric in enumerate(experiment.metrics)}
    # Columns are read one after the other: a metric that was declared in between is not this report's yet.
    metric = np.array([names.get(name, -1) for name in raw["metric"]], np.int64)
    value = np.array(raw["value"], np.float64)
    is_void = np.array([bool(void_of) for void_of in raw["void_of"]], np.bool_)
    is_voided = np.array([outcome_id in voided for outcome_id in raw["outcome_id"]], np.bool_)
    has_row = np.array([key is not None for key in raw["assignment_id"]], np.bool_)
    row = np.where(has_row, _rows_of(_keys(raw["assignment_id"], raw["slot"]), keys), -1)
    unit_key = np.array(raw["unit_key"], np.int64)
    is_finite, is_ours = np.isfinite(value), (metric >= 0) & (~has_row | (row >= 0))
    stands = ~is_void & ~is_voided & is_finite & is_ours
    outcomes = Outcomes(
        metric[stands], value[stands], np.array(raw["occurred_at"], np.int64)[stands], row[stands], unit_key[stands]
    )
    return outcomes, [
        Count(int((is_voided & ~is_void).sum()), "outcomes taken back by a later one"),
        Count(int((~is_finite & ~is_void & ~is_voided).sum()), "outcomes whose value is not a finite number"),
        Count(
            int((~is_ours & ~is_void & ~is_voided).sum()),
            "outcomes of assignments that this experiment does not have (another experiment's, or unmatched)",
        ),
    ]


def _last_time(reader: Reader) -> int:
    """When the log's last entry was received, or 0."""
    last = reader.entries(after=reader.last_seq() - 1, limit=1)
    if not last:
        return 0
    entry = last[0]
    return to_micros(entry.erased_at if isinstance(entry, Erasure) else entry.received_at)
