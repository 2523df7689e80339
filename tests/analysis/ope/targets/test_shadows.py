"""The shadow's own logged distributions, and the draws that have none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analysis.ope.stores.reading import read
from analysis.ope.targets.shadows import shadow
from engine.errors import InvalidRequest
from engine.experiments import Experiment
from engine.randomness import ONE
from engine.specs import ContextualSpec, ThompsonSpec
from tests.analysis.ope.targets.test_served import NEWS
from tests.analysis.ope.targets.visits import came, closed, logged_rows, rewards_of
from tests.engine.house import House, experiment


@pytest.mark.parametrize("defined", [experiment(slots=2), experiment(policy=ThompsonSpec()), NEWS])
def test_it_is_what_the_rows_say(defined: Experiment) -> None:
    house = House()
    house.run(defined)
    came(house, 10)
    house.change("hero", shadow=ContextualSpec(floor=0.1))
    rows = came(house, 20, 10)
    house.teach("hero", rewards_of(rows), is_shadow=True)
    came(house, 20, 30)
    closed(house)
    log, target = read(house.store, "hero", metric="click"), shadow(house.store, "hero")
    with pytest.raises(InvalidRequest, match=r"the log has no shadow of .* draws, as row"):
        target.probabilities(log)
    some = target.only(log)
    assert 0 < len(some) < len(log)
    assert len({row.shadow_snapshot for row in logged_rows(house).values()}) == 2
    logged = logged_rows(house)
    for seq, found, could_be in zip(some.row.tolist(), target.probabilities(some), some.could_be, strict=True):
        row = logged[seq]
        weights = dict(zip(row.eligible, row.shadow_distribution, strict=True))
        names = row.eligible if defined is NEWS else [str(name) for name in some.variants if name in weights]
        assert [weights[name] / ONE for name in names] == found[could_be].tolist()


def test_without_a_shadow_there_is_nothing_to_ask() -> None:
    house = House()
    house.run(experiment())
    came(house, 3)
    with pytest.raises(InvalidRequest, match="no shadow of 'hero' is logged"):
        shadow(house.store, "hero")


def test_a_shadow_that_was_ended_is_still_asked() -> None:
    house = House()
    house.run(replace(experiment(), shadow=ThompsonSpec()))
    came(house, 10)
    house.change("hero", shadow=None)
    closed(house)
    log = read(house.store, "hero", metric="click")
    assert np.isclose(shadow(house.store, "hero").probabilities(log).sum(axis=1), 1).all()
