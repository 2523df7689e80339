"""Where the rows are that a decision looks up of its unit, in a log in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.records import Assignment, Entry, Exposure, Outcome


@dataclass(slots=True)
class UnitIndex:
    """Seqs by unit and by assignment, and the ids of the outcomes that were taken back.

    >>> UnitIndex().remembered(7)
    ()
    """

    _remembered: dict[int, list[int]] = field(default_factory=dict)
    _exposures: dict[str, list[int]] = field(default_factory=dict)
    _outcomes: dict[int | str, list[int]] = field(default_factory=dict)
    _voided: set[str] = field(default_factory=set)

    def add(self, entry: Entry) -> None:
        """Note where an entry is that was kept."""
        if isinstance(entry, Assignment) and entry.is_remembered:
            self._remembered.setdefault(entry.unit_key, []).append(entry.seq)
        elif isinstance(entry, Exposure):
            self._exposures.setdefault(entry.assignment_id, []).append(entry.seq)
        elif isinstance(entry, Outcome) and entry.void_of:
            self._voided.add(entry.void_of)
        elif isinstance(entry, Outcome):
            self._outcomes.setdefault(entry.assignment_id or entry.unit_key, []).append(entry.seq)

    def remembered(self, unit_key: int | None) -> Sequence[int]:
        """Return the seqs of a unit's remembered assignments, ascending."""
        return self._remembered.get(unit_key, ()) if unit_key else ()

    def exposures(self, assignment_id: str) -> Sequence[int]:
        """Return the seqs of the exposures of an assignment, of any slot, ascending."""
        return self._exposures.get(assignment_id, ())

    def outcomes(self, key: int | str | None) -> Sequence[int]:
        """Return the seqs of the outcomes of a unit's key or an assignment's id, ascending; none that takes back."""
        return self._outcomes.get(key, ()) if key else ()

    def is_voided(self, outcome_id: str) -> bool:
        """Whether an outcome was taken back."""
        return outcome_id in self._voided
