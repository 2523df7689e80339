from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from analysis.estimate import Validity
from analysis.lifts import clusters, lift
from analysis.lifts.cells import Shape, side
from analysis.logs.metrics import Sample
from tests.analysis.making_cells import of_columns

CONTROL, TREATED = side(2, [0]), side(2, [1])


def sample(values, label, unit, stratum=None, per=None, covariates=None):
    n = len(values)
    stratum = np.zeros(n, np.int64) if stratum is None else stratum
    covariates = np.empty((n, 0)) if covariates is None else covariates
    known = {"label": label, "stratum": stratum, "unit_key": unit, "values": values, "uncapped": values, "per": per}
    rest = {"since": np.zeros(n, np.int64), "row": np.arange(n), "covariates": covariates, "n_open": 0}
    fields = Sample.__dataclass_fields__
    return Sample(**{name: value for name, value in {**known, **rest}.items() if name in fields})


def cells_of(found, shape=Shape.MEAN, covariates=()):
    columns = [found.values, *([] if found.per is None else [found.per]), *found.covariates.T]
    return of_columns(np.column_stack(columns), found.label, found.stratum, shape=shape, covariates=covariates)


def visits(n_units=120, seed=0, by_unit=False):
    """Return values, labels and units of several visits each, where a unit's visits are alike."""
    rng = np.random.default_rng(seed)
    unit = np.repeat(np.arange(n_units), rng.integers(1, 9, n_units))
    label = rng.integers(0, 2, n_units)[unit] if by_unit else rng.integers(0, 2, len(unit))
    return rng.normal(size=n_units)[unit] + 0.3 * label + rng.normal(size=len(unit)) + 4, label, unit


def regression(values, columns, unit):
    return sm.OLS(values, columns).fit(cov_type="cluster", cov_kwds={"groups": unit}, use_t=True)


@pytest.mark.parametrize("by_unit", [True, False])
def test_means_against_statsmodels(by_unit):
    values, label, unit = visits(by_unit=by_unit)
    found = sample(values, label, unit)
    expected = regression(values, sm.add_constant(label), unit)
    compared = clusters.compare(found, cells_of(found), TREATED, CONTROL)
    assert compared.absolute.value == pytest.approx(expected.params[1], rel=1e-9)
    np.testing.assert_allclose(compared.absolute.interval, expected.conf_int()[1], rtol=1e-9)
    assert compared.absolute.p_value == pytest.approx(expected.pvalues[1], rel=1e-9)
    assert str(compared.absolute.method) == "difference of means, cluster-robust (CR1) over 120 units"
    assert compared.relative.low < compared.relative.value < compared.relative.high


def test_a_value_against_statsmodels():
    values, label, unit = visits()
    found = sample(values, label, unit)
    expected = regression(values[label == 0], np.ones((label == 0).sum()), unit[label == 0])
    of = clusters.value(found, cells_of(found), CONTROL)
    np.testing.assert_allclose(of.interval, expected.conf_int()[0], rtol=1e-9)


def test_shares_against_statsmodels():
    rng = np.random.default_rng(2)
    unit = np.repeat(np.arange(200), 4)
    label = rng.integers(0, 2, 800)
    values = (rng.random(800) < rng.beta(1, 4, 200)[unit] + 0.05 * label).astype(float)
    found = sample(values, label, unit)
    expected = regression(values, sm.add_constant(label), unit)
    compared = clusters.compare(found, cells_of(found, Shape.SHARE), TREATED, CONTROL).absolute
    np.testing.assert_allclose(compared.interval, expected.conf_int()[1], rtol=1e-9)


def test_strata_against_statsmodels():
    values, label, unit = visits()
    stratum = np.random.default_rng(5).integers(0, 2, len(values))
    found = sample(values, label, unit, stratum)
    compared = clusters.compare(found, cells_of(found), TREATED, CONTROL).absolute
    dummies = np.eye(4)[label * 2 + stratum]
    fitted = regression(values, dummies, unit)
    share = np.bincount(stratum) / len(stratum)
    expected = fitted.t_test(np.r_[-share, share])
    np.testing.assert_allclose(compared.interval, expected.conf_int()[0], rtol=1e-9)
    assert compared.p_value == pytest.approx(expected.pvalue.item(), rel=1e-9)


def test_ratios_by_hand():
    values, label, unit = visits()
    per = np.random.default_rng(3).poisson(2, len(values)) + 1.0
    found = sample(values, label, unit, per=per)
    compared = clusters.compare(found, cells_of(found, Shape.RATIO), TREATED, CONTROL).absolute
    influence = np.zeros(len(values))
    for one, sign in ((0, -1), (1, 1)):
        of = label == one
        ratio = values[of].sum() / per[of].sum()
        influence[of] = sign * (values[of] - ratio * per[of]) / per[of].sum()
    n, g = len(values), 120
    variance = g / (g - 1) * (n - 1) / (n - 2) * (np.bincount(unit, influence) ** 2).sum()
    half = (compared.high - compared.low) / 2
    assert half == pytest.approx(stats.t.isf(0.025, g - 1) * np.sqrt(variance), rel=1e-9)


def test_units_of_one_row_say_what_rows_say():
    values, label, _ = visits(400)
    found = sample(values, label, np.arange(len(values)))
    by_unit = clusters.compare(found, cells_of(found), TREATED, CONTROL)
    by_row = lift.compare(cells_of(found), TREATED, CONTROL)
    np.testing.assert_allclose(by_unit.absolute.interval, by_row.absolute.interval, rtol=0.01)
    np.testing.assert_allclose(by_unit.relative.interval, by_row.relative.interval, rtol=0.02)


def test_covariates_adjust_by_unit():
    values, label, unit = visits(600)
    x = np.random.default_rng(4).normal(size=len(values))
    found = sample(values + 2 * x, label, unit, covariates=x[:, None])
    of = cells_of(found, covariates=("x",))
    compared = clusters.compare(found, of, TREATED, CONTROL)
    centred = x - x.mean()
    fitted = regression(values + 2 * x, np.column_stack([np.ones(len(x)), label, centred, label * centred]), unit)
    assert compared.absolute.value == pytest.approx(fitted.params[1], rel=1e-9)
    width = np.diff(fitted.conf_int()[1]).item()
    assert compared.absolute.high - compared.absolute.low == pytest.approx(width, rel=0.02)
    assert compared.absolute.high - compared.absolute.low < 0.8 * (compared.plain.high - compared.plain.low)
    assert "Lin's regression adjustment, cluster-robust" in str(compared.absolute.method)


def test_unstratified_cells_ignore_the_strata_of_the_sample():
    values, label, unit = visits()
    whole = sample(values, label, unit)
    cut = replace(whole, stratum=np.random.default_rng(1).integers(0, 5, len(values)))
    found = clusters.compare(cut, cells_of(whole), TREATED, CONTROL)
    assert found == clusters.compare(whole, cells_of(whole), TREATED, CONTROL)


def test_rows_as_if_independent_would_be_too_sure():
    # 95 % within 3 standard errors of 400 runs, where Welch on rows covers about 60 %.
    held = {"unit": 0, "row": 0}
    for seed in range(400):
        values, label, unit = visits(60, seed, by_unit=True)
        found = sample(values, label, unit)
        by_unit = clusters.compare(found, cells_of(found), TREATED, CONTROL).absolute
        by_row = lift.compare(cells_of(found), TREATED, CONTROL).absolute
        held["unit"] += by_unit.low <= 0.3 <= by_unit.high
        held["row"] += by_row.low <= 0.3 <= by_row.high
    assert abs(held["unit"] / 400 - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 400)
    assert held["row"] / 400 < 0.85


# --- bad input -----------------------------------------------------------------------------------------------------


def said(values, label, unit, shape=Shape.MEAN, per=None):
    found = sample(np.asarray(values, float), np.asarray(label), np.asarray(unit), per=per)
    absolute = clusters.compare(found, cells_of(found, shape), TREATED, CONTROL).absolute
    assert absolute.validity is Validity.NOT_EVALUABLE
    return str(absolute.note)


def test_what_cannot_be_compared_says_why():
    rng = np.random.default_rng(0)
    values, label = rng.normal(size=100), np.repeat([0, 1], 50)
    assert said(values, np.zeros(100, np.int64), np.arange(100)) == "nobody is in it"
    assert "fewer than 10 units, too few" in said(values, label, np.arange(100) // 10)
    assert "every value of one side is the same" in said(np.ones(100), label, np.arange(100))
    assert "fewer than 5 conversions" in said(np.arange(100) < 3, label, np.arange(100), Shape.SHARE)
    # Every unit brings 1 and -1: its rows differ, and units do not.
    assert "all units of one side bring the same" in said(np.tile([1, -1], 50), label, np.arange(100) // 2)
    below = np.where(np.arange(100) % 50 < 2, 1.0, 0.0)
    assert "may be zero" in said(values, label, np.arange(100), Shape.RATIO, below)


def test_few_units_are_said():
    values, label, unit = visits(30)
    found = sample(values, label, unit)
    assert "the interval may be too narrow" in str(
        clusters.compare(found, cells_of(found), TREATED, CONTROL).absolute.note
    )


def test_cells_of_another_sample_are_refused():
    values, label, unit = visits()
    found = sample(values, label, unit)
    other = sample(values[:50], label[:50], unit[:50])
    with pytest.raises(ValueError, match="another sample"):
        clusters.compare(other, cells_of(found), TREATED, CONTROL)
