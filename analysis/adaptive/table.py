"""The table of a bandit's variants: each one's value and lift, as if every draw of the policy's group had been it."""

from __future__ import annotations

from analysis.adaptive import estimates, sequences
from analysis.adaptive.scored import Scored
from analysis.deciding import decisions
from analysis.document import Row, Table, Word
from analysis.sequential import choice
from analysis.texts import text


def variants(found: Scored) -> Table:
    """Return each variant against the control."""
    frame = found.frame
    rows = tuple(_row(found, variant, found.family) for variant in range(len(frame.variants)))
    title, note = text("adaptive.variants"), text("adaptive.variants_note")
    return Table("adaptive variants", title, text("table.draws"), frame.experiment.control, rows, note)


def _row(found: Scored, variant: int, family: int) -> Row:
    frame = found.frame
    value = estimates.value(found, variant)
    if variant == frame.control:
        return Row(frame.variants[variant], Word.BASELINE, value)
    lift = estimates.lift(found, variant, frame.control, family)
    is_asked = choice.is_asked(frame.experiment.plan, is_over=frame.is_over)
    anytime = sequences.anytime(found, variant, frame.control, family) if is_asked else None
    return decisions.row(frame.variants[variant], value, lift, anytime, found.metric.better)
