"""What every rule makes of journeys at the edge: all is shared, nothing is NaN, and intervals say what they can."""

import numpy as np
import pytest

from analysis.arrays import LARGEST
from analysis.attribution import intervals
from analysis.attribution.credits import credit
from analysis.attribution.journeys import Journeys
from analysis.attribution.rules.by_name import RULES

DAY = 86_400.0


def journeys(paths, won, value=None, unit=None):
    """Journeys whose touches are a day apart, the last one at the end."""
    return Journeys.of(paths, won, value, [[DAY * age for age in reversed(range(len(path)))] for path in paths], unit)


ODD = {
    "no journey": journeys([], []),
    "nothing converted": journeys([["a", "b"], ["b"], []], [0, 0, 0]),
    "nothing but a refund": journeys([[], ["a"]], [0, 0], [-5.0, 0.0]),
    "no touch": journeys([[], []], [1, 1], [3.0, 4.0]),
    "one journey": journeys([["a", "b", "a"]], [1], [7.0]),
    "one unit": journeys([["a"], ["b", "a"], ["a"]] * 30, [1, 0, 1] * 30, unit=[5] * 90),
    "all direct": journeys([["direct"], ["direct", "direct"]] * 40, [1, 0] * 40),
    "one touchpoint": journeys([["a"]] * 60, [1, 0] * 30),
    "repeated touchpoints": journeys([["a"] * 50, ["a", "b"] * 20, ["b", "b"]] * 20, [1, 1, 0] * 20),
    "all converted": journeys([["a"], ["b"], ["a", "b"]] * 20, [1] * 60),
    "every value is 0": journeys([["a"], ["b"], ["a", "b"]] * 20, [1] * 60, [0.0] * 60),
    "every value is negative": journeys([["a"], ["b"], ["a", "b"]] * 20, [1] * 60, [-2.0] * 60),
    "values cancel": journeys([["a"], ["b"]] * 30, [1] * 60, [0.1, -0.1] * 30),
    "values that nearly cancel": journeys([["a"], ["b"]] * 30, [1] * 60, [0.3, -0.1 - 0.2] * 30),
    "a value without a conversion": journeys([["a"], ["b"], ["a", "b"]] * 20, [0] * 60, [5.0, 0.0, -1.0] * 20),
    "the largest values": journeys([["a"], ["b"], ["b", "a"]] * 20, [1, 0, 1] * 20, [LARGEST, 0.0, -LARGEST] * 20),
    "the smallest values": journeys([["a"], ["b"], ["b", "a"]] * 20, [1, 0, 1] * 20, [5e-324, 0.0, 1e-310] * 20),
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("rule", RULES)
def test_everything_is_shared_and_what_is_said_is_finite(rule, odd):
    log = ODD[odd]
    found = credit(log, [rule])
    of, total = found.of(rule), np.array([log.conversions.sum(), log.value.sum()])
    rounding = 1e-9 * np.maximum(1, [len(log), np.abs(log.value).sum()])
    assert np.isfinite(of.amounts).all()
    assert np.isfinite(of.influence).all()
    assert (np.abs(of.amounts.sum(axis=0) + found.untouched.sum(axis=0) - total) <= rounding).all()
    assert (np.abs(of.influence.sum(axis=0) - of.amounts) <= rounding).all()
    # An estimate is finite or not made: none is refused here.
    for pairs in (intervals.amounts(found, rule), intervals.shares(found, rule)):
        assert all(each.low <= each.value <= each.high for pair in pairs for each in pair if each.interval)


@pytest.mark.parametrize("odd", ["values that nearly cancel", "the largest values"])
@pytest.mark.parametrize("rule", ["linear", "markov_1", "shapley_rate"])
def test_samples_of_the_bootstrap_are_as_finite(rule, odd):
    found = credit(ODD[odd], [rule])
    for pairs in (intervals.amounts(found, rule, "bootstrap"), intervals.shares(found, rule, "bootstrap")):
        assert all(each.low <= each.value <= each.high for pair in pairs for each in pair if each.interval)


@pytest.mark.parametrize("rule", RULES)
def test_one_unit_tells_nothing_of_how_others_would_differ(rule):
    found = credit(ODD["one unit"], [rule])
    for pairs in (intervals.amounts(found, rule), intervals.shares(found, rule)):
        assert [each.interval for pair in pairs for each in pair] == [None] * 6


@pytest.mark.parametrize("rule", RULES)
def test_one_journey_is_shared_among_its_touches_alone(rule):
    """Touches a, b, a, one a day: b was between the two of a."""
    a, b = credit(ODD["one journey"], [rule]).of(rule).amounts[:, 0]
    half_lives = 2.0 ** (-np.array([2, 1, 0]) / 7)
    shares = {
        "first": 0,
        "last": 0,
        "last_non_direct": 0,
        "linear": 1 / 3,
        "position": 0.2,
        "time_decay": half_lives[1] / half_lives.sum(),
        # From a it is as often to b as to the end: without b half is left, without a nothing.
        "markov_1": 1 / 3,
    }
    # Other rules know sets, or that each touch was needed.
    assert b == pytest.approx(shares.get(rule, 1 / 2), abs=1e-12)
    assert a + b == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("rule", RULES)
def test_values_alike_are_credited_as_conversions_are(rule):
    of = credit(ODD["every value is negative"], [rule]).of(rule).amounts
    assert of[:, 1] == pytest.approx(-2 * of[:, 0])
