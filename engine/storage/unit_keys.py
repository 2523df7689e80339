"""Keys of units in a SQLite store: the one table that holds plain ids."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict

from engine.records import Unit

CACHED_UNITS = 100_000


class UnitKeys:
    """Finds and makes keys inside the store's transactions; remembers those that were used last."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._recent: OrderedDict[tuple[str, str], int] = OrderedDict()

    def key(self, unit: Unit | None) -> int:
        """Return the unit's key, a new one where it has none; 0 where there is no unit, or a forgotten one."""
        if unit is None or not unit.id:
            return 0
        name = unit.type, unit.id
        key = self._recent.get(name)
        if key is None:
            key = self._find(name) or self._make(name)
            self._remember(name, key)
        else:
            self._recent.move_to_end(name)
        return key

    def forget(self, unit: Unit, unit_key: int) -> int:
        """Take a unit out of the table, and what is forced on it; return the key it had, or 0 where it is not known.

        Shipped or applied again after a restore, an erasure knows the unit by its key alone: `unit_key`.
        """
        key = self._find((unit.type, unit.id)) if unit.id else unit_key
        for table in ("units", "forced_units"):
            self._connection.execute(f"DELETE FROM {table} WHERE unit_key = ?", (key,))  # noqa: S608 our own names
        self.clear()
        return key

    def clear(self) -> None:
        """Remember nothing: what was remembered may not be in the table."""
        self._recent.clear()

    def _find(self, name: tuple[str, str]) -> int:
        query = "SELECT unit_key FROM units WHERE unit_type = ? AND unit_id = ?"
        found = self._connection.execute(query, name).fetchone()
        return found[0] if found else 0

    def _make(self, name: tuple[str, str]) -> int:
        made = self._connection.execute("INSERT INTO units (unit_type, unit_id) VALUES (?, ?)", name).lastrowid
        return made or 0

    def _remember(self, name: tuple[str, str], key: int) -> None:
        self._recent[name] = key
        if len(self._recent) > CACHED_UNITS:
            self._recent.popitem(last=False)
