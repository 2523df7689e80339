"""What models that are brought read: a row of columns for each variant of each draw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.adaptive.encoding import Encoding
from analysis.arrays import Floats, Ints
from analysis.ope.logged import Logged, Question
from analysis.ope.models.rows import Names, Rows
from engine.errors import InvalidRequest
from engine.experiments import Variant

Pair = Callable[[Question, Variant], Sequence[float]]
"""Returns the columns (c,) of a variant in a context: so candidates are known by their features."""

Predict = Callable[[Floats], Floats]
"""Returns the predictions (n,) of rows of columns (n, c)."""


def plain(log: Logged) -> Floats:
    """Return the columns of the drawn variants, (n, c + k): the context as it is, and one for each variant.

    These are the numbers, NaN where one is missing, then 0 or 1 for each word of each text, then for each variant.

    >>> log = Logged.of(("a", "b"), np.array([1]), np.ones(1), np.array([0.5]))
    >>> plain(log).tolist()
    [[0.0, 1.0]]
    """
    return _beside(_context(log), log.variant, log.k)


def of_drawn(log: Logged, pair: Pair) -> Floats:
    """Return the columns of the drawn variants by a pair, (n, c).

    Raises:
        InvalidRequest: what was drawn is not among what was eligible.
    """
    asked = zip(log.placed(), log.variant.tolist(), log.row.tolist(), strict=True)
    return _table([pair(question, _drawn(question, places, *drawn)) for (question, places), *drawn in asked])


@dataclass(frozen=True, slots=True, eq=False)
class Plain:
    """The columns of `plain`."""

    def predicted(self, log: Logged, predict: Predict) -> Floats:
        """Return predictions of each variant, (n, k)."""
        return _by_variant(_context(log), np.arange(log.k), log.k, predict)


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """The columns of an encoded context without its constant, and one for each of `k` variants."""

    encoding: Encoding
    names: Names
    k: int

    def of(self, rows: Rows) -> Floats:
        """Return the columns of the drawn variants, (n, c + k)."""
        return _beside(self.encoding.columns(rows.context)[:, 1:], rows.variant, self.k)

    def predicted(self, log: Logged, predict: Predict) -> Floats:
        """Return predictions of each variant, (n, k)."""
        context = self.encoding.columns(self.names.context(log))[:, 1:]
        return _by_variant(context, self.names.places(log), self.k, predict)


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """The columns of a pair."""

    pair: Pair

    def predicted(self, log: Logged, predict: Predict) -> Floats:
        """Return predictions of each variant, (n, k); of what was not eligible, the mean of what was."""
        found = np.full((len(log), log.k), np.nan)
        asked = list(log.placed())
        if not asked:
            return found
        inputs = _table([self.pair(question, variant) for question, _ in asked for variant in question.eligible])
        rows = np.repeat(np.arange(len(log)), [len(places) for _, places in asked])
        found[rows, np.concatenate([places for _, places in asked])] = predict(inputs)
        return filled(found)


def filled(found: Floats) -> Floats:
    """Return predictions (n, k) with the mean of a row in place of what is missing in it.

    >>> filled(np.array([[0.25, np.nan, 0.75]])).tolist()
    [[0.25, 0.5, 0.75]]
    """
    return np.where(np.isnan(found), np.nanmean(found, axis=1, keepdims=True), found)


def _context(log: Logged) -> Floats:
    codes = zip(log.context.codes.T, log.words, strict=True)
    return np.hstack([log.context.numbers, *(column[:, None] == np.arange(len(words)) for column, words in codes)])


def _by_variant(context: Floats, variants: Ints, k: int, predict: Predict) -> Floats:
    # One variant after the other, so that little is held at once.
    return np.column_stack([predict(_beside(context, np.full(len(context), each), k)) for each in variants.tolist()])


def _beside(context: Floats, variant: Ints, k: int) -> Floats:
    """Return the context with a column for each variant; one that is not among the k has zeros."""
    found = np.zeros((len(context), context.shape[1] + k))
    found[:, : context.shape[1]] = context
    known = np.flatnonzero(variant < k)
    found[known, context.shape[1] + variant[known]] = 1.0
    return found


def _drawn(question: Question, places: list[int], variant: int, row: int) -> Variant:
    if variant not in places:
        raise InvalidRequest(f"row {row}: what was drawn is not among what was eligible: leave the row out")
    return question.eligible[places.index(variant)]


def _table(rows: Sequence[Sequence[float]]) -> Floats:
    return np.array(rows, np.float64).reshape(len(rows), -1)
