"""Asks a model about the draws of a log, and puts what it answers where it belongs in a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from analysis.arrays import Floats
from analysis.ope.logged import Logged, Question

N_REMEMBERED = 10_000
"""So many answers are remembered: many draws ask the same."""


def asked(log: Logged, answer: Callable[[Question], Sequence[float]]) -> Floats:
    """Return what is answered of the eligible variants of each draw, (n, k), NaN for all others.

    The same question is asked once, as long as it is remembered.
    """
    found = np.full((len(log), log.k), np.nan)
    # The eligible variants are held with their answer: no other tuple has their identity meanwhile.
    remembered: dict[object, tuple[object, Sequence[float]]] = {}
    for row, (question, places) in zip(found, log.placed(), strict=True):
        key = id(question.eligible), *question.context.items()
        if key not in remembered:
            if len(remembered) == N_REMEMBERED:
                remembered.clear()
            remembered[key] = question.eligible, answer(question)
        row[places] = remembered[key][1]
    return found
