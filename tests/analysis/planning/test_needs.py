"""Sample sizes against statsmodels, published inflation factors, and themselves."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.power import NormalIndPower

from analysis.lifts.cells import Shape
from analysis.planning import needs
from analysis.planning.looking import design
from analysis.planning.needs import Baseline, Split
from engine.experiments import Boundary, Experiment, Looking, Plan, Variant
from engine.metrics import Metric
from engine.specs import FixedSpec

ONCE = Plan(Looking.ONCE)
EVEN = Split(0.5, 0.5, 1)


@pytest.mark.parametrize("ratio", [1.0, 4.0, 0.25])
@pytest.mark.parametrize("power", [0.8, 0.95])
def test_an_amount_needs_what_statsmodels_says_for_unequal_splits(ratio, power):
    effect, mean, spread = 0.1, 12.0, 30.0
    split = Split(1 / (1 + ratio), ratio / (1 + ratio), 1)
    n_control = NormalIndPower().solve_power(effect * mean / spread, alpha=0.05, power=power, ratio=ratio)
    # statsmodels counts the far tail of a two-sided test too, which is below 1e-5 of the power here.
    expected = n_control * (1 + ratio)
    found = needs.units(Baseline(mean, spread, Shape.MEAN), effect, split, replace(ONCE, power=power), 1)
    assert found == pytest.approx(expected, abs=1, rel=1e-4)


def test_a_share_needs_the_textbook_number():
    # Fleiss, Levin and Paik (2003), equation 4.14 with both variances under the alternative: z = 1.959964 + 0.841621.
    v = 2 * (0.03 * 0.97 + 0.033 * 0.967)
    expected = v * (1.959963985 + 0.841621234) ** 2 / 0.003**2
    assert needs.units(Baseline.of_share(0.03), 0.1, EVEN, ONCE, 1) == pytest.approx(expected, abs=1)


@pytest.mark.parametrize(
    ("boundary", "looks", "factor"),
    [
        # Jennison and Turnbull (2000), tables 2.2 and 2.4: alpha 0.05, power 0.8.
        (Boundary.POCOCK, 2, 1.110),
        (Boundary.POCOCK, 5, 1.229),
        (Boundary.POCOCK, 10, 1.301),
        (Boundary.OBRIEN_FLEMING, 2, 1.008),
        (Boundary.OBRIEN_FLEMING, 5, 1.028),
        (Boundary.OBRIEN_FLEMING, 10, 1.040),
    ],
)
def test_planned_looks_cost_the_published_factors(boundary, looks, factor):
    baseline = Baseline(10.0, 10.0, Shape.MEAN)
    once = needs.units(baseline, 0.1, EVEN, ONCE, 1)
    planned = needs.units(baseline, 0.1, EVEN, Plan(Looking.PLANNED, looks, boundary), 1)
    # The power of 20,000 paths is off by at most 3.3 * .4 / sqrt(20,000) = .0093; its slope in n is .35 * (2.8 / 2),
    # relative to n, at the power of .8: phi(.84) * theta / 2 = .28 * 1.4 = .39.
    assert planned / once == pytest.approx(factor, abs=0.0093 / 0.39)


def test_covariates_save_what_they_explain():
    plain = needs.units(Baseline(10.0, 10.0, Shape.MEAN), 0.1, EVEN, ONCE, 1)
    adjusted = needs.units(Baseline(10.0, 10.0, Shape.MEAN, explained=0.36), 0.1, EVEN, ONCE, 1)
    assert adjusted / plain == pytest.approx(0.64, abs=1e-3)


@settings(max_examples=10, deadline=None)
@given(
    effect=st.floats(0.02, 0.5),
    mean=st.floats(0.01, 0.4),
    control=st.floats(0.1, 0.9),
    looking=st.sampled_from(list(Looking)),
)
def test_what_so_many_units_detect_is_what_asked_for_them(effect, mean, control, looking):
    split, plan = Split(control, 1 - control, 1), Plan(looking)
    n = needs.units(Baseline.of_share(mean), effect, split, plan, 1)
    found = needs.detectable(Baseline.of_share(mean), n, split, plan, 1)
    assert found == pytest.approx(effect, rel=0.02)


def test_a_control_of_zero_is_never_enough():
    assert math.isinf(needs.units(Baseline(0.0, 1.0, Shape.MEAN), 0.1, EVEN, ONCE, 1))
    assert needs.detectable(Baseline(0.0, 1.0, Shape.MEAN), 1e6, EVEN, ONCE, 1) is None


def test_looking_at_any_time_finds_a_large_effect_early():
    looks = design(Plan(Looking.ANY, n_units=10_000), 0.05)
    assert looks.power(10_000, 8.0) > 0.999
    assert looks.typical_share(10_000, 8.0) < 0.3


def test_the_family_is_all_comparisons_of_the_goals():
    variants = (Variant("a"), Variant("b"), Variant("c"))
    metrics = (Metric("order"), Metric("click"))
    experiment = Experiment("x", variants, metrics, control="a", policy=FixedSpec({"a": 0.5, "b": 0.3, "c": 0.2}))
    assert Split.of(experiment) == Split(0.5, 0.2, 2)
    assert needs.family(experiment, metrics[0]) == 2
