"""A watcher is told of every change once, whatever it misses in between, and holds what the registry holds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.clock import RequestClock
from engine.errors import InvalidRequest
from engine.experiments import Experiment, ExperimentState, Status, Variant
from engine.funnel import Population, PopulationState
from engine.metrics import Metric
from engine.service.catalog_changes import CatalogChange
from engine.service.management import Management
from engine.service.watching import Watching
from engine.storage import open_reader

PATIENCE_S = 20.0
NAMES = [f"e{number}" for number in range(5)]


class Registry:
    """Experiments and the population, each with the number of its latest change, as an engine and a reader show them.

    An experiment's etag is that number.
    """

    def __init__(self) -> None:
        self.number = 0
        self.numbers: dict[str, int] = {}
        self.states: dict[str, ExperimentState] = {}
        self.population = PopulationState()
        self.catalog = SimpleNamespace(find=lambda name: SimpleNamespace(state=self.states[name]))

    def changed_since(self, after: int) -> Mapping[str, int]:
        return {name: number for name, number in self.numbers.items() if number > after}

    def change(self, name: str, status: Status = Status.RUNNING) -> None:
        experiment = Experiment(name, (Variant("a"), Variant("b")), (Metric("click"),))
        self._count(name)
        if name not in self.states or self.states[name].status is not Status.ARCHIVED:
            self.states[name] = ExperimentState(experiment, status, 1, 1, str(self.number))

    def change_population(self) -> None:
        self._count("")
        self.population = PopulationState(Population(holdout=self.number / 1e6), self.number)

    def _count(self, name: str) -> None:
        self.number += 1
        self.numbers[name] = self.number

    def watching(self) -> Watching:
        return Watching(self, self)  # type: ignore[arg-type]


class Watcher:
    """Holds what it was told, and resumes after the last of it."""

    def __init__(self, watching: Watching) -> None:
        self.watching = watching
        self.states: dict[str, str] = {}
        self.population = Population()
        self.told: list[CatalogChange] = []
        self.after = 0
        self.stream: AsyncIterator[CatalogChange] = watching.changes(0)

    def drop(self) -> None:
        self.stream = self.watching.changes(self.after)

    async def take(self, n_most: int = 1000) -> None:
        for _ in range(n_most):
            waiting = asyncio.ensure_future(anext(self.stream))
            for _ in range(3):
                await asyncio.sleep(0)
            if not waiting.done():
                waiting.cancel()
                self.drop()
                return
            self._apply(waiting.result())

    def _apply(self, change: CatalogChange) -> None:
        assert change.catalog_revision >= self.after
        self.after = change.catalog_revision
        self.told.append(change)
        if change.population is not None:
            self.population = change.population
        elif change.state is not None:
            self.states[change.state.experiment.experiment_id] = change.state.etag
        else:
            self.states.pop(change.deleted_id, None)


DEEDS = st.one_of(
    st.tuples(st.just("change"), st.sampled_from(NAMES)),
    st.tuples(st.just("archive"), st.sampled_from(NAMES)),
    st.tuples(st.just("population"), st.none()),
    st.tuples(st.just("take"), st.integers(1, 4)),
    st.tuples(st.just("drop"), st.none()),
    st.tuples(st.just("restart"), st.none()),
)


async def live_through(deeds: list[tuple[str, Any]]) -> tuple[Registry, Watcher]:
    registry = Registry()
    watcher = Watcher(registry.watching())
    for deed, what in deeds:
        match deed:
            case "change":
                registry.change(what)
            case "archive":
                registry.change(what, Status.ARCHIVED)
            case "population":
                registry.change_population()
            case "take":
                await watcher.take(what)
            case "restart":
                watcher.watching = registry.watching()
                watcher.drop()
            case _:
                watcher.drop()
        watcher.watching.look()
    await watcher.take()
    return registry, watcher


@given(st.lists(DEEDS, max_size=40))
def test_whatever_a_watcher_misses_it_ends_with_what_there_is_and_hears_nothing_twice(
    deeds: list[tuple[str, Any]],
) -> None:
    registry, watcher = asyncio.run(live_through(deeds))
    there = {name: state.etag for name, state in registry.states.items() if state.status is not Status.ARCHIVED}
    assert watcher.states == there
    assert watcher.population == registry.population.population
    assert watcher.after == registry.number or not watcher.told
    states = [change.state.etag for change in watcher.told if change.state is not None]
    assert len(set(states)) == len(states)


def told(watching: Watching, after: int) -> list[CatalogChange]:
    watcher = Watcher(watching)
    watcher.stream = watching.changes(after)
    asyncio.run(watcher.take())
    return watcher.told


@pytest.fixture
def registry() -> Registry:
    """Numbers 1 to 4 are `e0`, `e1`, the population and `e2`; 5 archives `e0`."""
    registry = Registry()
    registry.change("e0")
    registry.change("e1")
    registry.change_population()
    registry.change("e2")
    registry.change("e0", Status.ARCHIVED)
    return registry


def kinds(changes: list[CatalogChange]) -> Iterator[tuple[int, str]]:
    for change in changes:
        name = change.state.experiment.experiment_id if change.state else ""
        yield change.catalog_revision, name or (f"-{change.deleted_id}" if change.deleted_id else "population")


def test_from_0_on_the_population_comes_first_and_what_was_archived_not_at_all(registry: Registry) -> None:
    assert list(kinds(told(registry.watching(), 0))) == [(1, "population"), (3, "e1"), (5, "e2")]


def test_after_a_revision_only_what_changed_later_comes_with_deletions(registry: Registry) -> None:
    assert list(kinds(told(registry.watching(), 2))) == [(3, "population"), (4, "e2"), (5, "-e0")]
    assert list(kinds(told(registry.watching(), 3))) == [(4, "e2"), (5, "-e0")]
    assert told(registry.watching(), 5) == []


def test_a_revision_that_lies_ahead_is_refused(registry: Registry) -> None:
    with pytest.raises(InvalidRequest, match="begin again at 0"):
        told(registry.watching(), 6)


def test_a_slow_watcher_is_told_of_the_latest_state_alone(registry: Registry) -> None:
    async def slow() -> list[CatalogChange]:
        watching = registry.watching()
        watcher = Watcher(watching)
        await watcher.take(1)
        for _ in range(1000):
            registry.change("e1")
            watching.look()
        await watcher.take()
        return watcher.told

    assert list(kinds(asyncio.run(slow()))) == [(1, "population"), (1004, "e2"), (1005, "e1")]


def test_closing_ends_every_watcher_now_and_later(registry: Registry) -> None:
    async def watch_and_close(n_watchers: int) -> list[int]:
        watching = registry.watching()

        async def count() -> int:
            return len([change async for change in watching.changes(0)])

        counting = [asyncio.create_task(count()) for _ in range(n_watchers)]
        await asyncio.sleep(0.01)
        watching.close()
        return [*await asyncio.gather(*counting), await count()]

    assert asyncio.run(watch_and_close(50)) == [3] * 50 + [0]


def watch(address: str, after: int, told: list[CatalogChange]) -> None:
    with Management(address, "") as management:
        told += management.watch(after)


def test_a_server_tells_many_watchers_and_goes_on_after_it_was_started_again(
    serve: Callable[..., Any], hero: Experiment, tmp_path: Path
) -> None:
    lists: list[list[CatalogChange]] = [[] for _ in range(20)]
    after = 0
    for name in ("first", "second"):
        with ThreadPoolExecutor(len(lists)) as pool:
            with serve(tmp_path, RequestClock()) as service:
                watching = [pool.submit(watch, service.address, after, told) for told in lists]
                service.start(replace(hero, experiment_id=name))
                service.management.apply_population(Population(holdout=0.25 if name == "first" else 0.5), "")
                revision = changes_of(service.directory)
                until(lambda revision=revision: all(told and told[-1].catalog_revision == revision for told in lists))
            for each in watching:
                each.result(PATIENCE_S)
        after = lists[0][-1].catalog_revision
    with serve(tmp_path, RequestClock()) as service:
        there = {state.experiment.experiment_id: state for state in service.management.all()}
        shared = service.management.population().population
    for told in lists:
        held = {change.state.experiment.experiment_id: change.state for change in told if change.state}
        assert held == there
        assert [change.population for change in told if change.population][-1] == shared


def test_a_watcher_hears_of_an_archived_experiment_and_a_revision_ahead_is_refused(service: Any, at: datetime) -> None:
    stream = service.management.watch()
    state = next(stream).state
    assert (state.experiment.experiment_id, state.status) == ("hero", Status.RUNNING)
    service.management.move("hero", Status.CONCLUDED, "")
    assert next(stream).state.status is Status.CONCLUDED
    service.management.move("hero", Status.ARCHIVED, "")
    last = next(stream)
    assert (last.state, last.deleted_id) == (None, "hero")
    stream.close()
    with pytest.raises(InvalidRequest, match="begin again at 0"):
        next(service.management.watch(last.catalog_revision + 1))


def changes_of(directory: Path) -> int:
    with closing(open_reader(directory)) as reader:
        return reader.catalog_revision()


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
