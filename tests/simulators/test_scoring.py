"""Tallies: what was served against random, the best for all and the oracle, decision by decision."""

from __future__ import annotations

import numpy as np
import pytest
from armlift import Answer

from simulators.costing import choosers, fair_test, length
from simulators.scoring import Tally, scored
from tests.simulators.odd_files import odd


def answer(variant: str, reason: str = "DRAWN", group: str = "policy", slot: int = 0) -> Answer:
    return Answer("e", variant, {}, reason, "SPLIT", group=group, slot=slot)


def tally_of(file: str, *decisions: tuple[list[str], dict[str, float]]) -> Tally:
    tally = Tally(scored(odd(file)))
    for names, expected in decisions:
        tally.add([answer(name, slot=slot) for slot, name in enumerate(names)], expected)
    return tally


RATES = {"ochre": 0.1, "teal": 0.2, "plum": 0.3, "lime": 0.4}


def test_regret_is_what_the_oracle_would_have_had_more():
    three = {"ochre": 0.1, "teal": 0.5, "plum": 0.0}
    other = {"ochre": 0.6, "teal": 0.3, "plum": 0.0}
    tally = tally_of("plain", (["ochre"], three), (["teal"], three), (["teal"], other))
    assert tally.regret_curve() == pytest.approx([0.4, 0.4, 0.7])
    score = tally.score()
    assert score.regret == pytest.approx(0.7)
    assert score.best_single == pytest.approx((0.5 + 0.5 + 0.3) / 3)
    assert score.oracle == pytest.approx((0.5 + 0.5 + 0.6) / 3)
    assert score.random == pytest.approx((0.2 + 0.2 + 0.3) / 3)


def test_what_was_not_drawn_by_the_policy_is_counted_and_not_scored():
    tally = Tally(scored(odd("plain")))
    rates = {"ochre": 0.1, "teal": 0.5, "plum": 0.0}
    tally.add([answer("ochre", "CONTEXT_MISSING")], rates)
    tally.add([answer("ochre", group="control")], rates)
    assert tally.reasons == {"CONTEXT_MISSING": 1, "DRAWN": 1}
    assert tally.n_decisions == len(tally.regret_curve()) == 0
    assert np.isnan(tally.score().served)


def test_a_slate_is_compared_with_the_best_slate():
    tally = tally_of("slate", (["teal", "lime"], RATES), (["lime", "plum"], RATES), (["lime"], RATES))
    assert tally.oracle() == pytest.approx([0.7, 0.7, 0.4])
    assert tally.even() == pytest.approx([0.5, 0.5, 0.25])
    assert tally.regret_curve() == pytest.approx([0.1, 0.1, 0.1])
    assert tally.score().best_single == pytest.approx(0.7)


def test_candidates_have_no_best_single():
    tally = tally_of("reading", (["a1"], {"a1": 0.2, "a2": 0.3}), (["a3"], {"a3": 0.4, "a1": 0.1}))
    assert np.isnan(tally.score().best_single)
    assert tally.score().regret == pytest.approx(0.1)
    assert fair_test([tally]) is None
    assert [each.name for each in choosers(tally, None)] == ["this policy (fixed)", "even chances"]


def test_a_test_costs_even_chances_and_then_its_winner():
    rates = {"ochre": 0.1, "teal": 0.5, "plum": 0.3}
    tally = tally_of("plain", *[(["teal"], rates)] * 2000)
    test = fair_test([tally])
    assert (test.best, test.next_best) == ("teal", "plum")
    # Two comparisons at 5 % together: z = 2.24 and 0.84 for the power; v = 3 (0.3 x 0.7 + 0.5 x 0.5).
    assert test.n_draws == pytest.approx((2.2414 + 0.8416) ** 2 * 3 * (0.21 + 0.25) / 0.2**2, rel=0.01)
    policy, tested, even, best = choosers(tally, test)
    assert policy.curve[-1] == pytest.approx(0)
    assert even.curve[-1] == pytest.approx(2000 * 0.2)
    assert tested.curve[-1] == pytest.approx(length(test, 2000) * 0.2)
    assert best.curve[-1] == pytest.approx(0)


def test_a_test_takes_half_of_the_decisions_at_most_and_finds_what_was_best_then():
    early, late = {"ochre": 0.2, "teal": 0.1, "plum": 0.0}, {"ochre": 0.0, "teal": 0.1001, "plum": 0.3}
    tally = tally_of("plain", *[(["plum"], early)] * 50, *[(["plum"], late)] * 50)
    test = fair_test([tally])
    assert length(test, 100) == 50
    tested = choosers(tally, test)[1]
    assert tested.curve[-1] == pytest.approx(50 * 0.1 + 50 * 0.3), "its winner was best in it, and is the worst then"


def test_no_test_tells_equals_apart():
    tally = tally_of("plain", *[(["teal"], {"ochre": 0.2, "teal": 0.2, "plum": 0.1})] * 10)
    assert fair_test([tally]).n_draws == np.inf
