"""What can be said of a bandit without correcting for how it collected its data.

The means of its variants are shown, and marked as naive. What compares is the contrast of its groups: units were
drawn into the control's share or the policy's before the policy saw them, at a constant share, so by unit and
whatever they were served it is a plain A/B test of the policy as a whole against the control.
"""

from __future__ import annotations

import numpy as np

from analysis.arrays import Flags, distinct
from analysis.document import Timeline
from analysis.logs import crediting, timeline
from analysis.logs.crediting import Subjects
from analysis.logs.frames import Frame
from analysis.logs.labels import Answers
from analysis.texts import text
from engine.randomness import ONE
from engine.records import Source

CONTROL_GROUP, POLICY_GROUP = 0, 1
"""The labels of the groups' subjects."""

GROUPS = (text("group.control"), text("group.policy"))
"""Their names, by label."""


def draws(frame: Frame) -> Flags:
    """Return the policy's own draws, (n_assignments,)."""
    return frame.assignments.is_usable & ~frame.assignments.is_control_group


def group_subjects(frame: Frame) -> Subjects:
    """Return all units by their group, from their first assignment on, whatever they were served.

    Forced, capped, sticky and failed answers are here too: a unit that left when it was served without a draw would
    leave a choice of units behind. So forced ones are left out of every estimate but this one.

    Where there is a control group, rows that could not have been in it are not here: they are from before it was kept.
    Of a replay only the exposed ones, from their exposure on: what a replay rejects was never shown to anybody.
    """
    rows = frame.assignments
    replayed = rows.source == Source.REPLAYED.value
    since = np.where(replayed, rows.exposed_at, rows.at)
    label = np.where(rows.is_control_group, CONTROL_GROUP, POLICY_GROUP)
    return crediting.units(frame, _grouped(frame) & (~replayed | rows.is_exposed), label, rows.epoch, since)


def n_ungrouped(frame: Frame) -> int:
    """Return how many units came only while no control group was kept, where there is one now."""
    keys, grouped = frame.assignments.unit_key, _grouped(frame)
    return len(distinct(keys)) - len(distinct(keys[grouped]))


def _grouped(frame: Frame) -> Flags:
    rows = frame.assignments
    if not rows.is_control_group.any():
        return np.ones(len(rows), np.bool_)
    return np.asarray(rows.is_control_group | (rows.group_weight != ONE))


def allocation(frame: Frame) -> Timeline | None:
    """Return the mean logged probability of each variant over time, or None for a single stretch of time."""
    chosen = draws(frame) & (frame.assignments.pattern >= 0)
    if not chosen.any():
        return None
    spread = timeline.stretches(frame.assignments.at[chosen])
    if len(spread) < 2:
        return None
    probabilities = frame.assignments.patterns[frame.assignments.pattern[chosen]]
    return Timeline(
        text("allocation.title"),
        text("allocation.places" if frame.answers is Answers.CANDIDATES else "allocation.caption"),
        spread.starts,
        spread.step_s,
        frame.variants,
        tuple(tuple(spread.means(probabilities[:, place])) for place in range(len(frame.variants))),
        is_share=True,
        floor=_floor(frame),
    )


def _floor(frame: Frame) -> float | None:
    """Return the least that each variant had, or None where that depends on how many were eligible."""
    if frame.answers is not Answers.VARIANT:
        return None
    return frame.experiment.policy.floor / len(frame.experiment.variants) or None
