"""The counts of any log, from whichever system: even without distributions, where all propensities are alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analysis.adaptive.drawn import Context
from analysis.ope import counts
from analysis.ope.logged import Logged
from engine.errors import InvalidRequest

N = 4_000


def log(k: int = 4) -> Logged:
    chance = np.random.default_rng(3)
    context = Context(chance.integers(2, size=(N, 1)).astype(np.float64), chance.integers(3, size=(N, 1)))
    return Logged.of(tuple("abcdefgh"[:k]), chance.integers(k, size=N), np.zeros(N), np.full(N, 1 / k), context=context)


def test_an_even_log_fits_though_it_has_propensities_alone() -> None:
    found = counts(log())
    assert (found.n, found.n_sets, found.alarms) == (N, 1 + 3 + 2, ())


def test_a_variant_that_was_lost_in_a_segment_is_found_there() -> None:
    whole = log()
    found = counts(whole[(whole.variant != 2) | (whole.context.codes[:, 0] != 1)])
    assert {(str(alarm.among), alarm.variant) for alarm in found.alarms[:1]} == {("t1 = 1", "c")}
    assert found.alarms[0].observed == 0
    assert "c among t1 = 1: 0, where " in str(found)


def test_a_flag_a_logger_and_a_slot_are_sets_too() -> None:
    whole = replace(log(), logger=np.arange(N) % 2, slot=np.arange(N) % 3)
    kept = (whole.variant != 0) | (whole.logger != 1)
    among = {str(alarm.among) for alarm in counts(whole[kept]).alarms}
    assert "logger 2" in among
    assert "logger 1" not in among
    kept = (whole.variant != 0) | (whole.context.numbers[:, 0] != 1)
    assert "x1 = 1" in {str(alarm.among) for alarm in counts(whole[kept]).alarms}


def test_propensities_alone_that_differ_say_nothing_about_counts() -> None:
    uneven = replace(log(), propensity=np.where(np.arange(N) == 7, 0.3, 0.25))
    with pytest.raises(InvalidRequest, match="propensities alone"):
        counts(uneven)


def test_what_is_no_log_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="row 5: the propensity is 0"):
        counts(replace(log(), propensity=np.where(np.arange(N) == 5, 0.0, 0.25)))
