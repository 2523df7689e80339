"""Predictions that are handed in are checked, and found again by their rows."""

import numpy as np
import pytest

from analysis.ope.models.given import given
from engine.errors import InvalidRequest
from tests.analysis.ope.models import made_logs

K = made_logs.K


def test_they_are_found_by_row_in_whatever_part_of_the_log_they_are_asked_for():
    log = made_logs.clicks(n=100)
    numbers = np.random.default_rng(1).random((100, K))
    part = np.array([70, 3, 4])
    np.testing.assert_array_equal(given(numbers).predict(log[part]), numbers[part])
    backwards = log[::-1]
    np.testing.assert_array_equal(given(numbers, backwards).predict(log[part]), numbers[::-1][part])


def test_one_for_each_variant_holds_for_all_draws():
    log = made_logs.clicks(n=4)
    np.testing.assert_array_equal(given(np.array([0.1, 0.2, 0.3])).predict(log), np.tile([0.1, 0.2, 0.3], (4, 1)))


@pytest.mark.parametrize(
    ("numbers", "why"),
    [
        (np.zeros((2, 2, 2)), r"predictions are \(k,\) or \(n, k\), and these are \(2, 2, 2\)"),
        (
            np.array([[0.0] * K] * 8 + [[0.0, np.nan, 0.0]] + [[0.0] * K]),
            "a prediction is no number, the first in row 8",
        ),
        (np.zeros((9, K)), "9 predictions are given for 10 draws"),
    ],
)
def test_what_does_not_fit_is_refused(numbers, why):
    with pytest.raises(InvalidRequest, match=why):
        given(numbers, made_logs.clicks(n=10))


def test_other_draws_and_other_variants_are_refused():
    log = made_logs.clicks(n=10)
    with pytest.raises(InvalidRequest, match="no prediction is given for row 8"):
        given(np.zeros((8, K))).predict(log)
    with pytest.raises(InvalidRequest, match="predictions of 2 variants are given, and the log has 3"):
        given(np.zeros(2)).predict(log)
