"""Declared fields of the context as shares of visits: what came how often, in stretches of the log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Flags, Floats, Ints
from analysis.logs.frames import Frame
from analysis.sequential import shifts
from analysis.sequential.shifts import Segments
from analysis.texts import Text, plain, text
from engine.columns import Coded
from engine.experiments import ContextField, FieldType

FIRST = 200
"""The first rows say into which shares a field is cut, and are tested no further."""

_MOST_LEVELS = 15
_DECILES = np.arange(1, 10) / 10


@dataclass(frozen=True, slots=True)
class Shares:
    """A field's rows as codes (n,), and which of them each share is of: `has` (n_shares, n_codes), with its words."""

    codes: Ints
    has: Flags
    what: tuple[Text, ...]

    def segments(self, cuts: Ints) -> Iterator[Segments]:
        """Yield the segments of each share that `cuts` part: ascending, above FIRST and below the number of rows."""
        n, n_codes = len(self.codes), self.has.shape[1]
        batches = FIRST * 2 ** np.arange(64)
        starts = np.unique(np.concatenate([batches[batches < n], cuts]))
        part = np.searchsorted(starts, np.arange(n), side="right")
        counts = np.bincount(part * n_codes + self.codes, minlength=(len(starts) + 1) * n_codes).reshape(-1, n_codes)
        batch = np.searchsorted(batches, starts, side="right") - 1
        before = np.searchsorted(starts, batches[batch])
        segment = np.searchsorted(cuts, starts, side="right")
        n_all = counts.sum(axis=1).astype(np.float64)
        for has in self.has:
            n_yes = counts[:, has].sum(axis=1).astype(np.float64)
            # What a row is compared with knows the rows before its batch alone.
            predicted = (np.cumsum(n_yes)[before] + 0.5) / (np.cumsum(n_all)[before] + 1)
            yield shifts.of_counts(n_yes[1:], n_all[1:], predicted, segment)


def drawn(frame: Frame) -> Ints:
    """Return the draws whose context is known, as indices in the order of seq; each answer once.

    A forgotten unit's rows have none: that they miss all fields says nothing of who came.
    """
    rows = frame.assignments
    known = np.zeros(len(rows), np.bool_)
    for declared in read(frame):
        known |= ~_is_missing(frame.context(declared.name))
    return np.flatnonzero(rows.is_draw & known & rows.is_first_slot)


def read(frame: Frame) -> list[ContextField]:
    """Return the fields that are looked at: all but lists of texts."""
    return [each for each in frame.experiment.context if each.type is not FieldType.TEXTS]


def shares(frame: Frame, declared: ContextField, rows: Ints) -> Shares:
    """Return a field of some rows: a number below its deciles, a flag, a text's commonest values, and if it is missing.

    Deciles and commonest values are those of the first rows.
    """
    column = frame.context(declared.name)
    if isinstance(column, Coded):
        return _of_texts(declared.name, Coded(column.codes[rows], column.words))
    if declared.type is FieldType.FLAG:
        return _of_flags(declared.name, column[rows])
    return _of_numbers(declared.name, column[rows])


def _of_texts(name: str, column: Coded) -> Shares:
    counts = np.bincount(column.codes[:FIRST][column.codes[:FIRST] >= 0], minlength=len(column.words))
    levels = np.argsort(-counts, kind="stable")[:_MOST_LEVELS]
    levels = levels[counts[levels] > 0]
    other, missing = len(levels), len(levels) + 1
    code = np.append(np.full(len(column.words), other), missing)
    code[levels] = np.arange(len(levels))
    what = [text("drift.field_is", field=name, value=column.words[level]) for level in levels.tolist()]
    return Shares(code[column.codes], np.eye(missing + 1, dtype=np.bool_), (*what, _other(name), _missing(name)))


def _of_flags(name: str, values: Floats) -> Shares:
    codes = np.where(np.isnan(values), 2, values).astype(np.int64)
    return Shares(codes, np.eye(3, dtype=np.bool_)[1:], (text("drift.field_holds", field=name), _missing(name)))


def _of_numbers(name: str, values: Floats) -> Shares:
    first = values[:FIRST]
    known = first[~np.isnan(first)]
    edges = np.unique(np.quantile(known, _DECILES)) if len(known) else np.zeros(0)
    above, missing = len(edges), len(edges) + 1
    codes = np.where(np.isnan(values), missing, np.searchsorted(edges, values, side="left"))
    has = np.vstack([np.tri(above, missing + 1, dtype=np.bool_), np.arange(missing + 1) == missing])
    what = [text("drift.field_at_most", field=name, value=plain(float(f"{edge:.4g}"))) for edge in edges.tolist()]
    return Shares(codes, has, (*what, _missing(name)))


def _is_missing(column: Coded | Floats) -> Flags:
    return column.codes < 0 if isinstance(column, Coded) else np.isnan(column)


def _other(name: str) -> Text:
    return text("drift.field_other", field=name)


def _missing(name: str) -> Text:
    return text("drift.field_missing", field=name)
