import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special, stats

from analysis.deciding import bayes
from analysis.estimate import Estimate, Scale, Validity
from analysis.lifts.cells import Cells, Shape
from analysis.lifts.moments import Moments
from analysis.texts import text
from engine.metrics import Better

ESTIMAND = text("method.none")


def cells(groups, shape=Shape.MEAN, scale=Scale.AMOUNT, strata=None):
    values = np.concatenate([np.asarray(group, float) for group in groups])
    values = values if values.ndim == 2 else values[:, None]
    variant = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    stratum = np.zeros(len(values), np.int64) if strata is None else np.concatenate(strata)
    n_cells = (len(groups), int(stratum.max(initial=0)) + 1)
    return Cells(Moments.of_columns(list(values.T), variant, stratum, n_cells), shape, ESTIMAND, scale)


def shares(*counts):
    return cells([np.repeat([1.0, 0.0], [x, n - x]) for x, n in counts], Shape.SHARE, Scale.SHARE)


def beats_exactly(a, b, c, d):
    """P(Beta(c, d) > Beta(a, b)) for whole c: the sum of Evan Miller (2010), formula 10."""
    i = np.arange(c)
    logs = special.betaln(a + i, b + d) - np.log(d + i) - special.betaln(1 + i, d) - special.betaln(a, b)
    return np.exp(logs).sum()


@pytest.mark.parametrize(
    ("control", "treated"),
    [((30, 200), (50, 210)), ((0, 50), (1, 60)), ((9, 10_000), (14, 1_000)), ((900, 1000), (1, 9))],
)
def test_two_conversions_against_the_exact_sum(control, treated):
    found = bayes.posteriors(shares(control, treated), 0)
    expected = beats_exactly(1 + control[0], 1 + control[1] - control[0], 1 + treated[0], 1 + treated[1] - treated[0])
    np.testing.assert_allclose(bayes.chances(found), [1 - expected, expected], atol=1e-10)
    np.testing.assert_allclose(bayes.chances(found, Better.LOWER), [expected, 1 - expected], atol=1e-10)


def test_two_normals_against_the_closed_form():
    found = [stats.norm(1.0, 0.3), stats.norm(1.4, 0.01)]
    spread = np.hypot(0.3, 0.01)
    z = 0.4 / spread
    np.testing.assert_allclose(bayes.chances(found), stats.norm.cdf([-z, z]), atol=1e-12)
    # E max(X, 0) of a normal X = other - own, with mean m and deviation s: m Phi(m / s) + s phi(m / s).
    loss = [m * stats.norm.cdf(m / spread) + spread * stats.norm.pdf(m / spread) for m in (0.4, -0.4)]
    np.testing.assert_allclose(bayes.losses(found), loss, rtol=1e-9)
    np.testing.assert_allclose(bayes.losses(found, Better.LOWER), loss[::-1], rtol=1e-9)


@pytest.mark.parametrize("own", range(3))
def test_three_against_scipys_quadrature(own):
    found = [stats.beta(12, 90), stats.beta(15, 88), stats.beta(400, 3_000)]
    one, others = found[own], found[:own] + found[own + 1 :]

    def behind(x):
        return np.prod([other.cdf(x) for other in others])

    won = integrate.quad(lambda x: one.pdf(x) * behind(x), 0, 1, epsabs=1e-12, limit=500)[0]
    lost = integrate.quad(lambda x: one.cdf(x) * (1 - behind(x)), 0, 1, epsabs=1e-12, limit=500)[0]
    assert bayes.chances(found)[own] == pytest.approx(won, abs=1e-9)
    assert bayes.losses(found)[own] == pytest.approx(lost, abs=1e-9)


@pytest.mark.parametrize("k", [2, 3, 7, 30])
@pytest.mark.parametrize("one", [stats.norm(5, 2), stats.beta(1, 1), stats.beta(3, 4e6)])
def test_equal_ones_share_the_chance(k, one):
    np.testing.assert_allclose(bayes.chances([one] * k), 1 / k, atol=1e-8)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.floats(-50, 50), st.floats(1e-3, 1e3)), min_size=2, max_size=6),
    st.sampled_from(Better),
)
def test_chances_add_up_and_the_likeliest_of_equal_spread_loses_least(parameters, better):
    found = [stats.norm(mean, deviation) for mean, deviation in parameters]
    assert bayes.chances(found, better).sum() == pytest.approx(1, abs=1e-8)
    means = np.array([mean for mean, _ in parameters])
    best = bayes.losses(found, better) + (means if better is Better.HIGHER else -means)
    # loss + mean is E[best] for each of them.
    np.testing.assert_allclose(best, best[0], atol=1e-7)


def test_a_normal_posterior_is_the_likelihood_and_one_unit_of_the_control():
    rng = np.random.default_rng(2)
    control, treated = rng.lognormal(size=80), 1.3 * rng.lognormal(size=50)
    found = bayes.posteriors(cells([control, treated]), 0)
    precision, prior = 50 / treated.var(ddof=1), 1 / control.var(ddof=1)
    assert found[1].mean() == pytest.approx((precision * treated.mean() + prior * control.mean()) / (precision + prior))
    assert found[1].std() == pytest.approx((precision + prior) ** -0.5)


@pytest.mark.parametrize("factor", [0.01, 100.0])
def test_the_unit_of_money_changes_no_chance(factor):
    rng = np.random.default_rng(3)
    groups = [rng.lognormal(size=40), 1.2 * rng.lognormal(size=60), rng.lognormal(size=9)]
    plain = bayes.posteriors(cells(groups), 0)
    scaled = bayes.posteriors(cells([factor * group for group in groups]), 0)
    np.testing.assert_allclose(bayes.chances(scaled), bayes.chances(plain), atol=1e-10)
    np.testing.assert_allclose(bayes.losses(scaled), factor * bayes.losses(plain), rtol=1e-9)


def test_a_ratio_has_the_delta_methods_spread():
    rng = np.random.default_rng(4)
    groups = [np.column_stack([rng.poisson(3, n), rng.poisson(9, n) + 1.0]) for n in (300, 400)]
    found = bayes.posteriors(cells(groups, Shape.RATIO), 0)[1]
    top, below = groups[1].mean(axis=0)
    error = np.std(groups[1][:, 0] - top / below * groups[1][:, 1], ddof=1) / below / np.sqrt(400)
    assert found.std() == pytest.approx(error, rel=2e-3)


def test_strata_are_weighted_by_their_units():
    rng = np.random.default_rng(5)
    groups = [rng.random(1000) < 0.2, rng.random(1000) < 0.2]
    strata = [np.repeat([0, 1], [900, 100]), np.repeat([0, 1], [100, 900])]
    found = bayes.posteriors(cells(groups, Shape.SHARE, Scale.SHARE, strata), 0)
    mixed = 0.5 * (groups[0][:900].mean() + groups[0][900:].mean())
    n = 1 / (0.25 / 900 + 0.25 / 100)
    assert found[0].mean() == pytest.approx((1 + n * mixed) / (2 + n))


def test_the_grid_says_what_it_shows():
    grid = bayes.shown(shares((30, 200), (50, 210), (31, 205)), ("a", "b", "c"), 0, Better.HIGHER)
    assert "never the verdict" in str(grid.title)
    assert "Beta(1, 1)" in str(grid.note)
    assert [row[0] for row in grid.rows] == ["a", "b", "c"]
    assert sum(row[2].value for row in grid.rows) == pytest.approx(1)
    assert grid.rows[0][3] is None
    assert grid.rows[1][3].value > 0.95
    value = grid.rows[1][1]
    assert (value.low, value.high) == pytest.approx(stats.beta(51, 161).interval(0.95))


def test_what_has_no_posterior_says_why_and_the_others_go_on():
    grid = bayes.shown(cells([[1.0, 2.0, 4.0], [], [2.0, 3.0, 5.0], [7.0]]), ("a", "b", "c", "d"), 0, Better.HIGHER)
    values = [row[1] for row in grid.rows]
    assert [value.validity for value in values] == [
        *(Validity.VALID, Validity.NOT_EVALUABLE, Validity.VALID, Validity.NOT_EVALUABLE),
    ]
    assert all(value.note for value in values if value.validity is Validity.NOT_EVALUABLE)
    assert grid.rows[0][2].value + grid.rows[2][2].value == pytest.approx(1)


@pytest.mark.parametrize("groups", [[[], []], [[1.0], [1.0]], [[0.0, 0.0], [1.0, 2.0]], [[0.0, 0.0, 0.0], [0.0, 0.0]]])
def test_without_a_spread_of_the_control_there_is_no_chance(groups):
    grid = bayes.shown(cells(groups), ("a", "b"), 0, Better.HIGHER)
    assert all(isinstance(row[1], Estimate) and str(row[1].note) for row in grid.rows)
    assert all(row[2:] == (None, None, None) for row in grid.rows)


def test_one_variant_alone_has_a_value_and_no_chance():
    grid = bayes.shown(shares((3, 9), (0, 0)), ("a", "b"), 0, Better.HIGHER)
    assert grid.rows[0][1].interval is not None
    assert grid.rows[0][2:] == (None, None, None)
