"""What the cells of a table say of journeys: times, channels, counts and whether something was converted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from analysis.arrays import Flags, Ints, Texts
from analysis.ope.doors.chunks import Chunk, Source, numbers, words
from engine.clock import to_micros
from engine.errors import InvalidRequest

NEVER = np.iinfo(np.int64).min
"""A time that is missing or cannot be read."""

_MOST_SECONDS = 1e12
"""Times further from the Unix epoch, some 30,000 years, are no times."""

_MOST = 1 << 53
"""Counts beyond are not exact."""


def check(source: Source, wanted: Iterable[str]) -> None:
    """Let pass a table that has all columns that are wanted, each once.

    Raises:
        InvalidRequest: it has not.
    """
    for name in wanted:
        if source.names.count(name) != 1:
            there = ", ".join(map(repr, source.names))
            raise InvalidRequest(f"the table must have one column {name!r}: its columns are {there}")


def coded(cells: Texts) -> tuple[Ints, list[str | None]]:
    """Return the place of each cell (n,) among the different ones, and these as texts, None where there is none.

    >>> place, texts = coded(np.array(["b", "a", None, "b", 7.0], object))
    >>> place.tolist(), texts
    ([0, 1, 2, 0, 3], ['b', 'a', None, '7'])
    """
    values: list[Any] = cells.tolist()
    # Most cells are like others, which are read once.
    try:
        known = dict.fromkeys(values)
    except TypeError:  # as lists are, which have no hash
        values = words(cells)
        known = dict.fromkeys(values)
    place = dict(zip(known, range(len(known)), strict=True))
    return np.fromiter(map(place.__getitem__, values), np.int64, len(values)), words(np.fromiter(known, object))


def named(text: str | None) -> str | None:
    """Return a name without the blanks around it, None where nothing is left.

    >>> named(" email "), named("  "), named(None)
    ('email', None, None)
    """
    return (text and text.strip()) or None


def path(cell: object, separator: str) -> Sequence[object]:
    """Return the names of a path: of a text between the separators, or of a list. Nothing has none.

    >>> path("email > search", " > "), path(["email", None], " > "), path(None, " > ")
    (['email', 'search'], ['email', None], [])
    """
    if isinstance(cell, str):
        return cell.split(separator) if cell.strip() else []
    if isinstance(cell, Iterable) and not isinstance(cell, bytes):
        return list(cell)
    is_missing = cell is None or cell != cell  # noqa: PLR0124 (NaN alone is not itself)
    return [] if is_missing else [cell]


def counts(chunk: Chunk, column: str) -> Ints:
    """Return whole numbers from 0 up, (n,).

    Raises:
        InvalidRequest: a row has something else.
    """
    found = numbers(chunk.columns[column])
    whole = np.where(np.abs(found) <= _MOST, found, -1)
    refuse(chunk, column, (whole < 0) | (whole != np.floor(whole)), "a whole number that is not negative")
    return whole.astype(np.int64)


def flags(chunk: Chunk, column: str) -> Flags:
    """Return yes or no, (n,): nothing is no.

    Raises:
        InvalidRequest: a row has something else.
    """
    cells = chunk.columns[column]
    found = numbers(cells)
    is_wrong = (found != 0) & (found != 1)
    is_wrong[is_wrong] = [word is not None for word in words(cells[is_wrong])]
    refuse(chunk, column, is_wrong, "1 or true, 0 or false, or nothing")
    return np.asarray(found == 1)


def refuse(chunk: Chunk, column: str, is_wrong: Flags, needed: str) -> None:
    """Raise an error that names the first row that is wrong, if one is."""
    for row in np.flatnonzero(is_wrong)[:1].tolist():
        cell = chunk.columns[column][row]
        raise InvalidRequest(f"row {chunk.lines[row]} has {cell!r} in the column {column!r}: it must be {needed}")


def times(cells: Texts) -> Ints:
    """Return times in microseconds, (n,): numbers are seconds, others times or dates, in UTC unless they say more.

    >>> times(np.array([1.5, "1970-01-01", datetime(1970, 1, 1, 0, 0, 2), None], object)).tolist()
    [1500000, 0, 2000000, -9223372036854775808]
    """
    if cells.dtype.kind == "M":
        return np.asarray(cells.astype(np.int64))
    return np.array([_time(cell) for cell in cells.tolist()], np.int64)


def _time(cell: object) -> int:
    if isinstance(cell, datetime):
        return to_micros(cell if cell.tzinfo else cell.replace(tzinfo=UTC))
    try:
        seconds = float(cell)  # type: ignore[arg-type]  # what is no number raises
    except (TypeError, ValueError):
        return _of_text(str(cell))
    return round(seconds * 1e6) if abs(seconds) <= _MOST_SECONDS else NEVER


def _of_text(text: str) -> int:
    try:
        return _time(datetime.fromisoformat(text.strip()))
    except ValueError:
        return NEVER
