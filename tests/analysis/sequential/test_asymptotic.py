import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.estimate import Estimate, not_evaluable
from analysis.sequential import asymptotic
from analysis.texts import text

ALPHAS = st.floats(1e-4, 0.2)
SIZES = st.integers(1, 10_000_000)


@given(SIZES, SIZES, ALPHAS)
def test_the_width_is_equation_9(n, n_tightest, alpha):
    # Waudby-Smith et al. (arXiv 2103.06476), equation 9, with s = 1 and rho as they choose it for one n.
    rho2 = (-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) / n_tightest
    half = math.sqrt(2 * (n * rho2 + 1) / (n**2 * rho2) * math.log(math.sqrt(n * rho2 + 1) / alpha))
    low, high = asymptotic.sequence(1.0, 1 / math.sqrt(n), n, n_tightest, alpha)
    assert (low, high) == pytest.approx((1 - half, 1 + half), rel=1e-9, abs=1e-9)


@given(SIZES, SIZES, ALPHAS)
def test_it_is_the_normal_mixture_boundary(n, n_tightest, alpha):
    # Howard, Ramdas, McAuliffe and Sekhon (2021), eq. 14: sqrt((v + r) log((v + r) / (r alpha^2))) with r = 1 / rho^2.
    rho2 = (-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) / n_tightest
    boundary = math.sqrt((n + 1 / rho2) * (math.log1p(n * rho2) - 2 * math.log(alpha)))
    assert asymptotic.factor(n, n_tightest, alpha) * math.sqrt(n) == pytest.approx(boundary, rel=1e-9)


def test_the_price_is_least_where_it_was_tuned():
    price = {n: asymptotic.factor(n, 50_000, 0.05) / 1.959964 for n in np.linspace(5_000, 200_000, 400)}
    # The choice of rho is an approximation that is off by a few per cent of n.
    assert min(price, key=price.get) == pytest.approx(50_000, rel=0.1)
    assert min(price.values()) == pytest.approx(1.548, abs=0.001)


@given(st.floats(-8, 8), SIZES, SIZES, ALPHAS)
def test_the_p_value_is_below_alpha_just_when_the_sequence_leaves_out_zero(z, n, n_tightest, alpha):
    low, high = asymptotic.sequence(z, 1.0, n, n_tightest, alpha)
    p = asymptotic.p_value(z, 1.0, n, n_tightest, alpha)
    assert 0 < p <= 1
    if min(abs(low), abs(high)) > 1e-9:
        assert (p < alpha) is not (low < 0 < high)


def test_the_standard_error_of_an_interval_counts_its_family():
    none = text("method.none")
    half = 2.241403  # the normal quantile of 1 - 0.05 / 2 / 2
    assert asymptotic.standard_error(Estimate(1.0, 1 - half, 1 + half, 9, none, none, family=2)) == pytest.approx(1.0)
    assert asymptotic.standard_error(not_evaluable(none, none)) is None
    assert asymptotic.standard_error(Estimate(1.0, 1.0, 1.0, 9, none, none)) is None
