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
from analysis.texts import count, share, text
from engine.columns import Columns

_COLUMNS = ("variant", "served", "shadow")


def grid(source: LogSource, frame: Frame) -> Grid | None:
    """Return the mean probability of each variant under the policy and its shadow, over the draws that logged both.

    None where there is no shadow, or nothing of it was logged yet.
    """
    if frame.experiment.shadow is None:
        return None
    logged = source.shadows(frame.experiment.experiment_id)
    found, row = _patterns(frame, logged), places(logged["seq"], frame.assignments.seq)
    both = (row >= 0) & (frame.assignments.pattern[row] >= 0) & found.is_whole[found.index]
    if not both.any():
        return None
    served = _mean(frame.assignments.patterns, frame.assignments.pattern[row[both]])
    shadow = _mean(found.probabilities, found.index[both])
    rows = zip(frame.variants, map(share, served), map(share, shadow), strict=True)
    note = text("shadow.note", policy=text(f"policy.{frame.experiment.shadow.kind}"), n=count(int(both.sum())))
    columns = tuple(text(f"shadow.column_{name}") for name in _COLUMNS)
    return Grid("shadow", text("shadow.title"), columns, tuple(rows), note)


def _patterns(frame: Frame, logged: Columns) -> Patterns:
    if frame.answers is Answers.CANDIDATES:
        return labels.patterns_by_place(logged["eligible"], logged["distribution"])
    return patterns(logged["eligible"], logged["distribution"], frame.variants)


def _mean(probabilities: Floats, pattern: Ints) -> Floats:
    """Return the mean of the distributions of draws, (n_variants,)."""
    found: Floats = np.bincount(pattern, minlength=len(probabilities)) @ probabilities / len(pattern)
    return found
