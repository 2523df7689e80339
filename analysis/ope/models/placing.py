"""Questions about the draws of a log, and where in its tables the answers belong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from analysis.arrays import Floats
from analysis.ope.logged import Logged, Question
from engine.experiments import Variant

N_REMEMBERED = 10_000
"""So many answers are remembered: many draws ask the same."""


def placed(log: Logged) -> Iterator[tuple[Question, list[int]]]:
    """Yield the question of each draw, with the place of each of its eligible variants among those of the log.

    They are found by name, or where a request brings candidates, they stand in its order.
    """
    known = {str(name): place for place, name in enumerate(log.variants)}
    last: tuple[Variant, ...] = ()
    places: list[int] = []
    for question in log.questions():
        if question.eligible is not last:
            last, places = question.eligible, _places(question.eligible, known)
        yield question, places


def _places(eligible: Sequence[Variant], known: dict[str, int]) -> list[int]:
    found = [known.get(variant.name, -1) for variant in eligible]
    return list(range(len(found))) if -1 in found else found


def asked(log: Logged, answer: Callable[[Question], Sequence[float]]) -> Floats:
    """Return what is answered of the eligible variants of each draw, (n, k), NaN for all others.

    The same question is asked once, as long as it is remembered.
    """
    found = np.full((len(log), log.k), np.nan)
    # The eligible variants are held with their answer: no other tuple has their identity meanwhile.
    remembered: dict[object, tuple[object, Sequence[float]]] = {}
    for row, (question, places) in zip(found, placed(log), strict=True):
        key = id(question.eligible), *question.context.items()
        if key not in remembered:
            if len(remembered) == N_REMEMBERED:
                remembered.clear()
            remembered[key] = question.eligible, answer(question)
        row[places] = remembered[key][1]
    return found
