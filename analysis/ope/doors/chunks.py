"""Tables as chunks of columns: CSV files as they are read, and any data frame that narwhals reads."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TextIO

import narwhals as nw
import numpy as np

from analysis.arrays import Flags, Floats, Ints, Texts
from analysis.ope.doors.leaving_out import LeftOut, Why
from engine.errors import InvalidRequest

_BETWEEN = ",;\t"
"""What may stand between the cells of a CSV file."""

_FLAGS = {"true": 1.0, "false": 0.0}
"""Flags as libraries and databases write them."""

_NO_TIME = np.iinfo(np.int64).min
"""What numpy takes for no time."""


class Rows(Protocol):
    """What reads the rows of a CSV file."""

    @property
    def line_num(self) -> int:
        """How many lines were read."""

    def __next__(self) -> list[str]:
        """Return the next row."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows of a table: `lines` (n,) says where they are, `columns` what they hold, (n,) each, by name.

    A cell that is missing is None, NaN or empty text; every other is a number, a flag, a text or a time. A frame's
    column of times is one of `datetime64[us]` in UTC, with NaT where one is missing.
    """

    lines: Ints
    columns: Mapping[str, Texts]

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, rows: Flags) -> Chunk:
        return Chunk(self.lines[rows], {name: column[rows] for name, column in self.columns.items()})

    def __add__(self, other: Chunk) -> Chunk:
        columns = {name: np.concatenate([column, other.columns[name]]) for name, column in self.columns.items()}
        return Chunk(np.concatenate([self.lines, other.lines]), columns)


class Source(Protocol):
    """A table to read in chunks."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its columns."""

    def chunks(self, wanted: Sequence[str], n: int, left_out: LeftOut) -> Iterator[Chunk]:
        """Yield some columns, `n` rows at a time; rows that cannot be read are left out."""


@dataclass(frozen=True, slots=True)
class CsvSource:
    """A CSV file with a header, of which one chunk is in memory at a time. Line 1 is the header's.

    Cells are separated by commas, semicolons or tabs, whichever makes most columns of the header.

    Raises:
        InvalidRequest: there is no such file, or it has no header.
    """

    path: Path

    def __post_init__(self) -> None:
        if not self.path.is_file():
            raise InvalidRequest(f"there is no file {self.path}: give the path of a CSV file with a header")
        if not self.names:
            raise InvalidRequest(f"{self.path} has no header: its first line must name its columns")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its columns."""
        return self._header(self._mark)

    @property
    def _mark(self) -> str:
        return max(_BETWEEN, key=lambda mark: len(self._header(mark)))

    def _header(self, mark: str) -> tuple[str, ...]:
        with self._opened() as file:
            return tuple(next(csv.reader(file, delimiter=mark), ()))

    def chunks(self, wanted: Sequence[str], n: int, left_out: LeftOut) -> Iterator[Chunk]:
        """Yield some columns, `n` rows at a time; a line with more or fewer cells than the header is left out."""
        names = self.names
        places = [names.index(name) for name in wanted]
        with self._opened() as file:
            rows = _rows(csv.reader(file, delimiter=self._mark), len(names), left_out)
            while part := list(islice(rows, n)):
                lines, cells = zip(*part, strict=True)
                columns = list(zip(*cells, strict=True))
                found = {name: _column(columns[place]) for name, place in zip(wanted, places, strict=True)}
                yield Chunk(np.array(lines, np.int64), found)

    def _opened(self) -> TextIO:
        # Bytes that are no text are kept as such, so that one wrong byte costs its line alone.
        return self.path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")


def _rows(reader: Rows, n_cells: int, left_out: LeftOut) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows after the header that have all their cells, each with the number of its first line."""
    next(reader)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error:
            left_out.add(Why.BROKEN, line)
            continue
        if cells is None:
            return
        if len(cells) == n_cells and not _has_bytes("".join(cells)):
            yield line, cells
        elif cells:
            # A quote that nothing closes takes in all lines up to the next one.
            for each in range(line, reader.line_num + 1):
                left_out.add(Why.BROKEN, each)


def _has_bytes(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text)


def _column(cells: Sequence[object]) -> Texts:
    # Cells that are lists stay such, and do not become a further axis.
    return np.fromiter(cells, object, len(cells))


@dataclass(frozen=True, slots=True)
class FrameSource:
    """A data frame, eager or lazy. Rows are numbered from 1.

    Raises:
        InvalidRequest: it is none, or two columns have one name.
    """

    frame: Any

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its columns that are texts: no other can be declared."""
        return tuple(name for name in _lazy(self.frame).collect_schema().names() if isinstance(name, str))

    def chunks(self, wanted: Sequence[str], n: int, left_out: LeftOut) -> Iterator[Chunk]:
        """Yield some columns, `n` rows at a time."""
        del left_out
        table = _lazy(self.frame).select(*dict.fromkeys(wanted)).collect()
        for first in range(0, len(table), n):
            part = table[first : first + n]
            columns = {name: _series(part[name]) for name in dict.fromkeys(wanted)}
            yield Chunk(np.arange(first, first + len(part)) + 1, columns)


def _series(series: nw.Series[Any]) -> Texts:
    if isinstance(series.dtype, nw.Datetime):
        # One by one, times take longer to read than all else.
        return series.dt.timestamp("us").fill_null(_NO_TIME).to_numpy().astype("datetime64[us]")
    found = _column(series.to_list())
    # Frames have several ways to say that nothing is there, some of which cannot even be compared.
    found[series.is_null().to_numpy()] = None
    return found


def _lazy(frame: Any) -> nw.LazyFrame[Any]:  # noqa: ANN401 (any native frame)
    try:
        lazy: nw.LazyFrame[Any] = nw.from_native(frame).lazy()
    except TypeError as error:
        raise InvalidRequest(
            f"a table is a CSV file or a data frame that narwhals reads, and this is none: {error}"
        ) from error
    except nw.exceptions.DuplicateError as error:
        raise InvalidRequest(f"give each column of the frame a name of its own: {error}") from error
    return lazy


def source_of(table: Any) -> Source:  # noqa: ANN401 (a path, or any native frame)
    """Return a CSV file by its path, or a data frame, as a table to read."""
    return CsvSource(Path(table)) if isinstance(table, Path | str) else FrameSource(table)


def numbers(cells: Texts) -> Floats:
    """Return cells as numbers, (n,), NaN where there is none; flags are 1 and 0, and times are no numbers.

    >>> numbers(np.array(["1.5", "", "yes", None, True, "False"], object)).tolist()
    [1.5, nan, nan, nan, 1.0, 0.0]
    """
    try:
        return np.full(len(cells), np.nan) if cells.dtype.kind == "M" else np.asarray(cells.astype(np.float64))
    except (TypeError, ValueError):
        return np.array([_number(cell) for cell in cells.tolist()], np.float64)


def _number(cell: object) -> float:
    try:
        return float(cell)  # type: ignore[arg-type]  # what is no number raises
    except (TypeError, ValueError):
        return _FLAGS.get(str(cell).lower(), float("nan"))


def words(cells: Texts) -> list[str | None]:
    """Return cells as texts, None where there is none; a whole number has no fraction: 3.0 is "3".

    >>> words(np.array(["a", "", None, 3.0, float("nan")], object))
    ['a', None, None, '3', None]
    """
    return [_word(cell) for cell in cells.tolist()]


def _word(cell: object) -> str | None:
    if isinstance(cell, str):
        return cell or None
    if cell is None or cell != cell:  # noqa: PLR0124 (NaN alone is not itself)
        return None
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)
