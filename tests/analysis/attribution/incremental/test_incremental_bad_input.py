import math
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.attribution.incremental import effect, variants
from analysis.texts import text
from engine.errors import InvalidRequest
from tests.analysis.attribution.incremental.making_units import did, draws, units

EVEN = [0.5, 0.5]


def said(found):
    """Return the one reason that all estimates of an effect give."""
    every = [*found.total, *found.per_unit, *(found.plain or ()), found.relative]
    assert {each.value for each in every} == {None}
    (reason,) = {str(each.note) for each in every}
    assert found.influence is None
    return reason


def test_an_experiment_that_nobody_was_drawn_in_says_so():
    found = effect(units([draws("hero", [], 1, [], EVEN)], did()), ["hero"], "web")
    assert said(found) == "nobody was drawn in it"
    assert variants(units([draws("hero", [], 1, [], EVEN)], did()), "hero") == ()


def test_an_outcome_that_nobody_had_says_what_is_missing():
    found = effect(units([draws("hero", range(50), 1, np.arange(50) % 2, EVEN)], did()), ["hero"], "web")
    assert said(found) == "by the effective number, fewer than 5 units did it on a side"


@pytest.mark.parametrize("names", [("a",), ("a", "b")])
def test_where_nothing_but_the_control_was_drawn_nothing_compares(names):
    of = units([draws("hero", range(50), 1, np.zeros(50), [1.0, 0.0][: len(names)], names)], did(range(50), 2, 1.0))
    assert said(effect(of, ["hero"], "web")) == "nothing but the control was drawn"
    assert variants(of, "hero") == ()


def test_units_that_could_not_have_got_the_control_are_told_by_their_share():
    chances = np.where(np.arange(40)[:, None] < 10, [0.0, 1.0], EVEN)
    of = units([draws("hero", range(40), 1, np.ones(40), chances)], did(range(40), 2, 1.0))
    assert said(effect(of, ["hero"], "web")) == "25 % of the units could not have got the control"
    assert said(variants(of, "hero")[0]) == "25 % of the units could not have got the control"


def test_where_all_windows_are_open_it_is_too_early():
    of = units([draws("hero", range(40), 99, np.arange(40) % 2, EVEN)], did(range(40), 99, 1.0), timedelta(days=7))
    assert said(effect(of, ["hero"], "web")) == "too early: no window has closed yet"
    assert said(variants(of, "hero")[0]) == "too early: no window has closed yet"


def test_an_experiment_that_was_refused_says_why_and_does_not_stop_others():
    hero = draws("hero", range(100), 1, np.arange(100) % 2, EVEN)
    of = units([hero], did(range(100), 2, 1.0), refused={"offer": text("attribution.incremental.unbalanced")})
    assert said(effect(of, ["offer"], "web")).startswith("its counts do not fit its propensities")
    assert variants(of, "offer") == ()
    both = effect(of, ["offer", "hero"], "web")
    assert both.of == ("hero",)
    assert both.total[0].value == effect(of, ["hero"], "web").total[0].value


def test_what_was_not_read_is_an_error():
    of = units([draws("hero", range(4), 1, [0, 1, 0, 1], EVEN)], did())
    with pytest.raises(InvalidRequest, match="'other' is not among the experiments that were read: hero"):
        effect(of, ["hero", "other"], "web")
    with pytest.raises(InvalidRequest, match="'other' is not among"):
        variants(of, "other")


def test_no_experiment_at_all_has_no_effect():
    assert said(effect(units([], did()), [], "web")) == "nobody was drawn in it"


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3), st.floats(-1e60, 1e60)), min_size=1, max_size=60),
    st.floats(1e-6, 1.0),
)
def test_whatever_was_drawn_and_done_no_number_is_not_a_number(rows, share):
    drawn, times, value = (np.array(column) for column in zip(*rows, strict=True))
    who = np.repeat(np.arange(len(rows)), times)
    hero = draws("hero", range(len(rows)), 1, drawn, [share, 1 - share])
    of = units([hero], did(who, 2, value[who]))
    for found in (effect(of, ["hero"], "web"), *variants(of, "hero")):
        for each in (*found.total, *found.per_unit, *found.plain, found.relative):
            assert all(math.isfinite(number) for number in (each.value, each.low, each.high) if number is not None)
            assert each.value is None or each.low <= each.value <= each.high
        assert found.influence is None or np.isfinite(found.influence).all()
