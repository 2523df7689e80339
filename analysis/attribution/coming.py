"""Who comes to an experiment now, and how undecided its policy is about them: its last week, of one read of its log."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from analysis.arrays import Floats, distinct
from analysis.logs.sources import LogSource
from engine.columns import Columns
from engine.errors import UnknownExperiment
from engine.experiments import Experiment
from engine.records import Group

WEEK = 7 * 86_400_000_000
LATEST, MOST_LATEST = 0.1, 10_000
"""The share of its draws by which a policy is judged, the latest, and how many these are at most."""

_COLUMNS = ("assigned_at", "unit_key", "is_draw", "group_name", "distribution")
_ROUNDED = 1e-9


@dataclass(frozen=True, slots=True)
class Coming:
    """Who comes: `n_units` in the last week in which anybody came.

    What an effect per unit comes to in a week is its product with `in_a_week`: all units of the experiment, times the
    share of the answers that were in that week. A unit that comes every day is a part of a unit each week, since its
    effect was counted from its first draw on.

    `undecided` is 0 where the policy has settled and 1 where it gives all variants the same chance.
    """

    n_units: int
    in_a_week: float
    undecided: float

    @classmethod
    def of(cls, log: LogSource, experiment_id: str) -> Coming:
        """Return who comes to an experiment.

        Raises:
            UnknownExperiment: there is none of this id.
        """
        state = log.state(experiment_id)
        if state is None:
            raise UnknownExperiment(f"there is no experiment {experiment_id!r} in this log")
        rows = log.columns("assignments", _COLUMNS, experiment_id)
        unit, at = rows["unit_key"], rows["assigned_at"]
        is_late = at > at.max(initial=0) - WEEK
        n_late = int(is_late.sum())
        in_a_week = len(distinct(unit)) * n_late / max(len(unit), 1)
        return cls(len(distinct(unit[is_late])), in_a_week, _undecided(state.experiment, rows))


def evenness(packed: bytes, floor: float) -> float:
    """Return how even a packed distribution is, 0 to 1: its entropy as a share of the most that it could have.

    The floor, in all, is not the policy's choice, so it is taken off first: one that gives a variant all that it can
    has decided.

    >>> weights = np.array([5, 95], "<i8").tobytes()
    >>> round(evenness(weights, 0.1), 6), round(evenness(weights, 0.0), 4)
    (0.0, 0.2864)
    """
    weights: Floats = np.frombuffer(packed[: len(packed) // 8 * 8], "<i8").astype(np.float64)
    weights = weights[weights > 0]
    if len(weights) < 2:
        return 0.0
    chosen = np.maximum(weights / weights.sum() - floor / len(weights), 0.0)
    if chosen.sum() < _ROUNDED:
        return 1.0
    return float(special.entr(chosen / chosen.sum()).sum() / math.log(len(chosen)))


def _undecided(experiment: Experiment, rows: Columns) -> float:
    """Return how even the latest distributions are; what does not learn has decided nothing while its test runs: 1."""
    if not experiment.policy.learns:
        return 1.0
    packed, group = rows["distribution"], rows["group_name"]
    is_control = group.looked_up([*(word == Group.CONTROL.value for word in group.words), False], np.bool_)
    drawn = packed.codes[(rows["is_draw"] == 1) & ~is_control & (packed.codes >= 0)]
    if not len(drawn):
        return 1.0
    latest, n = np.unique(drawn[-min(math.ceil(LATEST * len(drawn)), MOST_LATEST) :], return_counts=True)
    found = [evenness(packed.words[code], experiment.policy.floor) for code in latest.tolist()]
    return float(np.average(found, weights=n))
