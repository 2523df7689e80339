"""What a decision looks up of one unit in a SQLite store; each question goes by an index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Any

from engine.clock import from_micros, to_micros
from engine.experiments import ExposureRule
from engine.records import Assignment, Contact, Unit
from engine.storage import rows
from engine.storage.sqlite_files import OpenedStore

_UNIT_KEY = "SELECT unit_key FROM units WHERE unit_type = ? AND unit_id = ?"

# The condition is that of the index; without it in so many words, the index is not used.
_REMEMBERED = f"unit_key = ({_UNIT_KEY}) AND is_remembered = 1"
_KEPT = (
    f"SELECT record FROM assignments WHERE {_REMEMBERED} AND experiment_id = ? "  # noqa: S608 our own words
    "AND reason IN ('drawn', 'cached') ORDER BY seq DESC LIMIT 1"
)
_CONTACT = "assignment_id, experiment_id"
_MET = f"{_REMEMBERED} AND reason IN ('drawn', 'cached', 'forced')"
_ASSIGNED = f"SELECT assigned_at, seq, {_CONTACT} FROM assignments WHERE {_MET} AND assigned_at > ?"  # noqa: S608
_FIRST_EXPOSURE = "SELECT MIN(exposed_at) FROM exposures WHERE exposures.assignment_id = assignments.assignment_id"
_REPORTED = f"SELECT ({_FIRST_EXPOSURE}) AS met_at, seq, {_CONTACT} FROM assignments WHERE {_MET} AND met_at > ?"  # noqa: S608
_CONTACTS = {ExposureRule.ASSIGNED: _ASSIGNED, ExposureRule.REPORTED: _REPORTED}

_STANDS = (
    "metric = ? AND occurred_at >= ? AND void_of = '' "
    "AND NOT EXISTS (SELECT 1 FROM outcomes later WHERE later.void_of = outcomes.outcome_id AND later.void_of <> '')"
)
_BY_UNIT = f"SELECT 1 FROM outcomes WHERE unit_key = ({_UNIT_KEY}) AND unit_key > 0 AND {_STANDS} LIMIT 1"  # noqa: S608
_BY_CONTACT = f"SELECT 1 FROM outcomes WHERE assignment_id = ? AND {_STANDS} LIMIT 1"  # noqa: S608

_Found = tuple[Any, ...]
"""When, and the seq; then what a contact is known by."""


class UnitReader(OpenedStore):
    """What a reader can be asked about one unit. A forgotten unit has no key any more, so nothing is found of it."""

    def unit_key(self, unit: Unit) -> int | None:
        """Return the unit's key, or None."""
        found = self._all(_UNIT_KEY, (unit.type, unit.id))
        return found[0][0] if found else None

    def kept(self, experiment_id: str, unit: Unit) -> Assignment | None:
        """Return the unit's latest remembered row that is drawn or cached, or None."""
        records = self._all(_KEPT, (unit.type, unit.id, experiment_id))
        found = (rows.from_record("assignments", record, unit.id) for (record,) in records)
        return next((row for row in found if isinstance(row, Assignment)), None)

    def contacts(self, unit: Unit, experiments: Mapping[str, ExposureRule], since: datetime) -> list[Contact]:
        """Return the unit's exposures after `since` in these experiments, oldest first."""
        by_rule = {rule: [name for name, its in experiments.items() if its is rule] for rule in _CONTACTS}
        met = chain.from_iterable(self._met(unit, rule, names, since) for rule, names in by_rule.items() if names)
        return [_contact(found) for found in sorted(met)]

    def reacted(self, unit: Unit, outcome: str, contacts: Sequence[Contact]) -> bool:
        """Whether an outcome of this name came at or after the first of the contacts."""
        if not contacts:
            return False
        standing = outcome, to_micros(min(contact.exposed_at for contact in contacts))
        if self._all(_BY_UNIT, (unit.type, unit.id, *standing)):
            return True
        ids = (bytes.fromhex(contact.assignment_id) for contact in contacts)
        return any(self._all(_BY_CONTACT, (each, *standing)) for each in ids)

    def _met(self, unit: Unit, rule: ExposureRule, names: Sequence[str], since: datetime) -> Sequence[_Found]:
        chosen = f"{_CONTACTS[rule]} AND experiment_id IN ({', '.join('?' * len(names))})"
        return self._all(chosen, (unit.type, unit.id, to_micros(since), *names))


def _contact(found: _Found) -> Contact:
    exposed_at, _, assignment_id, experiment_id = found
    return Contact(assignment_id.hex(), experiment_id, from_micros(exposed_at))
