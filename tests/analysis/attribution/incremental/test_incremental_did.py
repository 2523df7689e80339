from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.attribution.incremental import did as module
from engine.experiments import Experiment, Variant
from engine.metrics import Metric
from engine.records import Reason
from tests.analysis.attribution.incremental.making_units import DAY, did

TEST = Experiment("hero", (Variant("a"), Variant("b")), (Metric("order"),))


@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 9), st.integers(-3, 9))),
    st.lists(st.tuples(st.integers(1, 4), st.integers(0, 9), st.integers(0, 9)), min_size=1),
)
def test_what_lies_in_a_window_is_what_is_found_there_row_by_row(rows, windows):
    unit, at, value = np.array(rows, np.int64).reshape(-1, 3).T
    found = did(unit, at, value).between(*(np.array(column) for column in _in_days(windows)))
    for (who, since, until), (n, total) in zip(windows, found, strict=True):
        inside = [worth for key, when, worth in rows if key == who and since <= when <= until]
        assert (n, total) == (sum(worth >= 0 for worth in inside), sum(inside))


def _in_days(windows):
    who, since, until = zip(*windows, strict=True)
    return who, DAY * np.array(since), DAY * np.array(until)


def test_an_outcome_of_an_assignment_is_its_units_and_one_by_unit_is_its_own(new_log):
    log = new_log(TEST)
    made = log.assign("ann", 0)
    log.observe(made, "order", 1, 5.0)
    log.observe("ann", "order", 2, -2.0)
    log.observe("bob", "order", 3, 7.0)
    found, _ = module.read(log.store, "order")
    assert found.value.tolist() == [5.0, -2.0, 7.0]
    assert found.unit[0] == found.unit[1] != found.unit[2]


def test_what_was_taken_back_or_was_a_test_or_has_no_number_is_not_there(new_log):
    log = new_log(TEST)
    made, tested = log.assign("ann", 0), log.assign("eve", 0, reason=Reason.QA, is_draw=False)
    gone = log.observe(made, "order", 1, 5.0)
    log.observe(made, "order", 2, 5.0, void_of=gone)
    log.observe(tested, "order", 2, 5.0)
    for value in (1e61, -1e61):
        log.observe("ann", "order", 2, value)
    log.observe("ann", "click", 2, 1.0)
    found, left_out = module.read(log.store, "order")
    assert len(found.unit) == 0
    assert [each.n for each in left_out] == [2, 1]


def test_an_outcome_that_no_experiment_counts_is_there_all_the_same(new_log):
    log = new_log(replace(TEST, metrics=(Metric("click"),)))
    log.assign("ann", 0)
    log.observe("ann", "order", 1, 3.0)
    assert module.read(log.store, "order")[0].value.tolist() == [3.0]


@pytest.mark.parametrize("name", ["order", "click"])
def test_an_empty_log_has_nobody_who_did_anything(new_log, name):
    found, left_out = module.read(new_log(TEST).store, name)
    assert len(found.unit) == 0
    assert [each.n for each in left_out] == [0, 0]
    assert found.between(np.array([1]), np.array([0]), np.array([DAY])).tolist() == [[0.0, 0.0]]
