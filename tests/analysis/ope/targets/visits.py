"""Small logs of visits, decided by the engine itself, for policies to be asked about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from engine.experiments import Experiment
from engine.records import Assignment, Candidate, Context, Exposure, Group, Outcome, Reward
from engine.storage import open_reader, open_snapshots, open_store
from tests.engine.house import NOW, House, days

END = NOW + days(100)


class Files:
    """A store in files that is written and read as one, with its learner's file beside it."""

    def __init__(self, directory: Path) -> None:
        self.store, self.reader = open_store(directory), open_reader(directory)
        self.learning = open_snapshots(directory, write=True)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store if hasattr(self.store, name) else self.reader, name)

    def close(self) -> None:
        for each in (self.learning, self.reader, self.store):
            each.close()


def came(house: House, n: int, first: int = 0, contexts: Sequence[Context] = ({},), **asked: Any) -> list[Assignment]:
    """Let units come, one a minute, each in the next of the contexts, some without one of the variants or candidates.

    Every third clicks on what it gets first.
    """
    rows: list[Assignment] = []
    experiment = house.engine.catalog.find("hero").experiment
    for number in range(first, first + n):
        at = NOW + timedelta(minutes=number)
        excluded = frozenset({experiment.variants[number % len(experiment.variants)].name} if number % 4 == 0 else ())
        changes = {"context": contexts[number % len(contexts)], "excluded_variants": excluded}
        if experiment.candidates is not None:
            changes |= {"candidates": brought(number)}
        filled = house.fill(f"u{number}", experiment.slots, at=at, name=str(number), **(changes | asked))
        rows += filled
        if number % 3 == 0:
            house.report(filled[0], at)
    return rows


def brought(number: int) -> tuple[Candidate, ...]:
    """Return three to six candidates of a visit."""
    kinds = ("sports", "news")
    names = (f"article {number}-{place}" for place in range(3 + number % 4))
    return tuple(
        Candidate(name, {"topic": kinds[place % 2], "age": float(number % 5 + place)})
        for place, name in enumerate(names)
    )


def rewards_of(rows: Iterable[Assignment], seed: int = 3) -> list[Reward]:
    """Return a reward of each of the policy's draws, by chance."""
    chance = np.random.default_rng(seed)
    drawn = [row for row in rows if row.is_draw and row.group is Group.POLICY]
    return [Reward(row, float(chance.random() < 0.4), row.assigned_at, 1) for row in drawn]


def closed(house: House) -> None:
    """Let the log's time pass, so that all windows close."""
    house.store.append([Exposure("ff" * 16, END, END)])


def logged_rows(house: House) -> dict[int, Assignment]:
    """Return the assignments of a log by seq."""
    entries = house.store.entries(limit=10**6)
    return {entry.seq: entry for entry in entries if isinstance(entry, Assignment)}


def with_policy(experiment: Experiment, **changes: Any) -> Experiment:
    """Return the experiment with changes of its policy."""
    return replace(experiment, policy=replace(experiment.policy, **changes))


def clicked(house: House, rows: Iterable[Assignment], after: timedelta = timedelta(0), value: float = 1.0) -> None:
    """Let some answers be clicked on, so long after each was given."""
    house.store.append(
        [
            Outcome(f"{row.assignment_id} {row.slot}", "click", value, at, at, row.assignment_id, row.slot)
            for row in rows
            for at in [row.assigned_at + after]
        ]
    )
