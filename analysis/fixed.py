"""The subjects of a test: units, each once, at their first exposure, by the variant that they met then."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis import crediting, timeline, wording
from analysis.arrays import Flags, Ints
from analysis.crediting import Subjects
from analysis.document import Timeline
from analysis.frames import Frame
from engine.experiments import ExposureRule

_UNEQUAL = 0.01
"""Below this p-value the rates of exposure differ, and exposed units are no longer comparable."""

_MIN_EXPECTED = 5.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """Units at their first exposure, or all assigned ones where exposure itself depends on the variant."""

    subjects: Subjects
    is_intention_to_treat: bool
    n_unexposed: int
    p_value: float | None


def arrivals(frame: Frame) -> Arrival:
    """Return the test's subjects; unequal rates of exposure switch to intention to treat."""
    rows = frame.assignments
    exposed = crediting.units(frame, rows.is_usable & rows.is_exposed, rows.variant, rows.stratum, rows.exposed_at)
    if frame.experiment.exposure is ExposureRule.ASSIGNED:
        return Arrival(exposed, False, 0, None)
    assigned = crediting.units(frame, rows.is_usable, rows.variant, rows.stratum, rows.at)
    p_value = _equal_rates(_by_label(frame, assigned), _by_label(frame, exposed))
    if p_value is not None and p_value < _UNEQUAL:
        return Arrival(assigned, True, 0, p_value)
    return Arrival(exposed, False, len(assigned) - len(exposed), p_value)


def traffic(frame: Frame, times: Ints, variant: Ints, counted: str) -> Timeline | None:
    """Return how many of what is counted came to each variant over time, or None for a single stretch of time."""
    if not len(times):
        return None
    spread = timeline.stretches(times)
    if len(spread) < 2:
        return None
    counts = spread.counts(variant, len(frame.variants))
    return Timeline(
        "Traffic over time",
        f"{counted}, by variant.",
        spread.starts,
        spread.step_s,
        frame.variants,
        tuple(tuple(series) for series in counts.tolist()),
        is_share=False,
    )


def exposure_note(arrival: Arrival) -> str:
    """Return what a reader must know about exposures, or nothing."""
    if not arrival.is_intention_to_treat or arrival.p_value is None:
        return ""
    return (
        f"The variants were exposed at different rates ({wording.probability(arrival.p_value)}), so exposed units are "
        "not comparable: all assigned units are counted instead (intention to treat)."
    )


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
