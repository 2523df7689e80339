"""Is every draw of a log what its row says? Each is made again, from its row, its definition and its snapshot.

What cannot be made again is counted by the step that differs: another distribution than the snapshot gives (a stale
snapshot, a rounded number), another number than the key gives, another variant than the number falls on (a forced
answer that was logged as a draw). Beside that, rows must be sound in themselves: what is stored in columns, which
reports read, must be what the record says, and the log must have no holes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from analysis.checks.predicting import Learned
from engine.columns import Coded, Columns
from engine.explanation import Verdict
from engine.randomness import ONE
from engine.recompute import Recomputer
from engine.records import Assignment, Entry, Source

PAGE = 2_000
"""So many rows are read at once."""

N_NAMED = 3
"""So many rows of each fault are named."""

COLUMNS, SUM, HOLES = "columns", "sum", "holes"
"""Faults that are no step of a decision: columns that differ from the record, no distribution, lost entries."""

_STORED = ("seq", "is_draw", "variant", "weight", "distribution", "snapshot", "group_weight", "revision", "epoch")


@dataclass(slots=True)
class Fault:
    """Rows that are not what they should be: how many, and the seqs of the first ones."""

    n: int = 0
    first: list[int] = field(default_factory=list)

    def add(self, seq: int) -> None:
        """Count a row."""
        self.n += 1
        if len(self.first) < N_NAMED:
            self.first.append(seq)


@dataclass(slots=True)
class Again:
    """How making the draws again ended: how many were reproduced, forgotten or imported, and the faults by step."""

    n_reproduced: int = 0
    n_forgotten: int = 0
    n_imported: int = 0
    faults: dict[str, Fault] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """How many draws were looked at."""
        return self.n_reproduced + self.n_forgotten + self.n_imported + sum(each.n for each in self.faults.values())

    def fault(self, step: str, seq: int) -> None:
        """Count a row whose step differs."""
        self.faults.setdefault(step, Fault()).add(seq)


def again(learned: Learned, experiment_id: str, *, looked: Callable[[int], object] = lambda seq: seq) -> Again:
    """Make every draw of an experiment again, and look at its rows; `looked` is told up to which seq, page by page.

    It takes some 0.2 ms a draw where a policy answers at once, and as long as it takes to answer where it thinks.
    """
    found, recomputer = Again(), Recomputer(learned.reader, learned.find_snapshot)
    last = 0
    for page in _pages(learned):
        _count_holes(found, page, last)
        rows = [each for each in page if isinstance(each, Assignment) and each.experiment_id == experiment_id]
        stored = _stored(learned, experiment_id, last, page[-1].seq)
        for row in rows:
            _look(found, recomputer, row, stored.get(row.seq))
        last = page[-1].seq
        looked(last)
    return found


def _pages(learned: Learned) -> Iterator[list[Entry]]:
    after = 0
    while page := learned.reader.entries(after, PAGE):
        yield page
        after = page[-1].seq


def _count_holes(found: Again, page: list[Entry], last: int) -> None:
    """Count what is missing: the log numbers its entries without gaps."""
    for entry in page:
        for lost in range(last + 1, entry.seq):
            found.fault(HOLES, lost)
        last = entry.seq


def _look(found: Again, recomputer: Recomputer, row: Assignment, stored: tuple[object, ...] | None) -> None:
    if stored != _recorded(row):
        found.fault(COLUMNS, row.seq)
    elif row.is_draw and (sum(row.distribution) != ONE or min(row.distribution) < 0):
        found.fault(SUM, row.seq)
    elif row.is_draw:
        _make_again(found, recomputer, row)


def _make_again(found: Again, recomputer: Recomputer, row: Assignment) -> None:
    explained = recomputer.explain(row)
    if row.source is Source.IMPORTED:
        found.n_imported += 1
    elif explained.verdict is Verdict.FORGOTTEN:
        found.n_forgotten += 1
    elif explained.verdict is Verdict.REPRODUCED:
        found.n_reproduced += 1
    else:
        found.fault(next(step.name for step in explained.steps if not step.holds), row.seq)


def _recorded(row: Assignment) -> tuple[object, ...]:
    """Return what the columns must say of a row."""
    packed = np.array(row.distribution, "<i8").tobytes()
    weight = row.weight if row.variant in row.eligible else 0
    snapshot = bytes.fromhex(row.snapshot)
    return (int(row.is_draw), row.variant, weight, packed, snapshot, row.group_weight, row.revision, row.epoch)


def _stored(learned: Learned, experiment_id: str, after: int, until: int) -> dict[int, tuple[object, ...]]:
    """Return what the columns say of an experiment's rows, by seq."""
    found = learned.reader.columns("assignments", _STORED, experiment_id, after=after, until=until)
    columns = [_plain(found, name) for name in _STORED[1:]]
    return dict(zip(found["seq"].tolist(), zip(*columns, strict=True), strict=True))


def _plain(found: Columns, name: str) -> list[object]:
    column = found[name]
    plain: list[object] = (column.values() if isinstance(column, Coded) else column).tolist()
    return plain
