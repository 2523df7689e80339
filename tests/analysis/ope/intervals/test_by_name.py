"""Intervals that an evaluation is asked for by name: it gives them, or says why not."""

from dataclasses import replace

import numpy as np
import pytest

from analysis import ope
from analysis.estimate import Validity
from analysis.ope import showing
from analysis.ope.estimators import Clipped, Dm, DrOs, SwitchDr
from analysis.ope.intervals.by_name import NAMES
from analysis.pages import spreadsheets
from engine.errors import InvalidRequest
from tests.analysis.ope.drawn_logs import CLICKS, drawn

N = 4_000
RATES = np.array([0.1, 0.2, 0.4])
LEARNED = replace(CLICKS, is_adaptive=True)
SETTLED = ("gamma", "normal", "steadied")
"""Those that a policy that learned allows."""


def log(collection=CLICKS):
    """Return draws of a policy that goes over to the second variant, of three."""
    share = np.linspace(0.2, 0.8, N)
    chances = np.stack([(1 - share) / 2, share, (1 - share) / 2], axis=1)
    return drawn(chances, RATES, seed=3, collection=collection)


def key(estimate):
    return estimate.note.key if estimate.validity is Validity.NOT_EVALUABLE else estimate.method.key


@pytest.mark.parametrize("name", NAMES[:-1])
def test_of_a_fixed_policy_each_is_given_and_named(name):
    found = ope.evaluate(log(), ope.always("c"), interval=name)
    assert key(found.value) == f"ope.interval.{name}"
    assert found.value.low < RATES[2] < found.value.high
    expected = "ope.interval.one_target" if name == "cressie_read" else f"ope.interval.{name}"
    assert key(found.difference) == expected
    # What was earned is told by the rule.
    assert key(found.other) == "ope.interval.gamma"


@pytest.mark.parametrize("name", NAMES)
def test_of_a_policy_that_learned_those_are_given_that_hold_there(name):
    found = ope.evaluate(log(LEARNED), ope.always("c"), interval=name)
    if name not in SETTLED:
        assert {key(found.value), key(found.difference)} == {"ope.interval.adaptive"}
    else:
        prefix = "ope.sequence" if name == "steadied" else "ope.interval"
        assert {key(found.value), key(found.difference)} == {f"{prefix}.{name}"}
        assert found.value.low < RATES[2] < found.value.high


def test_weights_that_steady_are_for_a_policy_that_learned():
    found = ope.evaluate(log(), ope.always("c"), interval="steadied")
    assert key(found.value) == "ope.interval.fixed"
    assert "did not learn" in str(found.value.note)


def test_another_name_is_refused():
    with pytest.raises(InvalidRequest, match="there is no interval 'wald': choose among gamma, normal, bootstrap"):
        ope.evaluate(log(), ope.uniform(), interval="wald")


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (log(), "ridge regression by 5 folds"),
        (log(LEARNED), "ridge regression on earlier draws"),
        ([log()], "ridge regression on earlier draws"),
    ],
)
def test_the_model_is_named_as_well(made, expected):
    found = ope.evaluate(made, ope.always("c"))
    assert str(found.model) == expected
    assert f"What is expected of each variant: {expected}." in str(showing.estimates(found).note)


@pytest.mark.parametrize("name", SETTLED)
@pytest.mark.parametrize("n", [500, 1_111])
def test_a_stream_says_what_the_log_in_memory_does(name, n):
    whole, blocks = (
        ope.evaluate(each, ope.tilted(0.5), against=ope.uniform(), interval=name)
        for each in (log(LEARNED), log(LEARNED).blocks(n))
    )
    for one, other in zip(estimates(whole), estimates(blocks), strict=True):
        assert one.method == other.method
        np.testing.assert_allclose(numbers(one), numbers(other), rtol=1e-9)
    for field in ("effective", "effective_rewarded", "mean_weight", "mean_weight_error", "n_units"):
        assert getattr(blocks.diagnostics, field) == pytest.approx(getattr(whole.diagnostics, field), rel=1e-9)
    assert (whole.verdict, str(whole.agreement), str(whole.slope)) == (
        blocks.verdict,
        str(blocks.agreement),
        str(blocks.slope),
    )


def numbers(estimate):
    return np.array([estimate.low, estimate.value, estimate.high, estimate.p_value], np.float64)


def estimates(found):
    at_one_look = found.value, found.difference, found.other
    return *at_one_look, found.value_anytime, found.difference_anytime, *found.panel


@pytest.mark.parametrize("forced", [False, True])
@pytest.mark.parametrize("collection", [CLICKS, LEARNED])
def test_what_is_biased_is_shown_as_such_and_has_neither_interval_nor_level(forced, collection):
    n = 100 if forced else N
    found = ope.evaluate(log(collection)[:n], ope.always("c"), forced=forced)
    biased = {str(each.method) for each in (Clipped(), Dm(), SwitchDr(), DrOs())}
    rows = [row for row in showing.panel(found).rows if str(row[0]) in biased]
    assert len(rows) == len(biased)
    for _, value, remark in rows:
        assert value.value is not None
        assert value.interval is None
        assert str(remark) == "biased"
    (sheet,) = spreadsheets.of_grids([showing.panel(found)]).values()
    lines = [line for line in sheet.splitlines() if ",biased" in line]
    assert len(lines) == len(biased)
    assert not [line for line in lines if "0.95" in line]


def test_a_constant_reward_is_certain_for_whoever_normalises_by_the_weights():
    same = replace(log(), reward=np.ones(N))
    found = ope.evaluate(same, ope.always("c"), model=ope.models.Nothing())
    by_name = {str(each.method): each for each in found.panel}
    snips = by_name["self-normalised IPS (SNIPS), normal interval"]
    assert snips.interval == (1.0, 1.0)
    plain = by_name["inverse propensity scoring (IPS), normal interval"]
    assert plain.high - plain.low > 0.05
