"""`armlift simulate`: how an experiment file fares in a simulated world, and what a test would have cost instead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine import files
from engine.experiments import Experiment
from engine.records import Reason
from engine.reward_rules import default_scale
from simulators.costing import POWER, Chooser, FairTest, choosers, fair_test
from simulators.rehearsal import SPAN, rehearse
from simulators.scoring import Tally
from simulators.showing import Screen, plus_minus, show_allocation, show_mean_scores, show_scores
from simulators.worlds import make

_PARTS = 4
"""At how many places a course of regret is shown."""


@dataclass(frozen=True, slots=True)
class Simulation:
    """What is to be rehearsed: in which world, with how many customers, under which seed and how many after it."""

    world: str
    n_customers: int
    seed: int
    n_seeds: int = 1


def run(file: Path, simulation: Simulation, screen: Screen) -> None:
    """Print how an experiment file fares: its allocation, its reward and its regret beside those of other choosers.

    Raises:
        InvalidExperiment: the file is refused.
        InvalidRequest: there is no such world.
    """
    experiment = files.read(file)
    tallies = [_tally(experiment, simulation, seed, screen) for seed in _seeds(simulation)]
    _say_what(screen, experiment, simulation)
    _say_reasons(screen, tallies)
    screen.say("")
    show_allocation(screen, tallies)
    counted = [tally for tally in tallies if tally.n_decisions]
    if tallies[0].experiment.reward and counted:
        screen.say(f"\nreward: {_reward(tallies[0].experiment)}")
        (show_scores if len(tallies) == 1 else show_mean_scores)(screen, tallies)
        _show_regret(screen, counted)
        if all(tally.oracle().sum() == tally.even().sum() for tally in counted):
            screen.say(f"\nNothing can be learned here: in {simulation.world} no variant of this file beats another.")


def _tally(experiment: Experiment, simulation: Simulation, seed: int, screen: Screen) -> Tally:
    _, player = rehearse(make(simulation.world), [experiment], simulation.n_customers, seed, screen)
    return player.tallies[experiment.experiment_id]


def _seeds(simulation: Simulation) -> range:
    return range(simulation.seed, simulation.seed + simulation.n_seeds)


def _say_what(screen: Screen, experiment: Experiment, simulation: Simulation) -> None:
    seeds = _seeds(simulation)
    told = f"seed {seeds[0]}" if len(seeds) == 1 else f"each of the seeds {seeds[0]} to {seeds[-1]}"
    screen.say(
        f"{experiment.experiment_id} in {simulation.world}: {simulation.n_customers:,} customers in {SPAN.days} "
        f"simulated days, {told}"
    )


def _say_reasons(screen: Screen, tallies: Sequence[Tally]) -> None:
    reasons = sum((tally.reasons for tally in tallies), Counter[str]())
    for reason, count in sorted(reasons.items()):
        if reason != Reason.DRAWN.name:
            screen.say(f"  {count:,} answers were the default: {reason.lower().replace('_', ' ')}")


def _reward(experiment: Experiment) -> str:
    first, *others = experiment.reward
    added = (f" {'-' if term.weight < 0 else '+'} {abs(term.weight):g} x {term.metric}" for term in others)
    terms = f"{first.weight:g} x {first.metric}{''.join(added)}"
    low, high = experiment.reward_scale or default_scale(experiment) or (0.0, 1.0)
    return terms if (low, high) == (0.0, 1.0) else f"{terms}, scaled from {low:g} .. {high:g} to 0 .. 1"


def _show_regret(screen: Screen, tallies: Sequence[Tally]) -> None:
    test = fair_test(tallies)
    runs = [choosers(tally, test) for tally in tallies]
    n = round(float(np.mean([tally.n_decisions for tally in tallies])))
    courses = {same[0].name: np.array([_at_parts(chooser) for chooser in same]) for same in zip(*runs, strict=True)}
    places = _places(max(float(course.max()) for course in courses.values()))
    # A chooser's name wraps in a heading, and its numbers would not fit beside it.
    rows = [
        (f"{n * part // _PARTS:,}", *(plus_minus(course[:, part - 1], places) for course in courses.values()))
        for part in range(1, _PARTS + 1)
    ]
    screen.say("")
    screen.table("Regret after so many decisions", ("decisions", *courses), rows)
    over = f"; means over {len(tallies)} seeds, ± standard errors" if len(tallies) > 1 else ""
    screen.say(f"regret: the expected reward that was lost against the oracle{over}", aside=True)
    screen.say(f"\n{_of_test(tallies, test, n)}")


def _at_parts(chooser: Chooser) -> list[float]:
    n = len(chooser.curve)
    return [float(chooser.curve[max(n * part // _PARTS, 1) - 1]) for part in range(1, _PARTS + 1)]


def _places(largest: float) -> int:
    """Return how many decimals tell regrets apart."""
    return 0 if largest >= 100 else 1 if largest >= 10 else 2


def _of_test(tallies: Sequence[Tally], test: FairTest | None, n: int) -> str:
    if test is None:
        what = "requests bring the variants" if tallies[0].has_candidates else "a decision fills several slots"
        return f"No plain test compares: {what}."
    if np.isinf(test.n_draws):
        return f"No test would tell {test.best} from {test.next_best}: for everybody together both are as good."
    n_needed = float(f"{test.n_draws:.2g}")
    told = (
        f"A test with even shares needs about {n_needed:,.0f} decisions to tell {test.best} from {test.next_best}, the "
        f"next best, with {100 * POWER:.0f} % power"
    )
    if test.n_draws <= n / 2:
        return f"{told}; here it finds its winner."
    return f"{told}. That is more than half of them: here it takes half, and is taken to find its winner all the same."
