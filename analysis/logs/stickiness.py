"""Sticky answers: each repeats a draw, and what is said of it is said of that draw.

A sticky answer shows the variant of its draw again, so an outcome or an exposure that names it belongs to the draw. A
customer who keeps what was drawn before the login is the unit that was drawn then.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.arrays import Flags, Ints, first_of, places
from analysis.logs.sources import LogSource
from engine.columns import Columns
from engine.records import Reason


@dataclass(frozen=True, slots=True)
class Repeats:
    """`origin` (n,) is for each row the place of the draw that it repeats, or its own.

    The units `answered` (m,), ascending, are `drawn` (m,): the first row of each repeats the draw of that other one. A
    unit that had a draw of its own before stays itself.
    """

    origin: Ints
    answered: Ints
    drawn: Ints

    def unit(self, keys: Ints) -> Ints:
        """Return the units that were drawn for those that were answered, (k,)."""
        place = places(keys, self.answered)
        # Place -1, none, finds the 0 at the end.
        return np.where(place < 0, keys, np.append(self.drawn, 0)[place])


def repeats(source: LogSource, experiment_id: str, raw: Columns) -> Repeats:
    """Return what an experiment's rows repeat; `raw` are their columns in the order of seq.

    A row whose draw is not among them stands for itself.
    """
    # Ids differ from row to row, so they are read only where some row refers to them.
    if Reason.CACHED.value not in raw["reason"].words:
        nobody = np.zeros(0, np.int64)
        return Repeats(np.arange(len(raw["seq"])), nobody, nobody)
    origin = _origins(source, experiment_id, raw["seq"])
    return Repeats(origin, *_drawn_units(raw["unit_key"], origin, raw["is_draw"] == 1))


def _origins(source: LogSource, experiment_id: str, seq: Ints) -> Ints:
    named = source.columns("assignments", ("seq", "assignment_id", "slot", "kept_from"), experiment_id)
    index, ids, kept_from = places(seq, named["seq"]), named["assignment_id"], named["kept_from"]
    code = {word: place for place, word in enumerate(ids.words)}
    slot = named["slot"][index]
    n_slots = int(slot.max(initial=0)) + 1
    of_row = ids.codes[index] * n_slots + slot
    wanted = kept_from.looked_up([*(code.get(word, -1) for word in kept_from.words), -1])[index]
    order = np.argsort(of_row)
    found = places(np.where(wanted < 0, -1, wanted * n_slots + slot), of_row[order])
    return np.where(found < 0, np.arange(len(seq)), order[found])


def _drawn_units(unit_key: Ints, origin: Ints, is_draw: Flags) -> tuple[Ints, Ints]:
    settled = np.flatnonzero(is_draw | (origin != np.arange(len(origin))))
    first = settled[first_of(unit_key[settled], np.zeros(len(settled), np.int64))]
    before = unit_key[origin[first]]
    differs = before != unit_key[first]
    return unit_key[first][differs], before[differs]
