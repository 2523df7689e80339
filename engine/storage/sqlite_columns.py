"""Columns of a SQLite log, page by page: a page comes out as a few long texts, and never as an object a cell.

What makes reading slow is neither the disk nor SQLite, it is a Python object for every cell. So SQLite joins a page's
whole numbers into one text a column, which numpy reads at once. Columns in which few words repeat become the digits of
one number a row (`digits`). What is left (identifiers, the distributions of a policy
that moves, fractions) is fetched as it is. SQLite works outside of Python's lock, so threads help.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine.columns import Column, to_column, whole
from engine.storage.digits import Digits

PAGE = 100_000
"""How many entries one page looks through: no reader holds the WAL for longer."""

SAMPLE = 1000
"""How many rows of a page are looked at for the words of its columns."""

MAX_WORDS = 12
"""A column with more different words is not worth a digit: every row is compared with every word."""

_TIMES = 8
"""How often a word of the sample repeats, on average, where the column is worth a digit."""

Page = tuple[int, int]
"""The rows with first < seq <= last."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Columns to read, as SQL by name, with their types, of the rows that `rows` and its arguments choose.

    `rows` is what follows the columns, FROM ... WHERE ...; its first two arguments are a page's.
    """

    expressions: Mapping[str, str]
    types: Mapping[str, type]
    rows: str
    arguments: tuple[object, ...] = ()


def pages_of(after: int, last: int) -> Iterator[Page]:
    """Yield the pages of the rows with after < seq <= last.

    >>> list(pages_of(0, 150_000))
    [(0, 100000), (100000, 150000)]
    """
    return ((first, min(first + PAGE, last)) for first in range(after, last, PAGE))


def read_columns(
    connections: Sequence[sqlite3.Connection], selection: Selection, pages: Sequence[Page]
) -> dict[str, Column]:
    """Return the columns of pages, equally long, read over all the connections at once."""
    n = len(connections)

    def read(which: int) -> list[dict[str, Column]]:
        reader = _PageReader(connections[which], selection)
        return [reader.read(page) for page in pages[which::n]]

    with ThreadPoolExecutor(n) as pool:
        parts = list(pool.map(read, range(n)))
    found = [parts[number % n][number // n] for number in range(len(pages))]
    return {name: whole([page[name] for page in found], kind) for name, kind in selection.types.items()}


@dataclass(frozen=True, slots=True)
class _PageReader:
    """Reads the pages of a selection over one connection, and remembers the words that repeat.

    Rows come in the order of seq: a scan of a table by its rowid, or of an index that ends in it, has no other.
    """

    connection: sqlite3.Connection
    selection: Selection
    words: dict[str, dict[Any, None]] = field(default_factory=dict)

    def read(self, page: Page) -> dict[str, Column]:
        """Return the columns of a page, equally long, as they are at one moment."""
        types = self.selection.types
        with _one_moment(self.connection):
            sample = self._fetched(list(types), page, SAMPLE)
            if len(sample[next(iter(types))]) < SAMPLE:
                return {name: to_column(values, types[name]) for name, values in sample.items()}
            found = self._joined([name for name, values in sample.items() if self._repeats(name, values)], page)
            others = [name for name in types if name not in found]
            fetched = self._fetched(others, page) if others else {}
        return found | {name: to_column(values, types[name]) for name, values in fetched.items()}

    def _repeats(self, name: str, sample: Sequence[Any]) -> bool:
        """Whether a column's sample is made of few words, which are noted."""
        different = dict.fromkeys(sample)
        if len(different) * _TIMES > len(sample):
            return False
        self.words.setdefault(name, {}).update(different)
        return self._is_worth_a_digit(name)

    def _is_worth_a_digit(self, name: str) -> bool:
        return len(self.words[name]) <= MAX_WORDS and None not in self.words[name]

    def _joined(self, repeating: Sequence[str], page: Page) -> dict[str, Column]:
        """Return the columns that SQLite joins into texts: those that repeat, and the other whole numbers."""
        while True:
            known = Digits({name: list(self.words[name]) for name in repeating if self._is_worth_a_digit(name)})
            found, unknown = self._attempt(known, page)
            if not unknown:
                return found
            for name in unknown:
                self._learn(name, page)

    def _attempt(self, known: Digits, page: Page) -> tuple[dict[str, Column], Sequence[str]]:
        """Return the columns, or the names of those that may have words which are not known."""
        types, expressions = self.selection.types, self.selection.expressions
        numbers = [name for name, kind in types.items() if kind is int and name not in known.words]
        totals, arguments = known.totals(expressions)
        totals += [f"group_concat({expressions[name]})" for name in numbers]
        query = f"SELECT count(*), {', '.join(totals)} {self.selection.rows}"
        found = self.connection.execute(query, (*arguments, *page, *self.selection.arguments))
        ((n, is_steady, *texts),) = found
        if not is_steady:
            return {}, list(known.steady)
        joined = [np.fromstring(text, np.int64, sep=",") for text in texts]
        n_packs = len(joined) - len(numbers)
        codes = known.codes(joined[:n_packs])
        if unknown := known.unknown(codes):
            return {}, unknown
        return known.spelled(codes, types, n) | dict(zip(numbers, joined[n_packs:], strict=True)), ()

    def _learn(self, name: str, page: Page) -> None:
        """Note a page's words of a column: all of them, or enough to show that they are too many."""
        query = f"SELECT DISTINCT {self.selection.expressions[name]} {self.selection.rows} LIMIT ?"
        found = self.connection.execute(query, (*page, *self.selection.arguments, MAX_WORDS + 1))
        self.words[name].update(dict.fromkeys(word for (word,) in found))

    def _fetched(self, names: Sequence[str], page: Page, limit: int = -1) -> dict[str, Sequence[Any]]:
        """Return columns of a page as they are, or of its first rows."""
        wanted = ", ".join(self.selection.expressions[name] for name in names)
        query = f"SELECT {wanted} {self.selection.rows} LIMIT ?"
        found = self.connection.execute(query, (*page, *self.selection.arguments, limit)).fetchall()
        return {name: [row[place] for row in found] for place, name in enumerate(names)}


@contextmanager
def _one_moment(connection: sqlite3.Connection) -> Iterator[None]:
    """Let several queries see the same log, whatever is committed meanwhile."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("COMMIT")
