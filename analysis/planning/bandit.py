"""The power of a policy that learns: its own file is simulated with the declared effect, and each report is read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from analysis import reporting
from analysis.document import Grid, Word
from analysis.estimate import LEVEL, Estimate, Scale, error_rate
from analysis.lifts.intervals import wilson
from analysis.logs import frames
from analysis.texts import count, text
from engine.experiments import Experiment
from simulators.doors import EngineDoor
from simulators.play import Player
from simulators.stated import Stated

_START = datetime(2026, 3, 2, tzinfo=UTC)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Run:
    """What one simulated report says of the policy against its control group, and the better variant's draws."""

    word: Word
    better_share: float


def power(experiment: Experiment, world: Stated, n_units: int, per_day: float, n_runs: int) -> Grid:
    """Return how often the report of a simulated run finds the policy better than its control group."""
    runs = [_run(experiment, world, n_units, per_day, seed) for seed in range(n_runs)]
    found = sum(run.word is Word.BETTER for run in runs)
    wrong = sum(run.word is Word.WORSE for run in runs)
    better = float(np.mean([run.better_share for run in runs]))
    rows = (
        (text("plan.bandit_runs"), text("plan.runs", n=count(n_runs))),
        (text("plan.units"), count(n_units)),
        (text("plan.bandit_found"), _share(found, n_runs)),
        (text("plan.bandit_wrong"), _share(wrong, n_runs)),
        (text("plan.bandit_share"), Estimate(better, None, None, n_runs, text("method.none"), _SHARE, Scale.SHARE)),
    )
    heads = (text("plan.quantity"), text("plan.simulated"))
    return Grid("bandit", text("plan.bandit"), heads, rows, text("plan.bandit_note"))


_SHARE = text("plan.bandit_share")


def _share(n: int, of: int) -> Estimate:
    low, high = wilson(np.array(n / of), np.array(of), error_rate(LEVEL, 1))
    return Estimate(n / of, float(low), float(high), of, text("method.wilson"), text("plan.simulated"), Scale.SHARE)


def _run(experiment: Experiment, world: Stated, n_units: int, per_day: float, seed: int) -> Run:
    rng = np.random.default_rng(seed)
    visits = world.visits(n_units, _START, n_units / per_day * _DAY, rng)
    door = EngineDoor([experiment], _START, seed)
    Player(world, [experiment], door, rng).play(visits)
    report = reporting.report(door.store, experiment.experiment_id, in_full=False)
    frame = frames.read(door.store, experiment.experiment_id)
    better = frame.assignments.variant == frame.variants.index(world.better)
    return Run(report.verdict.word, float(better.mean()))
