"""The sum of what several experiments brought, each by itself: what it is, its error, and when it is shown."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from analysis.attribution.incremental import added, brought, effect
from analysis.texts import text
from tests.analysis.attribution.incremental.making_units import did, draws, units, world

EVEN = [0.5, 0.5]
NAMES = ["e0", "e1", "e2", "e3"]


def four(seed=4, n=4000, share=0.1):
    """Return a world of four experiments with a small control share, so that few drew all four controls."""
    return world(np.random.default_rng(seed), n, (share,) * 4, 0.2)


def test_it_is_the_sum_of_what_each_experiment_brought():
    of = four().units
    own, total = [effect(of, [name], name) for name in NAMES], added(of, NAMES, "web")
    for part in (0, 1):
        assert total.total[part].value == pytest.approx(sum(each.total[part].value for each in own))
        assert total.plain[part].value == pytest.approx(sum(each.plain[part].value for each in own))
    assert total.influence == pytest.approx(sum(each.influence for each in own), abs=1e-6)
    assert total.of == tuple(NAMES)
    assert total.n_units == len(np.unique(np.concatenate([each.unit for each in of.draws])))


def test_of_one_experiment_it_is_its_effect():
    of = four().units
    one, other = added(of, ["e1"], "web"), effect(of, ["e1"], "web")
    assert (one.total, one.per_unit, one.relative) == (other.total, other.per_unit, other.relative)
    assert one.total[0].note is None


def test_draws_of_one_unit_in_several_experiments_are_not_taken_for_news():
    drawn, random = np.arange(2000) % 2, np.random.default_rng(5)
    done = did(random.permutation(2000)[:600], 5, 1.0)
    same = [draws(name, range(2000), 1, drawn, EVEN) for name in ("x", "y")]
    alone = effect(units(same[:1], done), ["x"], "x")
    both = added(units(same, done), ["x", "y"], "web")
    assert both.total[0].value == pytest.approx(2 * alone.total[0].value, abs=20)
    widths = [high - low for low, high in (both.plain[0].interval, alone.plain[0].interval)]
    # Twice, where draws of different units would make it the root of 2; and one unit more is as large as both draws.
    assert widths[0] == pytest.approx(2 * widths[1], rel=0.02)


def test_the_lift_is_over_what_all_units_did_once_less_the_sum():
    # Units came in on days 1 and 3; what they did on day 2 lies in one window, on day 4 in both, on day 9 in none.
    n = 400
    drawn = [np.arange(n) % 2, np.arange(n) // 2 % 2]
    who, at = np.concatenate([np.arange(0, 160), np.arange(80, 300), np.arange(n)]), np.repeat([2, 4, 9], [160, 220, n])
    both = [draws(name, range(n), day, of, EVEN) for name, day, of in (("x", 1, drawn[0]), ("y", 3, drawn[1]))]
    for within, did_once in ((timedelta(days=5), 380), (None, 380 + n)):
        found = added(units(both, did(who, at, 1.0), within), ["x", "y"], "web")
        on_top = found.total[0].value
        assert found.relative.value == pytest.approx(did_once / (did_once - on_top) - 1)


def test_it_covers_what_experiments_that_leave_each_other_alone_brought():
    runs, missed = 60, 0
    for seed in range(runs):
        made = four(seed, 1500, 0.3)
        low, high = added(made.units, NAMES, "all").total[0].interval
        missed += not low <= made.on_top <= high
    # At 95 % more than 9 of 60 are missed with a probability of 0.0006.
    assert missed <= 9


def test_all_together_is_shown_where_it_can_be_evaluated_and_else_the_sum():
    of = four().units
    assert brought(of, NAMES[:1], "web").total == effect(of, NAMES[:1], "web").total
    two = brought(of, NAMES[:2], "web")
    assert two.total == effect(of, NAMES[:2], "web").total
    assert two.total[0].interval is not None
    assert effect(of, NAMES, "web").total[0].interval is None
    all_four = brought(of, NAMES, "web", family=7)
    assert all_four.total == added(of, NAMES, "web", family=7).total
    assert all_four.total[0].family == 7
    assert all_four.total[0].interval is not None


def test_where_not_even_the_sum_is_known_it_is_said_why_all_together_is_not():
    of = units([draws(name, range(60), 1, np.arange(60) % 2, EVEN) for name in "xy"], did([1], 2, 1.0))
    assert str(brought(of, ["x", "y"], "web").total[0].note).startswith("by the effective number, fewer than 5")


def test_it_says_what_it_is():
    found = added(four().units, NAMES, "web")
    for each in (*found.total, *found.per_unit, found.relative):
        assert "each with the others as they were" in str(each.estimand)
        assert str(each.note).endswith("only if they do not help or hinder each other.")


@pytest.mark.parametrize("which", [added, effect])
def test_experiments_that_are_not_in_it_are_said_with_why(which):
    of = replace(four().units, refused={"offer": text("attribution.incremental.unbalanced")})
    note = str(which(of, ["offer", "e0", "e1"], "web").total[0].note)
    assert note.split("Without ")[1].startswith("offer: its counts do not fit its propensities")


def test_units_that_could_not_have_got_the_control_are_said_of_the_experiment_that_they_came_to():
    made = four().units
    of = replace(made, draws=(replace(made.draws[0], n_without=1200), *made.draws[1:]))
    found = effect(of, ["e0", "e1"], "web")
    assert str(found.total[0].note) == "Without 1,200 units that came to e0 only while nobody could get its control."
    assert found.left_out == ("e0",)
    assert found.total[0].value == effect(made, ["e0", "e1"], "web").total[0].value


def test_an_experiment_that_alone_says_nothing_does_not_stop_the_sum():
    made = four().units
    late = draws("late", range(50), 99, np.arange(50) % 2, EVEN)
    of = replace(made, draws=(*made.draws, late), within=timedelta(days=14))
    found = added(of, [*NAMES, "late"], "web")
    assert found.of == tuple(NAMES)
    assert str(found.total[0].note).endswith("Without late: too early: no window has closed yet.")
    alone = added(of, ["late"], "web")
    assert (alone.total[0].value, str(alone.total[0].note)) == (None, "too early: no window has closed yet")


def test_what_is_found_of_units_is_not_taken_for_others():
    made = four().units
    total = added(made, NAMES, "web").total[0].value
    half = tuple(
        replace(each, **{name: getattr(each, name)[::2] for name in ("unit", "at", "drawn", "chances")})
        for each in made.draws
    )
    assert added(replace(made, draws=half), NAMES, "web").total[0].value != total
    assert added(made, NAMES, "web").total[0].value == total
