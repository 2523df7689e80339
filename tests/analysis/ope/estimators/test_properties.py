"""What holds of every estimator, whatever the log."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.ope.estimators.clipped import Clipped
from analysis.ope.estimators.cressie_read import CressieRead
from analysis.ope.estimators.dr import Dr
from analysis.ope.estimators.dros import DrOs
from analysis.ope.estimators.sndr import Sndr
from analysis.ope.estimators.snips import Snips
from analysis.ope.estimators.switch_dr import SwitchDr
from analysis.ope.totals import Totals, standard_error
from analysis.ope.weighed import weighed
from tests.analysis.ope.estimators.making import EVERY, NAMES, case, estimate, part_of

SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=25)
every = pytest.mark.parametrize("estimator", EVERY, ids=NAMES)

MEANS_OF_WHAT_WAS_SEEN = ("snips", "sndr", "dr", "dm", "switch_dr", "dros", "cressie_read")
"""A constant that is added to rewards and predictions moves these by as much."""


def told(estimator, n):
    return estimator.told(n, estimator.largest) if estimator.name == "cressie_read" and estimator.n else estimator


def moved(part, by):
    """Return the same draws with rewards and predictions that are higher by a constant."""
    return replace(
        part,
        reward=part.reward + by,
        predicted=part.predicted + by,
        expected=part.expected + by,
        score=part.score + by,
    )


@every
@FEW
@given(SEEDS, st.floats(-3, 3))
def test_a_constant_moves_what_is_a_mean_of_rewards_by_as_much(estimator, seed, by):
    part = part_of(seed)
    found = estimate(estimator, moved(part, by)) - estimate(estimator, part)
    expected = by if estimator.name in MEANS_OF_WHAT_WAS_SEEN else by * estimate(estimator, ones(part))
    assert found == pytest.approx(expected, abs=1e-11)


def ones(part):
    rows = np.ones(len(part))
    return replace(part, reward=rows, predicted=rows, expected=rows, score=rows)


@pytest.mark.parametrize("estimator", [each for each in EVERY if each.name in MEANS_OF_WHAT_WAS_SEEN])
@FEW
@given(SEEDS)
def test_rewards_of_one_are_worth_one_to_a_mean_of_rewards(estimator, seed):
    assert estimate(estimator, ones(part_of(seed))) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("estimator", [Snips(), Sndr(), Dr()], ids=lambda each: each.name)
@given(SEEDS)
def test_and_have_no_error_where_nothing_else_varies(estimator, seed):
    assert standard_error(Totals.of(estimator.terms(ones(part_of(seed)))), estimator) == 0


@given(SEEDS, st.floats(-10, 10))
def test_snips_of_a_constant_reward_has_no_width(seed, constant):
    part = replace(part_of(seed), reward=np.full(200, constant))
    assert standard_error(Totals.of(Snips().terms(part)), Snips()) == 0


@given(SEEDS)
def test_the_logged_policy_is_worth_the_mean_reward(seed):
    log, _, _ = case(seed)
    part = weighed(log, log.probabilities)
    for estimator in EVERY:
        if not estimator.is_modelled:
            assert estimate(told(estimator, len(part)), part) == pytest.approx(log.reward.mean(), abs=1e-12)


@every
@FEW
@given(SEEDS, st.integers(1, 199))
def test_totals_of_two_parts_add_up_to_those_of_the_whole(estimator, seed, cut):
    part = part_of(seed)
    halves = [Totals.of(estimator.terms(each)) for each in (part[:cut], part[cut:])]
    added, whole = halves[0] + halves[1], Totals.of(estimator.terms(part))
    assert estimator.value(added.mean) == pytest.approx(estimator.value(whole.mean), abs=1e-12)
    assert standard_error(added, estimator) == pytest.approx(standard_error(whole, estimator), rel=1e-9, abs=1e-12)


@every
@FEW
@given(SEEDS)
def test_the_gradient_is_that_of_the_value(estimator, seed):
    """By central differences of width 1e-6: their error is 1e-12 times a third derivative, plus 1e-10 of rounding."""
    mean = np.array([term.mean() for term in estimator.terms(part_of(seed))])
    steps = 1e-6 * np.eye(len(mean))
    if estimator.name == "cressie_read" and abs(mean[0] - 1) < 1e-4:
        return  # Beside a mean weight of 1 the unseen draw changes sides.
    found = [(estimator.value(mean + step) - estimator.value(mean - step)) / 2e-6 for step in steps]
    np.testing.assert_allclose(estimator.gradient(mean), found, rtol=1e-5, atol=1e-6)


@given(SEEDS)
def test_snips_lies_among_the_rewards(seed):
    part = part_of(seed)
    assert part.reward.min() <= estimate(Snips(), part) <= part.reward.max()


@given(SEEDS, st.sampled_from([0.5, 1.0, 3.0]))
def test_clipping_takes_away_from_rewards_that_are_not_negative(seed, level):
    part = part_of(seed)
    assert estimate(Clipped(level), part) <= estimate(Clipped(np.inf), part)


def unweighted():
    part = part_of(1)
    return replace(part, weight=np.zeros(len(part)), score=part.expected)


@pytest.mark.parametrize("estimator", [Snips(), Sndr()], ids=lambda each: each.name)
def test_without_any_weight_there_is_no_mean_of_what_was_seen(estimator):
    mean = np.array([term.mean() for term in estimator.terms(unweighted())])
    assert np.isnan(estimator.value(mean))
    assert np.isnan(estimator.gradient(mean)).any()


@pytest.mark.parametrize("estimator", [Dr(), SwitchDr(), DrOs()], ids=lambda each: each.name)
def test_without_any_weight_the_model_is_what_is_left(estimator):
    part = unweighted()
    assert estimate(estimator, part) == pytest.approx(part.expected.mean())


@pytest.mark.parametrize("estimator", [Snips(), Sndr(), Dr(), CressieRead()], ids=lambda each: each.name)
def test_the_standard_error_is_that_of_many_logs(estimator):
    """Of 400 logs of 400 draws; the spread of 400 values is known to 1 / sqrt(2 * 400), here four times that."""
    parts = [part_of(seed, n=400) for seed in range(400)]
    values = [estimate(estimator, part) for part in parts]
    errors = [standard_error(Totals.of(estimator.terms(part)), estimator) for part in parts]
    assert np.mean(errors) == pytest.approx(np.std(values), rel=4 / np.sqrt(800))
