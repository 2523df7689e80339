"""The table of a bandit's variants: each one's value and lift, as if every draw of the policy's group had been it."""

from __future__ import annotations

from analysis.adaptive import estimates, sequences
from analysis.adaptive.scored import Scored
from analysis.deciding import decisions
from analysis.document import Row, Table, Word
from analysis.logs.frames import Frame
from analysis.texts import text
from engine.experiments import Looking


def variants(found: Scored) -> Table:
    """Return each variant against the control."""
    frame = found.frame
    goals = frame.experiment.goals
    family = max(len(frame.variants) - 1, 1) * (len(goals) if found.metric in goals else 1)
    rows = tuple(_row(found, variant, family) for variant in range(len(frame.variants)))
    title, note = text("adaptive.variants"), text("adaptive.variants_note")
    return Table("adaptive variants", title, text("table.draws"), frame.experiment.control, rows, note)


def _row(found: Scored, variant: int, family: int) -> Row:
    frame = found.frame
    value = estimates.value(found, variant)
    if variant == frame.control:
        return Row(frame.variants[variant], Word.BASELINE, value)
    lift = estimates.lift(found, variant, frame.control, family)
    anytime = sequences.anytime(found, variant, frame.control, family) if _is_watched(frame) else None
    return Row(
        frame.variants[variant],
        decisions.word(anytime or lift.absolute, found.metric.better),
        value,
        absolute=lift.absolute,
        relative=lift.relative,
        anytime=anytime,
    )


def _is_watched(frame: Frame) -> bool:
    """Whether an interval is asked for that holds at any look: also of what runs and is to be read once at its end."""
    looking = frame.experiment.plan.looking
    return looking is Looking.ANY or (looking is Looking.ONCE and not frame.is_over)
