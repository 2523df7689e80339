"""Plain CSV and data frames: the caller declares which column is what, and any log is written as such a table.

Columns of the tables that are written, which `read` knows by themselves: `variant`, `reward`, `propensity`, `unit`,
`at` (microseconds), `slate`, `slot`, `logger`; "p.V", the probability of the variant V; "eligible.V", whether it could
be drawn; "number.F" and "text.F", the fields of the context. `row` says where the draw was in what it was read from.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from analysis.arrays import Floats, Texts
from analysis.ope.doors.chunks import Source, source_of, words
from analysis.ope.doors.leaving_out import LeftOut, divided
from analysis.ope.doors.lines import parts, write_lines
from analysis.ope.doors.table_rows import ELIGIBLE, NUMBER, PROPENSITY, TEXT, Columns, P, Reader, whole_slates
from analysis.ope.logged import BLOCK, Collection, Logged
from engine.errors import InvalidRequest

__all__ = ["Columns", "read", "to_columns", "write"]

_TODO = (
    "declare the column that has it, or where all draws had the same chances, as in a test, "
    "declare these: Columns(probabilities={'a': 0.5, 'b': 0.5})"
)

_OWN = ("unit", "at", "slate", "slot", "logger", "row")


def read(
    table: Any,  # noqa: ANN401 (a path, or any native frame)
    columns: Columns | None = None,
    collection: Collection | None = None,
    *,
    variants: Sequence[str] = (),
    n: int = BLOCK,
) -> Iterator[Logged]:
    """Yield the draws of a CSV file, or of a data frame, in blocks of some `n`; no slate is cut.

    `variants` are the names of all that could be drawn, in their order; without them, those of the distributions or
    eligible sets, or all that a first pass finds in the column. Without `columns`, the table is one that `write` made.
    Where all draws had the same declared probabilities, their policy did not learn, unless `collection` says more.

    Raises:
        InvalidRequest: it is no table, a declared column is not there or there twice, declared numbers are no
            distribution, or no row is a draw.

    An A/B test has no column of propensities: both variants are declared as even.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"group": ["a", "b", "b"], "bought": [0, 1, 1]})
    >>> test = Columns(variant="group", reward="bought", probabilities={"a": 0.5, "b": 0.5})
    >>> (log,) = read(frame, test)
    >>> log.propensity.tolist(), log.probabilities.tolist()[0]
    ([0.5, 0.5, 0.5], [0.5, 0.5])
    """
    source = source_of(table)
    declared = _declared(columns or Columns.written(source.names), source.names)
    _check(source, declared)
    names = tuple(variants) or tuple(declared.probabilities) or tuple(declared.eligible) or _found(source, declared, n)
    for what in (declared.probabilities, declared.eligible):
        if what and set(what) != set(names):
            raise InvalidRequest(f"columns are declared for {', '.join(what)}, and the variants are {', '.join(names)}")
    return _blocks(source, Reader(declared, names, collection or _collection(declared)), n)


def _declared(columns: Columns, there: Sequence[str]) -> Columns:
    """Return columns without that of the propensity, where it is not there and the distribution has it."""
    has_own = not columns.probabilities or columns.propensity != PROPENSITY or PROPENSITY in there
    return columns if has_own else replace(columns, propensity="")


def _collection(columns: Columns) -> Collection:
    if not columns.is_fixed:
        return Collection()
    return Collection(is_adaptive=False, least=min(map(float, columns.probabilities.values())) or None)


def _check(source: Source, columns: Columns) -> None:
    there = source.names
    for name in columns.wanted:
        if there.count(name) > 1:
            raise InvalidRequest(f"the table has {there.count(name)} columns {name!r}: give each a name of its own")
        if name not in there:
            raise InvalidRequest(_missing(name, there, is_propensity=name == columns.propensity))
    if not (columns.propensity or columns.probabilities):
        raise InvalidRequest(f"no propensity is declared: {_TODO}")
    if columns.is_fixed:
        _, is_one = divided(np.array([list(columns.probabilities.values())], np.float64))
        if not is_one.all():
            said = ", ".join(f"{name} {share:g}" for name, share in columns.probabilities.items())
            raise InvalidRequest(f"the declared probabilities are {said}: they must be 0 or more, and sum to 1")


def _missing(name: str, there: Sequence[str], *, is_propensity: bool) -> str:
    said = f"the table has no column {name!r}: its columns are {', '.join(map(repr, there))}"
    return f"{said}; {_TODO}" if is_propensity else said


def _found(source: Source, columns: Columns, n: int) -> tuple[str, ...]:
    """Return the names in the column of the variant, in the order of their coming."""
    found: dict[str | None, None] = {}
    for chunk in source.chunks([columns.variant], n, LeftOut()):
        found |= dict.fromkeys(words(chunk.columns[columns.variant]))
    return tuple(name for name in found if name is not None)


def _blocks(source: Source, reader: Reader, n: int) -> Iterator[Logged]:
    last: Logged | None = None
    chunks = source.chunks(reader.columns.wanted, n, reader.left_out)
    for chunk in whole_slates(chunks, reader.columns.slate):
        block = reader.block(chunk)
        if last is not None and len(block):
            yield last
        last = block if len(block) or last is None else last
    if last is None or not len(last):
        raise InvalidRequest(f"there is no draw to evaluate from: {reader.left_out.said()}")
    yield replace(last, left_out=reader.left_out.counts())


def to_columns(log: Logged) -> dict[str, list[Any]]:
    """Return a log as columns by name, of which any library makes its data frame: `pandas.DataFrame(to_columns(log))`.

    What is missing is None. `read` takes the frame as it is.
    """
    columns = {name: getattr(log, name).tolist() for name in ("reward", "propensity", *_OWN)}
    names = np.array([str(name) for name in log.variants], object)
    probabilities = log.probabilities
    return {
        "variant": names[log.variant].tolist(),
        **columns,
        **({} if probabilities is None else _by_name(P, names, probabilities)),
        **_by_name(ELIGIBLE, names, log.could_be.astype(np.int64)),
        **_by_name(NUMBER, log.numbers, _known(log.context.numbers)),
        **_by_name(TEXT, log.texts, _spelled(log)),
    }


def _by_name(mark: str, names: Iterable[str], table: Any) -> dict[str, list[Any]]:  # noqa: ANN401 (any kind of array)
    return {f"{mark}{name}": column.tolist() for name, column in zip(names, table.T, strict=True)}


def _known(numbers: Floats) -> Texts:
    """Return numbers (n, c) as objects, None where there is none."""
    found = numbers.astype(object)
    found[np.isnan(numbers)] = None
    return found


def _spelled(log: Logged) -> Texts:
    """Return the texts of the context, (n, d), None where there is none."""
    found = np.full(log.context.codes.shape, None, object)
    for place, words_of in enumerate(log.words):
        found[:, place] = np.array([*words_of, None], object)[log.context.codes[:, place]]
    return found


def write(log: Logged | Iterable[Logged], path: Path | str) -> int:
    """Write a log as CSV, which `read` reads without more, and return how many draws it has.

    A number is written so that it is read back exactly. An empty text is read back as a missing one.
    """
    return max(write_lines(path, _csv(log)) - 1, 0)


def _csv(log: Logged | Iterable[Logged]) -> Iterator[str]:
    names: list[str] | None = None
    for part in parts(log):
        columns = to_columns(part)
        if names is None:
            names = list(columns)
            yield line_of(names)
        if list(columns) != names:
            raise InvalidRequest(
                "the parts of this log have different variants or fields: write them as files of their own"
            )
        yield from map(line_of, zip(*columns.values(), strict=True))


def line_of(cells: Iterable[object]) -> str:
    """Return cells as a line of CSV."""
    # Only what may end a line is put in quotes: both kinds of ends must be among it.
    text = StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(list(cells))
    return text.getvalue().removesuffix("\r\n")
