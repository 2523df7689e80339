"""Intervals and checks that hold at any look, looked at thirty times in each of many simulated experiments.

A simulated share of misses is judged by the binomial distribution: if the true one is at most `level`, more than
`most(n, level)` of n runs miss with a probability of at most 1 in 1,000. The seeds are fixed, so that what passes once
passes always.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from analysis.sequential import Watched, boundaries, choice, planned, ratio
from analysis.sequential.trajectory import Compared
from analysis.texts import text
from engine.experiments import Boundary, Looking, Plan
from engine.metrics import Metric, MetricKind
from tests.analysis.making_samples import HALVES, MINUS, PLUS, cells, conversions, difference, sample

LOOKS = 30
LEVEL = 0.05
N_RUNS = 150
N = 3_000
ENDS = np.linspace(N / LOOKS, N, LOOKS).astype(np.int64)
CLICK = Metric("click")
SPEND = Metric("spend", MetricKind.REVENUE, cap=30.0)


def most(n_runs, level=LEVEL):
    """How many of n runs miss at most, in all but 1 of 1,000 simulations, if each misses with probability `level`."""
    return int(stats.binom.ppf(0.999, n_runs, level))


def world(name, rng):
    """Return a sample with its metric and probabilities, and the mean true difference after each look."""
    since = np.arange(N) / N
    share = {"uneven": np.full(N, 0.1), "adaptive": 0.5 + 0.45 * since}.get(name, np.full(N, 0.5))
    label = (rng.random(N) < share).astype(np.int64)
    rates = {"rare": (0.02, 0.02), "effect": (0.2, 0.3)}.get(name, (0.2, 0.2))
    wave = 1 + 0.8 * np.sin(12 * np.pi * since) if name == "drift" else np.ones(N)
    lift = 0.1 * (wave - 0.5) if name == "drift" else np.full(N, rates[1] - rates[0])
    chance = rates[0] * wave + lift * label
    values = (rng.random(N) < chance).astype(float)
    if name == "revenue":
        values *= np.minimum(rng.lognormal(1.5, 1.5, N), 30)
    probabilities, stratum = np.stack([1 - share, share], axis=1), np.arange(N)
    return (
        sample(values, label, stratum),
        SPEND if name == "revenue" else CLICK,
        probabilities,
        np.cumsum(lift)[ENDS - 1] / ENDS,
    )


@pytest.mark.parametrize("name", ["even", "uneven", "rare", "effect", "revenue", "drift", "adaptive"])
def test_bets_miss_at_any_of_thirty_looks_in_at_most_one_of_twenty(name):
    rng = np.random.default_rng(1)
    missed = naive = 0
    for _ in range(N_RUNS):
        of, metric, probabilities, truth = world(name, rng)
        watched = Watched(of, metric, Plan(n_units=N), probabilities)
        found = choice.scores(watched, PLUS, MINUS)
        fixed = [difference(cells(sample(of.values, of.label)))] * LOOKS
        held = choice.by_betting(watched, found, ENDS, fixed)
        missed += any(one.interval and not one.low <= true <= one.high for one, true in zip(held, truth, strict=True))
        naive += misses_naively(of, truth)
    print(f"{name}: bets miss in {missed} of {N_RUNS}, intervals for one look in {naive}")
    assert missed <= most(N_RUNS)


def misses_naively(of, truth):
    """Whether a normal interval for one look misses at any of the looks."""
    parts = []
    for place in (0, 1):
        n = np.maximum(np.cumsum(of.label == place)[ENDS - 1], 1)
        mean = np.cumsum(of.values * (of.label == place))[ENDS - 1] / n
        square = np.cumsum(of.values**2 * (of.label == place))[ENDS - 1] / n
        parts.append((mean, (square - mean**2) / n))
    gap = np.abs(parts[1][0] - parts[0][0] - truth)
    return bool((gap > 1.96 * np.sqrt(parts[0][1] + parts[1][1])).any())


@pytest.mark.parametrize("name", ["even", "revenue", "effect"])
def test_asymptotic_sequences_miss_at_any_of_thirty_looks_in_at_most_one_of_twenty(name):
    rng = np.random.default_rng(2)
    compared = Compared("bold", PLUS, MINUS)
    n_runs, missed, evaluable = 60, 0, 0
    for _ in range(n_runs):
        of, metric, _, truth = world(name, rng)
        of = sample(of.values, of.label)
        watched = Watched(of, metric, Plan(n_units=N))
        fixed = [difference(cells(sample(of.values[:end], of.label[:end]))) for end in ENDS]
        events = choice.n_events(watched, compared.plus, compared.minus, ENDS)
        held = choice.by_limit(watched, ENDS, events, fixed)
        shown = [(one, true) for one, true in zip(held, truth, strict=True) if one.interval]
        evaluable += len(shown)
        missed += any(not one.low <= true <= one.high for one, true in shown)
    print(f"{name}: missed in {missed} of {n_runs}; {evaluable / LOOKS / n_runs:.0%} of looks were evaluable")
    assert missed <= most(n_runs)
    assert evaluable > 0.8 * LOOKS * n_runs


@pytest.mark.parametrize("boundary", Boundary)
def test_planned_looks_miss_together_in_one_of_twenty(boundary):
    """Sums of normal increments: exact, so the share is judged from both sides."""
    rng = np.random.default_rng(3)
    n_runs, looks = 40_000, 5
    at = np.arange(1, looks + 1)
    z = rng.standard_normal((n_runs, looks)).cumsum(axis=1) / np.sqrt(at)
    missed = int((np.abs(z) > boundaries.critical(boundary, looks, LEVEL)).any(axis=1).sum())
    least = int(stats.binom.ppf(0.001, n_runs, LEVEL))
    assert least <= missed <= most(n_runs)


def test_planned_looks_at_conversions():
    rng = np.random.default_rng(4)
    plan = Plan(Looking.PLANNED, looks=5, n_units=N)
    found = [planned.estimate(of, cells(of), plan, difference) for of in (conversions(rng, N) for _ in range(N_RUNS))]
    assert sum(not one.low <= 0 <= one.high for one in found) <= most(N_RUNS)
    assert sum(one.p_value <= LEVEL for one in found) <= most(N_RUNS)


# --- are rows lost? ------------------------------------------------------------------------------------------------


def bandit(rng, n=20_000):
    """Return draws of a policy that moves from 1/2 to 0.95 for one variant, each with a distribution of its own."""
    share = np.linspace(0.5, 0.95, n)
    return (rng.random(n) < share).astype(np.int64), np.stack([1 - share, share], axis=1)


def test_a_whole_log_of_a_bandit_raises_no_alarm():
    rng = np.random.default_rng(5)
    n_runs = 200
    p = np.array([checked(*bandit(rng)).p_value for _ in range(n_runs)])
    print(f"ratio test of whole logs: {int((p < ratio.ALARM).sum())} alarms, {int((p < LEVEL).sum())} below 0.05")
    for level in (ratio.ALARM, 0.01, LEVEL, 0.2):
        assert (p < level).sum() <= most(n_runs, level)


def checked(variant, patterns):
    return ratio.check(text("balance.assigned"), ("a", "b"), variant, patterns, np.arange(len(variant)))


@pytest.mark.parametrize("lost", [0, 1])
@pytest.mark.parametrize("kind", ["fixed", "bandit"])
def test_a_tenth_of_one_variant_is_found(kind, lost):
    rng = np.random.default_rng(6)
    n_runs, n = 20, 40_000
    delays = []
    for _ in range(n_runs):
        variant, patterns = bandit(rng, n) if kind == "bandit" else (rng.integers(0, 2, n), np.tile(HALVES, (n, 1)))
        kept = (variant != lost) | (rng.random(n) > 0.1)
        variant, patterns = variant[kept], patterns[kept]
        looks = np.arange(100, len(variant), 100)
        over = ratio.log_evidence(variant, patterns, np.arange(len(variant)), looks) >= -np.log(ratio.ALARM)
        assert over.any()
        delays.append(int(looks[over.argmax()]))
    print(f"{kind}, a tenth of variant {lost} lost: found after {int(np.median(delays)):,} rows (median)")
    # By Wald: the evidence of the best tilt grows by its relative entropy each row.
    assert np.median(delays) < (15_000 if kind == "fixed" else 25_000)
