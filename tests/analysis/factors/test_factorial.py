from itertools import product

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy import stats
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.proportion import proportion_confint

from analysis.document import Word
from analysis.estimate import Estimate
from analysis.factors import contrasts, factorial, picking
from analysis.factors.best import best
from analysis.lifts import lift
from analysis.lifts.cells import Shape, side
from engine.experiments import Factor
from engine.metrics import Better
from tests.analysis.making_cells import cells, of_columns, shares

TWO = (Factor("headline", ("plain", "urgent")), Factor("image", ("empty", "people")))
UNEVEN = (Factor("headline", ("plain", "urgent")), Factor("image", ("empty", "product", "people")))
THREE = (*TWO, Factor("button", ("small", "large")))


def levels_of(factors):
    names = [factor.name for factor in factors]
    return [dict(zip(names, one, strict=True)) for one in product(*(factor.levels for factor in factors))]


def standardised(n_cells, n, seed=0):
    """Return residuals whose mean is 0 and variance 1 in every cell: then ours and the pooled variance are the same."""
    rows = np.random.default_rng(seed).normal(size=(n_cells, n))
    rows -= rows.mean(axis=1, keepdims=True)
    return rows / rows.std(axis=1, ddof=1, keepdims=True)


def estimates(grid):
    return {str(row[0]): row[1] for row in grid.rows if isinstance(row[1], Estimate)}


def joint(grid):
    return {str(row[0]): row[2].value for row in grid.rows if row[1] is None and row[2] is not None}


def data_frame(groups, factors):
    rows = [
        {**levels, "y": value}
        for levels, group in zip(levels_of(factors), groups, strict=True)
        for value in np.asarray(group)
    ]
    return pd.DataFrame(rows)


# --- effects -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factors", [TWO, THREE])
def test_balanced_effects_of_two_levels_against_anova(factors):
    k = 2 ** len(factors)
    groups = standardised(k, 30) + np.random.default_rng(1).normal(0, 0.3, k)[:, None]
    grid = factorial.effects(cells(groups), factors, levels_of(factors))
    terms = " * ".join(f"C({factor.name}, Sum)" for factor in factors)
    table = anova_lm(smf.ols(f"y ~ {terms}", data_frame(groups, factors)).fit(), typ=3)
    by_ours = [row[2].value for row in grid.rows]
    by_theirs = table["PR(>F)"].drop(["Intercept", "Residual"]).to_numpy()
    np.testing.assert_allclose(by_ours, by_theirs, rtol=1e-9)
    assert len(by_ours) == 2 ** len(factors) - 1


def test_effects_of_more_levels_against_statsmodels_hc2():
    # In a regression on cells HC2 is each cell's own variance, whatever the sizes.
    rng = np.random.default_rng(2)
    groups = [rng.normal(rng.normal(), 1 + one, 20 + 7 * one) for one in range(6)]
    grid = factorial.effects(cells(groups), UNEVEN, levels_of(UNEVEN))
    label = np.repeat(np.arange(6), [len(group) for group in groups])
    fitted = sm.OLS(np.concatenate(groups), np.eye(6)[label]).fit(cov_type="HC2")
    found = list(estimates(grid).values())
    for chosen, place in zip([(0,), (1,), (0, 1)], [slice(0, 1), slice(1, 3), slice(3, 5)], strict=True):
        table = contrasts.table([2, 3], chosen)
        expected = fitted.t_test(table)
        np.testing.assert_allclose([one.value for one in found[place]], expected.effect, rtol=1e-9)
        means, covariance = table @ fitted.params, table @ fitted.cov_params() @ table.T
        freedoms = [_freedom(row, groups) for row in table]
        for one, mean, variance, freedom in zip(found[place], means, covariance.diagonal(), freedoms, strict=True):
            half = stats.t.isf(0.05 / 5 / 2, freedom) * np.sqrt(variance)
            np.testing.assert_allclose(one.interval, [mean - half, mean + half], rtol=1e-9)
        if len(table) > 1:
            statistic = fitted.wald_test(table, use_f=True, scalar=True).statistic
            p_value = stats.f.sf(statistic, len(table), min(freedoms))
            assert p_value in [pytest.approx(value, rel=1e-9) for value in joint(grid).values()]


def _freedom(row, groups):
    parts = np.array([c**2 * group.var(ddof=1) / len(group) for c, group in zip(row, groups, strict=True)])
    known = np.array([len(group) - 1 for group in groups])
    return parts.sum() ** 2 / (parts**2 / known).sum()


def test_a_main_effect_is_the_lift_of_its_level():
    groups = [shares(30, 200), shares(50, 210), shares(20, 150), shares(60, 220)]
    found = cells(groups, Shape.SHARE)
    grid = factorial.effects(found, TWO, levels_of(TWO))
    of_level = lift.compare(found, side(4, [2, 3]), side(4, [0, 1]), family=3).absolute
    effect = estimates(grid)["headline: urgent against plain"]
    np.testing.assert_allclose(effect.interval, of_level.interval, rtol=1e-9)
    assert effect.p_value == pytest.approx(of_level.p_value, rel=1e-9)
    together = estimates(grid)["headline urgent, image people together, beyond what each brings alone"]
    assert together.value == pytest.approx(60 / 220 - 20 / 150 - 50 / 210 + 30 / 200, rel=1e-9)


def test_shares_have_a_chi_square_for_several_levels():
    rng = np.random.default_rng(5)
    groups = [shares(rng.integers(20, 60), 300) for _ in range(6)]
    grid = factorial.effects(cells(groups, Shape.SHARE), UNEVEN, levels_of(UNEVEN))
    share = np.array([group.mean() for group in groups])
    table = contrasts.table([2, 3], (0, 1))
    covariance = table @ np.diag(share * (1 - share) / 300) @ table.T
    statistic = table @ share @ np.linalg.solve(covariance, table @ share)
    assert list(joint(grid).values())[1] == pytest.approx(stats.chi2.sf(statistic, 2), rel=1e-9)


def test_words_of_the_grid_follow_the_better_direction():
    groups = standardised(4, 50) + np.array([0, 0, 3, 3])[:, None]
    higher = factorial.effects(cells(groups), TWO, levels_of(TWO))
    lower = factorial.effects(cells(groups), TWO, levels_of(TWO), better=Better.LOWER)
    assert [row[3] for row in higher.rows] == [Word.BETTER, Word.NOT_CLEAR, Word.NOT_CLEAR]
    assert [row[3] for row in lower.rows] == [Word.WORSE, Word.NOT_CLEAR, Word.NOT_CLEAR]
    assert len(higher.chart.names) == len(higher.chart.estimates) == 3
    assert all(len(row) == len(higher.columns) for row in higher.rows)


def test_covariates_narrow_the_effects():
    rng = np.random.default_rng(6)
    label, x = rng.integers(0, 4, 2000), rng.normal(size=2000)
    y = 3 * x + label + rng.normal(size=2000)
    with_x = estimates(factorial.effects(of_columns(np.c_[y, x], label, None, 4, covariates="x"), TWO, levels_of(TWO)))
    without = estimates(factorial.effects(of_columns(y, label, None, 4), TWO, levels_of(TWO)))
    for name, one in with_x.items():
        assert one.high - one.low < 0.5 * (without[name].high - without[name].low)
        assert str(one.method) == "Lin's regression adjustment"


def test_a_ratios_effects_are_those_of_its_ratios():
    rng = np.random.default_rng(7)
    groups = [np.c_[rng.poisson(3 + one, 200), rng.poisson(5, 200) + 1.0] for one in range(4)]
    found = estimates(factorial.effects(cells(groups, Shape.RATIO), TWO, levels_of(TWO)))
    ratios = [group[:, 0].sum() / group[:, 1].sum() for group in groups]
    expected = (ratios[2] + ratios[3] - ratios[0] - ratios[1]) / 2
    assert found["headline: urgent against plain"].value == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("groups", "shape", "reason"),
    [
        ([[1.0, 2.0], [], [1.0, 3.0], [2.0, 2.5]], Shape.MEAN, "nobody is in some of the combinations"),
        ([[1.0, 1.0]] * 4, Shape.MEAN, "every value is the same"),
        ([[1.0], [2.0], [3.0], [4.0]], Shape.MEAN, "a single value has no spread"),
        ([[[1, 0]] * 3] * 4, Shape.RATIO, "what it is divided by is zero"),
    ],
)
def test_what_has_no_effect_says_why(groups, shape, reason):
    grid = factorial.effects(cells(groups, shape), TWO, levels_of(TWO))
    assert all(reason in str(one.note) for one in estimates(grid).values())
    assert {row[3] for row in grid.rows} == {Word.NOT_EVALUABLE}


def test_a_combination_without_a_variant_is_said():
    levels = [*levels_of(TWO)[:3], {}]
    grid = factorial.effects(cells([[1.0, 2.0]] * 4), TWO, levels)
    assert "have no variant" in str(grid.rows[0][1].note)


def test_combinations_that_do_not_vary_have_no_joint_test():
    rng = np.random.default_rng(8)
    groups = [rng.normal(size=20), *[np.ones(20)] * 5]
    grid = factorial.effects(cells(groups), UNEVEN, levels_of(UNEVEN))
    assert [str(row[4]) for row in grid.rows if row[1] is None] == ["not evaluable: some combinations do not vary"] * 2


def test_rare_conversions_have_no_joint_test():
    grid = factorial.effects(cells([shares(2, 300)] * 6, Shape.SHARE), UNEVEN, levels_of(UNEVEN))
    assert [str(row[4]) for row in grid.rows if row[1] is None] == ["a side has fewer than 5 conversions"] * 2


# --- the best ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("m", "two_sided", "expected"),
    [
        (1, True, 1.96),
        (2, True, 2.21),
        (3, True, 2.35),
        (5, True, 2.51),
        (2, False, 1.92),
        (3, False, 2.06),
        (5, False, 2.23),
    ],
)
def test_dunnetts_published_critical_values(m, two_sided, expected):
    """Dunnett (1955, 1964), infinite degrees of freedom, 5 %."""
    error = picking.dunnett_error(1.0, np.ones(m), 0.05, two_sided=two_sided)
    assert stats.norm.isf(error / 2) == pytest.approx(expected, abs=0.005)


def test_unequal_variances_against_the_normal_distribution_of_scipy():
    variance, others = 0.5, np.array([0.1, 1.0, 4.0])
    z = stats.norm.isf(picking.dunnett_error(variance, others, 0.05, two_sided=False) / 2)
    spread = np.sqrt(variance + others)
    correlation = (variance + np.diag(others)) / np.outer(spread, spread)
    held = stats.multivariate_normal(np.zeros(3), correlation, seed=1).cdf(np.full(3, z))
    assert held == pytest.approx(0.95, abs=2e-4)


def test_a_clear_winner_is_the_best():
    rng = np.random.default_rng(9)
    grid = best(cells([rng.normal(mean, 1, 300) for mean in (0, 0.1, 2)]), ["a", "b", "c"])
    assert [str(row[4]) for row in grid.rows] == ["not the best", "not the best", "the best"]
    winner, loser = grid.rows[2][3], grid.rows[0][3]
    assert winner.low == 0 < winner.value < winner.high
    assert loser.low < loser.value < 0 == loser.high
    assert grid.rows[0][2] is None
    assert grid.rows[2][2].low > 0
    assert grid.chart.words == (Word.WORSE, Word.WORSE, Word.BETTER)


def test_the_least_is_the_best_where_lower_is_better():
    rng = np.random.default_rng(9)
    found = cells([rng.normal(mean, 1, 300) for mean in (0, 0.1, 2)])
    grid = best(found, ["a", "b", "c"], better=Better.LOWER)
    assert [str(row[4]) for row in grid.rows] == ["may be the best", "may be the best", "not the best"]
    mirrored = best(cells([-np.array([0.0, 1, 2]), -np.array([9.0, 8, 9])]), ["a", "b"])
    plain = best(cells([np.array([0.0, 1, 2]), np.array([9.0, 8, 9])]), ["a", "b"], better=Better.LOWER)
    assert mirrored.rows[0][3].high == pytest.approx(-plain.rows[0][3].low)


def test_values_hold_together():
    grid = best(cells([shares(30, 200), shares(50, 210), shares(40, 190)], Shape.SHARE), ["a", "b", "c"])
    exact = proportion_confint(30, 200, 1 - 0.95 ** (1 / 3), "beta")
    np.testing.assert_allclose(grid.rows[0][1].interval, exact, rtol=1e-9)


@pytest.mark.parametrize("means", [(0.0, 0.0, 0.0, 0.0), (0.0, 0.3, 0.3, 0.35)])
def test_what_is_picked_by_looking_keeps_its_coverage(means):
    # At least 95 % for all intervals of each kind at once, less 3 standard errors of 250 runs: sqrt(.95 * .05 / 250).
    rng = np.random.default_rng(11)
    spreads, sizes = (1.0, 2.0, 1.0, 0.5), (40, 60, 80, 50)
    truth = np.array([mean - max(np.delete(means, place)) for place, mean in enumerate(means)])
    held = np.zeros(4)
    for _ in range(250):
        groups = [rng.normal(*one) for one in zip(means, spreads, sizes, strict=True)]
        rows = best(cells(groups), "abcd").rows
        held[0] += all(row[1].low <= mean <= row[1].high for row, mean in zip(rows, means, strict=True))
        held[1] += all(
            row[2].low <= mean - means[0] <= row[2].high for row, mean in zip(rows[1:], means[1:], strict=True)
        )
        held[2] += all(row[3].low <= far <= row[3].high for row, far in zip(rows, truth, strict=True))
        picked = max(range(4), key=lambda place: rows[place][1].value)
        held[3] += rows[picked][1].low <= means[picked] <= rows[picked][1].high
    assert (held / 250 >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 250)).all()


def test_nobody_is_called_the_best_of_equals():
    # At most 5 % of runs, and 3 standard errors of 200 runs.
    rng = np.random.default_rng(12)
    called = 0
    for _ in range(200):
        rows = best(cells([shares(rng.binomial(400, 0.1), 400) for _ in range(3)], Shape.SHARE), "abc").rows
        called += any(str(row[4]) == "the best" for row in rows)
    assert called / 200 < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


def test_best_of_bad_input_is_in_words():
    grid = best(cells([[1.0, 2.0, 3.0], [], [2.0, 2.0], [5.0, 7.0]]), "abcd")
    notes = [str(row[1].note) if row[1].note else "" for row in grid.rows]
    assert notes == ["", "nobody is in it", "every value is the same", ""]
    assert [str(row[4]) for row in grid.rows][1:3] == ["not evaluable", "not evaluable"]
    alone = best(cells([[1.0, 2.0, 3.0], []]), "ab")
    assert str(alone.rows[0][3].note) == "there is no other to compare it with"
    nothing = best(cells([[[1, 0]] * 3, [[1, 0]] * 3], Shape.RATIO), "ab")
    assert nothing.rows[0][1].note.key == "not_evaluable.nothing_below"


def test_all_zeros_may_all_be_the_best():
    grid = best(cells([shares(0, 50), shares(0, 60)], Shape.SHARE), "ab")
    assert [str(row[4]) for row in grid.rows] == ["may be the best", "may be the best"]
