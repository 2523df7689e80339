"""Who comes to an experiment now, and how undecided its policy is."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis.attribution.coming import Coming, evenness
from analysis.logs.simple_log import START, simple_log
from engine.errors import UnknownExperiment
from engine.experiments import Experiment, Variant
from engine.metrics import Metric
from engine.specs import ThompsonSpec

DAY = 86_400_000_000
THREE = tuple(map(Variant, "abc"))
TEST = Experiment("hero", THREE, (Metric("order"),))
BANDIT = Experiment("offer", THREE, (Metric("order"),), policy=ThompsonSpec(floor=0.06, control_share=0.2))
SETTLED = (0.02, 0.02, 0.96)


def packed(*shares):
    return np.round(np.array(shares) * 2**32).astype("<i8").tobytes()


def bandit(distributions, **columns):
    drawn = np.zeros(len(distributions), np.int64)
    return simple_log(BANDIT, {"variant": drawn, "distribution": np.array(distributions), **columns})


def test_a_week_is_the_last_in_which_anybody_came():
    """40 units came once a day for 20 days, and ten more on the last day: 7 days of 20 have 290 of 810 answers."""
    unit = np.append(np.tile(np.arange(1, 41), 20), np.arange(41, 51))
    at = START + DAY * np.append(np.repeat(np.arange(20), 40), np.full(10, 19))
    found = Coming.of(
        simple_log(TEST, {"variant": np.zeros(810, np.int64), "unit_key": unit, "assigned_at": at}), "hero"
    )
    assert found.n_units == 50
    assert found.in_a_week == pytest.approx(50 * 290 / 810)
    assert found.undecided == 1.0


def test_nobody_came_to_what_has_no_row():
    found = Coming.of(simple_log(TEST, {"variant": np.zeros(0, np.int64)}), "hero")
    assert (found.n_units, found.in_a_week, found.undecided) == (0, 0.0, 1.0)
    with pytest.raises(UnknownExperiment, match="gone"):
        Coming.of(simple_log(TEST, {"variant": np.zeros(1, np.int64)}), "gone")


def test_evenness_is_the_entropy_of_what_the_floor_leaves():
    """Of .06 each of three has .02; what is left of (.5, .3, .2) is (.48, .28, .18) / .94."""
    q = np.array([0.48, 0.28, 0.18]) / 0.94
    assert evenness(packed(0.5, 0.3, 0.2), 0.06) == pytest.approx(-(q * np.log(q)).sum() / math.log(3), rel=1e-6)
    assert evenness(packed(*SETTLED), 0.06) == pytest.approx(0.0, abs=1e-6)
    assert evenness(packed(1 / 3, 1 / 3, 1 / 3), 1.0) == 1.0
    assert evenness(packed(1.0), 0.06) == 0.0
    assert evenness(b"", 0.06) == 0.0


def test_a_policy_is_judged_by_its_latest_draws():
    even = (1 / 3, 1 / 3, 1 / 3)
    assert Coming.of(bandit([even] * 90 + [SETTLED] * 10), "offer").undecided == pytest.approx(0.0, abs=1e-6)
    assert Coming.of(bandit([SETTLED] * 90 + [even] * 10), "offer").undecided == pytest.approx(1.0)
    assert Coming.of(bandit([SETTLED] * 95 + [even] * 5), "offer").undecided == pytest.approx(0.5, abs=1e-6)


def test_the_control_share_is_no_choice_of_the_policy():
    """Those of the control's share get the control for certain: the policy is as even as it was for the others."""
    group = np.where(np.arange(100) % 2, "control", "policy").tolist()
    rows = [(1.0, 0.0, 0.0) if each == "control" else (1 / 3, 1 / 3, 1 / 3) for each in group]
    found = Coming.of(bandit(rows, group_name=group), "offer")
    assert found.undecided == pytest.approx(1.0)
