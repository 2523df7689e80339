"""Effects that may be read at any time: wider by what that costs, silent at first, and right at all looks together."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from analysis.attribution.incremental import effect, looking, variants
from analysis.attribution.incremental.contrasts import Contrast
from analysis.attribution.incremental.looking import ONCE, Look
from analysis.attribution.incremental.scoring import Scores
from analysis.estimate import Estimate, Holds
from analysis.logs import frames
from analysis.logs.simple_log import simple_log
from analysis.sequential import asymptotic
from analysis.texts import text
from engine.experiments import Experiment, Looking, Plan, Status, Variant
from engine.metrics import Metric
from tests.analysis.attribution.incremental.making_units import did, draws, units, world

TEST = Experiment("hero", (Variant("a"), Variant("b")), (Metric("order"),))


def watched(of, n_planned=10_000):
    """Return the same units in experiments that may be read at any time."""
    return replace(of, draws=tuple(replace(each, n_planned=n_planned) for each in of.draws))


def test_in_large_samples_it_is_the_asymptotic_sequence():
    random = np.random.default_rng(6)
    contrast = Contrast.of_all(random.random(50_000) < 0.5, np.full(50_000, 0.5))
    done = random.normal(1, 1, 50_000)
    scores = Scores.of(contrast, done, 1.0, np.arange(50_000))
    error = (contrast.weight * (done - 1.0)).std() * np.sqrt(50_000)
    wanted = asymptotic.sequence(scores.total, error, 50_000, 10_000, 0.05 / 3)
    half = (wanted[1] - wanted[0]) / 2
    assert scores.interval(Look(3, 10_000).alpha(50_000)) == pytest.approx(wanted, abs=0.02 * half)


def test_its_p_value_is_that_of_the_asymptotic_sequence():
    p = 2 * float(stats.norm.sf(3.3))
    found = Look(2, 5_000).read(Estimate(3.3, 0.1, 6.0, 8_000, text("method.none"), text("method.none"), p_value=p))
    assert found.p_value == pytest.approx(asymptotic.p_value(3.3, 1.0, 8_000, 5_000, 0.025), rel=1e-6)
    assert (found.holds, found.family) == (Holds.ALWAYS_IN_THE_LIMIT, 2)


@pytest.mark.parametrize("lift", [0.0, 0.4, 0.8])
def test_the_total_the_lift_and_the_p_value_leave_0_out_together(lift):
    for seed in range(8):
        made = world(np.random.default_rng([seed, int(10 * lift)]), 6000, (0.5,), 0.1, (lift,)).units
        found = effect(watched(made), ["e0"], "web")
        low, high = found.total[0].interval
        ends = found.relative.interval
        assert (low > 0 or high < 0) == (ends[0] > 0 or ends[1] < 0) == (found.total[0].p_value < 0.05)


def test_an_effect_that_may_be_read_at_any_time_has_beside_it_what_one_look_would_say():
    made = world(np.random.default_rng(3), 10_000, (0.5, 0.5), 0.1).units
    once, always = effect(made, ["e0"], "web"), effect(watched(made), ["e0"], "web")
    assert always.total[0].value == once.total[0].value
    widths = [high - low for low, high in (each.total[0].interval for each in (always, once))]
    factor = asymptotic.factor(once.n_units, 10_000, 0.05) / stats.norm.isf(0.025)
    # Scores are hardly skewed, and one doer more is a hundredth of the error.
    assert widths[0] / widths[1] == pytest.approx(factor, rel=0.02)
    assert {each.holds for each in (*always.total, *always.per_unit, always.relative)} == {Holds.ALWAYS_IN_THE_LIMIT}
    assert "confidence sequence" in str(always.total[0].method)
    assert always.at_one_look.total == once.total == once.at_one_look.total
    assert always.at_one_look.relative == once.relative
    assert once.once is None


def test_it_is_silent_until_there_are_enough_on_each_side():
    drawn = np.arange(400) % 2
    few, enough = (did(np.arange(n), 2, 1.0) for n in (39, 40))
    hero = draws("hero", range(400), 1, drawn, [0.5, 0.5])
    found = effect(watched(units([hero], few)), ["hero"], "web")
    assert found.total[0].interval is None
    assert str(found.total[0].note).startswith("too early: one side has only 19 events so far")
    assert found.total[0].value == found.once.total[0].value
    assert found.once.total[0].interval is not None
    assert effect(watched(units([hero], enough)), ["hero"], "web").total[0].interval is not None


def test_one_experiment_that_may_be_read_at_any_time_makes_their_joint_effect_so():
    made = world(np.random.default_rng(3), 10_000, (0.5, 0.5), 0.1).units
    mixed = replace(made, draws=(made.draws[0], replace(made.draws[1], n_planned=2_000)))
    assert effect(mixed, ["e0"], "web").total[0].holds is Holds.ONCE
    assert effect(mixed, ["e0", "e1"], "web").total[0].holds is Holds.ALWAYS_IN_THE_LIMIT
    assert {each.total[0].holds for each in variants(mixed, "e1")} == {Holds.ALWAYS_IN_THE_LIMIT}


def test_at_any_of_many_looks_it_leaves_out_what_is_true_in_few_logs():
    """All units come on the first day, and what they do afterwards is looked at every other day."""
    random, runs, n = np.random.default_rng(11), 60, 1000
    missed = {ONCE: 0, Look(n_planned=2_000): 0}
    for _ in range(runs):
        is_control, active = random.random(n) < 0.5, random.gamma(2.0, 0.5, n)
        contrast, done = Contrast.of_all(is_control, np.full(n, 0.5)), np.zeros(n)
        is_out = dict.fromkeys(missed, False)
        for _ in range(40):
            done += random.poisson(0.02 * active)
            scores = Scores.of(contrast, done, done.mean(), np.arange(n))
            for look in missed:
                low, high = scores.interval(look.alpha(n))
                is_out[look] |= not low <= 0 <= high
        missed = {look: k + is_out[look] for look, k in missed.items()}
    # At 95 % more than 9 of 60 are missed with a probability of 0.0006; looking 40 times at one look's misses more.
    assert missed[Look(n_planned=2_000)] <= 9 < missed[ONCE]


@pytest.mark.parametrize(
    ("plan", "status", "expected"),
    [
        (Plan(), Status.RUNNING, 10_000),
        (Plan(n_units=3_000), Status.CONCLUDED, 3_000),
        (Plan(Looking.ONCE, n_units=3_000), Status.RUNNING, 3_000),
        (Plan(Looking.ONCE, n_units=3_000), Status.CONCLUDED, None),
        (Plan(Looking.PLANNED, n_units=3_000), Status.CONCLUDED, 3_000),
    ],
)
def test_what_is_read_once_and_over_is_at_one_look_and_all_else_at_any(plan, status, expected):
    log = simple_log(replace(TEST, plan=plan), {"variant": [0, 1]})
    frame = frames.read(log, "hero")
    assert looking.n_planned(replace(frame, state=replace(frame.state, status=status))) == expected
