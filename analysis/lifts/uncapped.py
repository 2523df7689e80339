"""What cutting large values changes: values and differences as declared, beside those with nothing cut."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.arrays import Floats
from analysis.document import Cell, Grid
from analysis.lifts import lift
from analysis.lifts.cells import Cells, Side, side
from analysis.texts import Name, share, text


def grid(names: Sequence[Name], declared: Cells, uncapped: Cells, cut: Floats, baseline: int | None) -> Grid:
    """Return both for each variant or group.

    `cut` (n_names,) is the share of each one's subjects whose value was cut. `baseline` is what the others are
    compared with, None where they do not compare.
    """
    sides = [side(len(names), [place]) for place in range(len(names))]
    words = ["name", "cut", "declared", "uncapped"] + ["lift_declared", "lift_uncapped"] * (baseline is not None)
    rows: list[tuple[Cell, ...]] = []
    for place, of in enumerate(sides):
        values = [lift.value(cells, of) for cells in (declared, uncapped)]
        lifts = [] if baseline is None else [_lift(cells, sides, place, baseline) for cells in (declared, uncapped)]
        rows.append((names[place], share(cut[place]), *values, *lifts))
    columns = tuple(text(f"extremes.{word}") for word in words)
    return Grid("extremes", text("extremes.title"), columns, tuple(rows), text("extremes.note"))


def _lift(cells: Cells, sides: Sequence[Side], place: int, baseline: int) -> Cell:
    if place == baseline:
        return None
    return lift.compare(cells, sides[place], sides[baseline], len(sides) - 1).absolute
