"""The subjects of a test: units, each once, at their first exposure, by the variant that they met then.

Where the draws were by assignment and units repeat, the subjects are assignments, and errors are to be summed by unit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.arrays import Flags, Ints
from analysis.document import Timeline
from analysis.logs import crediting, timeline
from analysis.logs.crediting import Counted, Subjects
from analysis.logs.frames import Frame
from analysis.sequential import logged
from analysis.texts import Text, count, probability, text
from engine.experiments import ExposureRule

_UNEQUAL = 0.01
"""Below this p-value the rates of exposure differ, and exposed units are no longer comparable."""

_MIN_EXPECTED = 5.0

_FEW = 0.01
"""So small a share that could not get every variant is not worth a word."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """Subjects at their exposure, or all assigned ones where exposure itself depends on the variant.

    `subjects.counted` says what they are; assignments are not independent where they are of one unit.
    """

    subjects: Subjects
    is_intention_to_treat: bool
    n_unexposed: int
    p_value: float | None

    @property
    def repeats(self) -> bool:
        """Whether units may be among the subjects several times."""
        return self.subjects.counted is Counted.ASSIGNMENT


def arrivals(frame: Frame) -> Arrival:
    """Return the test's subjects; unequal rates of exposure switch to intention to treat.

    The subjects are units, each with the variant of its first exposure and all that it brought from then on. They are
    assignments where draws were not keyed by the unit and a unit has several of them: each such draw compares by
    itself, with a window of its own, and an outcome of the unit belongs to its latest exposed assignment. A log in
    which some draws were by unit and others by assignment is then read by assignment throughout.
    """
    by_assignment = repeats(frame)
    exposed = _subjects(frame, by_assignment=by_assignment, from_exposure=True)
    if frame.experiment.exposure is ExposureRule.ASSIGNED:
        return Arrival(exposed, False, 0, None)
    assigned = _subjects(frame, by_assignment=by_assignment, from_exposure=False)
    p_value = _equal_rates(_by_label(frame, assigned), _by_label(frame, exposed))
    if p_value is not None and p_value < _UNEQUAL:
        return Arrival(assigned, True, 0, p_value)
    return Arrival(exposed, False, len(assigned) - len(exposed), p_value)


def repeats(frame: Frame) -> bool:
    """Whether units have several draws that were not keyed by the unit."""
    rows = frame.assignments
    unit = np.sort(rows.unit_key[rows.is_usable & ~rows.by_unit])
    return bool((unit[1:] == unit[:-1]).any())


def _subjects(frame: Frame, *, by_assignment: bool, from_exposure: bool) -> Subjects:
    rows = frame.assignments
    chosen = rows.is_usable & rows.is_exposed if from_exposure else rows.is_usable
    if by_assignment:
        return crediting.assignments(frame, chosen, from_exposure=from_exposure)
    since = rows.exposed_at if from_exposure else rows.at
    return crediting.units(frame, chosen, rows.variant, rows.stratum, since)


def traffic(frame: Frame, times: Ints, variant: Ints, caption: Text) -> Timeline | None:
    """Return how many of what is counted came to each variant over time, or None for a single stretch of time."""
    if not len(times):
        return None
    spread = timeline.stretches(times)
    if len(spread) < 2:
        return None
    counts = spread.counts(variant, len(frame.variants))
    return Timeline(
        text("traffic.title"),
        caption,
        spread.starts,
        spread.step_s,
        frame.variants,
        tuple(tuple(series) for series in counts.tolist()),
        is_share=False,
    )


def cautions(frame: Frame, arrival: Arrival) -> tuple[Text, ...]:
    """Return what a reader must know of who is compared."""
    return (*_unequal(arrival), *_partly(frame, arrival.subjects))


def _unequal(arrival: Arrival) -> tuple[Text, ...]:
    if not arrival.is_intention_to_treat or arrival.p_value is None:
        return ()
    return (text("caution.intention_to_treat", p=probability(arrival.p_value)),)


def _partly(frame: Frame, subjects: Subjects) -> Iterator[Text]:
    """Yield for how many subjects each difference is where not all of them could get every variant."""
    possible = logged.variants(frame.assignments) > 0
    n = np.bincount(subjects.stratum, minlength=len(possible))
    n_both = n @ (possible & possible[:, [frame.control]])
    others = [place for place in np.flatnonzero(n @ possible) if place != frame.control]
    if any(n_both[place] < (1 - _FEW) * len(subjects) for place in others):
        parts = tuple(text("caution.partly_of", name=frame.variants[place], n=count(n_both[place])) for place in others)
        yield text("caution.partly", baseline=frame.variants[frame.control], parts=parts)


def _by_label(frame: Frame, subjects: Subjects) -> Ints:
    return np.bincount(subjects.label, minlength=len(frame.variants))


def _equal_rates(assigned: Ints, exposed: Ints) -> float | None:
    """Return the p-value of equal rates of exposure by variant, or None where there is too little to tell."""
    present: Flags = assigned > 0
    table = np.stack([exposed[present], np.maximum(assigned - exposed, 0)[present]])
    if present.sum() < 2 or not table.sum(axis=1).all():
        return None
    test = stats.chi2_contingency(table, correction=False)
    return float(test.pvalue) if test.expected_freq.min() >= _MIN_EXPECTED else None
