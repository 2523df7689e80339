"""Each estimator against its formula, written out in numpy as the papers and obp 0.5 have it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.ope.estimators.clipped import Clipped
from analysis.ope.estimators.cressie_read import CressieRead
from analysis.ope.estimators.dm import Dm
from analysis.ope.estimators.dr import Dr
from analysis.ope.estimators.dros import DrOs
from analysis.ope.estimators.ips import Ips
from analysis.ope.estimators.sndr import Sndr
from analysis.ope.estimators.snips import Snips
from analysis.ope.estimators.sub_gaussian import SubGaussian
from analysis.ope.estimators.switch_dr import SwitchDr
from analysis.ope.weighed import weighed
from tests.analysis.ope.estimators.making import case, estimate

SEEDS = st.integers(0, 2**32 - 1)
LEVELS = st.sampled_from([0.0, 0.5, 2.0, 10.0, np.inf])


class Plain:
    """The columns of the formulas: w, r, q of the drawn variant, and the target's mean of q."""

    def __init__(self, seed):
        self.log, self.target, self.predicted = case(seed)
        rows = np.arange(len(self.log))
        self.r = self.log.reward
        self.w = self.target[rows, self.log.variant] / self.log.propensity
        self.q = self.predicted[rows, self.log.variant]
        self.mean_q = np.average(self.predicted, weights=self.target, axis=1)

    def meets(self, estimator, expected):
        part = weighed(self.log, self.target, self.predicted)
        assert estimate(estimator, part) == pytest.approx(expected, rel=1e-12, abs=1e-12)


@given(SEEDS)
def test_ips(seed):
    of = Plain(seed)
    of.meets(Ips(), (of.w * of.r).mean())


@given(SEEDS)
def test_snips(seed):
    of = Plain(seed)
    of.meets(Snips(), (of.r * of.w / of.w.mean()).mean())


@given(SEEDS, LEVELS)
def test_clipped(seed, level):
    of = Plain(seed)
    of.meets(Clipped(level), (np.minimum(of.w, level) * of.r).mean())


@given(SEEDS, st.floats(0, 1))
def test_sub_gaussian(seed, level):
    of = Plain(seed)
    of.meets(SubGaussian(level), (of.w / (1 - level + level * of.w) * of.r).mean())


@given(SEEDS)
def test_direct_method(seed):
    of = Plain(seed)
    of.meets(Dm(), of.mean_q.mean())


@given(SEEDS)
def test_doubly_robust(seed):
    of = Plain(seed)
    of.meets(Dr(), (of.mean_q + of.w * (of.r - of.q)).mean())


@given(SEEDS)
def test_self_normalised_doubly_robust(seed):
    of = Plain(seed)
    of.meets(Sndr(), (of.mean_q + of.w * (of.r - of.q) / of.w.mean()).mean())


@given(SEEDS, LEVELS)
def test_switch_doubly_robust(seed, level):
    of = Plain(seed)
    of.meets(SwitchDr(level), (of.mean_q + (of.w <= level) * of.w * (of.r - of.q)).mean())


@given(SEEDS, st.sampled_from([0.0, 0.5, 2.0, 1e4]))
def test_optimistic_shrinkage(seed, level):
    of = Plain(seed)
    shrunk = level * of.w / (of.w**2 + level) if level else 0.0
    of.meets(DrOs(level), (of.mean_q + shrunk * (of.r - of.q)).mean())


@given(SEEDS)
def test_an_infinite_level_of_shrinkage_is_the_doubly_robust_one(seed):
    of = Plain(seed)
    of.meets(DrOs(np.inf), (of.mean_q + of.w * (of.r - of.q)).mean())


def from_vw_estimators(w, r, largest):
    """The value of the Cressie-Read estimator, as the class `cressieread.Estimator` of vw-estimators computes it."""
    n, sum_w, sum_w2, sum_wr, sum_w2r = len(w), w.sum(), (w**2).sum(), (w * r).sum(), (w**2 * r).sum()
    unseen = largest if sum_w < n else 0.0
    if np.isinf(unseen):
        gamma, beta = -(1 + n) / n, 0.0
    else:
        a, b = (unseen + sum_w) / (1 + n), (unseen**2 + sum_w2) / (1 + n)
        gamma, beta = (b - a) / (a * a - b), (1 - a) / (a * a - b)
    missing = max(0.0, 1 - (-gamma * sum_w - beta * sum_w2) / (1 + n))
    return (-gamma * sum_wr - beta * sum_w2r) / (1 + n) + missing * r.sum() / n


@given(SEEDS, st.sampled_from([20.0, 100.0, np.inf]))
def test_cressie_read(seed, largest):
    of = Plain(seed)
    estimator = CressieRead().told(len(of.w), largest)
    of.meets(estimator, from_vw_estimators(of.w, of.r, largest))


def test_cressie_read_meets_both_sides_of_a_mean_weight_of_one():
    sides = {bool(Plain(seed).w.mean() < 1) for seed in range(20)}
    assert sides == {True, False}


@given(SEEDS)
def test_cressie_read_in_the_limit_is_ips_with_the_weight_as_a_control_variate(seed):
    of = Plain(seed)
    slope = np.cov(of.w * of.r, of.w)[0, 1] / of.w.var(ddof=1)
    of.meets(CressieRead(), (of.w * of.r).mean() + slope * (1 - of.w.mean()))


def test_the_largest_weight_may_be_unknown():
    assert CressieRead().told(10, np.nan).largest == np.inf
