"""Asks a policy about the draws of a log, each question once, and puts its answers where they belong in a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

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
    return _asked(log.k, zip(log.row.tolist(), log.placed(), strict=True), answer)


def answers_by_eligible(log: Logged, answer: Answer) -> Floats:
    """Return the answers of a policy that reads nothing but the names of what is eligible, (n, k).

    Raises:
        InvalidRequest: as `answers` says.
    """
    could_be = log.could_be
    first, code = np.unique(np.packbits(could_be, axis=1), axis=0, return_index=True, return_inverse=True)[1:]
    named = [Variant(str(name)) for name in log.variants]
    each = [np.flatnonzero(could_be[row]).tolist() for row in first]
    placed = [(Question({}, tuple([named[place] for place in places])), places) for places in each]
    return np.asarray(_asked(log.k, zip(log.row[first].tolist(), placed, strict=True), answer)[code.ravel()])


def _asked(k: int, placed: Iterable[tuple[int, tuple[Question, list[int]]]], answer: Answer) -> Floats:
    """Return the answers to placed questions about some rows, a row of the table (n, k) each."""
    keys = _Keys()
    known: dict[Hashable, int] = {}
    found: list[Floats] = []
    codes: list[int] = []
    for row, (question, places) in placed:
        code = known.setdefault(keys.of(question), len(found))
        if code == len(found):
            found.append(np.zeros(k))
            found[code][places] = _checked(row, question, answer)
        codes.append(code)
    return np.array(found).reshape(-1, k)[codes]


def _checked(row: int, question: Question, answer: Answer) -> Sequence[float]:
    try:
        answered = answer(question)
    except PolicyFailed as failed:
        raise InvalidRequest(f"row {row}: {failed}") from failed
    given = _numbers(answered)
    n = len(question.eligible)
    if given is None:
        raise InvalidRequest(
            f"row {row}: the policy answered {answered!r:.80}, and not a list of {n} numbers: "
            "give the probabilities of the eligible variants, in their order"
        )
    if len(given) != n:
        raise InvalidRequest(f"row {row}: the policy answered {len(given)} probabilities for {n} eligible variants")
    total = math.fsum(given)
    if not (min(given) >= 0 and abs(total - 1) <= _TOLERANCE):
        why = f"it sums to {total:.6g}" if min(given) >= 0 else "some of it is below 0 or no number"
        raise InvalidRequest(f"row {row}: the policy's answer {given[:5]} is no distribution: {why}")
    return [probability / total for probability in given]


def _numbers(answered: object) -> list[float] | None:
    """Return an answer as numbers, or None where it is none."""
    if not isinstance(answered, Iterable) or isinstance(answered, str | Mapping):
        return None
    try:
        return [float(probability) for probability in answered]
    except (TypeError, ValueError):
        return None


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
    levels = tuple(variant.levels.items())
    return variant.name, variant.payload, tuple(features.items()), types, levels, variant.is_blank
