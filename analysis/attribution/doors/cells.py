"""What the cells of a table say of journeys: times, channels, counts and whether something was converted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

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


def channels(cells: Texts) -> list[str | None]:
    """Return names without the blanks around them, None where there is none.

    >>> channels(np.array([" email", "", None, 7.0], object))
    ['email', None, None, '7']
    """
    return [(word and word.strip()) or None for word in words(cells)]


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
    found = np.empty(len(cells), np.int64)
    # Most tables have times without a zone, which numpy reads many times as fast as they are compared one by one.
    is_plain = np.array([isinstance(cell, datetime) and cell.tzinfo is None for cell in cells.tolist()], np.bool_)
    found[is_plain] = cells[is_plain].astype("datetime64[us]").astype(np.int64)
    found[~is_plain] = [_time(cell) for cell in cells[~is_plain].tolist()]
    return found


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
