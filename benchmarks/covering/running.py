"""One run of a cell: its log is drawn, reported on at one look or at thirty, and compared with the truth."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from covering.simulated import Cell, Cut

from analysis import report
from analysis.document import Report, Row
from analysis.estimate import Estimate
from engine.experiments import Looking

LOOKS = 30


@dataclass(frozen=True)
class Read:
    """What a report said at one look: nothing where `width` is None. The naive intervals are beside it.

    `is_allowed` is whether theory lets something be said, `p_value` the ratio test's.
    """

    method: str
    width: float | None
    misses: bool
    naive_width: float
    naive_misses: bool
    is_allowed: bool
    p_value: float


@dataclass(frozen=True)
class Run:
    """What all looks at one log came to: widths are those of the last look, `p_value` is the least."""

    method: str
    n_looks: int
    n_evaluable: int
    n_allowed: int
    misses: bool
    width: float | None
    naive_misses: bool
    naive_width: float
    p_value: float


def run(cell: Cell, looking: Looking, seed: int, number: int) -> Run:
    """Return a run, read once at its end or thirty times while the log grows."""
    made = cell.simulate(chance(cell.name, seed, number))
    n_looks = 1 if looking is Looking.ONCE else LOOKS
    reads = [_read(cell, Cut.of(cell, made, n), looking) for n in ends(len(made), n_looks)]
    return Run(
        next((each.method for each in reversed(reads) if each.width is not None), ""),
        n_looks,
        sum(each.width is not None for each in reads),
        sum(each.is_allowed for each in reads),
        any(each.misses for each in reads),
        reads[-1].width,
        any(each.naive_misses for each in reads),
        reads[-1].naive_width,
        min(each.p_value for each in reads),
    )


def ends(n: int, n_looks: int) -> list[int]:
    """Return after how many of n rows the evenly spaced looks are."""
    return [round(n * look / n_looks) for look in range(1, n_looks + 1)]


def chance(name: str, seed: int, number: int) -> np.random.Generator:
    """Return the randomness of a run: the same whichever cells run, and in however many processes."""
    return np.random.default_rng([seed, zlib.crc32(name.encode()), number])


def _read(cell: Cell, cut: Cut, looking: Looking) -> Read:
    found = report(cut.log(cell, looking), cell.experiment.experiment_id, in_full=False)
    lifts = [_asked(row, looking) for row in _rows(found, cell.table)]
    truth = cut.truth()
    checks = found.health.checks
    said = [each.interval for each in lifts if each.interval and not any(check.holds is False for check in checks)]
    naive, half = cut.naive(cell)
    is_whole = len(said) == len(truth)
    return Read(
        _method(lifts),
        float(np.mean([high - low for low, high in said])) if is_whole else None,
        is_whole and any(not low <= true <= high for (low, high), true in zip(said, truth, strict=True)),
        float(2 * half.mean()),
        bool((np.abs(naive - truth) > half).any()),
        cut.allows(cell, cell.needs[looking is Looking.ANY]),
        1.0 if checks[0].p_value is None else checks[0].p_value,
    )


def _rows(found: Report, key: str) -> list[Row]:
    """Return the compared rows of a table of the primary metric, none where there is no such table yet."""
    metric = next(metric for metric in found.metrics if metric.name == found.primary)
    return [row for table in metric.tables if table.key == key for row in table.rows if row.absolute is not None]


def _asked(row: Row, looking: Looking) -> Estimate:
    """Return the difference that the plan asks for: the one from which the report reads its word."""
    found = row.absolute if looking is Looking.ONCE else row.anytime
    assert found is not None
    return found


def _method(lifts: Sequence[Estimate]) -> str:
    """Return the words of the first lift's method, without the counts in which runs differ."""
    return re.sub(r"(?<!\w)\d[\d,]*", "n", str(lifts[0].method)) if lifts else ""
