"""Units by what was known of them at their first draw: the segments by which several experiments can be cut at once.

A segment of a brief is whom an experiment is for. A segment here is a value of a text or flag that at least two
experiments declare of their context: "device = phone", whatever of those experiments a unit is in. Units are in the
segment of their first draw in any of them, which no experiment has changed, so that within it chance compares as it
does among all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.arrays import Flags, Floats, Ints, places
from analysis.attribution.incremental.units import Draws, Units
from analysis.attribution.lifting import Together
from analysis.attribution.stores.asked import CHANNEL_FIELD
from analysis.deciding import segments
from analysis.logs.sources import LogSource
from analysis.texts import Name, text
from engine.columns import Coded
from engine.experiments import Experiment

MOST = 6
"""So many of the largest segments are asked about: each more makes all intervals of the table wider."""


@dataclass(frozen=True, slots=True, eq=False)
class _Segment:
    """Units (u,), ascending, that had a value of a field."""

    field: str
    value: Name
    experiments: tuple[str, ...]
    unit: Ints

    def among(self, units: Units) -> tuple[Together, Units]:
        """Return what it is called, and those of some units that are in it."""
        name = text("attribution.lifts.is", field=self.field, value=self.value)
        draws = tuple(_chosen(each, places(each.unit, self.unit) >= 0) for each in units.draws)
        return Together("segment", name, self.experiments, name), replace(units, draws=draws)


def cut(log: LogSource, units: Units, experiments: Iterable[Experiment]) -> list[tuple[Together, Units]]:
    """Return the largest segments by fields that several of some experiments share, with their units.

    A field in which all units are alike cuts nothing, and channels are a dimension of their own.
    """
    shared = _shared(each for each in experiments if each.experiment_id not in units.refused)
    known = {
        draws.experiment_id: _known(log, draws, names)
        for draws in units.draws
        if (names := [field for field, ids in shared.items() if draws.experiment_id in ids])
    }
    found: list[_Segment] = []
    for field, ids in shared.items():
        several = [*_segments(field, [(draws, known) for draws in units.draws if draws.experiment_id in ids])]
        found += several if len(several) > 1 else []
    largest = sorted(found, key=lambda each: -len(each.unit))[:MOST]
    return [each.among(units) for each in found if each in largest]


def _chosen(draws: Draws, which: Flags) -> Draws:
    columns = {name: getattr(draws, name)[which] for name in ("unit", "at", "drawn", "chances")}
    return replace(draws, **columns)


def _shared(experiments: Iterable[Experiment]) -> Mapping[str, tuple[str, ...]]:
    """Return the fields that several experiments declare, with these."""
    found: dict[str, list[str]] = {}
    for experiment in experiments:
        for field in segments.fields(experiment):
            found.setdefault(field, []).append(experiment.experiment_id)
    return {field: tuple(sorted(ids)) for field, ids in found.items() if len(ids) > 1 and field != CHANNEL_FIELD}


_Known = Mapping[str, tuple[Ints, tuple[Name, ...]]]
"""By field what was known of units (u,): a place among names, or -1."""


def _known(log: LogSource, draws: Draws, fields: Sequence[str]) -> _Known:
    """Return what was known of the units of an experiment at their draws."""
    row = _rows(log, draws)
    found = log.contexts(draws.experiment_id, fields)
    return {field: _of_rows(found[field], row) for field in fields}


def _of_rows(column: Coded | Floats, row: Ints) -> tuple[Ints, tuple[Name, ...]]:
    if isinstance(column, Coded):
        return np.append(column.codes, -1)[row], column.words
    flags = np.append(column, np.nan)[row]
    return np.where(np.isnan(flags), -1, flags > 0).astype(np.int64), (text("segment.no"), text("segment.yes"))


def _rows(log: LogSource, draws: Draws) -> Ints:
    """Return the row of each draw, (u,), or -1: by another name, as before a login, it is not found."""
    rows = log.columns("assignments", ("unit_key", "assigned_at"), draws.experiment_id)
    order = np.argsort(draws.unit)
    place = places(rows["unit_key"], draws.unit[order])
    hit = np.flatnonzero((place >= 0) & (rows["assigned_at"] == draws.at[order][place]))[::-1]
    found = np.full(len(draws.unit), -1)
    # Of a place that is there several times the last one stays, which is the first row.
    found[order[place[hit]]] = hit
    return found


def _segments(field: str, known: Sequence[tuple[Draws, Mapping[str, _Known]]]) -> Iterator[_Segment]:
    """Yield each value of a field with the units that had it at their first draw."""
    ids = tuple(sorted(draws.experiment_id for draws, _ in known))
    names: dict[Name, int] = {}
    codes = []
    for draws, of in known:
        code, words = of[draws.experiment_id][field]
        own = np.array([*(names.setdefault(word, len(names)) for word in words), -1], np.int64)
        codes.append(own[code])
    unit, at = (np.concatenate([getattr(draws, name) for draws, _ in known]) for name in ("unit", "at"))
    order = np.lexsort((at, unit))
    unit, code = unit[order], np.concatenate(codes)[order]
    is_first = np.append(True, unit[1:] != unit[:-1])[: len(unit)]
    for name, place in names.items():
        own = unit[is_first & (code == place)]
        if len(own):
            yield _Segment(field, name, ids, own)
