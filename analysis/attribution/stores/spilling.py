"""Rows that wait on disk, in parts that fit in memory one at a time."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.arrays import Floats, Ints
from engine.errors import StoreUnavailable

Rows = NDArray[Any]
"""Rows with typed columns by name: a structured array."""


class Spill:
    """A temporary file of rows with typed columns, each row in one of `n_parts` parts.

    Every part keeps the order in which its rows came. The file stands where `tempfile` puts it (TMPDIR says where) and
    has no name there, so that nothing is left of it whatever happens to the process.

    >>> with Spill({"unit": "<i8", "value": "<f8"}, n_parts=2) as spill:
    ...     for values in ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]):
    ...         spill.put(np.array([1, 0, 1]), unit=np.array([7, 8, 9]), value=np.array(values))
    ...     spill.part(1)["value"].tolist()
    [1.0, 3.0, 4.0, 6.0]
    """

    def __init__(self, columns: Mapping[str, str], n_parts: int) -> None:
        """Open the file; `columns` are numpy's names of types by name."""
        self.n_parts = n_parts
        self._type = np.dtype(list(columns.items()))
        self._file = tempfile.TemporaryFile(prefix="armlift-", buffering=0)  # noqa: SIM115 (it is closed by `close`)
        self._n = 0
        self._starts: list[Ints] = []

    def __enter__(self) -> Spill:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def put(self, part: Ints, **columns: Ints | Floats) -> None:
        """Add rows, (n,) each, to their parts (n,).

        Raises:
            StoreUnavailable: there is no room for them.
        """
        order = np.argsort(part, kind="stable")
        rows = np.empty(len(part), self._type)
        for name, column in columns.items():
            rows[name] = column[order]
        # Rows of a part lie side by side, so where each part begins is all that there is to remember.
        sizes = np.bincount(part, minlength=self.n_parts)
        self._starts.append(self._n + np.concatenate([[0], np.cumsum(sizes)]))
        self._write(rows)

    def part(self, number: int) -> Rows:
        """Return the rows of a part, (m,), in the order in which they came."""
        runs = [self._read(int(starts[number]), int(starts[number + 1])) for starts in self._starts]
        return np.concatenate([np.empty(0, self._type), *runs])

    def close(self) -> None:
        """Give up the file."""
        self._file.close()

    def _write(self, rows: Rows) -> None:
        self._file.seek(self._n * self._type.itemsize)
        try:
            rows.tofile(self._file)
        except OSError as error:
            where = tempfile.gettempdir()
            raise StoreUnavailable(
                f"no room for {rows.nbytes} bytes in {where}: let TMPDIR name another place"
            ) from error
        self._n += len(rows)

    def _read(self, first: int, last: int) -> Rows:
        self._file.seek(first * self._type.itemsize)
        return np.fromfile(self._file, self._type, last - first)
