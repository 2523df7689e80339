"""Ramps that are looked at after each step: one without harm is rolled back at most as often as its level says.

A simulated share is judged by the binomial distribution: if the true one is at most `level`, more than `most` of the
runs roll back with a probability of at most 1 in 1,000. The seeds are fixed, so that what passes once passes always.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from scipy import stats

from analysis.estimate import LEVEL
from analysis.judging import Decision, judge
from analysis.logs.simple_log import START, simple_log
from engine.experiments import Experiment, Plan, Variant
from engine.funnel import Funnel, RampStep
from engine.metrics import Better, Metric, Role

LOOKS = 10
N = 4_000
N_RUNS = 120
MARGIN = 0.2
MINUTE = 60_000_000
HERO = Experiment(
    "hero",
    (Variant("a"), Variant("b")),
    (
        Metric("click"),
        Metric("error", window=timedelta(seconds=1), role=Role.GUARDRAIL, margin=MARGIN, better=Better.LOWER),
    ),
    funnel=Funnel(ramp=tuple(RampStep(share / LOOKS) for share in range(1, LOOKS + 1))),
    plan=Plan(n_units=N),
)
MOST = int(stats.binom.ppf(0.999, N_RUNS, 1 - LEVEL))


def decisions(rng, rates, kept=(1.0, 1.0)):
    """Yield what each step of a ramp is told; `rates` are those of errors, `kept` shares of the rows, by variant."""
    variant = rng.integers(0, 2, N)
    failed = rng.random(N) < np.array(rates)[variant]
    is_kept = rng.random(N) < np.array(kept)[variant]
    for step in range(LOOKS):
        came = np.flatnonzero(is_kept[: N * (step + 1) // LOOKS])
        at = START + came * MINUTE
        log = simple_log(
            HERO,
            {"variant": variant[came], "assigned_at": at, "unit_key": came + 1},
            {"row": np.flatnonzero(failed[came]), "metric": "error"},
            ended_at=int(at[-1]) + MINUTE,
        )
        yield judge(replace(log, experiment_state=replace(log.experiment_state, step=step)), "hero").decision


def told(seed, rates, n_runs=N_RUNS, kept=(1.0, 1.0)):
    """Return how many ramps were ever told each decision."""
    rng = np.random.default_rng(seed)
    runs = [set(decisions(rng, rates, kept)) for _ in range(n_runs)]
    return {decision: sum(decision in run for run in runs) for decision in Decision}


@pytest.mark.parametrize("harm", [1.0, 1 + MARGIN], ids=["none", "as much as the margin allows"])
def test_a_ramp_that_does_no_harm_is_rolled_back_at_most_as_often_as_the_level_says(harm):
    found = told(1, (0.1, 0.1 * harm))
    print(f"harm {harm}: {found}")
    assert found[Decision.ROLL_BACK] <= MOST
    # The ratio test alarms in at most 1 of 1,000 logs that are whole.
    assert found[Decision.HOLD] <= int(stats.binom.ppf(0.999, N_RUNS, 0.001))


def test_harm_is_found_and_lost_rows_hold():
    assert told(2, (0.1, 0.25), 20)[Decision.ROLL_BACK] == 20
    lost = told(3, (0.1, 0.1), 20, kept=(1.0, 0.6))
    assert lost[Decision.HOLD] == 20
