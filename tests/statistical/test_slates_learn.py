"""A policy that fills several slots with candidates learns from each slot, and does better than even chances."""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from engine.experiments import Experiment
from engine.files import load
from engine.records import Assignment, Group
from simulators.doors import EngineDoor
from simulators.environment import Visit
from simulators.play import Player
from simulators.worlds import Articles

START = datetime(2026, 3, 2, tzinfo=UTC)
SPAN = timedelta(days=30)
FEED = """
experiment: feed
context: {x1: number, x2: number, x3: number, x4: number}
candidates: {length: number, fresh: number}
slots: 3
variants: {house: {}}
policy: {contextual: {floor: 0.05, control_share: 0.1, publish_every: 200}}
metrics: {like: {kind: conversion, window: 1h}}
reward: {like: 1}
"""


@pytest.fixture(scope="module")
def played() -> tuple[Player, EngineDoor, Experiment, list[Visit]]:
    experiment, world, chance = load(FEED), Articles(), np.random.default_rng(3)
    visits = world.visits(1_000, START, SPAN, chance)
    door = EngineDoor([experiment], START, 3)
    player = Player(world, [experiment], door, chance)
    player.play(visits)
    return player, door, experiment, visits


def drawn(door: EngineDoor) -> dict[str, list[Assignment]]:
    """Return the slates that the policy drew, by assignment id, their slots in order."""
    found: dict[str, list[Assignment]] = defaultdict(list)
    for row in door.store.entries(limit=10**6):
        if isinstance(row, Assignment) and row.is_draw and row.group is Group.POLICY:
            found[row.assignment_id].append(row)
    return found


def test_slates_of_a_policy_that_learns_are_liked_more_than_even_chances(played) -> None:
    """The lead's standard error is that of the slates' differences: even chances come to 3 in one seed of 741."""
    (score,) = (tally.score() for tally in played[0].tallies.values())
    assert score.z >= 3
    assert score.random < score.served < score.oracle


def test_the_regret_of_slates_is_exact(played) -> None:
    """Against the log: the three best of the logged candidates by the world's own rates, less those of the slots."""
    player, door, experiment, visits = played
    by_customer = {(visit.unit_id, visit.at): visit for visit in visits}
    lost = []
    for rows in drawn(door).values():
        visit = by_customer[rows[0].unit.id, rows[0].assigned_at]
        rates = Articles().expected_rewards(experiment, visit, rows[0].candidates)
        best = sorted(rates.values(), reverse=True)[: len(rows)]
        lost.append(math.fsum(best) - math.fsum(rates[row.variant] for row in rows))
    assert len(lost) > 800
    assert player.tallies["feed"].score().regret == pytest.approx(math.fsum(lost))


def test_every_slot_is_a_lesson_among_what_the_slots_before_left(played) -> None:
    _, door, _, _ = played
    slates = drawn(door)
    for rows in slates.values():
        for row in rows:
            before = {earlier.variant for earlier in rows[: row.slot]}
            assert row.eligible == tuple(each.name for each in row.candidates if each.name not in before)
    latest = door.snapshots.snapshots("feed")[-1]
    n_rows = sum(map(len, slates.values()))
    assert n_rows - 200 < latest.n_rewards <= n_rows == 3 * len(slates)
