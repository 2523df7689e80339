"""The rows of a randomised CSV, each checked against its recipe before anything is made of the file."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TextIO

import numpy as np

from engine.errors import InvalidRequest
from engine.experiments import ContextField, FieldType
from engine.metrics import SCORES, Metric, MetricKind, by_outcome
from engine.outcomes import why_refused
from engine.records import Context, ContextValue
from simulators.recipe import Recipe

START = datetime(2026, 1, 1, tzinfo=UTC)
"""The time of the first row of a file without times."""

_BETWEEN_TEXTS = "|"
_FLAGS: Mapping[str, bool] = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the file. `outcomes` has what happened: conversions, sums that are not 0, scores that were given."""

    line: int
    unit_id: str
    at: datetime
    context: Context
    variant: str
    propensity: float
    outcomes: Mapping[str, float]

    @property
    def key(self) -> str:
        """What names the row wherever it is drawn for or asked about."""
        return f"row {self.line}"


@dataclass(frozen=True, slots=True)
class Broken:
    """A line that could not be read, and why."""

    line: int
    why: str


@dataclass(frozen=True, slots=True)
class Table:
    """All rows in the order of their times, and what was left out."""

    rows: Sequence[Row]
    broken: Sequence[Broken]

    def first_broken(self) -> str:
        """Return the first broken lines with what is wrong with them."""
        return "; ".join(f"line {broken.line}: {broken.why}" for broken in self.broken[:_SHOWN])


class _Wrong(ValueError):
    """What is wrong with a row."""


def read_rows(path: Path, recipe: Recipe, skip_broken: bool = False) -> Table:
    """Return the rows of a file, in the order in which they are replayed.

    Raises:
        InvalidRequest: the file cannot be read, lacks a column or has no row, or a row is broken and is not to be
            skipped.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            found = list(_parsed(file, path, recipe))
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read ({error.strerror}): check its name and rights") from None
    except UnicodeDecodeError:
        raise InvalidRequest(f"{path.name} is no text in UTF-8: save it as CSV in UTF-8") from None
    broken = [each for each in found if isinstance(each, Broken)]
    if broken and not skip_broken:
        others = f", and {len(broken) - 1} more rows are broken" if len(broken) > 1 else ""
        where = f"{path.name}, line {broken[0].line}"
        raise InvalidRequest(f"{where}: {broken[0].why}{others}: mend it, or leave it out by --skip-broken")
    rows = [each for each in found if isinstance(each, Row)]
    if not rows:
        raise InvalidRequest(f"{path.name} has no row that can be used")
    return Table(_ordered(rows, recipe), broken)


def _parsed(file: TextIO, path: Path, recipe: Recipe) -> Iterator[Row | Broken]:
    lines = csv.reader(file, strict=True)
    try:
        header = next(lines, [])
    except csv.Error as error:
        raise InvalidRequest(f"{path.name}, line {lines.line_num}: it is no CSV ({error}): mend its header") from None
    read = _reader(recipe, _places(header, path, recipe))
    while True:
        try:
            cells = next(lines, None)
        except csv.Error as error:
            yield Broken(lines.line_num, f"it is no CSV ({error})")
            continue
        if cells is None:
            return
        if cells:
            yield _row_or_broken(lines.line_num, cells, len(header), read)


def _row_or_broken(
    line: int, cells: Sequence[str], width: int, read: Callable[[int, Sequence[str]], Row]
) -> Row | Broken:
    if len(cells) != width:
        return Broken(line, f"it has {len(cells)} cells and the header {width}")
    try:
        return read(line, cells)
    except _Wrong as wrong:
        return Broken(line, str(wrong))


def _places(header: Sequence[str], path: Path, recipe: Recipe) -> Mapping[str, int]:
    names = [name.strip() for name in header]
    for column in recipe.needed:
        if names.count(column) != 1:
            has = "has no column" if column not in names else "has more than one column"
            raise InvalidRequest(f"{path.name} {has} {column!r}: there are {', '.join(names) or 'none'}")
    return {column: names.index(column) for column in recipe.needed}


def _reader(recipe: Recipe, place: Mapping[str, int]) -> Callable[[int, Sequence[str]], Row]:
    def cell(cells: Sequence[str], column: str) -> str:
        return cells[place[column]].strip()

    def read(line: int, cells: Sequence[str]) -> Row:
        variant = _variant(cell(cells, recipe.variant.column), recipe)
        fields = {each.name: _field(cell(cells, recipe.column(each.name)), each) for each in recipe.context}
        outcomes = {
            name: _outcome(cell(cells, recipe.column(name)), name, metrics)
            for name, metrics in by_outcome(recipe.metrics).items()
        }
        return Row(
            line=line,
            unit_id=_unit_id(cell(cells, recipe.unit_column), recipe) if recipe.unit_column else f"row-{line}",
            at=_time(cell(cells, recipe.time_column), recipe) if recipe.time_column else START,
            context={name: value for name, value in fields.items() if value is not None},
            variant=variant,
            propensity=_propensity(cell(cells, recipe.propensity_column), recipe)
            if recipe.propensity_column
            else recipe.propensities[variant],
            outcomes={name: value for name, value in outcomes.items() if value is not None},
        )

    return read


def _unit_id(text: str, recipe: Recipe) -> str:
    if not text:
        raise _Wrong(f"{recipe.unit_column!r} is empty")
    return text


def _variant(text: str, recipe: Recipe) -> str:
    name = recipe.variant.names.get(text)
    if name is None:
        known = ", ".join(map(repr, recipe.variant.names))
        raise _Wrong(f"{text!r} in {recipe.variant.column!r} is no variant of the recipe (it has {known})")
    return name


def _propensity(text: str, recipe: Recipe) -> float:
    value = _number(text, recipe.propensity_column)
    if not 0 < value <= 1:
        raise _Wrong(f"the propensity {text!r} must be in (0, 1]")
    return value


def _field(text: str, declared: ContextField) -> ContextValue | None:
    """Return a field's value; an empty cell is a missing field."""
    if not text:
        return None
    match declared.type:
        case FieldType.NUMBER:
            return _number(text, declared.name)
        case FieldType.FLAG:
            return _flag(text, declared.name)
        case FieldType.TEXT:
            return text
        case FieldType.TEXTS:
            return tuple(part.strip() for part in text.split(_BETWEEN_TEXTS))


def _outcome(text: str, name: str, metrics: Sequence[Metric]) -> float | None:
    """Return an outcome's value, or None where nothing happened."""
    kinds = {metric.kind for metric in metrics}
    if kinds == {MetricKind.CONVERSION}:
        return 1.0 if _flag(text, name) else None
    is_score = not kinds.isdisjoint(SCORES)
    if is_score and not text:
        return None
    value = _number(text, name)
    if why := why_refused(metrics, value):
        raise _Wrong(why)
    return value if value or is_score else None


def _number(text: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _Wrong(f"{text!r} in {name!r} is no number")
    return value


def _flag(text: str, name: str) -> bool:
    known = _FLAGS.get(text.lower())
    if known is None:
        raise _Wrong(f"{text!r} in {name!r} must be 1 or 0, true or false, yes or no")
    return known


def _time(text: str, recipe: Recipe) -> datetime:
    """Return a time in ISO 8601 (UTC where it names no zone), or in seconds since 1970."""
    with suppress(ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(float(text), UTC)
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise _Wrong(f"{text!r} in {recipe.time_column!r} is no time such as 2026-03-02T09:00:00Z") from None
    return given.astimezone(UTC) if given.tzinfo else given.replace(tzinfo=UTC)


def _ordered(rows: Sequence[Row], recipe: Recipe) -> list[Row]:
    """Return the rows by their time; without times in the file they get some, shuffled first if the recipe says so."""
    if recipe.time_column:
        return sorted(rows, key=lambda row: row.at)
    order = list(range(len(rows)))
    if recipe.shuffle_seed is not None:
        np.random.default_rng(recipe.shuffle_seed).shuffle(order)
    return [replace(rows[index], at=START + place * recipe.every) for place, index in enumerate(order)]


def span(rows: Sequence[Row], metrics: Sequence[Metric]) -> tuple[datetime, datetime]:
    """Return the time of the first row, and when every window of the last one has closed."""
    longest = max((metric.window for metric in metrics), default=timedelta(0))
    return rows[0].at, rows[-1].at + longest + timedelta(seconds=1)
