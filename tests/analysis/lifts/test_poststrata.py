import numpy as np
import pytest
from scipy import stats

from analysis.lifts import adjusted, lift, poststrata
from analysis.lifts.cells import side
from tests.analysis.making_cells import of_columns

CONTROL, TREATED = side(2, [0]), side(2, [1])


def of_categories(y, label, category, stratum=None):
    post, base = poststrata.categories(np.zeros_like(category) if stratum is None else stratum, category)
    return of_columns(y, label, post), base


def test_post_stratification_by_hand():
    rng = np.random.default_rng(3)
    category, label = rng.choice(3, 600, p=[0.2, 0.3, 0.5]), rng.integers(0, 2, 600)
    y = 4.0 * category + label * (1 + category) + rng.normal(size=600)
    found_cells, base = of_categories(y, label, category)
    found = adjusted.post_stratified(found_cells, TREATED, CONTROL, base).absolute
    share = np.bincount(category) / 600
    by = [[y[(label == one) & (category == c)] for c in range(3)] for one in (0, 1)]
    effects = np.array([by[1][c].mean() - by[0][c].mean() for c in range(3)])
    parts = np.array([[share[c] ** 2 * by[one][c].var(ddof=1) / len(by[one][c]) for c in range(3)] for one in (0, 1)])
    between = (share @ effects**2 - (share @ effects) ** 2) / 600
    assert found.value == pytest.approx(share @ effects, rel=1e-9)
    known = np.array([[len(by[one][c]) - 1 for c in range(3)] for one in (0, 1)])
    freedom = parts.sum() ** 2 / (parts**2 / known).sum()
    half = stats.t.isf(0.025, freedom) * np.sqrt(parts.sum() + between)
    np.testing.assert_allclose(found.interval, [found.value - half, found.value + half], rtol=1e-9)
    assert str(found.method) == "post-stratified by 3 categories"


def test_post_stratification_narrows_what_is_shown_beside():
    rng = np.random.default_rng(4)
    category, label = rng.integers(0, 4, 2000), rng.integers(0, 2, 2000)
    y = 5.0 * category + label + rng.normal(size=2000)
    found_cells, base = of_categories(y, label, category)
    found = adjusted.post_stratified(found_cells, TREATED, CONTROL, base)
    alone = lift.compare(of_columns(y, label), TREATED, CONTROL).absolute
    np.testing.assert_allclose(found.plain.interval, alone.interval, rtol=1e-9)
    assert found.absolute.high - found.absolute.low < 0.3 * (found.plain.high - found.plain.low)
    assert found.absolute.low < 1 < found.absolute.high


def test_small_categories_are_put_together_within_their_stratum_and_nobody_is_left_out():
    rng = np.random.default_rng(5)
    stratum = np.repeat([0, 1], 300)
    category = np.r_[np.repeat([0, 1, 2], [280, 10, 10]), np.repeat([0, 1, 2], [150, 147, 3])]
    label = np.tile([0, 1], 300)
    y = rng.normal(size=600) + stratum
    found_cells, base = of_categories(y, label, category, stratum)
    merged, after = poststrata.gathered(found_cells, TREATED, CONTROL, base)
    assert after.tolist() == [0, 0, 0, 1, 1]
    assert merged.moments.n.sum(axis=0).tolist() == [280, 10, 10, 150, 150]
    assert adjusted.post_stratified(found_cells, TREATED, CONTROL, base).absolute.n == 600
    whole = poststrata.together(found_cells, base)
    expected = of_columns(y, label, stratum)
    np.testing.assert_allclose(whole.moments.m2, expected.moments.m2, rtol=1e-9)


def test_post_stratified_bad_input_is_in_words():
    found_cells, base = of_categories(np.array([1.0, 2.0, 3.0]), np.array([0, 0, 0]), np.array([0, 1, 1]))
    found = adjusted.post_stratified(found_cells, TREATED, CONTROL, base).absolute
    assert str(found.note) == "nobody is in it"


def test_post_stratification_holds_its_coverage_for_units_to_come():
    # Effects of 0 and 4 in two categories of random size. Within 3 standard errors of 500 runs.
    rng = np.random.default_rng(8)
    held = 0
    for _ in range(500):
        category, label = rng.integers(0, 2, 100), rng.integers(0, 2, 100)
        y = 4.0 * category * label + rng.normal(size=100)
        found_cells, base = of_categories(y, label, category)
        found = adjusted.post_stratified(found_cells, TREATED, CONTROL, base).absolute
        held += found.low <= 2 <= found.high
    assert abs(held / 500 - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 500)
