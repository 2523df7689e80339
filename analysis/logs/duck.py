"""The only place that knows DuckDB, which reads and writes Parquet and is an extra: `armlift[duckdb]`."""

# ruff: noqa: S608 (the names in these queries are the schema's own)

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.columns import Coded, Columns, Ints
from engine.errors import InvalidRequest

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TYPES: Mapping[type, str] = {int: "BIGINT", float: "DOUBLE", str: "VARCHAR", bytes: "BLOB"}
_NOTHING: Mapping[type, str | bytes] = {str: "", bytes: b""}


class Duck:
    """A DuckDB of its own in memory."""

    def __init__(self) -> None:
        """Open it.

        Raises:
            InvalidRequest: DuckDB is not installed.
        """
        try:
            import duckdb
        except ImportError as missing:
            raise InvalidRequest(
                "Parquet is written and read by DuckDB, which is not installed: pip install 'armlift[duckdb]'"
            ) from missing
        self._connection: DuckDBPyConnection = duckdb.connect()

    def write(self, path: Path, columns: Columns, types: Mapping[str, type]) -> None:
        """Write columns into a Parquet file."""
        wanted = ", ".join(_typed(name, column, types[name]) for name, column in columns.items())
        self._connection.register("part", {name: _plain(column, types[name]) for name, column in columns.items()})
        self._connection.execute(f"COPY (SELECT {wanted} FROM part) TO {_quoted(path)} (FORMAT PARQUET)")
        self._connection.unregister("part")

    def open(self, table: str, files: Path) -> None:
        """Let a table stand for Parquet files, which are named by a pattern."""
        self._connection.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet({_quoted(files)})")

    def columns(self, query: str, arguments: Sequence[object], types: Mapping[str, type]) -> Columns:
        """Return the columns of a query in the order of its column seq; the query has them all, and seq."""
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE chosen AS {query}", arguments)
        words = {name: self._words(name) for name, kind in types.items() if kind in (str, bytes)}
        wanted = [f'words_{name}.code AS "{name}"' if name in words else f'chosen."{name}"' for name in types]
        joins = " ".join(f'LEFT JOIN words_{name} ON words_{name}.word = chosen."{name}"' for name in words)
        found = self._connection.execute(
            f"SELECT {', '.join(wanted)} FROM chosen {joins} ORDER BY chosen.seq"
        ).fetchnumpy()
        return {name: Coded(_codes(found[name]), words[name]) if name in words else found[name] for name in types}

    def rows(self, query: str, arguments: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        return self._connection.execute(query, arguments).fetchall()

    def close(self) -> None:
        """Release it."""
        self._connection.close()

    def _words(self, name: str) -> tuple[Any, ...]:
        """Number the words of a column of the chosen rows as they first occur, and return them."""
        numbered = (
            f"SELECT word, row_number() OVER (ORDER BY seq) - 1 AS code FROM "
            f'(SELECT "{name}" AS word, min(seq) AS seq FROM chosen WHERE "{name}" IS NOT NULL GROUP BY word)'
        )
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE words_{name} AS {numbered}")
        return tuple(word for (word,) in self.rows(f"SELECT word FROM words_{name} ORDER BY code"))


def _plain(column: Any, kind: type) -> Any:  # noqa: ANN401 (an array or coded)
    """Return an array that DuckDB reads as one type: for that, what is missing must not be None."""
    return column.looked_up([*column.words, _NOTHING[kind]], object) if isinstance(column, Coded) else column


def _typed(name: str, column: Any, kind: type) -> str:  # noqa: ANN401 (as above)
    sql = f'CAST("{name}" AS {_TYPES[kind]})'
    lacks_some = isinstance(column, Coded) and bool((column.codes < 0).any())
    return f"nullif({sql}, CAST('' AS {_TYPES[kind]})) AS \"{name}\"" if lacks_some else f'{sql} AS "{name}"'


def _codes(found: Any) -> Ints:  # noqa: ANN401 (an array, masked where there is no word)
    return np.ma.filled(found, -1).astype(np.int64)


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
