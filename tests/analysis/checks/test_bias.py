from datetime import timedelta

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep

from analysis.checks import bias
from analysis.logs import crediting, frames
from engine.experiments import ContextField, Experiment, ExposureRule, FieldType, Variant
from engine.metrics import Metric, MetricKind

METRICS = (Metric("buy", window=timedelta(days=3)), Metric("spent", kind=MetricKind.REVENUE))
CONTEXT = (
    ContextField("visits", FieldType.NUMBER),
    ContextField("vip", FieldType.FLAG),
    ContextField("device", FieldType.TEXT),
)
EXPERIMENT = Experiment(
    "e",
    tuple(map(Variant, "abc")),
    METRICS,
    context=CONTEXT,
    control="a",
    exposure=ExposureRule.REPORTED,
)


class World:
    """A log of n units that are assigned on day 0 and exposed on day 2, and what was known of them by variant."""

    def __init__(self, new_log, n, visits=lambda rng, variant: rng.normal(5, 2), early=lambda rng, variant: 0.3):
        rng = np.random.default_rng(3)
        self.log = new_log(EXPERIMENT)
        self.visits = {name: [] for name in "abc"}
        self.bought = {name: [] for name in "abc"}
        for place in range(n):
            unit, variant = f"u{place}", "abc"[place % 3]
            number, has_bought = float(visits(rng, variant)), rng.random() < early(rng, variant)
            context = {"visits": number, "device": "phone"}
            made = self.log.assign(unit, 0.0, [float(name == variant) for name in "abc"], context=context)
            if has_bought:
                self.log.observe(unit, "buy", 1.0)
                self.log.observe(unit, "buy", 2.5)
            self.log.expose(made, 2.0)
            self.visits[variant].append(number)
            self.bought[variant].append(has_bought)

    def before(self):
        frame = frames.read(self.log.store, "e")
        rows = frame.assignments
        # The variants are given, so each has a distribution of its own: all are one stratum here.
        stratum = np.zeros_like(rows.stratum)
        subjects = crediting.units(frame, rows.is_exposed, rows.variant, stratum, rows.exposed_at)
        return bias.before(frame, subjects, frame.variants, frame.control)


def test_what_was_before_is_compared_by_scipys_and_statsmodels_numbers(new_log):
    world = World(new_log, 180)
    rows = world.before().grid.rows
    assert [(str(row[0]), row[1]) for row in rows] == [
        ("share with “buy” before the exposure", "b"),
        ("share with “buy” before the exposure", "c"),
        ("mean “visits” at the first assignment", "b"),
        ("mean “visits” at the first assignment", "c"),
    ]
    for row in rows[:2]:
        counts = [(sum(world.bought[name]), 60) for name in (row[1], "a")]
        expected = confint_proportions_2indep(*counts[0], *counts[1], method="newcomb", alpha=0.05 / 4)
        assert row[2].interval == pytest.approx(expected)
    for row in rows[2:]:
        expected = stats.ttest_ind(world.visits[row[1]], world.visits["a"], equal_var=False)
        assert row[3].value == pytest.approx(expected.pvalue)
    adjusted = multipletests([row[3].value for row in rows], method="holm")[1]
    assert [row[4].value for row in rows] == pytest.approx(adjusted)


def test_variants_that_are_alike_pass(new_log):
    found = World(new_log, 120).before()
    assert found.check.holds is True
    assert found.check.p_value == min(row[4].value for row in found.grid.rows)
    assert {str(row[5]) for row in found.grid.rows} == {"no difference seen"}
    assert "no more than" in str(found.check.sentence) or "does not differ" in str(found.check.sentence)


def test_a_variant_that_got_other_units_is_found(new_log):
    found = World(new_log, 150, visits=lambda rng, variant: rng.normal(8 if variant == "c" else 5, 2)).before()
    assert found.check.holds is False
    assert "“visits”" in str(found.check.sentence)
    assert "“buy”" not in str(found.check.sentence)
    assert [str(row[5]) for row in found.grid.rows][-1] == "differs"


def test_a_number_that_never_varies_is_not_evaluable_and_said_so(new_log):
    found = World(new_log, 60, visits=lambda rng, variant: 1.0, early=lambda rng, variant: 0.0).before()
    assert found.check.holds is None
    assert all(row[2].note is not None and row[5] is None for row in found.grid.rows)


def test_missing_numbers_are_not_compared(new_log):
    world = World(new_log, 60)
    world.log.expose(world.log.assign("silent", 0.0, [1.0, 0.0, 0.0]), 2.0)
    rows = world.before().grid.rows
    assert [row[2].n for row in rows] == [41, 41, 40, 40]


def test_without_anything_from_before_there_is_no_check(new_log):
    log = new_log(EXPERIMENT)
    for place in range(6):
        log.expose(log.assign(f"u{place}", 0.0), 1.0)
    frame = frames.read(log.store, "e")
    rows = frame.assignments
    subjects = crediting.units(frame, rows.is_exposed, rows.variant, rows.stratum, rows.exposed_at)
    assert bias.before(frame, subjects, frame.variants, frame.control) is None
