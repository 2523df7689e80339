"""The log of one experiment as typed columns, read and checked once; everything after this is numpy.

What cannot be used is left out here and counted, with the reason, in `Frame.left_out`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Flags, Floats, Ints, Texts, distinct, places, renumbered
from analysis.document import Count
from analysis.logs.contexts import Contexts
from analysis.logs.patterns import patterns
from analysis.logs.sources import LogSource
from analysis.texts import text
from engine.columns import Coded, Columns
from engine.errors import UnknownExperiment
from engine.experiments import Experiment, ExperimentState, ExposureRule, Status
from engine.randomness import ONE
from engine.records import DrawKey, Group

ASSIGNMENT_COLUMNS = (
    *("seq", "assigned_at", "received_at", "revision", "epoch", "draw_key", "is_draw", "reason", "group_name"),
    *("group_weight", "variant", "weight", "eligible", "distribution", "unit_key", "source"),
)
EXPOSURE_COLUMNS = ("assignment_seq", "exposed_at")
OUTCOME_COLUMNS = (*("seq", "metric", "value", "occurred_at", "received_at", "void_of", "assignment_seq", "unit_key"),)
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
    """Outcomes that stand, (n,) each: `row` is its assignment or -1, `unit_key` its unit or 0.

    `metric` is an index into the frame's `outcome_names`.
    """

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
    contexts: Contexts

    @property
    def experiment(self) -> Experiment:
        """The current definition."""
        return self.state.experiment

    @property
    def is_over(self) -> bool:
        """Whether the experiment has ended for good."""
        return self.state.status in (Status.CONCLUDED, Status.ARCHIVED)

    @property
    def control(self) -> int:
        """The index of the control."""
        return self.variants.index(self.experiment.control)

    @property
    def outcome_names(self) -> tuple[str, ...]:
        """The names of the outcomes that the experiment's metrics are made of."""
        return tuple(sorted(self.experiment.outcomes))

    def context(self, name: str) -> Coded | Floats:
        """Return a declared field of each assignment's context, (n_assignments,), read when first asked for.

        A number is a float, a flag 0.0 or 1.0, and NaN where the row has none; a text is `Coded`, -1 where it has none.

        Raises:
            InvalidRequest: it is not declared, or is a list of texts.
        """
        return self.contexts.of(name)


def read(source: LogSource, experiment_id: str) -> Frame:
    """Return the columns of an experiment's log.

    Raises:
        UnknownExperiment: there is none of this id.
    """
    state = source.state(experiment_id)
    if state is None:
        known = ", ".join(other.experiment.experiment_id for other in source.states()) or "none"
        raise UnknownExperiment(f"there is no experiment {experiment_id!r} in this log: there are {known}")
    experiment = state.experiment
    raw = source.columns("assignments", ASSIGNMENT_COLUMNS, experiment_id)
    raw_outcomes = source.columns("outcomes", OUTCOME_COLUMNS, experiment_id)
    names = tuple(dict.fromkeys([*(variant.name for variant in experiment.variants), *raw["variant"].words]))
    epochs = tuple(distinct(raw["epoch"]).tolist()) or (state.epoch,)
    exposed_at, same_kind = _exposure_times(source, experiment, raw), _kinds(source, experiment, raw["revision"])
    assignments, left_out = _assignments(raw, exposed_at, names, epochs, same_kind)
    outcomes, not_counted = _outcomes(raw_outcomes, assignments.seq, experiment, source.voided())
    end = max(source.ended_at(), *(int(each["received_at"].max(initial=0)) for each in (raw, raw_outcomes)))
    contexts = Contexts(source, experiment, len(assignments))
    return Frame(state, names, epochs, assignments, outcomes, end, (*left_out, *not_counted), contexts)


def _exposure_times(source: LogSource, experiment: Experiment, raw: Columns) -> Ints:
    if experiment.exposure is ExposureRule.ASSIGNED:
        return np.asarray(raw["assigned_at"])
    reported = source.columns("exposures", EXPOSURE_COLUMNS, experiment.experiment_id)
    rows = places(reported["assignment_seq"], raw["seq"])
    times = np.full(len(raw["seq"]), _NEVER)
    known = rows >= 0
    np.minimum.at(times, rows[known], reported["exposed_at"][known])
    return times


def _kinds(source: LogSource, experiment: Experiment, revision: Ints) -> Flags:
    """Whether each row was decided by a policy of the same kind, learning or not, as the current one, (n,)."""
    known = distinct(revision)
    definitions = [source.definition(experiment.experiment_id, each) or experiment for each in known.tolist()]
    same = np.array([each.policy.learns == experiment.policy.learns for each in definitions], np.bool_)
    return same[places(revision, known)]


def _assignments(
    raw: Columns, exposed_at: Ints, names: tuple[str, ...], epochs: tuple[int, ...], same_kind: Flags
) -> tuple[Assignments, list[Count]]:
    is_draw = raw["is_draw"] == 1
    variant, epoch = _codes(raw["variant"], names), places(raw["epoch"], np.array(epochs, np.int64))
    found = patterns(raw["eligible"], raw["distribution"], names)
    logged = np.rint(found.probabilities * ONE).astype(np.int64)[found.index, variant]
    holds = found.is_whole[found.index] & (raw["weight"] > 0) & (raw["weight"] == logged)
    n_patterns = len(found.probabilities)
    rows = Assignments(
        seq=raw["seq"],
        at=raw["assigned_at"],
        exposed_at=exposed_at,
        variant=variant,
        epoch=epoch,
        unit_key=raw["unit_key"],
        is_draw=is_draw,
        is_usable=is_draw & holds & same_kind,
        is_exposed=exposed_at < _NEVER,
        is_control_group=_codes(raw["group_name"], [Group.CONTROL.value]) == 0,
        by_unit=raw["draw_key"] == _BY_UNIT,
        group_weight=raw["group_weight"],
        pattern=np.where(is_draw & holds, found.index, -1),
        patterns=found.probabilities,
        stratum=renumbered(epoch * n_patterns + found.index, len(epochs) * n_patterns)[0],
        reason=raw["reason"].values(),
        source=raw["source"].values(),
    )
    broken = int((is_draw & ~holds).sum())
    other = int((is_draw & holds & ~same_kind).sum())
    return rows, [Count(broken, text("left_out.broken_propensity")), Count(other, text("left_out.other_policy"))]


def _codes(column: Coded, among: Sequence[str]) -> Ints:
    """Return the place of each row's word among some, (n,), or -1."""
    index = {name: place for place, name in enumerate(among)}
    codes: Ints = column.looked_up([*(index.get(word, -1) for word in column.words), -1])
    return codes


def _outcomes(raw: Columns, seqs: Ints, experiment: Experiment, voided: Ints) -> tuple[Outcomes, list[Count]]:
    """Return the outcomes that stand, and why the others do not; `seqs` are those of the assignments."""
    # Columns are read one after the other: a metric that was declared in between is not this report's yet.
    metric = _codes(raw["metric"], sorted(experiment.outcomes))
    is_void = _codes(raw["void_of"], [""]) != 0
    is_voided = places(raw["seq"], voided) >= 0
    names_row = raw["assignment_seq"] != 0
    row = np.where(names_row, places(raw["assignment_seq"], seqs), -1)
    is_finite, is_ours = np.isfinite(raw["value"]), (metric >= 0) & (~names_row | (row >= 0))
    counts, stands = ~is_void & ~is_voided, ~is_void & ~is_voided & is_finite & is_ours
    columns = metric, raw["value"], raw["occurred_at"], row, raw["unit_key"]
    return Outcomes(*(column[stands] for column in columns)), [
        Count(int((is_voided & ~is_void).sum()), text("left_out.taken_back")),
        Count(int((counts & ~is_finite).sum()), text("left_out.not_finite")),
        Count(int((counts & ~is_ours).sum()), text("left_out.not_ours")),
    ]
