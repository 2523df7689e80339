"""A variant is killed in a test that is drawn by unit: what is said of the others stays right, and the log is whole.

Units that had the killed variant carry something away from it, here fewer clicks. They are drawn again, and enter no
later comparison, because a unit counts at its first exposure.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from scipy import stats

import analysis
from analysis.designs import fixed
from analysis.logs import frames
from analysis.logs.simple_log import START, simple_log
from engine import drawing, randomness
from engine.definition import define
from engine.experiments import Experiment, Looking, Plan, Variant
from engine.metrics import Metric
from engine.records import Unit
from engine.specs import FixedSpec

DAY = 86_400_000_000
N_UNITS, N_RUNS = 1500, 120
LIFT = 0.06
RATES = {1: (0.2, 0.05, 0.2 + LIFT), 2: (0.4, 0.0, 0.4 + LIFT)}
"""Chances of a click by epoch and variant: more come later, so that epochs must not be mixed."""
CARRIED = -0.2
"""What a unit that had the killed variant clicks less from then on."""
BEFORE = define(
    Experiment(
        "hero",
        (Variant("a"), Variant("b"), Variant("c")),
        (Metric("click", window=timedelta(hours=1)),),
        policy=FixedSpec({"a": 0.5, "b": 0.3, "c": 0.2}),
        plan=Plan(Looking.ONCE),
    )
)
AFTER = replace(BEFORE, killed=("b",))
NAMES = ("a", "b", "c")
VARIANTS = tuple(map(Variant, NAMES))


def drawn(experiment, run, units):
    """Return the variants that units get, as places, and the weights that they were drawn from."""
    weights = randomness.quantise([0.5, 0.3, 0.2])
    seeded = replace(experiment, seed=f"run {run}")
    chosen = [drawing.drawn(seeded, drawing.Key(b"", Unit("customer", str(unit))), VARIANTS, weights) for unit in units]
    logged = dict(zip(chosen[0].eligible, chosen[0].distribution, strict=True))
    return np.array([NAMES.index(each.variant) for each in chosen]), [logged.get(name, 0) for name in NAMES]


def killed(run):
    """Return the log of a test in which everybody comes once, b is killed, and half of them come again with others."""
    rng = np.random.default_rng(run)
    old = np.arange(1, N_UNITS + 1)
    again = old[rng.random(N_UNITS) < 0.5]
    late = rng.permutation(np.concatenate([again, np.arange(N_UNITS + 1, 2 * N_UNITS + 1)]))
    first, weights = drawn(BEFORE, run, old)
    second, left = drawn(AFTER, run, late)
    carried = np.where(np.isin(late, old[first == 1]), CARRIED, 0.0)
    chance = np.concatenate([np.array(RATES[1])[first], np.array(RATES[2])[second] + carried])
    unit, variant = np.concatenate([old, late]), np.concatenate([first, second])
    epoch = np.repeat([1, 2], [len(old), len(late)])
    log = simple_log(
        AFTER,
        {
            "variant": variant,
            "unit_key": unit,
            "epoch": epoch,
            "revision": epoch,
            "assigned_at": START + epoch * DAY + np.arange(len(unit)),
            "distribution": np.array([weights, left])[epoch - 1],
        },
        {"row": np.flatnonzero(rng.random(len(unit)) < chance)},
    )
    return log, variant, unit


@pytest.fixture(scope="module")
def runs():
    return [analysis.report(killed(run)[0], "hero", in_full=False) for run in range(N_RUNS)]


def lifts(runs):
    tables = (report.metrics[0].compared for report in runs)
    return [next(row.absolute for row in table.rows if row.name == "c") for table in tables]


def test_only_units_of_the_killed_variant_get_another():
    log, variant, unit = killed(0)
    first = dict(zip(unit[:N_UNITS].tolist(), variant[:N_UNITS].tolist(), strict=True))
    later = zip(unit[N_UNITS:].tolist(), variant[N_UNITS:].tolist(), strict=True)
    again = [(first[key], got) for key, got in later if key in first]
    assert all(got == had for had, got in again if had != 1)
    assert {got for had, got in again if had == 1} == {0, 2}
    assert frames.read(log, "hero").assignments.is_usable.all()


def test_units_that_had_the_killed_variant_stay_with_it():
    log, variant, unit = killed(0)
    subjects = fixed.arrivals(frames.read(log, "hero")).subjects
    counted = dict(zip(subjects.unit_key.tolist(), subjects.label.tolist(), strict=True))
    had = dict(zip(unit[::-1].tolist(), variant[::-1].tolist(), strict=True))
    assert counted == had
    later = subjects.since >= START + 2 * DAY
    assert not (subjects.label[later] == 1).any()
    assert subjects.unit_key[later].min() > N_UNITS


def test_the_lift_of_what_is_left_is_unbiased_and_covered(runs):
    found = lifts(runs)
    values = np.array([each.value for each in found])
    print(f"mean lift {values.mean():.4f} of {LIFT}, standard error {values.std() / N_RUNS**0.5:.4f}")
    # A mean of independent runs lies further than four of its standard errors off in fewer than 1 of 10,000.
    assert abs(values.mean() - LIFT) < 4 * values.std(ddof=1) / N_RUNS**0.5
    missed = sum(not each.low <= LIFT <= each.high for each in found)
    # Two intervals hold together at 95 %, so each misses in at most one of twenty.
    assert missed <= int(stats.binom.ppf(0.999, N_RUNS, 0.05))


def test_numbers_that_are_used_again_raise_no_alarm(runs):
    p_values = np.array([report.health.checks[0].p_value for report in runs])
    for level in (0.01, 0.05, 0.2):
        assert (p_values < level).sum() <= int(stats.binom.ppf(0.999, N_RUNS, level))
    assert sum(share.observed for share in runs[0].health.checks[0].shares) == 2 * N_UNITS
