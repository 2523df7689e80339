"""Replay by rejection on a log whose truth is known, with unequal logging propensities."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from engine.experiments import Experiment
from engine.ledger import RewardLedger
from engine.randomness import ONE
from engine.records import Assignment, Exposure, Group
from engine.specs import FixedSpec, ThompsonSpec
from simulators.doors import EngineDoor
from simulators.recipe import Recipe, load_recipe
from simulators.rejection import replay
from simulators.rows import START, Row
from simulators.values import of_learner, of_variant

Z = 4.0  # the few bounds here are missed in 1 of 3,000 choices of the seed
LOGGED = {"a": 0.2, "b": 0.5, "c": 0.3}
RATES = {"a": 0.10, "b": 0.20, "c": 0.45}
RECIPE = """
recipe: mail
variant: {column: arm, names: [a, b, c]}
propensity: {a: 0.2, b: 0.5, c: 0.3}
metrics: {visit: {window: 1h}}
"""


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return load_recipe(RECIPE)


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    rng = np.random.default_rng(17)
    arms = rng.choice(list(LOGGED), size=6000, p=list(LOGGED.values()))
    hits = rng.random(6000)
    return [
        Row(
            line, f"row-{line}", START + line * timedelta(seconds=10), {}, arm, LOGGED[arm], happened(luck < RATES[arm])
        )
        for line, (arm, luck) in enumerate(zip(arms.tolist(), hits.tolist(), strict=True))
    ]


def happened(is_hit: bool) -> dict[str, float]:
    return {"visit": 1.0} if is_hit else {}


def replayed(experiment: Experiment, rows: list[Row]) -> tuple[EngineDoor, list[Row]]:
    door = EngineDoor([experiment], START, seed=5)
    return door, replay(door, experiment, rows)


def assignments(door: EngineDoor) -> list[Assignment]:
    return [entry for entry in door.store.entries(limit=10**6) if isinstance(entry, Assignment)]


def test_accepted_rows_are_proportional_to_a_fixed_policy(recipe: Recipe, rows: list[Row]) -> None:
    """A row is accepted as v with probability pi(v) p(v) c / p(v) = c pi(v), whatever the logging was."""
    target = {"a": 0.5, "b": 0.2, "c": 0.3}
    experiment = replace(recipe.replayed(), policy=FixedSpec(target))
    _, accepted = replayed(experiment, rows)
    c = min(LOGGED.values())
    for variant, share in target.items():
        p = c * share
        count = sum(row.variant == variant for row in accepted)
        assert abs(count - len(rows) * p) <= Z * math.sqrt(len(rows) * p * (1 - p))
    value = of_learner(experiment, accepted)["visit"]
    truth = sum(share * RATES[variant] for variant, share in target.items())
    assert abs(value.mean - truth) <= Z * value.half_width / 1.959964


def test_accepted_rows_are_proportional_to_a_policy_that_learns(recipe: Recipe, rows: list[Row]) -> None:
    """Given the past a row is accepted as v with probability c pi_t(v): a martingale, bounded by its own variance."""
    experiment = replace(recipe.replayed(), policy=ThompsonSpec(publish_every=50))
    door, accepted = replayed(experiment, rows)
    c = min(LOGGED.values())
    logged = assignments(door)
    assert len({row.snapshot for row in logged}) > 3, "it learned on the way"
    for index, variant in enumerate(LOGGED):
        chances = np.array([c * row.distribution[index] / ONE for row in logged])
        count = sum(row.variant == variant for row in accepted)
        assert abs(count - chances.sum()) <= Z * math.sqrt((chances * (1 - chances)).sum())
    late = accepted[len(accepted) // 2 :]
    assert sum(row.variant == "c" for row in late) > 0.9 * len(late), "it found the best variant"


def test_unexposed_assignments_never_mature(recipe: Recipe, rows: list[Row]) -> None:
    experiment = replace(recipe.replayed(), policy=ThompsonSpec(publish_every=50))
    door, accepted = replayed(experiment, rows)
    log = door.store.entries(limit=10**6)
    ledger = RewardLedger(experiment)
    rewards = [reward for entry in log for reward in ledger.feed(entry)]
    asked = {entry.assignment_id for entry in log if isinstance(entry, Assignment)}
    # The tick that ends a replay is an exposure of nobody's.
    exposed = {entry.assignment_id for entry in log if isinstance(entry, Exposure)} & asked
    assert len(rewards) == len(accepted) == len(exposed)
    assert {reward.assignment.assignment_id for reward in rewards} == exposed
    by_unit = {row.unit_id: row for row in accepted}
    assert all(reward.value == by_unit[reward.assignment.unit.id].outcomes.get("visit", 0.0) for reward in rewards)
    assert all(reward.assignment.variant == by_unit[reward.assignment.unit.id].variant for reward in rewards)
    assert all(reward.assignment.group is Group.POLICY for reward in rewards)


def test_values_of_fixed_variants_are_the_truth(recipe: Recipe, rows: list[Row]) -> None:
    for variant, rate in RATES.items():
        value = of_variant(recipe.imported(), rows, variant)["visit"]
        assert abs(value.mean - rate) <= Z * value.half_width / 1.959964
        own = [row.outcomes.get("visit", 0.0) for row in rows if row.variant == variant]
        assert value.mean == pytest.approx(np.mean(own))
        assert value.half_width == pytest.approx(1.959964 * np.std(own, ddof=1) / math.sqrt(len(own)))


def test_values_weigh_rows_by_their_propensity(recipe: Recipe) -> None:
    """A row that was likely to be logged with its variant counts less, so that the mean is that of all customers."""
    rng, n = np.random.default_rng(23), 20_000
    young = rng.random(n) < 0.5
    p = np.where(young, 0.8, 0.1)
    logged = rng.random(n) < p
    hit = rng.random(n) < np.where(young, 0.5, 0.1)
    rows = [
        Row(line, f"row-{line}", START, {}, "a" if is_a else "b", propensity, happened(is_hit))
        for line, (is_a, propensity, is_hit) in enumerate(zip(logged.tolist(), p.tolist(), hit.tolist(), strict=True))
    ]
    value = of_variant(recipe.imported(), rows, "a")["visit"]
    assert abs(value.mean - 0.3) <= Z * value.half_width / 1.959964
    naive = np.mean([row.outcomes.get("visit", 0.0) for row in rows if row.variant == "a"])
    assert naive > 0.4


def test_every_kind_has_its_mean_or_none() -> None:
    recipe = load_recipe(
        """{recipe: mail, variant: {column: arm, names: [a, b]}, metrics: {
        visit: {of: n}, visits: {kind: count, of: n}, happy: {kind: csat}, advise: {kind: nps},
        each: {kind: ratio, of: visits, per: visit}, many: {kind: quantile, of: n, quantile: 0.9}}}"""
    )
    given = [{"n": 3.0, "advise": 10.0}, {"n": 1.0, "happy": 4.0, "advise": 6.0}, {"happy": 1.0, "advise": 8.0}, {}]
    rows = [Row(line, "", START, {}, "a", 0.5, outcomes) for line, outcomes in enumerate(given)]
    found = of_variant(recipe.imported(), rows, "a")
    means = {name: (value.mean, value.n) for name, value in found.items()}
    assert means == {
        "reward": (0.5, 4),
        "visit": (0.5, 4),
        "visits": (1.0, 4),
        "happy": (2.5, 2),
        "advise": (0.0, 3),
    }
