"""What is shown of estimates, cells and times, and to how many decimals; the language comes in later."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeGuard

from analysis.document import Band, Cell, Grid, Word
from analysis.estimate import Estimate, Holds, Scale, Validity
from analysis.texts import Arg, Name, Number, Style, Text, count, text

NOTHING = "\N{EN DASH}"
"""What stands where there is nothing."""

MARKS: Mapping[Word, str] = {
    Word.BETTER: "▲",
    Word.WORSE: "▼",
    Word.NOT_CLEAR: "◆",
    Word.NOT_EVALUABLE: NOTHING,
    Word.BASELINE: "●",
    Word.NOT_COMPARED: NOTHING,
    Word.HOLDS: "✓",
    Word.BREACHED: "✗",
}
"""A marker for each word, so that nothing is told by colour alone."""

TIMES = (Style.MOMENT, Style.DAY, Style.HOUR)
"""The styles of times."""

_STYLES = {
    Scale.AMOUNT: Style.AMOUNT,
    Scale.SHARE: Style.SHARE,
    Scale.DIFFERENCE: Style.SIGNED,
    Scale.POINTS: Style.POINTS,
    Scale.RELATIVE: Style.SIGNED_SHARE,
}
_SHORTEST_DAY_S = 86_400


def factor(scale: Scale) -> int:
    """Return what a number of this scale is multiplied with before it is shown."""
    return 100 if _STYLES[scale] in (Style.SHARE, Style.POINTS, Style.SIGNED_SHARE) else 1


def decimals(estimates: Iterable[Estimate]) -> int | None:
    """Return how many decimals a column of values needs, so that they stand under each other, or None: no interval."""
    found = [_places(estimate) for estimate in estimates]
    return max((places for places in found if places is not None), default=None)


def value(estimate: Estimate, places: int | None = None) -> str | Number:
    """Return the value alone, to so many decimal places if given, or a dash where there is none.

    >>> str(value(Estimate(0.182757, 0.1776, 0.1881, 21307, text("method.none"), text("method.none"), Scale.SHARE)))
    '18.3 %'
    """
    if estimate.value is None:
        return NOTHING
    return Number(estimate.value, _STYLES[estimate.scale], _places(estimate) if places is None else places)


def interval(estimate: Estimate, places: int | None = None) -> Arg:
    """Return the interval alone, or why there is none.

    >>> str(interval(Estimate(0.182757, 0.1776, 0.1881, 21307, text("method.none"), text("method.none"), Scale.SHARE)))
    '17.8 to 18.8 %'
    """
    if estimate.interval is None:
        return estimate.note or NOTHING
    shown = _places(estimate) if places is None else places
    low, high = (Number(factor(estimate.scale) * end, Style.AMOUNT, shown) for end in estimate.interval)
    return text("estimate.interval_share" if estimate.scale is Scale.SHARE else "estimate.interval", low=low, high=high)


def whole(estimate: Estimate) -> Arg:
    """Return a value with its interval; without one the value, if there is any, and why.

    >>> print(whole(Estimate(0.012, 0.004, 0.02, 9, text("method.none"), text("method.none"), Scale.POINTS)))
    +1.2 percentage points (0.4 to 2.0)
    """
    if estimate.interval is not None and estimate.value is not None:
        places = _places(estimate)
        low, high = (Number(factor(estimate.scale) * end, Style.AMOUNT, places) for end in estimate.interval)
        return text("estimate.whole", value=value(estimate), low=low, high=high)
    if estimate.value is None or estimate.note is None:
        return estimate.note or value(estimate)
    return text("estimate.noted", value=value(estimate), note=estimate.note)


def level(estimate: Estimate) -> Text:
    """Return the confidence of an interval, and how many of its kind hold it together.

    >>> str(level(Estimate(1.0, 0.0, 2.0, 9, text("method.none"), text("method.none"), family=3)))
    '95 % for all 3 together'
    """
    percent = round(100 * estimate.level, 9)
    alone = Number(estimate.level, Style.SHARE, 0 if percent == int(percent) else 1)
    if estimate.family == 1:
        return text("estimate.level", level=alone)
    if estimate.family == 2:
        return text("estimate.level_both", level=alone)
    return text("estimate.level_all", level=alone, n=count(estimate.family))


def holds(estimate: Estimate) -> Text:
    """Return when the interval has its coverage."""
    return text(f"holds.{estimate.holds.value}")


def method(estimate: Estimate) -> Arg:
    """Return how an interval was made, how sure it is and what a reader must know of it; empty where there is none."""
    if estimate.interval is None:
        return ""
    made = text("estimate.method", method=estimate.method, level=level(estimate))
    if estimate.holds is not Holds.ONCE:
        made = text("estimate.method_holds", method=made, holds=holds(estimate))
    if estimate.validity is Validity.NAIVE:
        made = text("estimate.method_naive", method=made)
    return made if estimate.note is None else text("estimate.method_noted", method=made, note=estimate.note)


def word(found: Word) -> Text:
    """Return a word of a comparison.

    >>> str(word(Word.NOT_CLEAR))
    'not clear'
    """
    return text(f"word.{found.name.lower()}")


def cell(found: Cell) -> Arg:
    """Return what a cell of a grid shows."""
    match found:
        case None:
            return NOTHING
        case Estimate():
            return whole(found)
        case Word():
            return text("word.marked", mark=MARKS[found], word=word(found))
        case _:
            return found


def moment(iso: str) -> Number:
    """Return a time to the minute, UTC.

    >>> str(moment("2026-03-01T09:05:59+00:00"))
    '2026-03-01 09:05'
    """
    return Number(datetime.fromisoformat(iso).timestamp(), Style.MOMENT)


def day(iso: str) -> Number:
    """Return the day of a time, UTC."""
    return Number(datetime.fromisoformat(iso).timestamp(), Style.DAY)


def stretch(iso: str, step_s: int) -> Number:
    """Return the name of the stretch of time that begins there.

    >>> str(stretch("2026-03-01T09:00:00+00:00", 3600)), str(stretch("2026-03-01T00:00:00+00:00", 86400))
    ('03-01 09:00', '2026-03-01')
    """
    return Number(datetime.fromisoformat(iso).timestamp(), Style.DAY if step_s >= _SHORTEST_DAY_S else Style.HOUR)


def in_time(number: float | None, is_share: bool) -> Arg:
    """Return a cell of a table over time.

    >>> str(in_time(0.09, True)), str(in_time(0.0001, True)), str(in_time(1234.0, False)), str(in_time(3.456, False))
    ('9.0 %', '0.01 %', '1,234', '3.46')
    """
    if number is None:
        return NOTHING
    if is_share:
        return Number(number, Style.SHARE, None if 0 < number < 0.001 else 1)
    return Number(number, Style.COUNT if number == int(number) else Style.AMOUNT)


def at(band: Band, place: int, scale: Scale) -> Arg:
    """Return the estimate of a band at one of its places, with its interval where there is one."""
    found, low, high = band.values[place], band.low[place], band.high[place]
    if found is None:
        return NOTHING
    if low is None or high is None:
        return Number(found, _STYLES[scale])
    places = _places_of(low, high, scale)
    ends = (Number(factor(scale) * end, Style.AMOUNT, places) for end in (low, high))
    return text("estimate.whole", value=Number(found, _STYLES[scale], places), low=next(ends), high=next(ends))


def common_methods(grid: Grid) -> Mapping[int, Arg]:
    """Return the method of all intervals of a column by its place, where they have the same."""
    if not grid.with_methods:
        return {}
    return {place: used[0] for place, used in _methods(grid).items() if all(each == used[0] for each in used)}


def said_methods(grid: Grid) -> tuple[Text, ...]:
    """Return what is said under a grid of the methods of its columns: once, where all have the same."""
    methods = common_methods(grid)
    distinct = tuple(dict.fromkeys(methods.values()))
    if len(distinct) == 1 and methods.keys() == _methods(grid).keys():
        return (text("page.method_of", method=distinct[0]),)
    return tuple(text("page.method_in", column=grid.columns[place], method=each) for place, each in methods.items())


def spans(row: Sequence[Cell]) -> list[tuple[int, Cell, int]]:
    """Return the cells of a row with their places and over how many columns they go.

    Neighbours of which nothing is known, for the same reason, are one cell.
    """
    found: list[tuple[int, Cell, int]] = []
    for place, cell in enumerate(row):
        if found and _is_as_unknown(cell, found[-1][1]):
            found[-1] = (*found[-1][:2], found[-1][2] + 1)
        else:
            found.append((place, cell, 1))
    return found


def is_estimate(found: Cell) -> TypeGuard[Estimate]:
    """Whether a cell holds an estimate."""
    return isinstance(found, Estimate)


def is_numeric(grid: Grid, place: int) -> bool:
    """Whether a column of a grid holds numbers alone, which stand under each other."""
    cells = [row[place] for row in grid.rows if row[place] is not None]
    return bool(cells) and all(isinstance(each, Number) and each.style not in TIMES for each in cells)


def css(found: Cell) -> str:
    """Return the class of a cell that is in no column of numbers."""
    if isinstance(found, Word):
        return f"words {found.value.replace(' ', '-')}"
    return "time" if isinstance(found, Number) else "words"


def scaled(number: float, scale: Scale) -> Number:
    """Return a number of a scale without an interval to say how exact it is."""
    return Number(number, _STYLES[scale])


def short(name: str, width: int = 30) -> str:
    """Return a name that fits into a chart; wide characters take two places.

    >>> short("x" * 200, 10)
    'xxxxxxxxx…'
    """
    places = [_columns(letter) for letter in name]
    if sum(places) <= width:
        return name
    room = width - 1
    fits = next(index for index in range(len(name)) if sum(places[: index + 1]) > room)
    return name[:fits] + "…"


def shortened(name: Name, width: int) -> Name:
    """Return a name that its owner gave in a length that a sentence can hold, or our own as it is."""
    return short(name, width) if isinstance(name, str) else name


def width(name: str) -> int:
    """Return how many places a name takes.

    >>> width("ab"), width("\N{CJK UNIFIED IDEOGRAPH-6807}")
    (2, 2)
    """
    return sum(map(_columns, name))


def _is_as_unknown(cell: Cell, other: Cell) -> bool:
    known = (each.value is not None or each.note is None for each in (cell, other) if is_estimate(each))
    return is_estimate(cell) and is_estimate(other) and not any(known) and cell.note == other.note


def _methods(grid: Grid) -> Mapping[int, Sequence[Arg]]:
    """Return the methods of a column's intervals by its place, of columns that have any."""
    columns = enumerate(zip(*grid.rows, strict=True))
    found = {place: [method(cell) for cell in cells if is_estimate(cell)] for place, cells in columns}
    return {place: used for place, all_of in found.items() if (used := [each for each in all_of if each])}


def _columns(letter: str) -> int:
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def _places(estimate: Estimate) -> int | None:
    return None if estimate.interval is None else _places_of(*estimate.interval, estimate.scale)


def _places_of(low: float, high: float, scale: Scale) -> int | None:
    """Return the decimals that the width of an interval makes worth reading: those of its two leading digits."""
    if low == high:
        return None
    return max(0, 1 - math.floor(math.log10(factor(scale) * (high - low))))
