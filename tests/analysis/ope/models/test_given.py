"""Predictions that are handed in are checked, and found again by their rows."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.ope.models.given import predicted
from engine.errors import InvalidRequest
from tests.analysis.ope.models import made_logs

K = made_logs.K


def test_they_are_found_by_row_in_whatever_part_of_the_log_they_are_asked_for():
    log = made_logs.clicks(n=100)
    numbers = np.random.default_rng(1).random((100, K))
    part = np.array([70, 3, 4])
    np.testing.assert_array_equal(predicted(numbers).predict(log[part]), numbers[part])
    backwards = log[::-1]
    np.testing.assert_array_equal(predicted(numbers, backwards).predict(log[part]), numbers[::-1][part])


def test_one_for_each_variant_holds_for_all_draws():
    log = made_logs.clicks(n=4)
    np.testing.assert_array_equal(predicted(np.array([0.1, 0.2, 0.3])).predict(log), np.tile([0.1, 0.2, 0.3], (4, 1)))


def test_of_several_slots_each_draw_has_that_of_its_own():
    log = replace(made_logs.clicks(n=60), row=np.arange(60) // 3, slot=np.arange(60) % 3)
    numbers = np.random.default_rng(1).random((20, K, 3))
    found = predicted(numbers, log).predict(log[7:])
    np.testing.assert_array_equal(found, numbers[log.row, :, log.slot][7:])
    with pytest.raises(InvalidRequest, match="predictions of 2 slots are given, and the log has more"):
        predicted(numbers[:, :, :2]).predict(log)
    with pytest.raises(InvalidRequest, match="several draws have one row"):
        predicted(np.zeros((60, K)), log)


@pytest.mark.parametrize(
    ("numbers", "why"),
    [
        (
            np.zeros((2, 2, 2, 2)),
            r"predictions are \(k,\), \(n, k\) or \(n, k, n_slots\), and these are \(2, 2, 2, 2\)",
        ),
        (
            np.array([[0.0] * K] * 8 + [[0.0, np.nan, 0.0]] + [[0.0] * K]),
            "a prediction is no number, the first in row 8",
        ),
        (np.zeros((9, K)), "9 predictions are given for 10 draws"),
    ],
)
def test_what_does_not_fit_is_refused(numbers, why):
    with pytest.raises(InvalidRequest, match=why):
        predicted(numbers, made_logs.clicks(n=10))


def test_other_draws_and_other_variants_are_refused():
    log = made_logs.clicks(n=10)
    with pytest.raises(InvalidRequest, match="no prediction is given for row 8"):
        predicted(np.zeros((8, K))).predict(log)
    with pytest.raises(InvalidRequest, match="predictions of 2 variants are given, and the log has 3"):
        predicted(np.zeros(2)).predict(log)
