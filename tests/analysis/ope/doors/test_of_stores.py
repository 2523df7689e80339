"""Draws of every kind of store go out through every door and come in again as they were, to the last digit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from analysis.ope.doors import coba, dsjson, obp, open_bandit, tables
from analysis.ope.logged import Logged
from analysis.ope.stores.reading import read, with_control
from engine.experiments import Experiment
from engine.randomness import ONE
from engine.records import Erasure, Unit
from engine.specs import ContextualSpec, LinearSpec, ThompsonSpec
from tests.analysis.ope.doors.making import fields_of, joined
from tests.analysis.ope.targets.test_served import DEVICES, NEWS, taught
from tests.analysis.ope.targets.visits import END, closed
from tests.engine.house import House, experiment

CASES: dict[str, Experiment] = {
    "a bandit": experiment(policy=ThompsonSpec(floor=0.1)),
    "slates": experiment(policy=ThompsonSpec(floor=0.1), slots=3),
    "candidates": replace(NEWS, slots=1, policy=ContextualSpec(floor=0.1)),
    "slates of candidates": replace(NEWS, policy=ContextualSpec(floor=0.1)),
    "a control group": experiment(policy=LinearSpec(shares={"plain": 0.15}, control_share=0.3)),
    "a shadow": experiment(policy=ThompsonSpec(floor=0.1), shadow=ContextualSpec(floor=0.1)),
}


@pytest.fixture(scope="module", params=CASES)
def log(request: pytest.FixtureRequest) -> Logged:
    """The draws of a store of units, some of which were forgotten."""
    house = House()
    house.run(CASES[request.param])
    taught(house, contexts=DEVICES)
    forgotten = [Erasure(Unit("customer", f"u{number}"), END, "kim", "asked") for number in (3, 10, 41)]
    house.store.append(forgotten)
    closed(house)
    found = with_control if request.param == "a control group" else read
    log = found(house.store, "hero", metric="click")
    assert "draws of units that were forgotten, and their context with them" in [
        str(each.what) for each in log.left_out
    ]
    assert len(log) > 30
    return log


@pytest.mark.parametrize("door", [tables, coba, dsjson])
def test_a_store_comes_back(log: Logged, door: ModuleType, tmp_path: Path) -> None:
    door.write(log, tmp_path / "log")
    found: list[Logged] = list(door.read(tmp_path / "log"))
    assert found[-1].left_out == ()
    for name in ("reward", "propensity", "slot", "logger", "at"):
        assert joined(found, name).tolist() == getattr(log, name).tolist(), name
    assert chances(found) == chances([log]) if door is not tables else columns(found) == columns([log])
    assert starts(joined(found, "slate")) == starts(log.slate)
    assert are_integers(joined(found, "propensity"))
    assert fields_of(found) == fields_of([log])


@pytest.mark.parametrize("door", [coba, dsjson])
def test_what_was_asked_comes_back(log: Logged, door: ModuleType, tmp_path: Path) -> None:
    """With the features of what was eligible; numbers and flags have one kind there."""
    door.write(log, tmp_path / "log")
    found = [question for block in door.read(tmp_path / "log") for question in block.questions()]
    for one, other in zip(found, log.questions(), strict=True):
        assert one.context == other.context
        assert [(each.name, each.features) for each in one.eligible] == [
            (each.name, each.features) for each in other.eligible
        ]


def test_a_store_comes_back_from_obp(log: Logged) -> None:
    assert_the_same(log, obp.read(obp.feedback_of(log)))


def test_a_store_comes_back_from_open_bandit_files(log: Logged, tmp_path: Path) -> None:
    """They say nothing of what was eligible, nor of distributions."""
    open_bandit.write(log, tmp_path / "hero.csv")
    (found,) = open_bandit.read(tmp_path / "hero.csv")
    assert_the_same(log, found)


def columns(blocks: Sequence[Logged]) -> list[Any]:
    """Return what was drawn from, by the places of variants."""
    return [joined(blocks, name).tolist() for name in ("variant", "could_be", "probabilities")]


def chances(blocks: Sequence[Logged]) -> list[tuple[str, dict[str, float]]]:
    """Return the name of what each draw drew, and the probabilities of all that it could have been."""
    found = []
    for block in blocks:
        assert block.probabilities is not None
        for (question, places), drawn, p in zip(block.placed(), block.variant, block.probabilities, strict=True):
            names = [variant.name for variant in question.eligible]
            found.append((names[places.index(drawn)], dict(zip(names, p[places].tolist(), strict=True))))
    return found


def assert_the_same(log: Logged, found: Logged) -> None:
    for name in ("variant", "reward", "propensity", "slot"):
        assert getattr(found, name).tolist() == getattr(log, name).tolist(), name
    assert are_integers(found.propensity)


def starts(slate: Any) -> list[bool]:
    """Whether each draw begins an answer."""
    return np.diff(slate, prepend=-1).astype(bool).tolist()


def are_integers(propensity: Any) -> bool:
    """Whether propensities are integers of 2**32, as they were drawn."""
    return bool((propensity * ONE == np.round(propensity * ONE)).all())
