"""Is every row of a log what it says? Each is made again, from its record, its definition and its snapshot.

What does not come out the same is counted by the step that differs: another distribution than the snapshot gives (a
stale snapshot, a rounded number), another number than the key gives, another variant than the number falls on (a forced
answer that was logged as a draw). Answers without a draw are made again as far as they can be. Beside that, columns,
which reports read, must be what the record says, and the log must have no holes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from analysis.arrays import Ints
from analysis.checks.faults import Faults
from analysis.checks.predicting import Learned
from engine.columns import Coded, Column
from engine.errors import StoreUnavailable
from engine.explanation import Verdict
from engine.ports import Reader
from engine.recompute import Recomputer
from engine.records import Assignment, Source
from engine.skimming import Wanted
from engine.storage.columns import to_row
from engine.storage.schema import COLUMNS

PAGE = 2_000
"""So many entries are looked at at once."""

RECORD, DIFFERENT, HOLES = "record", "columns", "holes"
"""Faults that are no step of a decision: a record that is none, columns that differ from it, lost entries."""

_NOTHING = Wanted(frozenset(), frozenset(), exposures=False)
_STORED = tuple(name for name in COLUMNS["assignments"] if name != "record")
_Row = tuple[int, tuple[object, ...], Assignment | None]
"""The seq of a row, what its columns say, and its record, None where that is damaged."""


@dataclass(slots=True)
class Again:
    """How it ended: how many draws came out the same, how many answers without a draw did, and the faults by step.

    Of forgotten units the context is gone, and what another system drew nothing here can draw.
    """

    n_same: int = 0
    n_undrawn: int = 0
    n_forgotten: int = 0
    n_imported: int = 0
    faults: Faults = field(default_factory=Faults)


def again(learned: Learned, experiment_id: str, *, looked: Callable[[int], object] = lambda seq: seq) -> Again:
    """Make every row of an experiment again; `looked` is told up to which seq, page by page.

    It takes some 0.2 ms a row where a policy answers at once, and as long as it takes to answer where it thinks.
    """
    found = Again()
    recomputer = Recomputer(learned.reader, learned.find_snapshot, says_why=False)
    last = 0
    for seqs in _pages(learned.reader):
        _count_holes(found.faults, np.append(last, seqs))
        for seq, stored, row in _rows(learned.reader, experiment_id, last, int(seqs[-1])):
            if row is None:
                found.faults.add(RECORD, [seq])
            elif stored != _columns_of(row):
                found.faults.add(DIFFERENT, [seq])
            else:
                _make_again(found, recomputer, row)
        last = int(seqs[-1])
        looked(last)
    return found


def _pages(reader: Reader) -> Iterator[Ints]:
    """Yield the seqs of all entries, whatever they are of."""
    after = 0
    while page := reader.skim(_NOTHING, after, PAGE):
        yield np.array([entry.seq for entry in page], np.int64)
        after = page[-1].seq


def _count_holes(faults: Faults, seqs: Ints) -> None:
    """Count what is missing: the log numbers its entries without gaps."""
    for place in np.flatnonzero(np.diff(seqs) > 1).tolist():
        faults.add(HOLES, range(int(seqs[place]) + 1, int(seqs[place + 1])))


def _rows(reader: Reader, experiment_id: str, after: int, until: int) -> Iterator[_Row]:
    found = reader.columns("assignments", _STORED, experiment_id, after=after, until=until)
    ids = [each.hex() for each in found["assignment_id"].values()]
    recorded = _readable(reader, ids)
    stored = zip(*(_plain(found[name]) for name in _STORED), strict=True)
    for seq, name, slot, values in zip(found["seq"].tolist(), ids, found["slot"].tolist(), stored, strict=True):
        yield seq, values, next((row for row in recorded.get(name, ()) if row.slot == slot), None)


def _readable(reader: Reader, ids: Sequence[str]) -> Mapping[str, tuple[Assignment, ...]]:
    """Return the rows of some assignments, without those whose records are damaged."""
    try:
        return reader.assignments(ids)
    except StoreUnavailable:
        found: dict[str, tuple[Assignment, ...]] = {}
        for each in ids:
            with suppress(StoreUnavailable):
                found |= reader.assignments([each])
        return found


def _columns_of(row: Assignment) -> tuple[object, ...] | None:
    """Return what the columns must say of a row, None where it is of no draw that can have been made."""
    try:
        by_name = dict(zip(COLUMNS["assignments"], to_row(row), strict=True))
    except (LookupError, ValueError, struct.error):
        return None
    return tuple(by_name[name] for name in _STORED)


def _plain(column: Column) -> list[object]:
    plain: list[object] = (column.values() if isinstance(column, Coded) else column).tolist()
    return plain


def _make_again(found: Again, recomputer: Recomputer, row: Assignment) -> None:
    explained = recomputer.explain(row)
    if explained.verdict is Verdict.DIFFERS:
        found.faults.add(next(step.name for step in explained.steps if not step.holds), [row.seq])
    elif row.source is Source.IMPORTED:
        found.n_imported += 1
    elif explained.verdict is Verdict.FORGOTTEN:
        found.n_forgotten += 1
    elif row.is_draw:
        found.n_same += 1
    else:
        found.n_undrawn += 1
