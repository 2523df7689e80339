"""Predictions against what was earned: silent where a policy earns about what it predicts, from its own snapshots."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analysis.checks import drift
from analysis.checks.calibration import FEWEST_ROWS, LEAST_TOLERANCE, TOLERANCE, calibration
from analysis.checks.drift import Kind
from analysis.checks.predicting import STRETCH, Predicted, predicted
from engine.policies import learned_policy
from engine.specs import ContextualSpec, ThompsonSpec, Ucb1Spec
from tests.analysis.checks.living import Lived, lived

BASE = {"plain": 0.1, "bold": 0.2, "loud": 0.15}
CHANGE, N = 4_000, 6_000


def still(number: int, variant: str, device: str) -> float:
    return BASE[variant] + 0.1 * (device == "phone") * (variant == "loud")


def falling(number: int, variant: str, device: str) -> float:
    return still(number, variant, device) * (0.4 if number >= CHANGE else 1.0)


def of(said, earned, stretch=0):
    return calibration(Predicted(np.arange(len(said)), said, earned.astype(float), stretch))


@pytest.fixture(scope="module")
def calm() -> Lived:
    return lived(Ucb1Spec(publish_every=100, floor=0.05), N, 1, still)


def of_predictions(found: Lived) -> drift.Finding:
    return next(each for each in drift.findings(found.frame, found.learned) if each.kind is Kind.CALIBRATION)


def test_errors_at_the_edge_of_what_is_tolerated_seldom_alarm():
    """All predictions are off by as much as is tolerated, to either side: of 400 at most 1 in 20 may pass 20.

    33 is the 0.999 quantile of a binomial of these.
    """
    chance = np.random.default_rng(1)
    passed = 0
    for number in range(400):
        said = chance.uniform(0.02, 0.6, 1_000)
        off = np.maximum(TOLERANCE * said, LEAST_TOLERANCE) * (1 if number % 2 else -1)
        found = of(said, chance.random(1_000) < said + off)
        passed += found.log_e >= np.log(20)
    assert passed <= 33


@pytest.mark.parametrize("share", [0.5, 1.7], ids=["too high", "too low"])
def test_predictions_that_are_far_off_are_seen(share):
    chance = np.random.default_rng(2)
    said = chance.uniform(0.1, 0.4, 4_000)
    found = of(said, chance.random(4_000) < share * said)
    assert found.log_e > 15
    assert found.earned / found.predicted == pytest.approx(share, abs=0.1)
    assert found.slope == pytest.approx(share, abs=0.3)


def test_one_group_that_is_off_is_seen_though_the_mean_is_right():
    """The highest tenth of predictions is 0.5 too high, and the others are 0.05 too low."""
    chance = np.random.default_rng(3)
    said = np.where(chance.random(4_000) < 0.1, 0.8, chance.uniform(0.3, 0.4, 4_000))
    found = of(said, chance.random(4_000) < np.where(said == 0.8, 0.3, said + 0.05))
    assert found.log_e > 15
    assert (round(found.predicted, 1), round(found.earned, 1)) == (0.8, 0.3)


def test_what_says_too_little_is_not_judged():
    few = np.full(FEWEST_ROWS - 1, 0.5)
    assert of(few, few) is None
    alike = np.full(FEWEST_ROWS, 0.5)
    assert of(alike, alike > 1).slope is None
    later, first = of(alike, alike > 1, stretch=3), of(alike, alike > 1)
    assert later.log_e == pytest.approx(first.log_e + np.log((1 / 20) / (1 / 2)))


def test_predictions_are_those_of_the_snapshots_that_the_rows_name(calm):
    found = predicted(calm.frame, calm.learned)
    assert len(found.row) > 1_000
    assert found.stretch == N // STRETCH - 1
    (row,) = calm.door.store.entries(int(calm.frame.assignments.seq[found.row[-1]]) - 1, 1)
    state = calm.door.store.state("hero")
    policy = learned_policy(state.experiment, calm.door.snapshots.snapshot("hero", row.snapshot).blob)
    variant = state.experiment.variant(row.variant)
    assert found.reward[-1] == policy.expected_rewards(row.context, [variant])[0]
    assert set(found.earned) == {0.0, 1.0}


def test_a_policy_is_calibrated_where_nothing_drifts(calm):
    found = of_predictions(calm)
    assert found.alarms == ()
    assert str(found.said[0]).startswith("The policy earns about what it predicts (slope ")


@pytest.mark.parametrize("spec", [ThompsonSpec(publish_every=100), ContextualSpec(publish_every=100, floor=0.1)])
def test_other_policies_are_calibrated_too(spec):
    assert of_predictions(lived(replace(spec, control_share=0.1), 3_000, 2, still)).alarms == ()


def test_a_policy_that_no_longer_earns_what_it_predicts_raises_an_alarm():
    """From visit 4,000 on everything brings 40 % of what it did, and the means of all rewards follow slowly."""
    found = of_predictions(lived(Ucb1Spec(publish_every=100, floor=0.05), N, 1, falling))
    (alarm,) = found.alarms
    assert alarm.p_value <= drift.LEVEL
    said = alarm.sentence.args
    assert said["earned"].value < 0.6 * said["predicted"].value


def test_without_the_snapshots_nothing_is_predicted(calm):
    found = predicted(calm.frame, replace(calm.learned, find_snapshot=lambda *_: None))
    assert len(found.row) == 0
    silent = next(iter(drift.findings(calm.frame, replace(calm.learned, find_snapshot=lambda *_: None))[2:]))
    assert (silent.p_value, str(silent.said[0])) == (None, "There are too few rows to tell.")
