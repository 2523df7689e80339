"""Intervals of adaptively collected logs cover what they say: seeded, with tolerances from the number of runs.

A coverage of 94 % at least is promised; the share of `n` runs has a standard error of sqrt(0.94 * 0.06 / n), and three
of them are allowed.
"""

import numpy as np
import pytest

from analysis.adaptive import estimates, sequences
from tests.analysis.adaptive import worlds

PROMISED = 0.94
Z = 3.0


def drifting(n, start, end):
    return np.linspace(start, end, n)


CELLS = {
    "thompson, 10 %": (lambda: worlds.thompson([0.1, 0.12], 400, 3000, floor=0.1), 2, 0.1, 0.02),
    "thompson, nothing to find": (lambda: worlds.thompson([0.1, 0.1, 0.1], 400, 3000, floor=0.1), 3, 0.1, 0.0),
    "thompson, low floor": (lambda: worlds.thompson([0.1, 0.14], 400, 3000, floor=0.05), 2, 0.05, 0.04),
    "thompson, 1 %": (lambda: worlds.thompson([0.01, 0.012], 300, 10_000, floor=0.1, batch=200), 2, 0.1, 0.002),
    "drift of both": (
        lambda: worlds.thompson(drifting(3000, [0.1, 0.12], [0.2, 0.22]), 400, 3000, floor=0.1),
        2,
        0.1,
        0.02,
    ),
    "drift of the lift": (
        lambda: worlds.thompson(drifting(3000, [0.1, 0.1], [0.1, 0.16]), 400, 3000, floor=0.1),
        2,
        0.1,
        0.03,
    ),
}


def covered(intervals, truth):
    """The share of intervals that hold the truth, of those that there are."""
    held = [low <= truth <= high for low, high in filter(None, intervals)]
    return np.mean(held), len(held)


def at_least(share, n):
    return share >= PROMISED - Z * np.sqrt(PROMISED * (1 - PROMISED) / n)


@pytest.mark.parametrize("cell", CELLS)
def test_coverage_of_lifts(cell):
    simulate, k, floor, truth = CELLS[cell]
    runs = simulate()
    frame = worlds.empty(k, floor)
    found = [estimates.lift(runs.scored(frame, run), k - 1, 0).absolute for run in range(len(runs))]
    share, n = covered([each.interval for each in found], truth)
    assert n >= 0.95 * len(runs)
    assert at_least(share, n)


def test_coverage_where_the_policy_reads_the_context():
    runs = worlds.contextual([0.1, 0.12], [0.08, -0.08], 300, 2000, floor=0.1)
    frame = worlds.reading_context(2)
    scored = [runs.scored(frame, run) for run in range(len(runs))]
    for weights in (None, estimates.Weighting.STABILISED):
        found = [estimates.lift(each, 1, 0, weights=weights).absolute.interval for each in scored]
        share, n = covered(found, 0.02)
        assert n == len(runs)
        assert at_least(share, n)


def test_the_naive_interval_misses_where_ours_covers():
    """Of two equal variants the policy leaves the unlucky one, whose mean stays low: a naive interval covers 89 %."""
    runs = worlds.thompson([0.1, 0.1], 500, 2000, floor=0.05)
    frame = worlds.empty(2, 0.05)
    naive, ours = [], []
    for run in range(len(runs)):
        values = [runs.values[run][runs.variant[run] == place] for place in (0, 1)]
        gap = values[1].mean() - values[0].mean()
        half = 1.96 * np.sqrt(sum(each.var() / len(each) for each in values))
        naive.append((gap - half, gap + half))
        ours.append(estimates.lift(runs.scored(frame, run), 1, 0).absolute.interval)
    assert covered(naive, 0.0)[0] < 0.92
    assert at_least(*covered(ours, 0.0))


def test_estimates_are_unbiased_where_naive_means_are_not():
    """The mean of n runs has the standard error of its spread; four of them are allowed."""
    runs = worlds.thompson([0.1, 0.1], 500, 2000, floor=0.1)
    frame = worlds.empty(2)
    ours = np.array([runs.scored(frame, run).scores[:, 0].mean() for run in range(len(runs))])
    own = runs.variant == 0
    naive = (runs.values * own).sum(axis=1) / own.sum(axis=1)
    error = ours.std() / np.sqrt(len(runs))
    assert abs(ours.mean() - 0.1) < 4 * error
    assert naive.mean() - 0.1 < -4 * naive.std() / np.sqrt(len(runs))


@pytest.mark.parametrize(("floor", "n_runs"), [(0.1, 150), (0.04, 300)])
def test_a_sequence_misses_at_any_of_30_looks_in_at_most_5_percent(floor, n_runs):
    """By bets at a floor of .1, in large samples at .04; the lift drifts, and it is the mean so far that is held."""
    n = 3000
    rates = drifting(n, [0.2, 0.2], [0.2, 0.3])
    runs = worlds.thompson(rates, n_runs, n, floor=floor)
    frame = worlds.empty(2, floor)
    ends = np.arange(1, 31) * n // 30
    truth = np.cumsum(rates[:, 1] - rates[:, 0])[ends - 1] / ends
    n_missed = 0
    for run in range(n_runs):
        found = runs.scored(frame, run)
        looks = sequences.at(found, found.against(1, 0), ends)
        n_missed += any(
            look.interval and not look.low <= true <= look.high for look, true in zip(looks, truth, strict=True)
        )
    assert looks[-1].interval is not None
    assert n_missed / n_runs <= 0.05 + Z * np.sqrt(0.05 * 0.95 / n_runs)
