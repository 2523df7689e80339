"""Asks a policy about the draws of a log, each question once, and puts its answers into the log's columns."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence

import numpy as np

from analysis.arrays import Floats
from analysis.ope.logged import Logged, Question
from engine.errors import InvalidRequest, PolicyFailed
from engine.experiments import Variant

Answer = Callable[[Question], Sequence[float]]
"""What a policy answers to a question: probabilities of the eligible variants, in their order."""

_TOLERANCE = 1e-6


def answers(log: Logged, answer: Answer) -> Floats:
    """Return a policy's answers about the draws of a log, (n, k).

    They stand in the columns of the variants' names, or where the log has places instead, in the question's order.

    Raises:
        InvalidRequest: an answer is no distribution over what was eligible: it says of which row.
    """
    return _asked(log, zip(log.row.tolist(), log.questions(), strict=True), answer)


def answers_by_eligible(log: Logged, answer: Answer) -> Floats:
    """Return the answers of a policy that reads nothing but the names of what is eligible, (n, k).

    Raises:
        InvalidRequest: as `answers` says.
    """
    could_be = log.could_be
    first, code = np.unique(np.packbits(could_be, axis=1), axis=0, return_index=True, return_inverse=True)[1:]
    named = [Variant(str(name)) for name in log.variants]
    each = [tuple(named[place] for place in np.flatnonzero(could_be[row])) for row in first]
    questions = (Question({}, eligible) for eligible in each)
    return np.asarray(_asked(log, zip(log.row[first].tolist(), questions, strict=True), answer)[code.ravel()])


def _asked(log: Logged, questions: Iterable[tuple[int, Question]], answer: Answer) -> Floats:
    """Return the answers to questions about some rows, a row of the table each."""
    columns, keys = _Columns(log), _Keys()
    known: dict[Hashable, int] = {}
    found: list[Floats] = []
    codes: list[int] = []
    for row, question in questions:
        key = keys.of(question)
        code = known.setdefault(key, len(found))
        if code == len(found):
            found.append(columns.of(question, _checked(row, question, answer)))
        codes.append(code)
    return np.array(found).reshape(-1, log.k)[codes]


def _checked(row: int, question: Question, answer: Answer) -> Sequence[float]:
    try:
        given = [float(probability) for probability in answer(question)]
    except PolicyFailed as failed:
        raise InvalidRequest(f"row {row}: {failed}") from None
    n = len(question.eligible)
    if len(given) != n:
        raise InvalidRequest(f"row {row}: the policy answered {len(given)} probabilities for {n} eligible variants")
    total = math.fsum(given)
    if not (min(given) >= 0 and abs(total - 1) <= _TOLERANCE):
        raise InvalidRequest(f"row {row}: the policy's answer {given[:5]} is no distribution: it sums to {total:.6g}")
    return [probability / total for probability in given]


class _Columns:
    """Puts answers into the columns of a log."""

    def __init__(self, log: Logged) -> None:
        self._k = log.k
        self._by_name = {str(name): place for place, name in enumerate(log.variants)}

    def of(self, question: Question, probabilities: Sequence[float]) -> Floats:
        """Return the probabilities of all variants, (k,)."""
        places = [self._by_name.get(variant.name, -1) for variant in question.eligible]
        if min(places) < 0:
            places = list(range(len(places)))
        found = np.zeros(self._k)
        found[places] = probabilities
        return found


class _Keys:
    """Tells equal questions: those of the same values, of the same types, over equal variants."""

    def __init__(self) -> None:
        # Held, so that no other tuple can come to have the same id.
        self._held: dict[int, tuple[tuple[Variant, ...], Hashable]] = {}
        self._numbers: dict[Hashable, int] = {}

    def of(self, question: Question) -> Hashable:
        """Return what equal questions have alike; something of its own for one that cannot be compared."""
        context = question.context
        key = tuple(context.items()), tuple(map(type, context.values())), self._eligible(question.eligible)
        try:
            hash(key)
        except TypeError:
            return object()
        return key

    def _eligible(self, eligible: tuple[Variant, ...]) -> Hashable:
        if id(eligible) not in self._held:
            self._held[id(eligible)] = eligible, self._number(tuple([_values(variant) for variant in eligible]))
        return self._held[id(eligible)][1]

    def _number(self, values: Hashable) -> Hashable:
        """Return a number for equal variants: to hash all their values with each question would take most of the time.

        What cannot be compared stays as it is.
        """
        try:
            return self._numbers.setdefault(values, len(self._numbers))
        except TypeError:
            return values


def _values(variant: Variant) -> Hashable:
    features = variant.features
    types = tuple(map(type, features.values()))
    return variant.name, variant.payload, tuple(features.items()), types, tuple(variant.levels.items())
