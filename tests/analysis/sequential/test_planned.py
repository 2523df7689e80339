import numpy as np
import pytest

from analysis.estimate import Holds, Validity
from analysis.sequential import asymptotic, boundaries, planned
from analysis.sequential.planned import Look
from engine.experiments import Boundary, Looking, Plan
from tests.analysis.making_samples import cells, conversions, difference, sample

PLAN = Plan(Looking.PLANNED, looks=4, boundary=Boundary.POCOCK, n_units=4_000)


@pytest.mark.parametrize(
    ("n", "look"),
    [(0, Look(0, 0)), (999, Look(0, 0)), (1_000, Look(1, 1_000)), (3_999, Look(3, 3_000)), (9_000, Look(4, 4_000))],
)
def test_the_latest_completed_look(n, look):
    assert planned.look_at(n, PLAN) == look


def test_looks_that_do_not_divide_evenly_wait_for_the_last_unit():
    plan = Plan(Looking.PLANNED, looks=3, n_units=10)
    assert [planned.look_at(n, plan) for n in (3, 4, 7, 9, 10)] == [
        *(Look(0, 0), Look(1, 4), Look(2, 7), Look(2, 7), Look(3, 10)),
    ]


def test_the_repeated_interval_counts_the_first_subjects_alone():
    of = conversions(np.random.default_rng(1), 3_700)
    found = planned.estimate(of, cells(of), PLAN, difference)
    first = difference(cells(sample(of.values[:3_000], of.label[:3_000])))
    error = asymptotic.standard_error(first)
    critical = boundaries.critical(PLAN.boundary, 4, 0.05)[2]
    assert (found.value, found.n, found.holds) == (first.value, 3_000, Holds.PLANNED)
    assert (found.low, found.high) == pytest.approx((first.value - critical * error, first.value + critical * error))
    assert str(found.method) == "Newcomb, repeated interval at look 3 of 4 (Pocock)"


def test_the_p_value_is_below_the_error_just_when_a_boundary_was_crossed():
    for seed in range(30):
        of = conversions(np.random.default_rng(seed), 4_000, (0.1, 0.13))
        found = planned.estimate(of, cells(of), PLAN, difference)
        assert (found.p_value <= 0.05) is (found.low > 0 or found.high < 0)


def test_it_stays_at_the_first_look_that_crossed():
    rng = np.random.default_rng(3)
    early, late = conversions(rng, 1_000, (0.1, 0.3)), conversions(rng, 3_000, (0.3, 0.1))
    of = sample(np.concatenate([early.values, late.values]), np.concatenate([early.label, late.label]))
    found = planned.estimate(of, cells(of), PLAN, difference)
    assert "at look 1 of 4" in str(found.method)
    assert found.low > 0


def test_before_the_first_look_nothing_is_said():
    of = conversions(np.random.default_rng(4), 900)
    found = planned.estimate(of, cells(of), PLAN, difference)
    assert (found.interval, found.validity) == (None, Validity.NOT_EVALUABLE)
    assert "the first planned look counts 1,000 units, and 900 have been counted" in str(found.note)


def test_a_look_that_one_look_could_not_evaluate_keeps_its_reason():
    of = sample(np.ones(1_000), np.zeros(1_000, np.int64))
    found = planned.estimate(of, cells(of), PLAN, difference)
    assert found.interval is None
    assert found.note is not None
