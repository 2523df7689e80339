"""What the logged policy was asked about each draw: read again from a store's rows, or made from columns.

The columns are as good as the rows, and many times as quick, as long as nothing that a policy may have read is missing
in them: lists of texts and candidates stand in the rows alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from analysis.arrays import Ints, places
from analysis.logs.parquet_source import open_log
from analysis.logs.sources import LogSource
from analysis.ope.logged import Question
from engine.columns import Coded
from engine.errors import InvalidRequest
from engine.experiments import Experiment, FieldType, Variant
from engine.ports import Reader
from engine.records import Assignment
from engine.records import Context as Fields

PAGE = 2_000
"""So many rows are read at once."""

Opening = Callable[[], AbstractContextManager[LogSource]]
"""Opens a log to be read, as often as it is asked to."""

Definitions = Mapping[int, Experiment]
"""Definitions by revision."""


def opening(log: str | Path | LogSource) -> Opening:
    """Return what opens the log of a directory each time anew, or gives back one that is open."""
    if isinstance(log, (str, Path)):
        return lambda: closing(open_log(log))
    return lambda: nullcontext(log)


def is_reader(source: LogSource) -> TypeGuard[Reader]:
    """Whether a log has its rows, and not columns alone."""
    return hasattr(source, "assignments")


def are_in_columns(definitions: Definitions) -> bool:
    """Whether columns have all that the policies of some definitions could read."""
    each = list(definitions.values())
    is_alike = all(one.context == each[0].context for one in each)
    has_lists = any(field.type is FieldType.TEXTS for one in each for field in one.context)
    return is_alike and not has_lists and all(one.candidates is None for one in each)


@dataclass(frozen=True, slots=True, eq=False)
class RowQuestions:
    """Yields the questions of draws by their seqs, from the rows of a store: page by page."""

    opening: Opening
    experiment_id: str
    definitions: Definitions

    def __call__(self, rows: Ints) -> Iterator[Question]:
        """Yield the question of each row, in the order in which they are asked for."""
        if not len(rows):
            return
        with self.opening() as reader:
            if not is_reader(reader):
                what = "lists of texts and candidates stand in the rows of a store alone"
                raise InvalidRequest(f"{what}, and this log has columns: evaluate the store that it was made from")
            ids = self._ids(reader, rows)
            for start in range(0, len(rows), PAGE):
                page = slice(start, start + PAGE)
                yield from self._page(reader, rows[page], ids[page])

    def _ids(self, reader: Reader, rows: Ints) -> list[str]:
        span = {"after": int(rows.min()) - 1, "until": int(rows.max())}
        found = reader.columns("assignments", ("seq", "assignment_id"), self.experiment_id, **span)
        return [word.hex() for word in found["assignment_id"].values()[places(rows, found["seq"])].tolist()]

    def _page(self, reader: Reader, rows: Ints, ids: Sequence[str]) -> Iterator[Question]:
        logged = reader.assignments(list(dict.fromkeys(ids)))
        by_seq = {each.seq: each for slots in logged.values() for each in slots}
        return (self._question(by_seq[seq]) for seq in rows.tolist())

    def _question(self, row: Assignment) -> Question:
        if row.candidates:
            known = {each.name: Variant.of(each) for each in row.candidates}
        else:
            known = {each.name: each for each in self.definitions[row.revision].variants}
        return Question(row.context, tuple([known.get(name) or Variant(name) for name in row.eligible]))


@dataclass(frozen=True, slots=True, eq=False)
class ColumnQuestions:
    """Yields the questions of draws by their seqs, made of columns, (n,) each.

    `rows` are the seqs, ascending; `among` (n,) is the place of what was eligible in `eligible`. `fields` are those of
    the context by name, with their types.
    """

    rows: Ints
    fields: Mapping[str, tuple[FieldType, Any]]
    among: Ints
    eligible: Sequence[tuple[Variant, ...]]

    def __call__(self, rows: Ints) -> Iterator[Question]:
        """Yield the question of each row, in the order in which they are asked for."""
        index = places(rows, self.rows)
        columns = [_values(kind, column, index) for kind, column in self.fields.values()]
        among = self.among[index].tolist()
        contexts = zip(*columns, strict=True) if columns else iter([()] * len(index))
        names = tuple(self.fields)
        for values, code in zip(contexts, among, strict=True):
            yield Question(_given(names, values), self.eligible[code])


def _given(names: Sequence[str], values: Sequence[Any]) -> Fields:
    return {name: value for name, value in zip(names, values, strict=True) if value is not None}


def _values(kind: FieldType, column: Any, index: Ints) -> list[Any]:  # noqa: ANN401 (a column of any type)
    """Return a field's values of some rows as a request has them, None where there is none."""
    if isinstance(column, Coded):
        words = [*column.words, None]
        return [words[code] for code in column.codes[index].tolist()]
    numbers = np.asarray(column)[index].tolist()
    if kind is FieldType.FLAG:
        return [None if math.isnan(number) else number > 0 for number in numbers]
    return [None if math.isnan(number) else number for number in numbers]


def variants_of(definition: Experiment | None, names: Sequence[str]) -> tuple[Variant, ...]:
    """Return variants by name as a definition has them, with the name alone where it has none of it."""
    known = {each.name: each for each in definition.variants} if definition else {}
    return tuple([known.get(name) or Variant(name) for name in names])
