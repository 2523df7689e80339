"""An experiment file meets a simulated world in this process, before anybody real meets it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from engine.experiments import Experiment
from simulators.doors import EngineDoor
from simulators.environment import World
from simulators.play import SETTLE_EVERY, Player
from simulators.showing import Screen

START = datetime(2026, 3, 2, tzinfo=UTC)
"""When every rehearsal begins."""

SPAN = timedelta(days=30)
"""In how much simulated time the customers come by, unless another one is given."""


def rehearse(
    world: World,
    experiments: Sequence[Experiment],
    n_customers: int,
    seed: int,
    screen: Screen | None = None,
    *,
    span: timedelta = SPAN,
    settle_every: timedelta = SETTLE_EVERY,
) -> tuple[EngineDoor, Player]:
    """Return the door and the player after so many customers; the same seed gives the same log.

    The door has the store, the player a tally for each experiment with its regret visit by visit. Whatever has matured
    is learned from every `settle_every` of simulated time: together with the metrics' windows that is the delay.
    """
    rng = np.random.default_rng(seed)
    visits = world.visits(n_customers, START, span, rng)
    door = EngineDoor(experiments, START, seed)
    player = Player(world, experiments, door, rng, settle_every)
    with (screen or Screen(quiet=True)).progress("Customers visit", len(visits)) as advance:
        player.play(visits, advance)
    return door, player
