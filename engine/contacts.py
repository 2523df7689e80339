"""What earlier answers mean for the next one to the same unit: what it keeps, and whether it is left alone.

The log knows all that was committed, so nothing has to be rebuilt after a restart and memory holds only what is under
way: rows that were decided and not yet committed, so that two requests at once cannot both be the last one allowed.

A contact is an answer, however many slots it fills: its first slot alone is remembered and stands for all of them, and
an exposure or an outcome of any slot is one of the contact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from engine.experiments import Experiment, ExposureRule
from engine.funnel import Cap, Rest, Sticky
from engine.ports import Reader
from engine.records import Assignment, Contact, Reason, Unit

KEEPS = frozenset({Reason.DRAWN, Reason.CACHED})
"""Reasons of rows whose variant a sticky experiment keeps."""

COUNTS = KEEPS | {Reason.FORCED}
"""Reasons of rows that count for caps and rests."""


class Contacts:
    """Remembers in the log; `note` what was decided, and `settle` it once its append has ended."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._pending: dict[Unit, list[Assignment]] = {}
        self._stickiness: dict[tuple[str, int], Sticky | None] = {}

    def note(self, decided: Assignment) -> None:
        """Hold a row until it is settled."""
        self._pending.setdefault(decided.unit, []).append(decided)

    def settle(self, decided: Iterable[Assignment]) -> None:
        """Let rows go: they are in the log now, or will never be."""
        for row in decided:
            held = self._pending.get(row.unit)
            if held is None:
                continue
            held[:] = [other for other in held if other is not row]
            if not held:
                del self._pending[row.unit]

    def kept(self, experiment_id: str, unit: Unit) -> Assignment | None:
        """Return the unit's latest row in an experiment whose variant it may keep, or None."""
        for row in reversed(self._pending.get(unit, ())):
            if row.experiment_id == experiment_id and row.reason in KEEPS:
                return row
        return self._reader.kept(experiment_id, unit)

    def origin(self, row: Assignment) -> Assignment:
        """Return the draw that a row repeats: the row itself if it is one, or if its draw is unknown."""
        return (self._reader.assignment(row.kept_from) or row) if row.kept_from else row

    def stickiness(self, row: Assignment) -> Sticky | None:
        """Return the stickiness under which a row was answered."""
        key = row.experiment_id, row.revision
        if key not in self._stickiness:
            definition = self._reader.definition(*key)
            self._stickiness[key] = definition.sticky if definition else None
        return self._stickiness[key]

    def is_capped(self, cap: Cap, unit: Unit, experiments: Mapping[str, ExposureRule], now: datetime) -> bool:
        """Whether the unit met these experiments as often as the cap allows."""
        return len(self._since(unit, experiments, now - cap.window)) >= cap.n

    def rests(self, rest: Rest, unit: Unit, experiment: Experiment, now: datetime) -> bool:
        """Whether the unit did not react to its latest exposure that had the time for it, and is left alone."""
        found = self._since(unit, {experiment.experiment_id: experiment.exposure}, now - rest.within - rest.lasts)
        due = [place for place, contact in enumerate(found) if contact.exposed_at <= now - rest.within]
        return bool(due) and not self._reader.reacted(unit, rest.outcome, found[due[-1] :])

    def _since(self, unit: Unit, experiments: Mapping[str, ExposureRule], since: datetime) -> list[Contact]:
        known = self._reader.contacts(unit, experiments, since)
        # By id: a request that is sent again while the first one is under way is one exposure.
        held = {
            row.assignment_id: Contact(row.assignment_id, row.experiment_id, row.assigned_at)
            for row in self._pending.get(unit, ())
            if experiments.get(row.experiment_id) is ExposureRule.ASSIGNED
            and row.reason in COUNTS
            and row.assigned_at > since
        }
        ids = {contact.assignment_id for contact in known} if held else set()
        return known + [contact for contact in held.values() if contact.assignment_id not in ids]
