from datetime import timedelta

import numpy as np

from analysis.attribution.incremental import baseline
from analysis.attribution.incremental.entering import Entered
from tests.analysis.attribution.incremental.making_units import DAY, did, draws, units

SPLIT = [0.2, 0.8]
FIRST = draws("x", [1, 2, 3], [1, 2, 3], [0, 1, 0], SPLIT, channel="web")
SECOND = draws("y", [2, 3, 4], [5, 1, 4], [0, 0, 0], [0.5, 0.5], channel="mail")


def test_each_unit_comes_in_by_its_first_draw_and_all_its_draws_count():
    found = Entered.of(units([FIRST, SECOND], did()), [FIRST, SECOND])
    assert found.unit.tolist() == [1, 2, 3, 4]
    assert (found.since // DAY).tolist() == [1, 2, 1, 4]
    assert found.first.tolist() == [0, 0, 1, 1]
    assert found.is_control.tolist() == [True, False, True, True]
    assert found.chance.tolist() == [0.2, 0.1, 0.1, 0.5]


def test_within_a_window_only_its_draws_count_and_open_windows_are_left_out():
    late = draws("z", [9], [99], [0], SPLIT)
    found = Entered.of(units([FIRST, SECOND, late], did(), timedelta(days=2)), [FIRST, SECOND, late])
    assert found.unit.tolist() == [1, 2, 3, 4]
    assert found.is_control.tolist() == [True, False, True, True]
    assert found.chance.tolist() == [0.2, 0.2, 0.1, 0.5]


def test_nobody_comes_into_experiments_that_drew_nobody():
    nobody = draws("x", [], 1, [], SPLIT)
    assert len(Entered.of(units([nobody], did()), [nobody])) == 0


def test_what_is_known_before_is_what_was_done_and_drawn_before():
    done = did([2, 2, 3], [1, 6, 0], [3.0, 9.0, 1.0])
    of = units([FIRST, SECOND], done)
    columns = baseline.known(of, Entered.of(of, [SECOND]), [SECOND])
    # Units 2, 3 and 4 came in on days 5, 1 and 4.
    assert columns[:, 0].tolist() == [np.log1p(1), np.log1p(1), 0.0]
    assert columns[:, 2].tolist() == [1.0, 0.0, 0.0]


def test_a_unit_is_expected_to_do_what_others_did_whatever_it_did_itself():
    random = np.random.default_rng(1)
    columns, done = random.normal(size=(200, 3)), random.normal(size=(200, 2))
    found = baseline.expected(columns, done, np.arange(200))
    changed = done.copy()
    changed[7] += 1e6
    again = baseline.expected(columns, changed, np.arange(200))
    assert again[7].tolist() == found[7].tolist()
    assert not np.allclose(again, found)


def test_of_one_unit_alone_nothing_is_expected():
    assert baseline.expected(np.ones((1, 2)), np.ones((1, 2)), np.array([5])).tolist() == [[0.0, 0.0]]
