"""What a policy predicted of the draws in a log, worked out again from the snapshots that its rows name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

from analysis import adaptive
from analysis.arrays import Floats, Ints, places
from analysis.logs import crediting, rewards
from analysis.logs.crediting import Subjects
from analysis.logs.frames import Frame
from analysis.logs.sources import LogSource
from engine.catalog import FindSnapshot
from engine.errors import PolicyFailed, SnapshotRefused
from engine.experiments import Experiment, Variant
from engine.policies import LearningPolicy, learned_policy
from engine.ports import Reader
from engine.records import Assignment
from engine.storage import find_snapshot_in
from engine.storage.sqlite_reader import SqliteReader

STRETCH = 2_000
"""What is predicted again are the draws since the last but one multiple of this, so at most twice as many."""

_N_RESTORED = 8


@dataclass(frozen=True, slots=True)
class Learned:
    """Where rows and snapshots are read."""

    reader: Reader
    find_snapshot: FindSnapshot


def learned_in(directory: str | Path, log: LogSource) -> Learned | None:
    """Return where the rows and snapshots of a store's directory are read, or None for what is no store."""
    return Learned(log, find_snapshot_in(directory)) if isinstance(log, SqliteReader) else None


@dataclass(frozen=True, slots=True)
class Predicted:
    """What snapshots predicted of draws, and what those earned, (n,); `row` are places among the frame's rows.

    They are the matured draws from the beginning of the `stretch`-th stretch on, counted from 0.
    """

    row: Ints
    reward: Floats
    earned: Floats
    stretch: int


def draws(frame: Frame) -> Subjects:
    """Return the policy's own exposed draws, as what earns rewards."""
    rows = frame.assignments
    return crediting.assignments(frame, adaptive.draws(frame) & rows.is_exposed & (rows.pattern >= 0))


def predicted(frame: Frame, learned: Learned) -> Predicted:
    """Return what was predicted of the policy's last matured draws.

    Draws of a policy that had learned nothing yet are left out, those of forgotten units, and those whose snapshot
    cannot be restored.
    """
    subjects = draws(frame)
    earned = rewards.earned(frame, subjects)
    stretch = max(len(earned) // STRETCH - 1, 0)
    row = subjects.row[stretch * STRETCH : len(earned)]
    again = _Again(learned)
    found = np.array([again.prediction(each) for each in _logged(frame, learned.reader, row)], np.float64)
    known = np.flatnonzero(~np.isnan(found))
    return Predicted(row[known], found[known], earned[stretch * STRETCH :][known], stretch)


def _logged(frame: Frame, reader: Reader, row: Ints) -> Sequence[Assignment | None]:
    """Return the rows of the log."""
    if not len(row):
        return []
    seq = frame.assignments.seq[row]
    name, after, until = frame.experiment.experiment_id, int(seq.min()) - 1, int(seq.max())
    found = reader.columns("assignments", ("seq", "assignment_id"), name, after=after, until=until)
    ids = found["assignment_id"].values()[places(seq, found["seq"])]
    logged = reader.assignments([word.hex() for word in ids.tolist()])
    by_seq = {each.seq: each for slots in logged.values() for each in slots}
    return [by_seq.get(each) for each in seq.tolist()]


class _Again:
    """Predicts again; each definition is read once, and each snapshot while rows name it."""

    def __init__(self, learned: Learned) -> None:
        self._learned = learned
        self._definition = cache(learned.reader.definition)
        # Rows come in the order of the log, and so do their snapshots: of many models a few are enough at a time.
        self._policy = lru_cache(maxsize=_N_RESTORED)(self._restored)

    def prediction(self, row: Assignment | None) -> float:
        """Return what the row's snapshot predicts of its variant, or NaN."""
        if row is None or not row.snapshot or not row.unit.id:
            return np.nan
        definition = self._definition(row.experiment_id, row.revision)
        policy = self._policy(row.experiment_id, row.revision, row.snapshot)
        if definition is None or policy is None:
            return np.nan
        try:
            return float(policy.expected_rewards(row.context, [_variant(definition, row)])[0])
        except (PolicyFailed, LookupError):
            return np.nan

    def _restored(self, experiment_id: str, revision: int, snapshot: str) -> LearningPolicy | None:
        definition = self._definition(experiment_id, revision)
        found = self._learned.find_snapshot(experiment_id, snapshot)
        if definition is None or found is None:
            return None
        try:
            return learned_policy(definition, found.blob)
        except SnapshotRefused:
            return None


def _variant(definition: Experiment, row: Assignment) -> Variant:
    """Return the variant that a row got: the request's candidate, or a declared one."""
    brought = next((each for each in row.candidates if each.name == row.variant), None)
    return Variant.of(brought) if brought else definition.variant(row.variant)
