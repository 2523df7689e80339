"""The tables of one metric: variants, levels of factors, groups; which rows are compared, and with what."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analysis import adaptive, crediting, lift, wording
from analysis.crediting import Subjects
from analysis.document import Row, Table, Word
from analysis.estimate import Estimate, Validity
from analysis.frames import Frame
from analysis.lift import Cells, Side
from analysis.moments import Moments
from engine.experiments import Metric, MetricKind

NAIVE = (
    "These intervals are naive: the policy chose who got what, and chose by earlier outcomes. "
    "Each mean is what those draws brought; do not compare them."
)

_Sides = Sequence[tuple[str, Side]]


def variants(frame: Frame, subjects: Subjects, metric: Metric) -> Table:
    """Return each variant of a test against the control."""
    sides = [(name, lift.side(len(frame.variants), [place])) for place, name in enumerate(frame.variants)]
    cells = _cells(frame, subjects, metric, len(sides), "unit")
    rows = _compared(cells, _uncapped(frame, subjects, metric, len(sides)), sides, frame.control)
    return Table("Variants", "units", frame.experiment.control, rows)


def factors(frame: Frame, subjects: Subjects, metric: Metric) -> tuple[Table, ...]:
    """Return for each factor its levels against the first one, the other factors' levels weighted evenly."""
    cells = _cells(frame, subjects, metric, len(frame.variants), "unit")
    tables = []
    for factor in frame.experiment.factors:
        sides = [(level, _having(frame, factor.name, level)) for level in factor.levels]
        note = "Each level averages its combinations evenly, whatever traffic they had."
        rows = _compared(cells, None, sides, 0)
        tables.append(Table(f"Factor {factor.name}", "units", factor.levels[0], rows, note))
    return tuple(tables)


def naive(frame: Frame, subjects: Subjects, metric: Metric) -> Table:
    """Return each variant of a bandit over its own draws, marked as naive and compared with nothing."""
    cells = _cells(frame, subjects, metric, len(frame.variants), "assignment", stratified=False)
    plain = _uncapped(frame, subjects, metric, len(frame.variants))
    rows = tuple(
        Row(name, Word.NOT_COMPARED, lift.value(cells, side, Validity.NAIVE), _plain_value(plain, side))
        for name, side in ((name, lift.side(len(frame.variants), [i])) for i, name in enumerate(frame.variants))
    )
    return Table("Variants, over the draws of the policy", "assignments", "", rows, NAIVE)


def groups(frame: Frame, subjects: Subjects, metric: Metric) -> Table:
    """Return the policy's group against the control's, or the policy's alone where there is no control's."""
    present = np.bincount(subjects.label, minlength=2) > 0
    sides = [(name, lift.side(2, [label])) for label, name in enumerate(adaptive.GROUPS) if present[label]]
    cells = _cells(frame, subjects, metric, 2, "unit", stratified=bool(present.all()))
    plain = _uncapped(frame, subjects, metric, 2)
    if present.all():
        note = "Units were drawn into the groups before the policy saw them: this comparison is valid."
        return Table("Groups", "units", adaptive.GROUPS[0], _compared(cells, plain, sides, 0), note)
    note = (
        "No control group was kept apart, so there is nothing to compare the policy with. "
        "The interval takes the units as independent."
    )
    rows = tuple(
        Row(name, Word.NOT_COMPARED, lift.value(cells, side), _plain_value(plain, side)) for name, side in sides
    )
    return Table("All that was served", "units", "", rows, note)


def n_open(frame: Frame, subjects: Subjects, metric: Metric) -> int:
    """Return how many subjects are too young to count."""
    return crediting.sample(frame, subjects, metric).n_open


def _having(frame: Frame, factor: str, level: str) -> Side:
    members = [frame.variants.index(v.name) for v in frame.experiment.variants if v.levels.get(factor) == level]
    return lift.side(len(frame.variants), members)


def _cells(
    frame: Frame, subjects: Subjects, metric: Metric, n_labels: int, counted: str, *, stratified: bool = True
) -> Cells:
    return Cells(
        _moments(frame, subjects, metric, metric.cap, n_labels, stratified=stratified),
        metric.kind is MetricKind.CONVERSION,
        _estimand(metric, counted),
    )


def _moments(
    frame: Frame, subjects: Subjects, metric: Metric, cap: float | None, n_labels: int, *, stratified: bool
) -> Moments:
    found = crediting.sample(frame, subjects, metric, cap)
    stratum = found.stratum if stratified else np.zeros_like(found.stratum)
    return Moments.of(found.values, found.label, stratum, (n_labels, int(stratum.max(initial=0)) + 1))


def _uncapped(frame: Frame, subjects: Subjects, metric: Metric, n_labels: int) -> Moments | None:
    """Return the moments without the cap, or None where none is declared."""
    return _moments(frame, subjects, metric, None, n_labels, stratified=False) if metric.cap is not None else None


def _plain_value(uncapped: Moments | None, side: Side) -> float | None:
    if uncapped is None or not uncapped.n[side > 0].all():
        return None
    return float(side @ uncapped.mean[:, 0])


def _compared(cells: Cells, uncapped: Moments | None, sides: _Sides, baseline: int) -> tuple[Row, ...]:
    base = sides[baseline][1]
    rows = []
    for place, (name, side) in enumerate(sides):
        value, plain = lift.value(cells, side), _plain_value(uncapped, side)
        if place == baseline:
            rows.append(Row(name, Word.BASELINE, value, plain))
            continue
        found = lift.compare(cells, side, base, len(sides) - 1)
        rows.append(Row(name, _word(found.absolute), value, plain, found.absolute, found.relative))
    return tuple(rows)


def _word(absolute: Estimate) -> Word:
    if absolute.interval is None:
        return Word.NOT_EVALUABLE
    low, high = absolute.interval
    if low > 0:
        return Word.BETTER
    return Word.WORSE if high < 0 else Word.NOT_CLEAR


def _estimand(metric: Metric, counted: str) -> str:
    window = wording.duration(metric.window.total_seconds())
    exposure = "exposure" if counted == "assignment" else "first exposure"
    if metric.kind is MetricKind.CONVERSION:
        return f"share of {counted}s with “{metric.name}” within {window} of their {exposure}"
    return f"mean “{metric.name}” of a {counted} within {window} of its {exposure}"
