"""The ratio test: does it leave whole logs alone, and does it find that rows of one variant are lost?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from covering import bandits, fixed
from covering.judging import holds
from covering.running import LOOKS, Run, chance, ends
from covering.simulated import Cell, Cut, Floats, Simulated, outcomes

from analysis import report
from analysis.sequential.ratio import ALARM
from engine.experiments import Looking

LOST = 0.1
"""The share of the last variant's rows that is lost."""
LEAST_FOUND = 0.8
"""So much of what is found by a test that knows whose rows are lost, and how many, is to be found without knowing."""


@dataclass(frozen=True)
class Alarms:
    """A row of the table of the ratio test: the share of logs with an alarm at any look, and with a p-value below .05.

    Where rows are lost, `possible` is the share that is found by a test that knows of what to look for, and `delay` how
    many rows are in the log at the median when it is found.
    """

    name: str
    n_runs: int
    share: float
    below_twentieth: float | None = None
    possible: float | None = None
    delay: float | None = None
    why: str = ""


@dataclass(frozen=True)
class Search:
    """In how many rows the loss was found, None if never, and whether a test that knows of it finds it."""

    n_rows: int | None
    is_possible: bool


def cells() -> list[Cell]:
    """Return long logs of a test and of a policy that learns."""
    return [fixed.conversion("test", 30_000, fixed.EVEN, (0.10, 0.12)), bandits.long("Thompson", 30_000)]


def search(cell: Cell, seed: int, number: int) -> Search:
    """Return after how many rows the loss is found, at the first of thirty looks."""
    rng = chance(f"lost {cell.name}", seed, number)
    made = _without(cell.simulate(rng), rng)
    is_possible = bool(_known_evidence(made).max() >= -np.log(ALARM))
    for n in ends(len(made), LOOKS):
        found = report(Cut.of(cell, made, n).log(cell, Looking.ANY), cell.experiment.experiment_id, in_full=False)
        if found.health.checks[0].holds is False:
            return Search(n, is_possible)
    return Search(None, is_possible)


def false_alarms(name: str, runs: Sequence[Run]) -> Alarms:
    """Return how often whole logs are found to have lost rows, in runs that were looked at thirty times."""
    alarms, twentieth = (sum(run.p_value < level for run in runs) for level in (ALARM, 0.05))
    is_sound = holds(alarms, len(runs), ALARM) and holds(twentieth, len(runs))
    why = "" if is_sound else "more false alarms than the level"
    return Alarms(name, len(runs), alarms / len(runs), twentieth / len(runs), why=why)


def found(name: str, searches: Sequence[Search]) -> Alarms:
    """Return how often a loss is found, and after how many rows at the median."""
    rows = [each.n_rows for each in searches if each.n_rows is not None]
    share, possible = len(rows) / len(searches), float(np.mean([each.is_possible for each in searches]))
    why = "" if share >= LEAST_FOUND * possible else f"finds less than {LEAST_FOUND:.0%} of what can be found"
    delay = float(np.median(rows)) if rows else None
    return Alarms(name, len(searches), share, possible=possible, delay=delay, why=why)


def _without(made: Simulated, rng: np.random.Generator) -> Simulated:
    """Return the log after a share of the rows of one variant has been lost, with their outcomes."""
    kept = (made.label != made.expected.shape[1] - 1) | (rng.random(len(made)) >= LOST)
    values = np.bincount(made.outcomes["row"], made.outcomes["value"], len(made))[kept]
    rows = {name: each[kept] for name, each in made.rows.items()}
    columns = (each[kept] for each in (made.label, made.expected, made.propensity))
    return Simulated(rows, outcomes(values), *columns)


def _known_evidence(made: Simulated) -> Floats:
    """Return the logarithm of the likelihood ratio of the true loss after each row, (n,): no test does better."""
    left = np.ones(made.expected.shape[1])
    left[-1] -= LOST
    return np.asarray(np.cumsum(np.log(left[made.label] / (made.propensity @ left))))
