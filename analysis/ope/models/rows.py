"""What models keep of draws: columns under names that stay the same, whatever part of a log they come in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Protocol

import numpy as np

from analysis.adaptive.drawn import Context
from analysis.arrays import Floats, Ints
from analysis.ope.logged import Logged
from analysis.ope.models.base import Fitted

N_KEPT = 1 << 17
"""A model that keeps draws keeps at most so many, evenly spread over those that it has seen."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Draws as a model is fitted on them, (n,) each: `variant` and the codes of the context are places in `Names`.

    `inputs` (n, c) are columns of the model's own making, or none.
    """

    variant: Ints
    reward: Floats
    numbers: Floats
    codes: Ints
    inputs: Floats

    def __len__(self) -> int:
        return len(self.variant)

    def __getitem__(self, rows: slice) -> Rows:
        return Rows(*(getattr(self, each.name)[rows] for each in fields(self)))

    @property
    def context(self) -> Context:
        """The context of the draws."""
        return Context(self.numbers, self.codes)

    @classmethod
    def joined(cls, parts: Sequence[Rows]) -> Rows:
        """Return the draws of several parts, one after the other; one part at least."""
        return cls(*(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(cls)))


@dataclass(slots=True)
class Names:
    """The numbers of variants and of texts' values, in the order in which they were first met.

    The parts of a log that is read block by block may each number them in their own way.
    """

    variants: dict[str, int] = field(default_factory=dict)
    words: list[dict[str, int]] = field(default_factory=list)

    @property
    def k(self) -> int:
        """How many variants were met."""
        return len(self.variants)

    def meet(self, log: Logged) -> None:
        """Number what is new in a log."""
        _extend(self.variants, [str(name) for name in log.variants])
        self.words += [{} for _ in log.words[len(self.words) :]]
        for known, words in zip(self.words, log.words, strict=True):
            _extend(known, words)

    def places(self, log: Logged) -> Ints:
        """Return the number of each variant of a log, (k,); those that were not met have that behind all others."""
        return _numbers(self.variants, [str(name) for name in log.variants], self.k)

    def context(self, log: Logged) -> Context:
        """Return a log's context with the numbers of its texts, -1 where a value was not met."""
        given = log.context.codes
        if not given.shape[1]:
            return log.context
        pairs = zip(self.words, log.words, given.T, strict=True)
        # A missing value, -1, finds the -1 at the end.
        codes = [np.append(_numbers(known, words, -1), -1)[column] for known, words, column in pairs]
        return Context(log.context.numbers, np.column_stack(codes))

    def rows(self, log: Logged, inputs: Floats | None = None) -> Rows:
        """Meet a log and return its draws."""
        self.meet(log)
        context = self.context(log)
        own = np.zeros((len(log), 0)) if inputs is None else inputs
        return Rows(self.places(log)[log.variant], log.reward, context.numbers, context.codes, own)


def _extend(known: dict[str, int], names: Sequence[str]) -> None:
    for name in names:
        known.setdefault(name, len(known))


def _numbers(known: dict[str, int], names: Sequence[str], otherwise: int) -> Ints:
    return np.array([known.get(name, otherwise) for name in names], np.int64)


class FitsRows(Protocol):
    """A model that is fitted on rows."""

    def inputs(self, log: Logged) -> Floats | None:
        """Return its own columns of draws, (n, c), or None where it has none."""

    def fit_rows(self, rows: Rows, names: Names) -> Fitted:
        """Return the model of some rows."""


class Kept:
    """Keeps every m-th row of those seen, with m the least power of two that leaves N_KEPT at most.

    Which rows are kept depends on their number alone, not on how they were cut into blocks.
    """

    def __init__(self, n_kept: int = N_KEPT) -> None:
        self._most = n_kept
        self._parts: list[Rows] = []
        self._every = 1
        self._n_seen = 0

    def add(self, rows: Rows) -> None:
        """Take rows in, in their order."""
        self._parts.append(rows[-self._n_seen % self._every :: self._every])
        self._n_seen += len(rows)
        every = _spacing(self._n_seen, self._most)
        if every > self._every:
            self._parts = [self.rows()[:: every // self._every]]
            self._every = every

    def rows(self) -> Rows:
        """Return the rows that are kept; at least one part was added."""
        self._parts = [Rows.joined(self._parts)]
        return self._parts[0]

    @property
    def n_seen(self) -> int:
        """How many rows were added."""
        return self._n_seen


class KeptMemory:
    """Learns a model by fitting it anew on the rows that are kept."""

    def __init__(self, model: FitsRows) -> None:
        self._model = model
        self._names = Names()
        self._kept = Kept()

    def add(self, log: Logged) -> None:
        """Take draws in, in their order."""
        self._kept.add(self._names.rows(log, self._model.inputs(log)))

    def fitted(self) -> Fitted:
        """Return the model of the rows that are kept."""
        return self._model.fit_rows(self._kept.rows(), self._names)


def thinned(log: Logged, n_kept: int = N_KEPT) -> Logged:
    """Return the draws of a log that would be kept of it.

    >>> log = Logged.of(("a",), np.zeros(5, np.int64), np.zeros(5), np.ones(5))
    >>> thinned(log, 3).row.tolist()
    [0, 2, 4]
    """
    return log[:: _spacing(len(log), n_kept)]


def spread(rows: Rows) -> Rows:
    """Return the rows that would be kept of some."""
    return rows[:: _spacing(len(rows), N_KEPT)]


def _spacing(n: int, n_kept: int) -> int:
    """Return the least power of two of which there are `n_kept` multiples at most below `n`."""
    every = 1
    while -(-n // every) > n_kept:
        every *= 2
    return every
