"""Ridge regressions of the reward on the context: one a variant, each shrunk towards that of all variants together.

They are made of sums (X'X and X'y of each variant), so folds cost one look at the log, and a stream's draws are never
kept, save the first ones, from which it is seen how to encode a context. Without a context they are means.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np

from analysis.adaptive.drawn import Context
from analysis.adaptive.encoding import Encoding
from analysis.adaptive.ridge import Ridge as Lines
from analysis.adaptive.ridge import Sums
from analysis.arrays import Floats, Ints
from analysis.ope.logged import Logged
from analysis.ope.models.base import Fitted, Memory
from analysis.ope.models.rows import N_KEPT, Kept, Names, Rows, spread
from analysis.texts import Text, text


class Ridge:
    """A linear model of each variant, shrunk towards that of all variants; predictions stay within what was seen."""

    @property
    def name(self) -> Text:
        """What it is called."""
        return text("ope.model.ridge")

    def fit(self, log: Logged) -> Fitted:
        """Return the model of these draws; without any, all predictions are 0."""
        encoding, parts, names = _sums(log, np.zeros(len(log), np.int64), 1)
        return RidgeFitted(Lines.of(encoding, parts[0]), names)

    def fit_without_each(self, log: Logged, fold: Ints, n_folds: int) -> list[Fitted]:
        """Return the models without the draws of each fold; `fold` (n,) says which one a draw is in.

        All of them encode contexts alike, by those of all draws: that tells nothing of their rewards.
        """
        encoding, parts, names = _sums(log, fold, n_folds)
        # Added up, not taken away from all: so no bit of a fold's own rewards is in its model.
        others = [reduce(add, parts[:each] + parts[each + 1 :]) for each in range(n_folds)]
        return [RidgeFitted(Lines.of(encoding, each), names) for each in others]

    def memory(self) -> Memory:
        """Return what learns it from draws that come block by block."""
        return RidgeMemory()


@dataclass(frozen=True, slots=True, eq=False)
class RidgeFitted:
    """Lines by variant, and the names under which they know variants and texts."""

    lines: Lines
    names: Names

    def predict(self, log: Logged) -> Floats:
        """Return the reward that it expects of each variant, (n, k)."""
        lines = self.lines.among(self.names.places(log))
        if log.context.n_fields:
            return lines.predict(self.names.context(log))
        # One row that stands for all: with a thousand variants a table takes longer to write than all the rest.
        return np.broadcast_to(lines.predict(Context.none(1)), (len(log), log.k))


class RidgeMemory:
    """Keeps the first N_KEPT draws, which tell how to encode contexts, and sums of all."""

    def __init__(self) -> None:
        self._names = Names()
        self._first = Kept()
        self._encoding: Encoding | None = None
        self._sums: Sums | None = None

    def add(self, log: Logged) -> None:
        """Take draws in, in their order."""
        rows = self._names.rows(log)
        n_first = max(N_KEPT - self._first.n_seen, 0)
        if n_first:
            self._first.add(rows[:n_first])
        if len(rows) > n_first:
            self._add(rows[n_first:])

    def fitted(self) -> Fitted:
        """Return the model of all draws so far."""
        if self._encoding is None or self._sums is None:
            return lines_of(self._first.rows(), self._names)
        return RidgeFitted(Lines.of(self._encoding, self._sums), self._names)

    def _add(self, rows: Rows) -> None:
        k = self._names.k
        if self._encoding is None or self._sums is None:
            first = self._first.rows()
            self._encoding = Encoding.of(first.context)
            self._sums = _sums_of(self._encoding, first, k)
        self._sums = self._sums.widened(k) + _sums_of(self._encoding, rows, k)


def lines_of(rows: Rows, names: Names) -> RidgeFitted:
    """Return the lines of some rows; without a context they are means."""
    encoding = Encoding.of(rows.context)
    return RidgeFitted(Lines.of(encoding, _sums_of(encoding, rows, names.k)), names)


def _sums(log: Logged, fold: Ints, n_folds: int) -> tuple[Encoding, list[Sums], Names]:
    """Return how contexts are encoded, the sums of each fold by variant, and the names of variants."""
    names = Names()
    rows = names.rows(log)
    encoding, k = Encoding.of(spread(rows).context), names.k
    sums = Sums.of(encoding, rows.context, fold * k + rows.variant, rows.reward, n_folds * k)
    return encoding, [sums[each * k : (each + 1) * k] for each in range(n_folds)], names


def _sums_of(encoding: Encoding, rows: Rows, k: int) -> Sums:
    return Sums.of(encoding, rows.context, rows.variant, rows.reward, k)
