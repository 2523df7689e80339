"""Draws that are read one by one become blocks of a log, so that no file need fit in memory."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

import numpy as np

from analysis.adaptive.drawn import Context
from analysis.arrays import Flags, Floats, Ints
from analysis.ope.doors.leaving_out import LeftOut
from analysis.ope.logged import BLOCK, Ask, Collection, Logged
from engine.errors import InvalidRequest
from engine.records import Context as Fields


@dataclass(frozen=True, slots=True)
class Row:
    """A draw as it is read; see `Logged`.

    `names` are those of the variants in their places, of which some `could_be` drawn. `probabilities` are theirs, or
    None where the propensity alone is known. A row without a `unit` is one by itself, and so without a `slate`.
    """

    number: int
    variant: int
    reward: float
    propensity: float
    at: int
    names: tuple[str, ...]
    could_be: tuple[bool, ...]
    probabilities: tuple[float, ...] | None = None
    context: Fields = field(default_factory=dict)
    unit: Hashable = None
    slate: Hashable = None
    slot: int = 0
    logger: int = 0


_FEW = 1_000
"""Where rows have so many more names than one of them, these are other variants each time, and not kept."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What all blocks of a log have alike: its variants, whether it has whole distributions, its context's fields."""

    variants: tuple[str, ...]
    is_whole: bool = True
    numbers: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Shape:
        """Return the shape of some rows, which are all gone through.

        Variants are called by their names where some row has all that there are, as where a few could not be drawn
        everywhere. Else they are places, 1, 2 and so on, as of candidates, which are others in each request.
        """
        longest: tuple[str, ...] = ()
        names: set[str] = set()
        is_whole = True
        is_text: dict[str, bool] = {}
        for row in rows:
            longest = max(longest, row.names, key=len)
            if len(names) <= len(longest) + _FEW:
                names.update(row.names)
            is_whole &= row.probabilities is not None
            for name, value in row.context.items():
                is_text[name] = is_text.get(name, False) or isinstance(value, str)
        return cls(
            longest if len(names) == len(longest) else _places(len(longest)),
            is_whole,
            tuple(sorted(name for name, it_is in is_text.items() if not it_is)),
            tuple(sorted(name for name, it_is in is_text.items() if it_is)),
        )

    @property
    def named(self) -> tuple[str, ...]:
        """The names by which variants are told, none where they are told by their places."""
        return () if self.variants == _places(len(self.variants)) else self.variants


def _places(k: int) -> tuple[str, ...]:
    return tuple(str(place + 1) for place in range(k))


@dataclass(frozen=True, slots=True)
class Numbering:
    """Numbers for what is named, in the order of its coming; what has no name gets a number that nothing else has."""

    known: dict[Hashable, int] = field(default_factory=dict)
    n: list[int] = field(default_factory=lambda: [0])

    def of(self, names: Iterable[Hashable]) -> Ints:
        """Return the numbers of names, (n,)."""
        return np.array([self._one(name) for name in names], np.int64)

    def _one(self, name: Hashable) -> int:
        number = self.n[0] if name is None else self.known.setdefault(name, self.n[0])
        self.n[0] += number == self.n[0]
        return number


@dataclass(frozen=True, slots=True)
class Coding:
    """Codes of the words of a text, which grow as words come; the code of none is -1."""

    codes: dict[str, int] = field(default_factory=dict)

    def of(self, words: Iterable[str | None]) -> Ints:
        """Return the codes of words, (n,)."""
        return np.array(
            [-1 if word is None else self.codes.setdefault(word, len(self.codes)) for word in words], np.int64
        )

    @property
    def words(self) -> tuple[str, ...]:
        """The words so far, in the order of their codes."""
        return tuple(self.codes)


@dataclass(frozen=True, slots=True)
class Gathering:
    """Makes blocks of rows; what one block has named, the next ones call alike."""

    shape: Shape
    collection: Collection
    ask: Ask | None = None
    units: Numbering = field(default_factory=Numbering)
    slates: Numbering = field(default_factory=Numbering)
    codings: dict[str, Coding] = field(default_factory=dict)

    def block(self, rows: Sequence[Row]) -> Logged:
        """Return rows as a log."""
        index = np.arange(len(rows))
        numbers, codes, words = self._context([row.context for row in rows])
        return Logged(
            variants=self.shape.variants,
            variant=np.array([row.variant for row in rows], np.int64),
            reward=np.array([row.reward for row in rows]),
            propensity=np.array([row.propensity for row in rows]),
            unit=self.units.of(row.unit for row in rows),
            at=np.array([row.at for row in rows], np.int64),
            row=np.array([row.number for row in rows], np.int64),
            slate=self.slates.of(row.slate for row in rows),
            slot=np.array([row.slot for row in rows], np.int64),
            logger=np.array([row.logger for row in rows], np.int64),
            collection=self.collection,
            context=Context(numbers, codes),
            numbers=self.shape.numbers,
            texts=self.shape.texts,
            words=words,
            pattern=index,
            patterns=self._patterns(rows) if self.shape.is_whole else None,
            eligible=self._eligible(rows),
            ask=self.ask,
        )

    def _patterns(self, rows: Sequence[Row]) -> Floats:
        found = np.zeros((len(rows), len(self.shape.variants)))
        for place, row in enumerate(rows):
            found[place, : len(row.names)] = row.probabilities or 0.0
        return found

    def _eligible(self, rows: Sequence[Row]) -> Flags:
        found = np.zeros((len(rows), len(self.shape.variants)), np.bool_)
        for place, row in enumerate(rows):
            found[place, : len(row.names)] = row.could_be
        return found

    def _context(self, contexts: Sequence[Fields]) -> tuple[Floats, Ints, tuple[tuple[str, ...], ...]]:
        n = len(contexts)
        numbers = [[_number(context.get(name)) for context in contexts] for name in self.shape.numbers]
        texts = [self._coding(name).of(_word(context.get(name)) for context in contexts) for name in self.shape.texts]
        return (
            np.array(numbers, np.float64).reshape(-1, n).T,
            np.array(texts, np.int64).reshape(-1, n).T,
            tuple(self._coding(name).words for name in self.shape.texts),
        )

    def _coding(self, name: str) -> Coding:
        return self.codings.setdefault(name, Coding())


def blocks(rows: Iterable[Row], gathering: Gathering, left_out: LeftOut, n: int = BLOCK) -> Iterator[Logged]:
    """Yield a log in blocks of some `n` rows, without cutting a slate; the last one says what was left out of all.

    Raises:
        InvalidRequest: there is no row at all.
    """
    last: Logged | None = None
    for piece in pieces(rows, n):
        if last is not None:
            yield last
        last = gathering.block(piece)
    if last is None:
        raise InvalidRequest(f"there is no draw to evaluate from: {left_out.said()}")
    yield replace(last, left_out=left_out.counts())


def pieces(rows: Iterable[Row], n: int) -> Iterator[list[Row]]:
    """Yield rows some `n` at a time; those of one slate stay together."""
    piece: list[Row] = []
    for _, slate in groupby(rows, lambda row: row.number if row.slate is None else (row.slate,)):
        piece.extend(slate)
        if len(piece) >= n:
            yield piece
            piece = []
    if piece:
        yield piece


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")


def _word(value: object) -> str | None:
    return value if isinstance(value, str) or value is None else str(value)
