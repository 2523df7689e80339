"""The numbers of the evidence against their definitions, and parts against the whole."""

import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.ope.estimators import slates
from analysis.ope.logged import Collection
from analysis.ope.support import Evidence
from analysis.ope.weighed import weighed
from tests.analysis.ope.drawn_logs import always, drawn, even, evidence

K = 4


def uneven(n, k=K, seed=5):
    return np.random.default_rng(seed).dirichlet(np.ones(k), n) * 0.9 + 0.1 / k


def kish(weights):
    return weights.sum() ** 2 / (weights**2).sum()


def test_the_numbers_are_what_they_are_said_to_be():
    p, target = uneven(500), uneven(500, seed=6)
    log = drawn(p, 0.3)
    found = evidence(log, target, n=64).diagnostics()
    w = target[np.arange(500), log.variant] / log.propensity
    assert (found.n, found.n_units, found.n_matched) == (500, 500, 500)
    assert found.n_rewarded == log.reward.sum()
    assert found.effective == pytest.approx(kish(w))
    assert found.effective_rewarded == pytest.approx(kish(w * log.reward))
    assert found.effective_expected == pytest.approx(500 / (target**2 / p).sum(axis=1).mean())
    assert found.largest == pytest.approx(w.max())
    assert found.largest_row == w.argmax()
    assert found.possible == pytest.approx((target / p).max())
    assert found.unsupported == 0
    assert found.mean_weight == pytest.approx(w.mean())
    promised = math.sqrt(((target**2 / p).sum(axis=1).mean() - 1) / 500)
    assert found.mean_weight_error == pytest.approx(max(w.std(ddof=1) / math.sqrt(500), promised))


def test_the_share_without_support_is_that_of_the_target():
    p = np.tile([0.5, 0.5, 0.0, 0.0], (100, 1))
    found = evidence(drawn(p, 0.5), np.array([0.6, 0.3, 0.08, 0.02])).diagnostics()
    assert found.unsupported == pytest.approx(0.1)
    assert found.mean_weight_error >= math.sqrt((0.6**2 / 0.5 + 0.3**2 / 0.5 - 0.9**2) / 100) - 1e-12


def test_without_distributions_only_what_was_drawn_is_known():
    found = evidence(drawn(even(100, K), 0.5, with_all=False), even(100, K)).diagnostics()
    assert (found.possible, found.unsupported, found.effective_expected) == (None, None, None)
    assert found.mean_weight == pytest.approx(1)


def test_an_error_of_the_mean_weight_covers_what_the_log_has_not_met():
    """One in a thousand draws would weigh 250; 40 draws most likely meet none, and seem to know their mean exactly."""
    p = np.tile([0.999, 0.001], (40, 1))
    log = drawn(p, 0.5, seed=1)
    assert not log.variant.any()
    found = evidence(log, np.array([0.75, 0.25])).diagnostics()
    assert found.mean_weight_error == pytest.approx(math.sqrt((0.75**2 / 0.999 + 0.25**2 / 0.001 - 1) / 40))


def test_draws_of_a_unit_count_together():
    log = drawn(even(300, K), 0.5)
    log = replace(log, unit=np.arange(300) // 3)
    found = evidence(log, always(0, K), n=50).diagnostics()
    w = np.where(log.variant == 0, K, 0.0)
    by_unit = np.bincount(log.unit, w)
    assert found.n_units == 100
    assert found.effective == pytest.approx(kish(by_unit))
    assert found.effective_rewarded == pytest.approx(kish(np.bincount(log.unit, w * log.reward)))


def test_slates_count_as_one_draw_each():
    log = drawn(even(200, K), 0.5)
    log = replace(log, slate=np.arange(200) // 2, slot=np.arange(200) % 2, unit=np.arange(200) // 2, row=np.arange(200))
    gathered = Evidence(log.collection)
    part = slates.whole(weighed(log, np.tile([0.4, 0.3, 0.2, 0.1], (200, 1))))
    gathered.add(log, part)
    found = gathered.diagnostics()
    assert found.n == 100
    assert found.largest_row == 2 * part.weight.argmax()
    assert found.effective == pytest.approx(kish(part.weight))
    assert found.effective_expected is None


def test_an_empty_log_has_nothing_and_no_number_that_is_none():
    found = Evidence(Collection()).diagnostics(n_open=5, n_left_out=2)
    assert found.n == found.effective == found.mean_weight == found.matured == 0
    assert found.largest_row is None
    assert found.mean_weight_error is None
    assert found.left_out == pytest.approx(2 / 7)


def test_what_is_open_and_left_out_is_a_share():
    found = evidence(drawn(even(60, K), 0.5), even(60, K)).diagnostics(n_open=30, n_left_out=10)
    assert found.matured == pytest.approx(60 / 90)
    assert found.left_out == pytest.approx(10 / 100)


def alike(one, other):
    assert asdict(one) == {
        name: number if number is None else pytest.approx(number, rel=1e-9, abs=1e-12)
        for name, number in asdict(other).items()
    }


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(1, 400),
    cut=st.integers(0, 400),
    per_unit=st.integers(1, 5),
    block=st.integers(1, 100),
    seed=st.integers(0, 99),
)
def test_two_logs_add_up_to_what_both_say_together(n, cut, per_unit, block, seed):
    log = replace(drawn(uneven(n, seed=seed), 0.4, seed), unit=np.arange(n) // per_unit)
    target = np.array([0.7, 0.1, 0.1, 0.1])
    whole = evidence(log, target)
    both = evidence(log[:cut], target, block) + evidence(log[cut:], target, block)
    alike(both.diagnostics(), whole.diagnostics())
    assert both.verdict().word == whole.verdict().word
