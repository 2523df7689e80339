from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from analysis.sequential import Watched, asymptotic, choice, remaining
from engine.experiments import Looking, Plan
from engine.metrics import Metric, MetricKind
from tests.analysis.making_samples import HALVES, MINUS, PLUS, cells, conversions, difference, sample

CLICK = Metric("click", effect=0.1)
ONCE = Plan(Looking.ONCE)


def watched(seed=1, n=4_000, plan=ONCE, metric=CLICK, rates=(0.1, 0.1), hours=96.0):
    of = conversions(np.random.default_rng(seed), n, rates, hours=hours)
    return Watched(of, metric, plan, HALVES)


def said(of, baseline=0.1):
    found = choice.scores(of, PLUS, MINUS)
    return remaining.days(of, baseline, difference(cells(of.sample)), found)


def test_units_against_the_textbook():
    # n = (z_0.975 + z_0.8)^2 * 2 (s1^2 + s0^2) / effect^2 in all, for halves.
    variance = 2 * 2 * 0.1 * 0.9
    z = stats.norm.isf(0.025) + stats.norm.isf(0.2)
    wanted = z**2 * variance / 0.01**2
    found = remaining.units_needed(4_000, np.sqrt(variance / 4_000), 0.01, 0.8, lambda error, _: 1.959964 * error)
    assert found == pytest.approx(wanted, abs=1.5)


def test_units_of_a_sequence_reach_the_power_that_was_asked_for():
    error, n_planned = 0.01, 10_000
    found = remaining.units_needed(
        1_000, error, 0.005, 0.9, lambda error, n: asymptotic.factor(n, n_planned, 0.05) * error
    )
    then = error * np.sqrt(1_000 / found)
    power = stats.norm.sf(asymptotic.factor(found, n_planned, 0.05) - 0.005 / then)
    assert power == pytest.approx(0.9, abs=1e-3)


def test_looking_at_any_time_takes_longer():
    needed = [days_in(said(watched(plan=plan))) for plan in (ONCE, Plan(Looking.ANY, n_units=40_000))]
    # Twice the width less the power's part: (1.6 * 1.96 + 0.84)^2 / (1.96 + 0.84)^2 is about 2.
    assert 1.7 < needed[1] / needed[0] < 2.3


def days_in(words):
    return words.args["n"].value


def test_days_come_from_the_declared_effect_and_not_from_the_current_one():
    """A thousand a day; a tenth of 10 % at 80 % power takes about 28,300 units."""
    without, with_luck = (said(watched(rates=rates)) for rates in ((0.1, 0.1), (0.07, 0.13)))
    assert without.key == with_luck.key == "remaining.effect"
    assert days_in(without) == pytest.approx(24, abs=3)
    # Only the variance differs.
    assert days_in(with_luck) == pytest.approx(days_in(without), abs=3)
    assert "the declared effect of 10 %" in str(without)


@pytest.mark.parametrize("looking", [Looking.ONCE, Looking.PLANNED])
def test_a_planned_number_of_units_is_waited_for(looking):
    plan = Plan(looking, n_units=10_000)
    assert days_in(said(watched(plan=plan))) == 6
    assert said(watched(n=10_001, plan=plan)).key == "remaining.planned_reached"


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("undeclared", {"metric": Metric("click")}),
        ("effect_reached", {"metric": replace(CLICK, effect=0.9)}),
        ("too_long", {"metric": replace(CLICK, effect=1e-5)}),
        ("too_long", {"metric": replace(CLICK, effect=0.003), "hours": 240_000.0}),
        ("unknown", {"n": 0}),
    ],
)
def test_where_there_is_no_number_there_are_words(key, changes):
    assert said(watched(**changes)).key == f"remaining.{key}"


def test_a_control_without_value_or_a_moment_without_length_tell_nothing():
    assert said(watched(), baseline=None).key == "remaining.unknown"
    assert said(watched(), baseline=0.0).key == "remaining.unknown"
    assert said(watched(hours=0.0)).key == "remaining.unknown"


def test_an_asymptotic_sequence_has_days_as_well():
    rng = np.random.default_rng(2)
    of = sample(rng.lognormal(2, 1, 4_000), rng.integers(0, 2, 4_000), hours=96)
    found = said(Watched(of, Metric("spend", MetricKind.REVENUE, effect=0.05), Plan(), HALVES), baseline=12.0)
    assert found.key == "remaining.effect"
