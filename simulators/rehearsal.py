"""`armlift simulate`: an experiment file meets a simulated world in this process, before anybody real meets it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from engine import files
from engine.experiments import Experiment
from engine.records import Reason
from simulators.doors import EngineDoor
from simulators.environment import World
from simulators.play import Player
from simulators.showing import Screen, show_allocation, show_scores
from simulators.worlds import Storefront

WORLDS: Mapping[str, type[World]] = {"storefront": Storefront}
"""The worlds by name."""

_START = datetime(2026, 3, 2, tzinfo=UTC)
_SPAN = timedelta(days=30)


def rehearse(
    world: World, experiments: list[Experiment], n_customers: int, seed: int, screen: Screen | None = None
) -> tuple[EngineDoor, Player]:
    """Return the door and the player after 30 simulated days; the same seed gives the same log."""
    rng = np.random.default_rng(seed)
    visits = world.visits(n_customers, _START, _SPAN, rng)
    door = EngineDoor(experiments, _START, seed)
    player = Player(world, experiments, door, rng)
    with (screen or Screen(quiet=True)).progress("Customers visit", len(visits)) as advance:
        player.play(visits, advance)
    return door, player


def run(world: str, file: Path, n_customers: int, seed: int, screen: Screen) -> None:
    """Print how an experiment file fares: its allocation, and its reward against random and the oracle.

    Raises:
        InvalidExperiment: the file is refused.
    """
    experiment = files.read(file)
    _, player = rehearse(WORLDS[world](), [experiment], n_customers, seed, screen)
    tally = player.tallies[experiment.experiment_id]
    screen.say(f"{experiment.experiment_id} in {world}: {n_customers:,} customers, {_SPAN.days} simulated days")
    for reason, count in sorted(tally.reasons.items()):
        if reason != Reason.DRAWN.name:
            screen.say(f"  {count:,} answers were the default: {reason.lower().replace('_', ' ')}")
    show_allocation(screen, tally)
    if tally.experiment.reward:
        terms = " + ".join(f"{term.weight:g} x {term.metric}" for term in tally.experiment.reward)
        screen.say(f"reward: {terms}")
        show_scores(screen, [tally])
