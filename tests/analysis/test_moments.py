import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from analysis.moments import Moments

VALUES = st.integers(0, 60).flatmap(lambda n: arrays(np.float64, n, elements=st.floats(-1e6, 1e6)))
SHAPE = (2, 3)


def moments(values, seed=0):
    cell = np.random.default_rng(seed).integers(0, 6, len(values))
    return Moments.of(values, cell // 3, cell % 3, SHAPE)


@given(VALUES, VALUES, st.integers(0, 9))
def test_moments_of_two_parts_add_up_to_those_of_the_whole(left, right, seed):
    cell = np.random.default_rng(seed).integers(0, 6, len(left) + len(right))
    both = np.concatenate([left, right])
    whole = Moments.of(both, cell // 3, cell % 3, SHAPE)
    n = len(left)
    merged = Moments.of(left, cell[:n] // 3, cell[:n] % 3, SHAPE) + Moments.of(
        right, cell[n:] // 3, cell[n:] % 3, SHAPE
    )
    np.testing.assert_array_equal(merged.n, whole.n)
    np.testing.assert_allclose(merged.mean, whole.mean, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(merged.m2, whole.m2, rtol=1e-9, atol=1e-3)


def test_against_numpy():
    rng = np.random.default_rng(1)
    values, cell = rng.normal(size=500), rng.integers(0, 6, 500)
    found = Moments.of(values, cell // 3, cell % 3, SHAPE)
    expected = [[values[cell == 3 * i + j].var(ddof=1) for j in range(3)] for i in range(2)]
    np.testing.assert_allclose(found.variance, expected, rtol=1e-12)


def test_a_large_offset_keeps_the_variance():
    # Raw sums of squares of these give a variance of 0.
    small = np.random.default_rng(2).normal(size=1000)
    zero = np.zeros(500, np.int64)
    parts = [Moments.of(part, zero, zero, (1, 1)) for part in np.split(small + 1e9, 2)]
    # At 1e9 a float64 has steps of 1.2e-7, which bounds the relative error of each deviation.
    np.testing.assert_allclose((parts[0] + parts[1]).variance.item(), small.var(ddof=1), rtol=1e-6)


def test_nothing_is_zeros():
    nothing = moments(np.array([]))
    assert not nothing.n.any()
    assert np.isfinite(nothing.variance).all()
