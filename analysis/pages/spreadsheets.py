"""Every table of a report as CSV (RFC 4180): raw numbers with all their digits, English keys, one row a line.

Names are user input, and a spreadsheet runs what begins like a formula: such a text gets an apostrophe before it.
"""

from __future__ import annotations

import csv
import io
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from analysis.document import Attribution, Cell, Check, Count, Grid, Report, Table, Timeline, Trajectory, Word
from analysis.estimate import Estimate
from analysis.pages.wording import TIMES
from analysis.texts import Number

Value = str | int | float | None
Line = Mapping[str, Value]

_ESTIMATE = (
    *("", "_low", "_high", "_p_value", "_level", "_family"),
    *("_method", "_estimand", "_validity", "_holds", "_note"),
)
"""What the columns of an estimate's fields end with."""

_FORMULA = re.compile(r"\s*[=+\-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20]")
_LONGEST = 60
_NOT_IN_KEY = re.compile(r"[^0-9a-z]+")


def sheets(report: Report) -> dict[str, str]:
    """Return the CSV text of every table of a report, by file name."""
    return {name: _csv(list(lines)) for name, lines in _sheets(report) if lines}


def of_grids(grids: Sequence[Grid]) -> dict[str, str]:
    """Return the CSV text of some grids that have rows, by file name."""
    return {f"{slug(grid.key)}.csv": _csv(_grid(grid)) for grid in grids if grid.rows}


def of_attribution(attribution: Attribution) -> dict[str, str]:
    """Return the CSV text of every table of an attribution, by file name."""
    name = file_name(attribution.outcome)
    tables = {grid.key: _grid(grid) for grid in attribution.grids}
    tables["left-out"] = [_count(each) for each in attribution.left_out]
    return {f"{name}-{slug(key)}.csv": _csv(lines) for key, lines in tables.items() if lines}


def file_name(name: str) -> str:
    """Return what a file is called that is about something of this name: another one for each name.

    >>> file_name("order"), file_name("Order"), file_name("../名")
    ('order', 'order-34e8bc9c', '47a58c24')
    """
    plain = slug(name)[:_LONGEST].strip("-")
    return name if name and plain == name else f"{plain}-{zlib.crc32(name.encode()):08x}".lstrip("-")


def slug(name: str) -> str:
    """Return a name as a part of a file name or as the key of a column: small letters and digits.

    >>> slug("Share of <b>all</b>, %"), slug("../../etc"), slug("名")
    ('share-of-b-all-b', 'etc', '')
    """
    return _NOT_IN_KEY.sub("-", name.lower()).strip("-")


def _sheets(report: Report) -> Iterator[tuple[str, Sequence[Line]]]:
    yield "left-out.csv", [_count(each) for each in report.health.left_out]
    for number, check in enumerate(report.health.checks, 1):
        yield f"check-{number}.csv", _check(check)
    for number, timeline in enumerate(report.health.evidence, 1):
        yield f"evidence-{number}.csv", list(_timeline(timeline))
    for grid in report.health.grids:
        yield _file("health", grid.key), _grid(grid)
    for number, metric in enumerate(report.metrics, 1):
        named = f"metric-{number}", metric.name
        for table in metric.tables:
            yield _file(*named, table.key), _table(table)
        for grid in metric.grids:
            yield _file(*named, grid.key), _grid(grid)
        if metric.over_time is not None:
            yield _file(*named, "over-time"), list(_trajectory(metric.over_time))
    if report.decisions is not None:
        yield "decisions.csv", _grid(report.decisions)
    yield from _sections(report)
    for name, over_time in (("traffic.csv", report.traffic), ("allocation.csv", report.allocation)):
        if over_time is not None:
            yield name, list(_timeline(over_time))


def _sections(report: Report) -> Iterator[tuple[str, Sequence[Line]]]:
    for number, candidate in enumerate(report.candidates, 1):
        for grid in candidate.grids:
            yield _file(f"candidate-{number}", grid.key), _grid(grid)
    for number, grid in enumerate(report.sections, 1):
        yield _file(f"section-{number}", grid.key), _grid(grid)


def _file(*parts: str) -> str:
    return "-".join(found for part in parts if (found := slug(part))) + ".csv"


def _count(found: Count) -> Line:
    return {"n": found.n, "what": str(found.what)}


def _check(check: Check) -> list[Line]:
    return [{"name": str(each.name), "drawn": each.observed, "expected": each.expected} for each in check.shares]


def _table(table: Table) -> list[Line]:
    return [
        {
            "name": str(row.name),
            "baseline": str(table.baseline),
            "word": row.word.value,
            "n": row.value.n,
            **_estimate("value", row.value),
            "uncapped": row.uncapped,
            **_estimate("difference", row.absolute),
            **_estimate("relative", row.relative),
            **_estimate("anytime", row.anytime),
            **_estimate("plain", row.plain),
        }
        for row in table.rows
    ]


def _estimate(key: str, found: Estimate | None) -> Line:
    """Return the columns of an estimate, which are there also where it is not, so that all rows have the same."""
    said = _said(found) if found is not None else (None,) * len(_ESTIMATE)
    return {f"{key}{part}": value for part, value in zip(_ESTIMATE, said, strict=True)}


def _said(found: Estimate) -> tuple[Value, ...]:
    return (
        found.value,
        found.low,
        found.high,
        found.p_value,
        None if found.interval is None else found.level,
        None if found.interval is None else found.family,
        str(found.method),
        str(found.estimand),
        found.validity.value,
        found.holds.value,
        None if found.note is None else str(found.note),
    )


def _grid(grid: Grid) -> list[Line]:
    keys = [slug(str(column)).replace("-", "_") or f"column_{place}" for place, column in enumerate(grid.columns, 1)]
    unique = [key if keys.index(key) == place else f"{key}_{place + 1}" for place, key in enumerate(keys)]
    has_estimates = [any(isinstance(row[place], Estimate) for row in grid.rows) for place in range(len(keys))]
    lines: list[Line] = []
    for row in grid.rows:
        line: dict[str, Value] = {}
        for key, is_estimate, cell in zip(unique, has_estimates, row, strict=True):
            line |= _cells(key, cell) if is_estimate else {key: _value(cell)}
        lines.append(line)
    return lines


def _cells(key: str, cell: Cell) -> Line:
    if cell is None or isinstance(cell, Estimate):
        return _estimate(key, cell)
    return {**_estimate(key, None), f"{key}_note": str(_value(cell))}


def _value(cell: Cell) -> Value:
    match cell:
        case Number() if cell.style in TIMES:
            return datetime.fromtimestamp(cell.value, UTC).isoformat()
        case Number():
            return cell.value
        case Word():
            return cell.value
        case None:
            return None
        case _:
            return str(cell)


def _trajectory(data: Trajectory) -> Iterator[Line]:
    for place, start in enumerate(data.starts):
        for band in data.bands:
            yield {
                "from": start,
                "name": str(band.name),
                "value": band.values[place],
                "low": band.low[place],
                "high": band.high[place],
            }


def _timeline(data: Timeline) -> Iterator[Line]:
    for place, start in enumerate(data.starts):
        for name, values in zip(data.series, data.values, strict=True):
            yield {"from": start, "name": str(name), "value": values[place]}


def _csv(lines: Sequence[Line]) -> str:
    file = io.StringIO()
    writer = csv.DictWriter(file, list(lines[0]), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({key: _harmless(value) for key, value in line.items()} for line in lines)
    return file.getvalue()


def _harmless(value: Value) -> Value:
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value
