"""The log of one experiment as typed columns, read and checked once; everything after this is numpy.

What cannot be used is left out here and counted, with the reason, in `Frame.left_out`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Flags, Floats, Ints, Texts, distinct, places, renumbered
from analysis.document import Count
from analysis.logs import labels, stickiness
from analysis.logs.contexts import Contexts
from analysis.logs.labels import Answers, Labels
from analysis.logs.sources import LogSource
from analysis.logs.stickiness import Repeats
from analysis.texts import Name, text
from engine.columns import Coded, Column, Columns
from engine.errors import UnknownExperiment
from engine.experiments import Experiment, ExperimentState, ExposureRule, Status
from engine.records import DrawKey, Group, Reason

ASSIGNMENT_COLUMNS = (
    *("seq", "assigned_at", "received_at", "revision", "epoch", "draw_key", "is_draw", "reason", "group_name"),
    *("group_weight", "variant", "weight", "eligible", "distribution", "unit_key", "source"),
)
EXPOSURE_COLUMNS = ("assignment_seq", "exposed_at")
OUTCOME_COLUMNS = (*("seq", "metric", "value", "occurred_at", "received_at", "void_of", "assignment_seq", "unit_key"),)
_NEVER = np.iinfo(np.int64).max // 4
"""The exposure time of what was not exposed: after every outcome, and far from an overflow."""
_BY_UNIT = [list(DrawKey).index(key) for key in (DrawKey.UNIT, DrawKey.UNIT_ONCE)]
"""The column's numbers of these: the contract numbers the members in the order of the enum."""


@dataclass(frozen=True, slots=True)
class Assignments:
    """Rows in the order of seq; every array is (n,), `patterns` is (n_patterns, n_variants).

    `variant` and `epoch` are indices into the frame's names. `pattern` is the row's distribution, -1 where nothing
    usable was drawn. `stratum` numbers the pairs of epoch and pattern, within which variants compare as they are.
    `by_unit` is whether a unit is drawn once, and not for each assignment. `is_usable` marks draws whose propensity
    holds and whose policy is of the same kind as the current one. Times are microseconds.

    `origin` is the row whose draw it repeats, as a sticky answer does, or its own place. `unit_key` is the unit that
    was drawn and `named_key` the one that was answered: they differ for who keeps what was drawn before a login.
    `answer` is the place of the row that fills the first slot of the same answer, or its own.
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
    origin: Ints
    named_key: Ints
    answer: Ints

    def __len__(self) -> int:
        return len(self.seq)

    @property
    def is_first_slot(self) -> Flags:
        """Which rows fill the first slot of an answer, (n,): one for each answer."""
        return np.asarray(self.answer == np.arange(len(self)))


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Outcomes that stand, (n,) each: `row` is the draw or other answer that it is of, or -1.

    `named_key` is the unit that it named, or 0, and `unit_key` the one that was drawn for it. `metric` is an index into
    the frame's `outcome_names`. Times are microseconds.
    """

    metric: Ints
    value: Floats
    occurred_at: Ints
    row: Ints
    unit_key: Ints
    named_key: Ints
    received_at: Ints

    def __len__(self) -> int:
        return len(self.metric)


@dataclass(frozen=True, slots=True)
class Frame:
    """One experiment's log. `end` is the log's end, in microseconds: the last time at which anything was received.

    `variants` are what the answers are told apart by: see `analysis.logs.labels`. Answers for quality assurance are not
    here at all.
    """

    state: ExperimentState
    answers: Answers
    variants: tuple[Name, ...]
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
    everything = source.columns("assignments", ASSIGNMENT_COLUMNS, experiment_id)
    is_real = _codes(everything["reason"], [Reason.QA.value]) < 0
    raw: Columns = everything if is_real.all() else {each: _where(everything[each], is_real) for each in everything}
    repeats = stickiness.repeats(source, experiment_id, raw)
    raw_outcomes = source.columns("outcomes", OUTCOME_COLUMNS, experiment_id)
    epochs = tuple(distinct(raw["epoch"]).tolist()) or (state.epoch,)
    exposed_at = _exposure_times(source, experiment, raw, repeats.origin)
    definitions = _definitions(source, experiment, raw["revision"])
    answers = labels.answers_of([experiment, *definitions.values()])
    labelled = labels.by_place(raw) if answers is Answers.CANDIDATES else labels.by_name(raw, experiment)
    answer = _first_slots(source, experiment_id, raw, answers)
    same_kind = _kinds(experiment, definitions, raw["revision"])
    assignments, left_out = _assignments(raw, repeats, labelled, exposed_at, same_kind, answer=answer, epochs=epochs)
    outcomes, not_counted = _outcomes(raw_outcomes, assignments.seq, repeats, experiment, source.voided())
    end = max(source.ended_at(), *(int(each["received_at"].max(initial=0)) for each in (everything, raw_outcomes)))
    n_tested = Count(int((~is_real).sum()), text("left_out.not_drawn", reason=text("reason.qa")))
    counts = n_tested, *left_out, *not_counted
    contexts = Contexts(source, experiment, is_real)
    return Frame(state, answers, labelled.names, epochs, assignments, outcomes, end, counts, contexts)


def _where(column: Column, which: Flags) -> Column:
    return Coded(column.codes[which], column.words) if isinstance(column, Coded) else column[which]


def _exposure_times(source: LogSource, experiment: Experiment, raw: Columns, origin: Ints) -> Ints:
    """Return when each row was exposed, (n,): a draw also by what was first reported of an answer that repeats it."""
    if experiment.exposure is ExposureRule.ASSIGNED:
        return np.asarray(raw["assigned_at"])
    reported = source.columns("exposures", EXPOSURE_COLUMNS, experiment.experiment_id)
    rows = places(reported["assignment_seq"], raw["seq"])
    known = rows >= 0
    own, at = rows[known], reported["exposed_at"][known]
    is_origin = origin == np.arange(len(origin))
    return np.where(is_origin, _first_times(origin[own], at, len(origin)), _first_times(own, at, len(origin)))


def _first_times(rows: Ints, at: Ints, n: int) -> Ints:
    """Return the first of the times that the log has for each row, (n,); the learner counts that one as well."""
    times = np.full(n, _NEVER)
    times[rows[::-1]] = at[::-1]
    return times


def _definitions(source: LogSource, experiment: Experiment, revision: Ints) -> dict[int, Experiment]:
    """Return the definitions by which rows were decided, by revision, ascending."""
    known = distinct(revision).tolist()
    return {each: source.definition(experiment.experiment_id, each) or experiment for each in known}


def _kinds(experiment: Experiment, definitions: Mapping[int, Experiment], revision: Ints) -> Flags:
    """Whether each row was decided by a policy of the same kind, learning or not, as the current one, (n,)."""
    same = np.array([each.policy.learns == experiment.policy.learns for each in definitions.values()], np.bool_)
    return same[places(revision, np.array(list(definitions), np.int64))]


def _first_slots(source: LogSource, experiment_id: str, raw: Columns, answers: Answers) -> Ints:
    # Slots are read only where an answer can have several.
    if answers is Answers.VARIANT:
        return np.arange(len(raw["seq"]))
    return labels.first_slots(source, experiment_id, raw)


def _assignments(
    raw: Columns,
    repeats: Repeats,
    labelled: Labels,
    exposed_at: Ints,
    same_kind: Flags,
    *,
    answer: Ints,
    epochs: tuple[int, ...],
) -> tuple[Assignments, list[Count]]:
    is_draw, found = raw["is_draw"] == 1, labelled.patterns
    epoch = places(raw["epoch"], np.array(epochs, np.int64))
    holds = found.is_whole[found.index] & (raw["weight"] > 0) & (raw["weight"] == labelled.weight)
    n_patterns = len(found.probabilities)
    rows = Assignments(
        seq=raw["seq"],
        at=raw["assigned_at"],
        exposed_at=exposed_at,
        variant=labelled.variant,
        epoch=epoch,
        unit_key=repeats.unit(raw["unit_key"]),
        is_draw=is_draw,
        is_usable=is_draw & holds & same_kind,
        is_exposed=exposed_at < _NEVER,
        is_control_group=_codes(raw["group_name"], [Group.CONTROL.value]) == 0,
        by_unit=np.isin(raw["draw_key"], _BY_UNIT),
        group_weight=raw["group_weight"],
        pattern=np.where(is_draw & holds, found.index, -1),
        patterns=found.probabilities,
        stratum=renumbered(epoch * n_patterns + found.index, len(epochs) * n_patterns)[0],
        reason=raw["reason"].values(),
        source=raw["source"].values(),
        origin=repeats.origin,
        named_key=raw["unit_key"],
        answer=answer,
    )
    broken = int((is_draw & ~holds).sum())
    other = int((is_draw & holds & ~same_kind).sum())
    return rows, [Count(broken, text("left_out.broken_propensity")), Count(other, text("left_out.other_policy"))]


def _codes(column: Coded, among: Sequence[str]) -> Ints:
    """Return the place of each row's word among some, (n,), or -1."""
    index = {name: place for place, name in enumerate(among)}
    codes: Ints = column.looked_up([*(index.get(word, -1) for word in column.words), -1])
    return codes


def _outcomes(
    raw: Columns, seqs: Ints, repeats: Repeats, experiment: Experiment, voided: Ints
) -> tuple[Outcomes, list[Count]]:
    """Return the outcomes that stand, and why the others do not; `seqs` are those of the assignments."""
    # Columns are read one after the other: a metric that was declared in between is not this report's yet.
    metric = _codes(raw["metric"], sorted(experiment.outcomes))
    is_void = _codes(raw["void_of"], [""]) != 0
    is_voided = places(raw["seq"], voided) >= 0
    names_row = raw["assignment_seq"] != 0
    own = np.where(names_row, places(raw["assignment_seq"], seqs), -1)
    # Row -1, none, finds the -1 at the end.
    row = np.append(repeats.origin, -1)[own]
    is_finite, is_ours = np.isfinite(raw["value"]), (metric >= 0) & (~names_row | (row >= 0))
    counts, stands = ~is_void & ~is_voided, ~is_void & ~is_voided & is_finite & is_ours
    units = repeats.unit(raw["unit_key"]), raw["unit_key"]
    columns = metric, raw["value"], raw["occurred_at"], row, *units, raw["received_at"]
    return Outcomes(*(column[stands] for column in columns)), [
        Count(int((is_voided & ~is_void).sum()), text("left_out.taken_back")),
        Count(int((counts & ~is_finite).sum()), text("left_out.not_finite")),
        Count(int((counts & ~is_ours).sum()), text("left_out.not_ours")),
    ]
