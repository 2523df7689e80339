"""Did the variants differ before anybody met them? They cannot have caused it, so it is luck or a fault.

What the units did before their window opened, and their context at their first assignment, are compared as any metric
is, and adjusted together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats
from analysis.deciding import multiplicity
from analysis.document import Cell, Check, Grid
from analysis.estimate import Estimate, Scale
from analysis.lifts import lift
from analysis.lifts.cells import Cells, Shape, side
from analysis.lifts.moments import Moments
from analysis.logs.crediting import Subjects
from analysis.logs.frames import Frame
from analysis.logs.metrics import SHARES
from analysis.texts import Name, Text, plain, probability, text
from engine.experiments import FieldType
from engine.metrics import SCORES, Metric

ALARM = 0.001
"""Something differs, in words, below this adjusted p-value: rare enough by luck to hold up a verdict."""

_COLUMNS = ("what", "variant", "difference", "p", "adjusted", "word")


@dataclass(frozen=True, slots=True)
class Before:
    """The comparisons as a grid, and what they say together as a check."""

    grid: Grid
    check: Check


@dataclass(frozen=True, slots=True)
class _Measured:
    """A number known beforehand of each subject, (n,), NaN where it is not."""

    values: Floats
    shape: Shape
    what: Text


def before(frame: Frame, subjects: Subjects, names: Sequence[Name], control: int) -> Before | None:
    """Return what differed beforehand between units of each label, or None where nothing was measured.

    `names` are those of the subjects' labels. Compared are outcomes from before the exposure and declared numbers and
    flags of the context; of each the units of which it is known.
    """
    measured = [*_outcomes(frame, subjects), *_fields(frame, subjects)]
    others = [place for place in range(len(names)) if place != control]
    if not measured or not others or not len(subjects):
        return None
    family = len(measured) * len(others)
    compared = [
        (each.what, names[other], _difference(each, subjects, (other, control, len(names)), family))
        for each in measured
        for other in others
    ]
    adjusted = multiplicity.holm(np.array([1.0 if found.p_value is None else found.p_value for *_, found in compared]))
    rows = tuple(_row(*each, float(p)) for each, p in zip(compared, adjusted, strict=True))
    return Before(_grid(rows, names[control]), _check(compared, adjusted))


def _outcomes(frame: Frame, subjects: Subjects) -> Iterator[_Measured]:
    """Yield what each subject brought before its window opened, of every outcome of which there is any."""
    is_early = (subjects.credited >= 0) & (subjects.age < 0)
    for place, name in enumerate(frame.outcome_names):
        chosen = is_early & (frame.outcomes.metric == place)
        if not chosen.any():
            continue
        owner = subjects.credited[chosen]
        if _is_amount(frame, name):
            total = np.bincount(owner, frame.outcomes.value[chosen], len(subjects)).astype(np.float64)
            yield _Measured(total, Shape.MEAN, text("bias.mean_before", name=name))
        else:
            has_any = np.bincount(owner, minlength=len(subjects)) > 0
            yield _Measured(has_any.astype(np.float64), Shape.SHARE, text("bias.share_before", name=name))


def _is_amount(frame: Frame, outcome: str) -> bool:
    """Whether an outcome's values are summed by any metric."""

    def is_summed(metric: Metric) -> bool:
        return metric.outcome == outcome and metric.kind not in (*SHARES, *SCORES)

    return any(map(is_summed, frame.experiment.metrics))


def _fields(frame: Frame, subjects: Subjects) -> Iterator[_Measured]:
    """Yield the numbers and flags of the context at each subject's first assignment, where any is known."""
    for field in frame.experiment.context:
        if field.type not in (FieldType.NUMBER, FieldType.FLAG):
            continue
        context = frame.context(field.name)
        assert isinstance(context, np.ndarray), "a number or a flag is no word"
        values = context[subjects.first]
        if np.isnan(values).all():
            continue
        is_flag = field.type is FieldType.FLAG
        what = text("bias.share_field" if is_flag else "bias.mean_field", name=field.name)
        yield _Measured(values, Shape.SHARE if is_flag else Shape.MEAN, what)


def _difference(measured: _Measured, subjects: Subjects, labels: tuple[int, int, int], family: int) -> Estimate:
    """Return the difference of one label from another, of so many."""
    plus, minus, n_labels = labels
    known = ~np.isnan(measured.values)
    stratum = subjects.stratum[known]
    moments = Moments.of_columns(
        [measured.values[known]], subjects.label[known], stratum, (n_labels, int(stratum.max(initial=0)) + 1)
    )
    scale = Scale.SHARE if measured.shape is Shape.SHARE else Scale.AMOUNT
    cells = Cells(moments, measured.shape, measured.what, scale)
    return lift.compare(cells, side(n_labels, [plus]), side(n_labels, [minus]), family).absolute


def _row(what: Text, name: Name, found: Estimate, adjusted: float) -> tuple[Cell, ...]:
    if found.p_value is None:
        return what, name, found, None, None, None
    word = text("bias.differs" if adjusted < ALARM else "bias.alike")
    return what, name, found, probability(found.p_value), probability(adjusted), word


def _grid(rows: tuple[tuple[Cell, ...], ...], baseline: Name) -> Grid:
    columns = tuple(text(f"bias.{column}", baseline=baseline) for column in _COLUMNS)
    return Grid("before_exposure", text("bias.title"), columns, rows, text("bias.note", alarm=plain(ALARM)))


def _check(compared: Sequence[tuple[Text, Name, Estimate]], adjusted: Floats) -> Check:
    title, method = text("bias.title"), text("bias.method", alarm=plain(ALARM))
    if all(found.p_value is None for *_, found in compared):
        return Check(title, None, text("bias.nothing"), None, method, ())
    least = float(adjusted.min())
    if least >= ALARM:
        return Check(title, True, text("bias.sound"), least, method, ())
    differing = dict.fromkeys(str(what) for (what, *_), p in zip(compared, adjusted, strict=True) if p < ALARM)
    which = tuple(next(what for what, *_ in compared if str(what) == name) for name in differing)
    return Check(title, False, text("bias.found", what=which), least, method, ())
