"""Watching the catalog: what changed after a catalog revision, and then each change as it comes.

A watcher holds two numbers: how far it was told of experiments, and of the population. What comes next is looked up
when it can take more, so a slow reader costs no memory and is told of the latest state alone. The numbers are those of
the registry's history, so that a watcher can resume at any time, also at a server that was started again.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator

from engine.engine import Engine
from engine.errors import InvalidRequest
from engine.experiments import Status
from engine.ports import Reader
from engine.service.catalog_changes import CatalogChange

_POPULATION = ""
"""What the population is among the experiments' ids in `Reader.changed_since`."""


class Watching:
    """Tells any number of watchers what changed; its owner calls `look` after each change and `close` at the end."""

    def __init__(self, engine: Engine, reader: Reader) -> None:
        self._engine = engine
        self._reader = reader
        self._latest = 0
        self._numbers: dict[str, int] = {}
        self._order: list[tuple[int, str]] = []
        self._stir = asyncio.Event()
        self._closed = False
        self.look()

    def look(self) -> None:
        """Read what changed in the registry, and wake the watchers."""
        self._numbers.update(self._reader.changed_since(self._latest))
        self._latest = max(self._numbers.values(), default=0)
        self._order = sorted((number, name) for name, number in self._numbers.items() if name != _POPULATION)
        self._wake()

    def close(self) -> None:
        """End what every watcher is told, now and later."""
        self._closed = True
        self._wake()

    async def changes(self, after: int) -> AsyncIterator[CatalogChange]:
        """Yield what changed after a catalog revision, in its order, and go on with each change until the end.

        Where the population changed too it comes first, because the experiments' conditions are read by it. From 0 on,
        everything comes, and experiments that are archived already do not.

        Raises:
            InvalidRequest: the revision lies ahead.
        """
        if after > self._latest:
            raise InvalidRequest(
                f"`after_revision` {after} lies ahead of the catalog's {self._latest}, so it is of another store or of "
                "one that was restored: begin again at 0"
            )
        told, told_population, unseen = after, after, 0 if after else self._latest
        while not self._closed:
            stir, place = self._stir, self._place(told, unseen)
            if self._numbers.get(_POPULATION, 0) > told_population:
                told_population = self._latest
                yield CatalogChange(self._until(place), population=self._engine.population.population)
            elif place == len(self._order):
                await stir.wait()
            else:
                told, name = self._order[place]
                yield self._change(name, self._until(self._place(told, unseen)))

    def _place(self, told: int, unseen: int) -> int:
        """Return the place in the order of what comes after `told`; of what is archived until `unseen` nobody knows."""
        place = bisect_right(self._order, told, key=lambda entry: entry[0])
        while place < len(self._order) and self._order[place][0] <= unseen and self._is_archived(self._order[place][1]):
            place += 1
        return place

    def _until(self, place: int) -> int:
        """Return the latest revision up to which all is told where experiments are told up to a place of the order."""
        return self._order[place][0] - 1 if place < len(self._order) else self._latest

    def _change(self, experiment_id: str, catalog_revision: int) -> CatalogChange:
        if self._is_archived(experiment_id):
            return CatalogChange(catalog_revision, deleted_id=experiment_id)
        return CatalogChange(catalog_revision, self._engine.catalog.find(experiment_id).state)

    def _is_archived(self, experiment_id: str) -> bool:
        return self._engine.catalog.find(experiment_id).state.status is Status.ARCHIVED

    def _wake(self) -> None:
        self._stir.set()
        self._stir = asyncio.Event()
