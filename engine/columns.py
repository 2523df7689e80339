"""Columns of a log as arrays: numbers as they are, texts and bytes as codes of the words that occur."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """A column of words: `codes` (n,) are places in `words`, or -1 where there is none.

    Each word stands once; a reader's come in the order in which they first occur.
    """

    codes: Ints
    words: tuple[Any, ...]

    def __len__(self) -> int:
        return len(self.codes)

    def values(self) -> NDArray[np.object_]:
        """Return the words row by row, (n,), None where there is none."""
        found: NDArray[np.object_] = self.looked_up([*self.words, None], object)
        return found

    def looked_up(self, by_word: Sequence[Any], dtype: Any = np.int64) -> NDArray[Any]:  # noqa: ANN401 (numpy's dtype)
        """Return for each row what `by_word` has for its word, (n,); its last place is for rows that have none.

        >>> encoded(["b", "a", None, "b"]).looked_up([10, 20, 0]).tolist()
        [10, 20, 0, 10]
        """
        table = np.empty(len(self.words) + 1, dtype)
        table[:] = by_word
        return table[self.codes]


Column = Ints | Floats | Coded
"""A column in the order of seq: whole numbers, numbers, or words."""

Columns = Mapping[str, Any]
"""Equally long columns by name. Who asks for one knows its type from the schema."""


def encoded(values: Iterable[Hashable]) -> Coded:
    """Return values as codes of the different ones; None is no word.

    >>> encoded(["b", "a", None, "b"]).words
    ('b', 'a')
    """
    index: dict[Hashable, int] = {None: -1}
    codes = [index.setdefault(value, len(index) - 1) for value in values]
    return Coded(np.array(codes, np.int64), tuple(index)[1:])


def joined(parts: Sequence[Coded]) -> Coded:
    """Return columns one after the other, as one.

    >>> both = joined([encoded(["b", "a"]), encoded(["c", "b"])])
    >>> both.codes.tolist(), both.words
    ([0, 1, 2, 0], ('b', 'a', 'c'))
    """
    index: dict[Hashable, int] = {}
    codes = [part.looked_up([*(index.setdefault(word, len(index)) for word in part.words), -1]) for part in parts]
    return Coded(np.concatenate([np.empty(0, np.int64), *codes]), tuple(index))


def to_column(values: Sequence[Any], kind: type) -> Column:
    """Return values as a column of int, of float, or of words.

    >>> to_column([1, 2], float).tolist()
    [1.0, 2.0]
    """
    if kind is int:
        return np.array(values, np.int64)
    return np.array(values, np.float64) if kind is float else encoded(values)


def whole(parts: Sequence[Any], kind: type) -> Column:
    """Return parts of a column of int, of float, or of words, one after the other."""
    if not parts:
        return to_column([], kind)
    return np.concatenate(parts) if kind in (int, float) else joined(parts)
