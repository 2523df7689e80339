"""Chunks of a table become blocks of a log, column by column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from analysis.adaptive.drawn import Context
from analysis.arrays import LARGEST, Flags, Floats, Ints, Texts
from analysis.ope.doors.chunks import Chunk, numbers, words
from analysis.ope.doors.leaving_out import LeftOut, Why, are_wrong, divided
from analysis.ope.doors.rows import Coding, Numbering
from analysis.ope.logged import Collection, Logged

P, ELIGIBLE, NUMBER, TEXT = "p.", "eligible.", "number.", "text."
"""What the columns of variants and of the context begin with, in tables that we write."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""What times are counted from."""

PROPENSITY = "propensity"
"""The column of the propensity, unless another is declared."""

_NEVER = np.iinfo(np.int64).min
"""A time, or a whole number, that cannot be read."""

_LARGEST_WHOLE = 1 << 53
"""Whole numbers beyond are not exact."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column of a table is what. Variant and reward must be there, others are left empty where there is none.

    `probabilities` has the column of each variant's probability by its name, or a number: where all draws had the same
    chances, as in a test, these are `{"a": 0.5, "b": 0.5}`. Where they are declared, the table need not have the
    propensity as well. `eligible` has the column of whether a variant could be drawn (1 or 0). Times in `at` are
    microseconds since the Unix epoch, or ISO 8601. Rows with the same `slate` that follow each other fill one answer.
    `numbers` and `texts` are fields of the context: flags are numbers.
    """

    variant: str = "variant"
    reward: str = "reward"
    propensity: str = PROPENSITY
    unit: str = ""
    at: str = ""
    slate: str = ""
    slot: str = ""
    logger: str = ""
    probabilities: Mapping[str, str | float] = field(default_factory=dict)
    eligible: Mapping[str, str] = field(default_factory=dict)
    numbers: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def written(cls, names: Iterable[str]) -> Columns:
        """Return what the columns are of a table that `write` or `to_columns` made."""
        own = {name: name for name in ("unit", "at", "slate", "slot", "logger") if name in (names := tuple(names))}
        found = {
            mark: {name[len(mark) :]: name for name in names if name.startswith(mark)}
            for mark in (P, ELIGIBLE, NUMBER, TEXT)
        }
        return cls(**own, probabilities=found[P], eligible=found[ELIGIBLE], numbers=found[NUMBER], texts=found[TEXT])

    @property
    def wanted(self) -> tuple[str, ...]:
        """The columns that are read, each once."""
        single = (self.variant, self.reward, self.propensity, self.unit, self.at, self.slate, self.slot, self.logger)
        groups = (self.probabilities, self.eligible, self.numbers, self.texts)
        found = [*filter(None, single), *(name for group in groups for name in group.values())]
        return tuple(dict.fromkeys(name for name in found if isinstance(name, str)))

    @property
    def is_fixed(self) -> bool:
        """Whether all draws had the same distribution over the same variants.

        >>> Columns(probabilities={"a": 0.25, "b": 0.75}).is_fixed, Columns().is_fixed
        (True, False)
        """
        known = self.probabilities.values()
        return bool(known) and not self.eligible and not any(isinstance(each, str) for each in known)


@dataclass(frozen=True, slots=True)
class _Cells:
    """What a chunk says of its draws, (n,) each; `p` is the propensity as the distribution has it."""

    variant: Ints
    reward: Floats
    propensity: Floats
    p: Floats
    at: Ints
    slot: Ints
    logger: Ints
    patterns: Floats
    is_one: Flags
    eligible: Flags

    @property
    def wrong(self) -> Mapping[Why, Flags]:
        """Which rows cannot be used, (n,), by reason."""
        rows = np.arange(len(self.variant))
        return {
            Why.BROKEN: (self.at == _NEVER) | (self.slot == _NEVER) | (self.logger == _NEVER),
            Why.VARIANT: (self.variant < 0) | ~self.eligible[rows, self.variant],
            Why.NO_PROPENSITY: np.isnan(self.propensity),
            Why.DISTRIBUTION: ~self.is_one,
            Why.PROPENSITY: are_wrong(self.propensity, self.p),
            Why.REWARD: ~(np.abs(self.reward) <= LARGEST),
        }

    def __getitem__(self, rows: Flags) -> _Cells:
        return _Cells(*(getattr(self, name)[rows] for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Reader:
    """Makes logs of chunks; what one of them has named, the next ones call alike."""

    columns: Columns
    variants: tuple[str, ...]
    collection: Collection
    left_out: LeftOut = field(default_factory=LeftOut)
    units: Numbering = field(default_factory=Numbering)
    slates: Numbering = field(default_factory=Numbering)
    codings: dict[str, Coding] = field(default_factory=dict)

    def block(self, chunk: Chunk) -> Logged:
        """Return the rows of a chunk that can be used, which may be none."""
        cells = self._cells(chunk)
        is_kept = self.left_out.sift(cells.wrong, chunk.lines)
        return self._log(chunk[is_kept], cells[is_kept])

    def _log(self, chunk: Chunk, cells: _Cells) -> Logged:
        has_sets = bool(self.columns.probabilities or self.columns.eligible)
        of_each = np.zeros(len(chunk), np.int64) if self.columns.is_fixed else np.arange(len(chunk))
        return Logged(
            variants=self.variants,
            variant=cells.variant,
            reward=cells.reward,
            propensity=cells.p,
            unit=self.units.of(_keys(chunk, self.columns.unit)),
            at=cells.at,
            row=chunk.lines,
            slate=self.slates.of(_keys(chunk, self.columns.slate)),
            slot=cells.slot,
            logger=cells.logger,
            collection=self.collection,
            context=self._context(chunk),
            numbers=tuple(self.columns.numbers),
            texts=tuple(self.columns.texts),
            words=tuple(self._coding(name).words for name in self.columns.texts),
            pattern=of_each if has_sets else None,
            patterns=cells.patterns[: of_each.max(initial=0) + 1] if self.columns.probabilities else None,
            eligible=cells.eligible if self.columns.eligible else None,
        )

    def _cells(self, chunk: Chunk) -> _Cells:
        names = words(chunk.columns[self.columns.variant])
        places = {name: place for place, name in enumerate(self.variants)}
        variant = np.array([-1 if name is None else places.get(name, -1) for name in names], np.int64)
        patterns, is_one = self._patterns(chunk)
        p = patterns[np.arange(len(chunk)), variant]
        propensity = numbers(chunk.columns[self.columns.propensity]) if self.columns.propensity else p
        return _Cells(
            variant=variant,
            reward=numbers(chunk.columns[self.columns.reward]),
            propensity=propensity,
            p=p if self.columns.probabilities else propensity,
            at=_times(chunk.columns[self.columns.at]) if self.columns.at else chunk.lines,
            slot=_wholes(chunk, self.columns.slot),
            logger=_wholes(chunk, self.columns.logger),
            patterns=patterns,
            is_one=is_one,
            eligible=self._eligible(chunk),
        )

    def _patterns(self, chunk: Chunk) -> tuple[Floats, Flags]:
        """Return the distributions, (n, k), and whether each can be used, (n,)."""
        if not self.columns.probabilities:
            return np.zeros((len(chunk), len(self.variants))), np.ones(len(chunk), np.bool_)
        return divided(self._table(chunk, self.columns.probabilities))

    def _eligible(self, chunk: Chunk) -> Flags:
        if not self.columns.eligible:
            return np.ones((len(chunk), len(self.variants)), np.bool_)
        return np.asarray(self._table(chunk, self.columns.eligible) > 0)

    def _table(self, chunk: Chunk, columns: Mapping[str, str | float]) -> Floats:
        return np.stack([_numbers(chunk, columns[name]) for name in self.variants], axis=1)

    def _context(self, chunk: Chunk) -> Context:
        n = len(chunk)
        found = [_finite(numbers(chunk.columns[column])) for column in self.columns.numbers.values()]
        codes = [self._coding(name).of(words(chunk.columns[column])) for name, column in self.columns.texts.items()]
        return Context(
            np.array(found, np.float64).reshape(len(found), n).T,
            np.array(codes, np.int64).reshape(len(codes), n).T,
        )

    def _coding(self, name: str) -> Coding:
        return self.codings.setdefault(name, Coding())


def _numbers(chunk: Chunk, what: str | float) -> Floats:
    """Return a column's numbers, or one number for all rows, (n,)."""
    return numbers(chunk.columns[what]) if isinstance(what, str) else np.full(len(chunk), what, np.float64)


def _finite(found: Floats) -> Floats:
    return np.where(np.abs(found) <= LARGEST, found, np.nan)


def _keys(chunk: Chunk, column: str) -> Iterable[str | None]:
    return words(chunk.columns[column]) if column else [None] * len(chunk)


def _wholes(chunk: Chunk, column: str) -> Ints:
    """Return whole numbers (n,), 0 where there is no such column."""
    if not column:
        return np.zeros(len(chunk), np.int64)
    found = numbers(chunk.columns[column])
    is_whole = (np.abs(found) < _LARGEST_WHOLE) & (np.floor(found) == found)
    return np.where(is_whole, np.where(is_whole, found, 0).astype(np.int64), _NEVER)


def _times(cells: Texts) -> Ints:
    """Return times in microseconds, (n,)."""
    return np.array([_NEVER if cell is None else _time(cell) for cell in cells.tolist()], np.int64)


def _time(cell: object) -> int:
    try:
        if isinstance(cell, int | float):
            return int(cell)
        if isinstance(cell, str) and cell.lstrip("-").isdecimal():
            return int(cell)
        found = cell if isinstance(cell, datetime) else datetime.fromisoformat(str(cell))
        return ((found if found.tzinfo else found.replace(tzinfo=UTC)) - EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        return _NEVER


def whole_slates(chunks: Iterable[Chunk], column: str) -> Iterator[Chunk]:
    """Yield chunks that end where a slate ends: its rows follow each other, and have the same name in a column."""
    waiting: Chunk | None = None
    for chunk in chunks:
        if waiting is None:
            waiting = chunk
            continue
        is_open = _of_last_slate(waiting, column)
        if not is_open.all():
            yield waiting[~is_open]
        waiting = waiting[is_open] + chunk
    if waiting is not None:
        yield waiting


def _of_last_slate(chunk: Chunk, column: str) -> Flags:
    """Return which rows (n,) are of the slate that the last row is of; none where rows are alone."""
    names = words(chunk.columns[column]) if column else [None]
    if names[-1] is None:
        return np.zeros(len(chunk), np.bool_)
    is_other = np.array([name != names[-1] for name in names])
    return np.asarray(np.arange(len(chunk)) >= np.flatnonzero(np.append(True, is_other))[-1])
