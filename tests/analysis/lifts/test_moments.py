import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from analysis.lifts.moments import Moments

SHAPE = (2, 3)
OFFSETS = st.sampled_from([0.0, 1e9, -1e9])


def normal(n, k, seed, offset=0.0):
    """Return n rows of k correlated columns, exact multiples of 2**-20 so that an offset of 1e9 loses nothing."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, k)) @ rng.normal(size=(k, k))
    return np.rint(rows * 2**20) / 2**20 + offset


def cells(n, seed=0):
    cell = np.random.default_rng(seed).integers(0, 6, n)
    return cell // 3, cell % 3


def assert_close(found, expected):
    """The same to 1e-12 of the spread of the columns."""
    np.testing.assert_array_equal(found.n, expected.n)
    size = np.sqrt(np.diagonal(expected.m2, axis1=-2, axis2=-1))
    scale = size[..., :, None] * size[..., None, :]
    np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-12, atol=1e-12)
    assert (np.abs(found.m2 - expected.m2) <= 1e-12 * scale + 1e-300).all()


@given(st.integers(2, 400), st.integers(1, 4), st.integers(0, 9), OFFSETS)
def test_covariance_against_numpy_whatever_the_offset(n, k, seed, offset):
    rows = normal(n, k, seed)
    zero = np.zeros(n, np.int64)
    found = Moments.of(rows + offset, zero, zero, (1, 1)).covariance[0, 0]
    # Without the offset: numpy rounds the mean of what has one.
    expected = np.cov(rows.T).reshape(k, k)
    spread = np.sqrt(np.diag(expected))
    assert (np.abs(found - expected) <= 1e-12 * np.outer(spread, spread)).all()


@given(st.integers(0, 60), st.integers(0, 60), st.integers(1, 3), st.integers(0, 9))
def test_moments_of_two_parts_add_up_to_those_of_the_whole(n, m, k, seed):
    rows, (variant, stratum) = normal(n + m, k, seed), cells(n + m, seed)
    first, last = slice(0, n), slice(n, n + m)
    merged = Moments.of(rows[first], variant[first], stratum[first], SHAPE) + Moments.of(
        rows[last], variant[last], stratum[last], SHAPE
    )
    assert_close(merged, Moments.of(rows, variant, stratum, SHAPE))


@pytest.mark.parametrize("n", [100, 1000])
def test_it_does_not_matter_in_which_blocks_and_by_which_way_they_are_gathered(n):
    rows, (variant, stratum) = normal(n, 3, 1, offset=1e9), cells(n)
    columns = list(rows.T)
    whole = Moments.of_columns(columns, variant, stratum, SHAPE)
    assert_close(Moments.of_columns(columns, variant, stratum, SHAPE, block=1), whole)
    assert_close(Moments.of(rows, variant, stratum, SHAPE), whole)


def test_every_cell_against_numpy():
    rows, (variant, stratum) = normal(5000, 3, 2), cells(5000)
    found = Moments.of(rows, variant, stratum, SHAPE)
    for i in range(2):
        for j in range(3):
            own = rows[(variant == i) & (stratum == j)]
            np.testing.assert_allclose(found.mean[i, j], own.mean(axis=0), atol=1e-12)
            np.testing.assert_allclose(found.covariance[i, j], np.cov(own.T), rtol=1e-10)
            np.testing.assert_allclose(found.variance[i, j], own.var(axis=0, ddof=1), rtol=1e-12)


@given(st.integers(2, 50), st.integers(0, 9), OFFSETS)
def test_a_large_offset_keeps_the_variance_when_parts_are_merged(n, seed, offset):
    # Raw sums of squares of such values give a variance of 0. A mean of 1e9 is kept in steps of 1.2e-7, and two parts
    # are merged by the difference of their means: relative to a spread of about 1 that is an error below 1e-6.
    rows = normal(2 * n, 1, seed, offset)
    zero = np.zeros(n, np.int64)
    parts = [Moments.of(part, zero, zero, (1, 1)) for part in (rows[:n], rows[n:])]
    expected = (rows - offset).var(ddof=1)
    np.testing.assert_allclose((parts[0] + parts[1]).variance.item(), expected, rtol=1e-6, atol=1e-6)


def test_columns_are_chosen_in_the_order_given():
    rows, zero = normal(50, 3, 3), np.zeros(50, np.int64)
    found = Moments.of(rows, zero, zero, (1, 1)).columns([2, 0])
    np.testing.assert_allclose(found.covariance[0, 0], np.cov(rows[:, [2, 0]].T), rtol=1e-12)


@pytest.mark.parametrize("nothing", [np.zeros(0), np.zeros((0, 2))])
def test_nothing_is_zeros(nothing):
    none = np.zeros(0, np.int64)
    found = Moments.of(nothing, none, none, SHAPE)
    assert not found.n.any()
    assert not found.mean.any()
    assert np.isfinite(found.variance).all()


@given(arrays(np.float64, st.integers(1, 30), elements=st.floats(-1e6, 1e6)))
def test_equal_values_have_no_variance(values):
    zero = np.zeros(len(values), np.int64)
    assert Moments.of(np.full(len(values), values[0]), zero, zero, (1, 1)).m2.item() == 0
