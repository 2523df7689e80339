"""Reads a log's experiments one by one, and of each the first draw of every unit with the chances that it had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np

from analysis import adaptive
from analysis.arrays import Flags, Floats, Ints, distinct, first_of
from analysis.attribution.incremental import did, looking
from analysis.attribution.incremental.identities import Identities
from analysis.attribution.incremental.units import Draws, Units
from analysis.checks import balance
from analysis.logs import crediting, frames
from analysis.logs.crediting import Subjects
from analysis.logs.frames import Frame
from analysis.logs.labels import Answers
from analysis.logs.sources import LogSource
from analysis.texts import Name, Text, text
from engine.randomness import ONE
from engine.records import Source


def read(
    log: LogSource, outcome: str, *, within: timedelta | None = None, experiments: Sequence[str] | None = None
) -> Units:
    """Return the units of a log with what was drawn for them in its experiments, all or some, and what they did.

    In a test that draws by unit it is the variant, in a bandit with a control share the unit's group. Memory grows
    with the units and the outcomes, and is that of one experiment's log at a time besides.

    Raises:
        UnknownExperiment: there is no experiment of an id.
    """
    everything = [state.experiment.experiment_id for state in log.states()]
    heard, left_out = did.read(log, outcome)
    draws, refused, pairs, end = [], {}, [], log.ended_at()
    for experiment_id in everything if experiments is None else dict.fromkeys(experiments):
        frame = frames.read(log, experiment_id)
        found = first_draws(frame)
        if isinstance(found, Text):
            refused[experiment_id] = found
        else:
            draws.append(found)
        pairs.append(kept_from(frame))
        end = max(end, frame.end)
    who = Identities.of_pairs(pairs)
    named = tuple(_as_known(each, who) for each in draws)
    return Units(outcome, named, heard.of(who), refused, end, within, left_out)


def first_draws(frame: Frame) -> Draws | Text:
    """Return the first draw of each unit in an experiment, or why it does not compare by unit."""
    reason = None if len(frame.assignments) else text("attribution.incremental.nobody")
    if reason or not is_test(frame):
        return reason or _groups(frame)
    drawn = _drawn(frame)
    if not drawn.any():
        return text("attribution.incremental.nobody")
    comparable = drawn & _could_be_control(frame)
    if not comparable.any():
        return text("attribution.incremental.never_control")
    return unfit(frame, drawn) or _variants(frame, comparable)


def _n_without(frame: Frame) -> int:
    """Return how many units of an experiment came only while nobody could have got its control.

    That is a part of its time, as before a control share was kept or after the control was killed, and not of what is
    drawn: the others compare as well without them.
    """
    if not is_test(frame):
        return adaptive.n_ungrouped(frame)
    keys, drawn = frame.assignments.unit_key, _drawn(frame)
    return len(distinct(keys[drawn])) - len(distinct(keys[drawn & _could_be_control(frame)]))


def is_test(frame: Frame) -> bool:
    """Whether a unit's one draw decides which variant it gets: the policy does not learn, and draws by unit."""
    rows = frame.assignments
    is_drawn_by_unit = bool(rows.by_unit[rows.is_usable].all())
    return not frame.experiment.policy.learns and is_drawn_by_unit and frame.answers is Answers.VARIANT


def shown(frame: Frame) -> Flags:
    """Return which rows were answered to somebody, (n,): what a replay rejects was never shown."""
    rows = frame.assignments
    return np.asarray((rows.source != Source.REPLAYED.value) | rows.is_exposed)


def unfit(frame: Frame, draws: Flags) -> Text | None:
    """Return why draws prove nothing, if their counts do not fit their propensities."""
    check = balance.variants(frame, balance.independent(frame, draws), text("balance.assigned"))
    return text("attribution.incremental.unbalanced") if check.holds is False else None


def kept_from(frame: Frame) -> tuple[Ints, Ints]:
    """Return units that were answered, and those that had been drawn for them."""
    rows = frame.assignments
    differs = np.flatnonzero(rows.named_key != rows.unit_key)
    first = differs[_firsts(rows.named_key[differs])]
    return rows.named_key[first], rows.unit_key[first]


def _drawn(frame: Frame) -> Flags:
    """Return which rows of a test are draws that count, (n,)."""
    return shown(frame) & frame.assignments.is_usable & frame.assignments.by_unit


def _could_be_control(frame: Frame) -> Flags:
    """Return which rows were drawn from a distribution in which the control had a chance, (n,)."""
    rows = frame.assignments
    has_chance = np.append(rows.patterns[:, frame.control] > 0, False)
    # Pattern -1, none, finds the false at the end.
    return np.asarray(has_chance[rows.pattern])


def _variants(frame: Frame, usable: Flags) -> Draws:
    rows = frame.assignments
    found = crediting.units(frame, usable, rows.variant, rows.stratum, rows.at)
    return _draws(frame, found, frame.variants, frame.control, rows.patterns[rows.pattern[found.row]])


def _groups(frame: Frame) -> Draws | Text:
    """Return the groups of units, or why there are none."""
    found = adaptive.group_subjects(frame)
    weight, is_control = frame.assignments.group_weight[found.row] / ONE, found.label == adaptive.CONTROL_GROUP
    share = np.where(is_control, weight, 1 - weight)
    if not (share > 0).any():
        return text("attribution.incremental.no_control_share")
    if balance.groups(frame).holds is False:
        return text("attribution.incremental.unbalanced")
    chances = np.stack([share, 1 - share], axis=1)
    return _draws(frame, found, adaptive.GROUPS, adaptive.CONTROL_GROUP, chances)


def _draws(frame: Frame, found: Subjects, names: tuple[Name, ...], control: int, chances: Floats) -> Draws:
    of = frame.experiment
    columns = found.unit_key, found.since, found.label, chances
    return Draws(of.experiment_id, of.brief, names, control, *columns, looking.n_planned(frame), _n_without(frame))


def _as_known(draws: Draws, who: Identities) -> Draws:
    """Return the first draw of each unit, where units with several keys are one."""
    unit = who.of(draws.unit)
    kept = _firsts(unit)
    columns = draws.at[kept], draws.drawn[kept], draws.chances[kept]
    return replace(draws, unit=unit[kept], at=columns[0], drawn=columns[1], chances=columns[2])


def _firsts(unit: Ints) -> Ints:
    """Return the first place of each unit (r,), ascending."""
    return np.sort(first_of(unit, np.zeros(len(unit), np.int64)))
