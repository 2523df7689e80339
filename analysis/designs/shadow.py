"""What a shadow policy would have given, beside what was given: its distribution is logged and serves nobody."""

from __future__ import annotations

import numpy as np

from analysis.arrays import Floats, Ints, places
from analysis.document import Grid
from analysis.logs import labels
from analysis.logs.frames import Frame
from analysis.logs.labels import Answers
from analysis.logs.patterns import Patterns, patterns
from analysis.logs.sources import LogSource
from analysis.ope.targets.shadows import Shadow
from analysis.texts import count, share, text
from engine.columns import Coded

_COLUMNS = ("variant", "served", "shadow")


def grid(source: LogSource, frame: Frame) -> Grid | None:
    """Return the mean probability of each variant under the policy and its shadow, over the draws that logged both.

    None where there is no shadow, or nothing of it was logged yet.
    """
    found = logged(source, frame)
    if found is None or frame.experiment.shadow is None:
        return None
    known, row = _patterns(frame, found), places(found.seq, frame.assignments.seq)
    both = (row >= 0) & (frame.assignments.pattern[row] >= 0) & known.is_whole[known.index]
    if not both.any():
        return None
    served = _mean(frame.assignments.patterns, frame.assignments.pattern[row[both]])
    shadow = _mean(known.probabilities, known.index[both])
    rows = zip(frame.variants, map(share, served), map(share, shadow), strict=True)
    note = text("shadow.note", policy=text(f"policy.{frame.experiment.shadow.kind}"), n=count(int(both.sum())))
    columns = tuple(text(f"shadow.column_{name}") for name in _COLUMNS)
    return Grid("shadow", text("shadow.title"), columns, tuple(rows), note)


def logged(source: LogSource, frame: Frame) -> Shadow | None:
    """Return what is logged of the shadow that the experiment has now, or None: what an earlier one said is not its."""
    if frame.experiment.shadow is None:
        return None
    found = source.shadows(frame.experiment.experiment_id)
    is_its = found["seq"] >= _first_row(source, frame)
    if not is_its.any():
        return None
    eligible, distribution = (
        Coded(found[name].codes[is_its], found[name].words) for name in ("eligible", "distribution")
    )
    return Shadow(found["seq"][is_its], eligible, distribution)


def _first_row(source: LogSource, frame: Frame) -> int:
    """Return the seq of the first row of the revision in which the experiment got its shadow."""
    name, revision = frame.experiment.experiment_id, frame.state.revision
    while (before := source.definition(name, revision - 1)) and before.shadow == frame.experiment.shadow:
        revision -= 1
    if revision == 1:
        return 0
    rows = source.columns("assignments", ("seq", "revision"), name)
    return int(rows["seq"][rows["revision"] >= revision].min(initial=np.iinfo(np.int64).max))


def _patterns(frame: Frame, found: Shadow) -> Patterns:
    if frame.answers is Answers.CANDIDATES:
        return labels.patterns_by_place(found.eligible, found.distribution)
    return patterns(found.eligible, found.distribution, frame.variants)


def _mean(probabilities: Floats, pattern: Ints) -> Floats:
    """Return the mean of the distributions of draws, (n_variants,)."""
    found: Floats = np.bincount(pattern, minlength=len(probabilities)) @ probabilities / len(pattern)
    return found
