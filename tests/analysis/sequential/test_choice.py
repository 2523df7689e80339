from dataclasses import replace

import numpy as np
import pytest

from analysis.estimate import Holds, Validity, error_rate, not_evaluable
from analysis.lifts.cells import side
from analysis.sequential import Watched, anytime, asymptotic, choice
from analysis.texts import text
from engine.experiments import Plan
from engine.metrics import Metric, MetricKind
from tests.analysis.making_samples import HALVES, MINUS, PLUS, cells, conversions, difference, sample

CLICK = Metric("click")
SPEND = Metric("spend", MetricKind.REVENUE, cap=50.0)
PLAN = Plan(n_units=4_000)


def looked_at(found, metric, probabilities=HALVES, plan=PLAN, fixed=None):
    fixed = difference(cells(found)) if fixed is None else fixed
    return anytime(Watched(found, metric, plan, probabilities), PLUS, MINUS, fixed)


def amounts(rng, n=4_000, most=50.0, share=0.2):
    label = rng.integers(0, 2, n)
    return sample(np.minimum(rng.lognormal(2, 1, n), most) * (rng.random(n) < share), label)


@pytest.mark.parametrize(
    ("metric", "bounds"),
    [
        (CLICK, (0, 1)),
        (Metric("back", MetricKind.RETENTION), (0, 1)),
        (SPEND, (0, 50)),
        (Metric("spend", MetricKind.REVENUE, range=(-5.0, 5.0), cap=9.0), (-5, 5)),
        (Metric("visits", MetricKind.COUNT), None),
        (Metric("score", MetricKind.CSAT, range=(1.0, 5.0)), None),
        (Metric("rate", MetricKind.RATIO), None),
    ],
)
def test_what_is_declared_to_be_bounded(metric, bounds):
    assert choice.value_range(metric) == bounds


@pytest.mark.parametrize("metric", [CLICK, SPEND])
def test_a_declared_range_is_bet_on(metric):
    rng = np.random.default_rng(1)
    found = looked_at(conversions(rng, 4_000) if metric is CLICK else amounts(rng), metric)
    assert found.holds is Holds.ALWAYS
    assert found.low < found.value < found.high
    assert found.method == text("sequence.betting")


def test_value_words_and_size_are_those_of_the_fixed_look():
    of = conversions(np.random.default_rng(2), 4_000)
    fixed = difference(cells(of))
    found = looked_at(of, CLICK)
    assert (found.value, found.n, found.estimand, found.scale) == (fixed.value, fixed.n, fixed.estimand, fixed.scale)


def test_a_family_makes_it_wider():
    of = conversions(np.random.default_rng(2), 4_000)
    fixed = difference(cells(of))
    one, many = (looked_at(of, CLICK, fixed=replace(fixed, family=family)) for family in (1, 5))
    assert many.low < one.low < one.high < many.high


@pytest.mark.parametrize("why", ["unlogged", "winsor", "covariates", "undeclared", "ratio"])
def test_what_is_not_bet_on_is_asymptotic(why):
    rng = np.random.default_rng(3)
    of, metric, probabilities = amounts(rng), SPEND, HALVES
    if why == "unlogged":
        probabilities = None
    if why == "winsor":
        metric = replace(SPEND, winsor=0.99)
    if why == "undeclared":
        metric = replace(SPEND, cap=None)
    if why == "covariates":
        of = replace(of, covariates=rng.normal(size=(len(of), 1)))
    if why == "ratio":
        of, metric = replace(of, per=np.ones(len(of))), Metric("rate", MetricKind.RATIO)
    fixed = difference(cells(of, covariates=("age",) if why == "covariates" else ()))
    found = looked_at(of, metric, probabilities, fixed=fixed)
    assert found.holds is Holds.ALWAYS_IN_THE_LIMIT
    error = asymptotic.standard_error(fixed)
    assert (found.low, found.high) == asymptotic.sequence(fixed.value, error, len(of), 4_000, error_rate(0.95, 1))
    assert found.p_value == asymptotic.p_value(fixed.value, error, len(of), 4_000, 0.05)
    assert str(found.method) == f"{fixed.method}, as a confidence sequence in large samples"


def test_a_value_outside_of_its_range_is_said():
    of = amounts(np.random.default_rng(4))
    of.values[7] = -3.0
    found = looked_at(of, SPEND)
    assert found.holds is Holds.ALWAYS_IN_THE_LIMIT
    assert "outside of the declared range from 0 to 50" in str(found.note)


def test_asymptotic_ones_are_silent_until_twenty_events_on_each_side():
    rng = np.random.default_rng(5)
    of = amounts(rng)
    order = np.flatnonzero((of.label == 1) & (of.values > 0))
    of.values[order[19:]] = 0.0
    found = looked_at(of, replace(SPEND, cap=None))
    assert (found.interval, found.validity) == (None, Validity.NOT_EVALUABLE)
    assert "one side has only 19 events so far" in str(found.note)
    of.values[order[19]] = 1.0
    assert looked_at(of, replace(SPEND, cap=None)).interval is not None


def test_events_of_shares_and_scores():
    label = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    ends = np.array([0, 8])
    shares = Watched(sample([1, 1, 1, 0, 1, 1, 0, 0], label), CLICK, PLAN)
    assert choice.n_events(shares, PLUS, MINUS, ends).tolist() == [0, 1]
    scores = Watched(sample(np.zeros(8), label, per=np.array([1.0, 1, 1, 0, 1, 1, 0, 0])), CSAT, PLAN)
    assert choice.n_events(scores, PLUS, MINUS, ends).tolist() == [0, 2]


CSAT = Metric("happy", MetricKind.CSAT)


def test_too_little_to_rule_out_anything_is_said():
    found = looked_at(sample([1, 0, 1], [1, 0, 1]), CLICK)
    assert (found.interval, found.validity) == (None, Validity.NOT_EVALUABLE)
    assert "nothing within the declared range can be ruled out" in str(found.note)


@pytest.mark.parametrize("n", [0, 1, 5])
def test_an_empty_side_keeps_the_reason_of_the_fixed_look(n):
    of = sample(np.ones(n), np.zeros(n, np.int64))
    fixed = not_evaluable(text("not_evaluable.nobody"), text("method.none"))
    assert looked_at(of, CLICK, fixed=fixed) == fixed


def test_betting_speaks_where_one_look_has_no_spread():
    """Every value of one side is the same: no standard error, but a range."""
    rng = np.random.default_rng(6)
    of = amounts(rng)
    of.values[of.label == 1] = 0.0
    fixed = difference(cells(of))
    assert fixed.interval is None
    found = looked_at(of, SPEND, fixed=fixed)
    assert found.interval is not None
    assert found.high < 0


def test_a_variant_of_several_is_compared_with_its_own_probabilities():
    rng = np.random.default_rng(7)
    probabilities = np.array([[0.6, 0.3, 0.1]])
    label = rng.choice(3, 20_000, p=probabilities[0])
    of = sample((rng.random(20_000) < np.array([0.1, 0.1, 0.3])[label]).astype(float), label)
    plus, minus = side(3, [2]), side(3, [0])
    fixed = difference(cells(of, 3), plus, minus)
    found = anytime(Watched(of, CLICK, Plan(), probabilities), plus, minus, fixed)
    assert 0 < found.low < 0.2 < found.high
    assert found.p_value < 1e-6
