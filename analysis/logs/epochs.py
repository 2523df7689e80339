"""A frame of some epochs alone: what is true of an experiment as it is now, or since it was changed."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from analysis.arrays import Flags, Ints, renumbered
from analysis.logs.frames import Assignments, Frame, Outcomes


def only(frame: Frame, epoch: int) -> Frame:
    """Return a frame with the rows of an epoch, and the outcomes that are theirs or name a unit.

    Units that came before are first met in it: whom a variant found in an earlier epoch, it finds here as well. An
    answer that repeats an earlier epoch's draw stands for itself.
    """
    return _kept(frame, np.array(frame.epochs)[frame.assignments.epoch] == epoch)


def since(frame: Frame, epoch: int) -> Frame:
    """Return a frame with the rows of an epoch and of all later ones; see `only`."""
    return _kept(frame, np.array(frame.epochs)[frame.assignments.epoch] >= epoch)


def before(frame: Frame, epoch: int) -> Frame:
    """Return a frame with the rows of all epochs before one; see `only`."""
    return _kept(frame, np.array(frame.epochs)[frame.assignments.epoch] < epoch)


def _kept(frame: Frame, is_kept: Flags) -> Frame:
    rows = frame.assignments
    place = np.where(is_kept, np.cumsum(is_kept) - 1, -1)
    contexts = frame.contexts
    chosen = contexts.chosen.copy()
    chosen[np.flatnonzero(chosen)] = is_kept
    return replace(
        frame,
        assignments=_rows(rows, is_kept, place),
        outcomes=_outcomes(frame.outcomes, place),
        contexts=replace(contexts, chosen=chosen, known={}),
    )


def _rows(rows: Assignments, is_kept: Flags, place: Ints) -> Assignments:
    columns = {field.name: getattr(rows, field.name) for field in fields(rows) if field.name != "patterns"}
    kept = replace(rows, **{name: column[is_kept] for name, column in columns.items()})
    stratum, _ = renumbered(kept.stratum, int(rows.stratum.max(initial=-1)) + 1)
    return replace(kept, origin=_placed(kept.origin, place), answer=_placed(kept.answer, place), stratum=stratum)


def _placed(rows: Ints, place: Ints) -> Ints:
    """Return rows by their places among those that are kept; what points at one that is not points at itself."""
    placed = place[rows]
    return np.where(placed < 0, np.arange(len(rows)), placed)


def _outcomes(outcomes: Outcomes, place: Ints) -> Outcomes:
    row = np.append(place, -1)[outcomes.row]
    stays = (outcomes.row < 0) | (row >= 0)
    columns = {field.name: getattr(outcomes, field.name) for field in fields(outcomes)} | {"row": row}
    return Outcomes(**{name: column[stays] for name, column in columns.items()})
