"""Being drawn here says nothing about being drawn there, and the smallest propensities are served as they are logged.

For two independent labels of n units the statistic of Pearson's test is asymptotically chi-square, so its p-value is
uniform; and the statistics of different pairs are asymptotically independent even where the pairs share a label,
because their scores, sums of (1{A = a} - p_a) (1{B = b} - q_b), are uncorrelated. For the 200 p-values of a right
engine therefore

    P(sup |F_200 - F| > D) <= 2 exp(-2 200 D^2) = 1e-4  for D = 0.157  (Massart 1990)
    P(min p < 1e-4 / 200)  <= 1e-4                                     (Bonferroni)

so that it fails one seed in 5000; and the seeds are fixed. It is tight: a correlation of 0.06 in a single pair is
found, because p falls below 1e-4 / 200 where n = 8000 times its square exceeds 25.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from scipy import stats

from engine.clock import RequestClock
from engine.definition import define
from engine.engine import Engine
from engine.experiments import Experiment, ExperimentState, Status, Variant
from engine.funnel import Funnel, Layer, LayerRange, Population, PopulationState
from engine.metrics import Metric
from engine.randomness import ONE, draw, unit_number
from engine.records import Assignment, Request
from engine.settings import Settings
from engine.specs import FixedSpec
from engine.storage.memory import MemoryStore

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
N_UNITS = 8000
N_PAIRS = 200
ALPHA = 1e-4
LARGEST_GAP = math.sqrt(math.log(2 / ALPHA) / (2 * N_PAIRS))
SPLITS: tuple[dict[str, float], ...] = ({}, {"a": 0.5, "b": 0.3, "c": 0.2}, {"a": 0.9, "b": 0.05, "c": 0.05})
LAYERS = {
    "checkout": Layer(seed="checkout"),
    "search": Layer(seed="search"),
    "mail": Layer(seed="mail", holdout=0.4),
}
FUNNELS = {
    "traffic-1": Funnel(traffic=0.5),
    "traffic-2": Funnel(traffic=0.2),
    "checkout-1": Funnel(layer=LayerRange("checkout", 0.0, 0.5)),
    "search-1": Funnel(layer=LayerRange("search", 0.25, 0.75)),
    "mail-1": Funnel(layer=LayerRange("mail")),
}
"""Steps of the funnel, each alone: their label is whether the unit passes."""

NOTHING_SHARED = Population()

Labels = dict[str, np.ndarray]
"""A label of each unit, shape (n_units,), by what gives it."""


def engine_with(*experiments: Experiment, population: Population = NOTHING_SHARED) -> Engine:
    engine = Engine(MemoryStore(), lambda *_: None, RequestClock(), Settings())
    engine.adopt_population(PopulationState(population, 1), ())
    for experiment in experiments:
        engine.adopt(ExperimentState(define(experiment), Status.RUNNING, 1, 1, "1"))
    return engine


def experiment(name: str, weights: dict[str, float] | None = None, funnel: Funnel | None = None) -> Experiment:
    variants = tuple(Variant(each) for each in weights or "ab")
    spec = FixedSpec(weights or {})
    return Experiment(name, variants, (Metric("click"),), policy=spec, funnel=funnel or Funnel())


def ask(engine: Engine, experiment_id: str, unit: str) -> Assignment:
    return engine.decide(Request(experiment_id, {"customer": unit}, f"{experiment_id} {unit}", NOW))


def labels(engine: Engine, names: list[str], *, of: str) -> Labels:
    """Return what units got ("variant"), or whether they were drawn at all ("is_draw"), by experiment."""
    units = [f"customer-{number}" for number in range(N_UNITS)]
    return {name: np.array([getattr(ask(engine, name, unit), of) for unit in units]) for name in names}


def p_value(one: np.ndarray, other: np.ndarray) -> float:
    (_, rows), (_, columns) = np.unique(one, return_inverse=True), np.unique(other, return_inverse=True)
    table = np.zeros((rows.max() + 1, columns.max() + 1))
    np.add.at(table, (rows, columns), 1)
    assert min(table.shape) > 1
    return float(stats.chi2_contingency(table, correction=False).pvalue)


@pytest.fixture(scope="module")
def everything() -> Labels:
    """Fifteen tests, the steps of five funnels, and the holdout of all."""
    tests = [experiment(f"test-{number}", SPLITS[number % 3]) for number in range(15)]
    passing = [experiment(name, funnel=funnel) for name, funnel in FUNNELS.items()]
    engine = engine_with(*tests, *passing, population=Population(layers=LAYERS))
    held_out = engine_with(experiment("held-out"), population=Population(holdout=0.3, seed="of all"))
    drawn = labels(engine, [each.experiment_id for each in tests], of="variant")
    return drawn | labels(engine, list(FUNNELS), of="is_draw") | labels(held_out, ["held-out"], of="is_draw")


def test_joint_splits_are_those_of_independence(everything: Labels) -> None:
    assert len(everything) == 21
    pairs = list(itertools.combinations(everything, 2))[-N_PAIRS:]
    p_values = [p_value(everything[one], everything[other]) for one, other in pairs]
    gap = stats.kstest(p_values, "uniform").statistic
    print(f"{len(pairs)} pairs: KS {gap:.3f} of {LARGEST_GAP:.3f}, smallest p {min(p_values):.2g}")
    assert len(p_values) == N_PAIRS
    assert gap < LARGEST_GAP
    assert min(p_values) > ALPHA / N_PAIRS


def test_within_one_experiment_traffic_says_nothing_about_the_variant() -> None:
    """The same units at full traffic, split by whether they are in at half of it."""
    half = experiment("hero", {"a": 0.5, "b": 0.3, "c": 0.2}, Funnel(traffic=0.5))
    whole = replace(half, funnel=Funnel())
    is_in = labels(engine_with(half), ["hero"], of="is_draw")["hero"]
    variant = labels(engine_with(whole), ["hero"], of="variant")["hero"]
    assert p_value(is_in, variant) > ALPHA


def test_a_copy_that_keeps_its_seed_is_found() -> None:
    """The bound is tight enough: a copied experiment draws as the first one did, as long as it keeps the seed."""
    original, copy = experiment("original"), replace(experiment("copy"), seed="original")
    got = labels(engine_with(original, copy), ["original", "copy"], of="variant")
    assert p_value(got["original"], got["copy"]) < ALPHA / N_PAIRS
    assert (got["original"] == got["copy"]).all()


# --- small propensities ---------------------------------------------------------------------------------------------

SMALLEST = 20
"""Propensities down to 2**-20."""
CELL = ONE >> SMALLEST
N_NUMBERS = 2**21


def rare_test(power: int, *, first: bool) -> Experiment:
    """A test whose rare variant has a weight of 2**-power, at the beginning of the numbers or at their end."""
    weights = {"rare": 2.0**-power, "common": 1 - 2.0**-power}
    return experiment(f"rare-{power}", weights if first else dict(reversed(weights.items())))


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("power", range(1, SMALLEST + 1))
def test_a_small_propensity_is_logged_exactly_and_its_share_of_the_numbers_is_that(power: int, first: bool) -> None:
    row = ask(engine_with(rare_test(power, first=first)), f"rare-{power}", "42")
    size = ONE >> power
    assert dict(zip(row.eligible, row.distribution, strict=True)) == {"rare": size, "common": ONE - size}
    # `draw` goes up with the number, so these four say what all numbers draw: `size` of them the rare one.
    edge = size if first else ONE - size
    drawn = [row.eligible[draw(row.distribution, number)] for number in (0, edge - 1, edge, ONE - 1)]
    assert drawn == list(np.repeat(row.eligible, 2))
    assert row.variant == row.eligible[row.drawn >= edge]


@pytest.fixture(scope="module")
def numbers() -> np.ndarray:
    """The numbers by which units are drawn in the test whose rare variant is the rarest, shape (2**21,)."""
    eligible, weights = ("rare", "common"), (CELL, ONE - CELL)
    seed = f"rare-{SMALLEST}"
    each = (unit_number(seed, "customer", str(unit), eligible, weights) for unit in range(N_NUMBERS))
    return np.fromiter(each, np.uint64, N_NUMBERS)


def test_every_range_of_the_smallest_size_is_hit_at_its_rate(numbers: np.ndarray) -> None:
    """The hits of the 2**20 ranges are Poisson of mean 2, so their dispersion is chi-square: within 4 deviations.

    So is the number of ranges that were hit 0, 1, 2 ... times: each a binomial of 2**20 with its Poisson probability.
    """
    hits = np.bincount((numbers // CELL).astype(np.int64), minlength=2**SMALLEST)
    mean = N_NUMBERS / 2**SMALLEST
    dispersion = float(((hits - mean) ** 2).sum() / mean)
    freedom = 2**SMALLEST - 1
    assert abs(dispersion - freedom) < 4 * math.sqrt(2 * freedom)
    for n_hits in range(8):
        share = float(stats.poisson.pmf(n_hits, mean))
        expected = 2**SMALLEST * share
        assert abs((hits == n_hits).sum() - expected) < 4 * math.sqrt(expected * (1 - share)), n_hits


@pytest.mark.parametrize("power", range(10, SMALLEST + 1))
def test_the_first_range_is_hit_at_its_rate(numbers: np.ndarray, power: int) -> None:
    """The hits of [0, 2**-power) are Poisson; both tails beyond 1e-5 are refused."""
    n_hits = int((numbers < ONE >> power).sum())
    low, high = stats.poisson.interval(1 - 2e-5, N_NUMBERS / 2**power)
    assert low <= n_hits <= high


def test_a_unit_whose_number_falls_into_the_smallest_range_is_served_the_rare_variant(numbers: np.ndarray) -> None:
    engine = engine_with(rare_test(SMALLEST, first=True))
    lucky = [str(unit) for unit in np.flatnonzero(numbers < CELL)]
    near = [str(unit) for unit in np.flatnonzero((numbers >= CELL) & (numbers < 64 * CELL))]
    assert lucky
    assert near
    for unit in lucky:
        row = ask(engine, f"rare-{SMALLEST}", unit)
        assert (row.variant, row.weight, row.propensity) == ("rare", CELL, 2.0**-SMALLEST)
    assert {ask(engine, f"rare-{SMALLEST}", unit).variant for unit in near} == {"common"}
