"""How much of the log speaks for each variant: weights, effective sizes, and what single draws decide."""

from __future__ import annotations

import numpy as np

from analysis.adaptive import estimates
from analysis.adaptive.scored import Part, Scored
from analysis.adaptive.scoring import effective_size
from analysis.adaptive.weighting import Weighting
from analysis.document import Cell, Grid
from analysis.texts import amount, count, share, text

_COLUMNS = ("variant", "draws", "effective", "events", "weight", "largest_share", "stabilised")


def weights(found: Scored) -> Grid:
    """Return one row for each variant.

    The effective number of draws is (sum w)**2 / sum w**2 of the weights w = 1 / p; that of outcomes is the same of
    w * |value|. The last column is the lift by weights that stabilise the variance, beside the table's.
    """
    rows = tuple(_row(found, variant) for variant in range(len(found.frame.variants)))
    columns = tuple(text(f"adaptive.column_{name}") for name in _COLUMNS)
    return Grid("weights", text("adaptive.weights"), columns, rows, text("adaptive.weights_note"))


def _row(found: Scored, variant: int) -> tuple[Cell, ...]:
    part = found.of(variant)
    own = part.drawn.variant == variant
    size = 1 / part.drawn.propensity[own]
    return (
        found.frame.variants[variant],
        count(int(own.sum())),
        count(round(effective_size(size))),
        count(round(estimates.effective_events(found, part, variant))),
        amount(float(size.max())) if len(size) else None,
        _largest_share(part),
        _stabilised(found, variant),
    )


def _largest_share(part: Part) -> Cell:
    """Return the largest part of the variance of the value that one draw has, or nothing where there is no variance."""
    square = (part.scores - part.scores.mean()) ** 2 if len(part.scores) else np.zeros(1)
    return share(float(square.max() / square.sum())) if square.any() else None


def _stabilised(found: Scored, variant: int) -> Cell:
    control = found.frame.control
    if variant == control:
        return None
    return estimates.lift(found, variant, control, found.family, Weighting.STABILISED).absolute
