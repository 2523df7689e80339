"""The table of a bandit's variants: each one's value and lift, as if every draw of the policy's group had been it."""

from __future__ import annotations

from analysis.adaptive import estimates, sequences
from analysis.adaptive.scored import Scored
from analysis.deciding import decisions
from analysis.document import Row, Table, Word
from analysis.texts import text
from engine.experiments import Looking


def variants(found: Scored) -> Table:
    """Return each variant against the control."""
    frame = found.frame
    family = max(len(frame.variants) - 1, 1)
    rows = tuple(_row(found, variant, family) for variant in range(len(frame.variants)))
    title, note = text("adaptive.variants"), text("adaptive.variants_note")
    return Table("adaptive variants", title, text("table.draws"), frame.experiment.control, rows, note)


def _row(found: Scored, variant: int, family: int) -> Row:
    frame = found.frame
    value = estimates.value(found, variant)
    if variant == frame.control:
        return Row(frame.variants[variant], Word.BASELINE, value)
    lift = estimates.lift(found, variant, frame.control, family)
    anytime = sequences.anytime(found, variant, frame.control, family)
    read = anytime if frame.experiment.plan.looking is Looking.ANY else lift.absolute
    return Row(
        frame.variants[variant],
        decisions.word(read, found.metric.better),
        value,
        absolute=lift.absolute,
        relative=lift.relative,
        anytime=anytime,
    )
