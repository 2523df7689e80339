"""Models know earlier rows alone, and help where the context tells something."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.adaptive import models
from analysis.adaptive.drawn import Context, Drawn
from analysis.adaptive.encoding import MAX_LEVELS, Encoding

N = 1100


def world(seed=0, n=N):
    """Two variants; what they bring depends on a number and on a text, in opposite ways."""
    random = np.random.default_rng(seed)
    number, code = random.normal(5.0, 2.0, n), random.integers(-1, 30, n)
    variant = random.integers(0, 2, n)
    values = np.where(variant == 1, number, -number) + (code == 3) + random.normal(0, 0.5, n)
    context = Context(number[:, None], code[:, None])
    return Drawn.of(variant, values, np.zeros(n, np.int64), np.array([[0.5, 0.5]]), context)


def changed(drawn, row, value):
    """The same draws up to `row`, others from it on, in all that they are but the number of the row's own context."""
    values, variant = drawn.values.copy(), drawn.variant.copy()
    numbers, codes = drawn.context.numbers.copy(), drawn.context.codes.copy()
    values[row:], variant[row:] = value, 1 - variant[row:]
    numbers[row + 1 :], codes[row + 1 :] = value, 2
    return Drawn.of(variant, values, drawn.pattern, drawn.patterns, Context(numbers, codes))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, N - 1), st.floats(-1e6, 1e6))
def test_a_prediction_knows_no_row_from_its_own_on(row, value):
    drawn = world()
    before, after = models.predictions(drawn), models.predictions(changed(drawn, row, value))
    np.testing.assert_array_equal(before[: row + 1], after[: row + 1])


def test_running_means_are_those_of_earlier_rows():
    drawn = world(n=50)
    found = models.running_means(drawn)
    for row in range(1, 50):
        overall = drawn.values[:row].mean()
        for variant in (0, 1):
            own = drawn.values[:row][drawn.variant[:row] == variant]
            shrunk = (own.sum() + models.PRIOR * overall) / (len(own) + models.PRIOR)
            assert found[row, variant] == pytest.approx(shrunk, rel=1e-12)


def test_context_takes_variance_away():
    drawn = world()
    rows = np.arange(N // 2, N)
    left = [
        np.mean((drawn.values - predicted[np.arange(N), drawn.variant])[rows] ** 2)
        for predicted in (models.predictions(drawn), models.running_means(drawn))
    ]
    assert left[0] < 0.3 * left[1]


def test_the_model_of_a_variant_is_a_ridge_regression_on_what_the_common_one_leaves():
    """Against least squares on rows that stand for the penalties."""
    drawn = world(n=300)
    earlier, later = drawn[:256], drawn[256:]
    encoding = Encoding.of(earlier.context)
    columns = encoding.columns(earlier.context)
    k = columns.shape[1]

    def ridge(rows, values, penalty):
        padded = np.vstack([rows, np.sqrt(penalty) * np.eye(k)])
        return np.linalg.lstsq(padded, np.append(values, np.zeros(k)), rcond=None)[0]

    common = ridge(columns, earlier.values, 1.0)
    is_own = earlier.variant == 1
    own = ridge(columns[is_own], earlier.values[is_own] - columns[is_own] @ common, models.PRIOR)
    wanted = np.clip(encoding.columns(later.context) @ (common + own), earlier.values.min(), earlier.values.max())
    np.testing.assert_allclose(models.predictions(drawn)[256:, 1], wanted, rtol=1e-9, atol=1e-9)


def test_wild_and_missing_numbers_do_not_bend_it():
    drawn = world()
    drawn.context.numbers[::7] = np.nan
    drawn.context.numbers[3::11] = 1e300
    found = models.predictions(drawn)
    assert np.isfinite(found).all()
    assert np.abs(found).max() <= np.abs(drawn.values).max()


def test_a_text_has_a_bounded_number_of_columns():
    codes = np.repeat(np.arange(1000), np.arange(1000, 0, -1))[:, None]
    encoding = Encoding.of(Context(np.zeros((len(codes), 0)), codes))
    assert encoding.levels[0].tolist() == list(range(MAX_LEVELS))
    assert Encoding.of(Context.none(0)).columns(Context.none(3)).tolist() == [[1.0], [1.0], [1.0]]
