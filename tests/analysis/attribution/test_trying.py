"""What is worth trying next: the loss of choosing by an estimate that is not exact, and what to do about it."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.attribution import trying
from analysis.attribution.coming import Coming
from analysis.attribution.trying import MOST, MOST_UNKNOWN, Open, Unproven, unit_normal_loss
from analysis.estimate import Estimate, Scale, not_evaluable
from analysis.texts import text
from engine.metrics import Better

NONE = text("method.none")
WHY = text("not_evaluable.nobody")


def estimate(value, error):
    half = 1.959963984540054 * error
    return Estimate(value, value - half, value + half, 900, NONE, NONE, Scale.DIFFERENCE)


def open_(name, value=0.0, error=0.01, n=1000, undecided=1.0):
    known = estimate(value, error)
    return Open(name, Coming(n, float(n), undecided), known, known)


def unknown(name, n=1000, why=WHY):
    nothing = not_evaluable(why, NONE)
    return Open(name, Coming(n, float(n), 1.0), nothing, nothing)


def names(grid):
    return [str(row[0]) for row in grid.rows]


def keys(grid):
    return [row[-1].key.rpartition(".")[2] for row in grid.rows]


@pytest.mark.parametrize("z", [0.0, 0.7, -1.6])
def test_the_worth_is_what_choosing_by_the_estimate_loses(z):
    """Given an estimate, under a flat prior the truth is normal around it: what is lost is had by whoever knows it.

    A loss is at most 1.6 errors in its deviation and 400,000 are drawn: 4 of its standard errors are .004 of it or so.
    """
    error, n = 0.02, 700
    truth = error * (z + np.random.default_rng(3).normal(size=400_000))
    chosen = truth if z > 0 else 0.0
    lost = np.maximum(truth, 0.0) - chosen
    tolerance = 4 * lost.std() / np.sqrt(len(lost))
    assert open_("a", z * error, error, n).worth == pytest.approx(n * lost.mean(), abs=n * tolerance)


def test_the_worth_grows_with_the_audience_the_interval_and_the_doubt_and_falls_with_the_effect():
    plain = open_("a", 0.01, 0.01).worth
    assert open_("a", 0.01, 0.01, n=3000).worth == pytest.approx(3 * plain)
    assert open_("a", 0.01, 0.01, undecided=0.25).worth == pytest.approx(plain / 4)
    assert open_("a", 0.01, 0.02).worth > 2 * plain
    assert open_("a", 0.02, 0.01).worth < plain
    assert open_("a", -0.01, 0.01).worth == pytest.approx(plain)
    assert unknown("a").worth is None


def test_an_interval_for_many_tells_the_same_error_as_one_alone():
    wide = Estimate(0.0, -0.02638, 0.02638, 900, NONE, NONE, Scale.DIFFERENCE, family=6)
    assert Open("a", Coming(1000, 1000.0, 1.0), wide, wide).worth == pytest.approx(
        1000 * 0.01 * unit_normal_loss(0.0), rel=1e-3
    )


def test_what_is_worth_most_comes_first_and_equals_stand_by_name():
    grid = trying.grid([open_("b"), open_("a"), open_("small", n=10), open_("large", n=5000)])
    assert names(grid) == ["large", "a", "b", "small"]


def test_of_what_nothing_is_known_three_come_before_all_others():
    found = [unknown("new", 50), *(open_(f"e{i}") for i in range(12))]
    unproven = [Unproven(f"channel {i}", 100 + i, WHY) for i in range(4)]
    grid = trying.grid(found, unproven)
    assert len(grid.rows) == MOST
    assert names(grid)[: MOST_UNKNOWN + 1] == ["new", "channel 3", "channel 2", "e0"]
    assert keys(grid)[:3] == ["unknown", "untested", "untested"]
    assert str(WHY) in str(grid.rows[1][-1])


def test_where_waiting_does_not_help_a_row_says_what_does():
    reasons = [text(f"attribution.incremental.{key}") for key in ("no_control_share", "unbalanced", "nobody")]
    grid = trying.grid([unknown(f"e{place}", why=why) for place, why in enumerate(reasons)])
    assert keys(grid) == ["compare", "check", "unknown"]


def test_a_row_says_what_to_do():
    found = [open_("open"), open_("good", 0.021, n=40_000), open_("bad", -0.021, n=40_000)]
    said = {row[0]: row[-1].key.rpartition(".")[2] for row in trying.grid(found).rows}
    assert said == {"open": "which", "good": "take", "bad": "drop"}
    turned = {row[0]: row[-1].key.rpartition(".")[2] for row in trying.grid(found, better=Better.LOWER).rows}
    assert turned == {"open": "which", "good": "drop", "bad": "take"}


def test_what_is_known_well_enough_is_no_row_and_is_named_by_what_can_be_decided():
    settled = [open_("good", 0.1), open_("bad", -0.1), open_("decided", undecided=0.0)]
    grid = trying.grid([open_("open"), *settled])
    assert names(grid) == ["open"]
    assert "take good." in str(grid.note)
    assert "drop bad." in str(grid.note)
    assert "not clear: decided." in str(grid.note)


def test_if_there_is_nothing_to_try_a_sentence_says_so():
    grid = trying.grid([open_("good", 0.1)])
    assert [row[0].key for row in grid.rows] == ["attribution.trying.nothing"]
    assert len(grid.columns) == 1
    assert names(trying.grid([])) == names(grid)
