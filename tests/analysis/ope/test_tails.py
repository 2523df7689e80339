"""The tail index against what it is of known tails, and against its definition."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.ope.tails import KEPT, Tail


@pytest.mark.parametrize("index", [0.8, 1.4, 3.0])
def test_the_index_of_a_pareto_tail_is_found(index):
    """Hill's estimate of an exact Pareto tail has a relative error of 1 / sqrt(m), here with m = 3 sqrt(20,000)."""
    weights = np.random.default_rng(1).pareto(index, 20_000) + 1
    m = math.ceil(3 * math.sqrt(20_000))
    assert Tail.of(weights).index == pytest.approx(index, rel=4 / math.sqrt(m))


def test_the_index_is_the_mean_excess_of_logarithms_turned_over():
    weights = np.random.default_rng(2).lognormal(0, 1, 1000)
    m = math.ceil(3 * math.sqrt(1000))
    falling = sorted(weights, reverse=True)
    assert Tail.of(weights).index == pytest.approx(m / sum(math.log(each / falling[m]) for each in falling[:m]))


def test_weights_that_end_have_no_tail():
    assert Tail.of(np.array([0.0, 0.0, 20.0, 1.0] * 500)).index is None
    assert Tail.of(np.ones(1000)).index is None


def test_few_weights_say_nothing_of_their_tail():
    assert Tail().index is None
    assert Tail.of(np.arange(1.0, 90.0)).index is None
    assert Tail.of(np.arange(1.0, 110.0)).index is not None


def test_weights_that_are_mostly_0_have_no_tail():
    assert Tail.of(np.append(np.zeros(10_000), np.arange(1.0, 30.0))).index is None


@pytest.mark.parametrize("n_blocks", [2, 7, 100])
def test_blocks_add_up_to_the_whole_in_whatever_order_they_come(n_blocks):
    weights = np.random.default_rng(3).pareto(1.5, 3 * KEPT)
    whole, found, reverse = Tail.of(weights), Tail(), Tail()
    for block in np.array_split(weights, n_blocks):
        found = found.with_weights(block)
        reverse = Tail.of(block) + reverse
    assert found.n == reverse.n == whole.n
    assert len(found.largest) == KEPT
    assert np.array_equal(np.sort(found.largest), np.sort(whole.largest))
    assert whole.index == pytest.approx(found.index) == pytest.approx(reverse.index)


@given(st.lists(st.floats(0, 1e12), max_size=300))
def test_any_weights_have_an_index_above_0_or_none(weights):
    index = Tail.of(np.array(weights)).index
    assert index is None or (math.isfinite(index) and index >= 0)
