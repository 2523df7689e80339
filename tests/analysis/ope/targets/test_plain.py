"""Policies that need no experiment: one variant, an even mix, the logged one tilted, given numbers, functions."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from analysis.adaptive.drawn import Context
from analysis.ope.logged import Logged, Question
from analysis.ope.targets.always import always
from analysis.ope.targets.functions import function
from analysis.ope.targets.given import given
from analysis.ope.targets.logged import logged, tilted
from analysis.ope.targets.served import of_file
from analysis.ope.targets.uniform import uniform
from engine.errors import InvalidRequest
from engine.experiments import Experiment, Variant
from engine.metrics import Metric
from engine.specs import Rule, SegmentsSpec

WHOLE = np.array([[0.5, 0.3, 0.2], [0.0, 0.9, 0.1], [0.6, 0.4, 0.0]])


def some(probabilities: Any = WHOLE, **columns: Any) -> Logged:
    """Return three draws of the second variant, among those that had a chance."""
    propensity = np.array([0.3, 0.9, 0.4])
    log = Logged.of(
        ("a", "b", "c"), np.array([1, 1, 1]), np.ones(3), propensity, probabilities=probabilities, **columns
    )
    return log if probabilities is None else replace(log, eligible=np.asarray(probabilities) > 0)


def test_always_gives_one_variant_and_where_it_was_not_eligible_all_that_were() -> None:
    assert always("a").probabilities(some()).tolist() == [[1, 0, 0], [0, 0.5, 0.5], [1, 0, 0]]
    assert str(always("a").name) == "the policy “always a”"


def test_what_the_log_does_not_say_was_not_eligible_may_be_asked_for_though_it_was_never_drawn() -> None:
    silent = replace(some(), eligible=None)
    assert always("a").probabilities(silent).tolist() == [[1, 0, 0]] * 3
    assert (uniform().probabilities(silent) == 1 / 3).all()


def test_always_is_what_the_engine_draws_from_under_a_rule_for_one_variant() -> None:
    rules = SegmentsSpec((Rule({"$nor": [{}]}, {"b": 1.0}),), {"a": 1.0})
    hero = Experiment("hero", tuple(map(Variant, "abc")), (Metric("click"),), policy=rules)
    assert of_file(hero).probabilities(some()).tolist() == always("a").probabilities(some()).tolist()


def test_always_needs_a_variant_of_the_log() -> None:
    with pytest.raises(InvalidRequest, match="the log has no variant 'z': there are a, b, c"):
        always("z").probabilities(some())


def test_uniform_is_even_over_what_was_eligible() -> None:
    assert uniform().probabilities(some())[1:].tolist() == [[0, 0.5, 0.5], [0.5, 0.5, 0]]


@drawn(st.floats(0.01, 100.0), st.lists(st.floats(1e-9, 1.0), min_size=3, max_size=3))
def test_a_tilt_keeps_the_order_and_multiplies_log_odds(temperature: float, weights: list[float]) -> None:
    """Against theory: log p'(a) - log p'(b) = (log p(a) - log p(b)) / temperature, while float64 tells p' from 0."""
    p = np.array([weights]) / sum(weights)
    (found,) = tilted(temperature).probabilities(some(np.repeat(p, 3, axis=0))[:1])
    for one, other in ((0, 1), (1, 2)):
        odds = (math.log(p[0, one]) - math.log(p[0, other])) / temperature
        if min(found[one], found[other]) > 1e-300:
            assert math.log(found[one] / found[other]) == pytest.approx(odds, rel=1e-9, abs=1e-9)
    assert found.sum() == pytest.approx(1)


def test_a_tilt_of_one_is_the_logged_policy_and_a_cold_one_its_favourite() -> None:
    assert np.allclose(tilted(1).probabilities(some()), WHOLE, atol=1e-15)
    assert tilted(1e-3).probabilities(some()).round(9).tolist() == [[1, 0, 0], [0, 1, 0], [1, 0, 0]]
    assert (logged().probabilities(some()) == WHOLE).all()
    assert str(tilted(0.5).name) == "the logged policy at the temperature 0.5"


@pytest.mark.parametrize("temperature", [0, -1, math.nan, math.inf])
def test_a_temperature_is_above_0(temperature: float) -> None:
    with pytest.raises(InvalidRequest, match="a temperature must be above 0"):
        tilted(temperature)


@pytest.mark.parametrize("target", [logged(), tilted(2)])
def test_propensities_alone_are_no_distribution_to_follow(target: Any) -> None:
    with pytest.raises(InvalidRequest, match="propensities of what was drawn alone"):
        target.probabilities(some(None))


# --- given ----------------------------------------------------------------------------------------------------------


def test_one_distribution_may_be_given_for_all_draws() -> None:
    assert given(np.array([0.2, 0.3, 0.5])).probabilities(some())[2].tolist() == [0.2, 0.3, 0.5]


def test_given_distributions_are_those_of_the_logs_rows_whatever_their_numbers() -> None:
    log = replace(some(), row=np.array([70, 80, 95]))
    target = given(WHOLE[::-1], log)
    assert target.probabilities(log[1:]).tolist() == WHOLE[::-1][1:].tolist()
    with pytest.raises(InvalidRequest, match="no distribution is given for row 70"):
        given(WHOLE).probabilities(log)


def test_what_is_given_for_a_log_that_goes_backwards_finds_its_rows() -> None:
    log = some()
    assert given(WHOLE[::-1], log[::-1]).probabilities(log).tolist() == WHOLE.tolist()


def test_each_slot_has_its_own_part_of_what_obp_gives() -> None:
    log = replace(some(), row=np.array([0, 1, 1]), slot=np.array([1, 0, 1]))
    by_slot = np.stack([WHOLE[:2], WHOLE[1:]], axis=2)
    assert given(by_slot, log).probabilities(log).tolist() == [WHOLE[1].tolist(), WHOLE[1].tolist(), WHOLE[2].tolist()]
    with pytest.raises(InvalidRequest, match="distributions of 1 slots are given, and the log has more"):
        given(by_slot[:, :, :1], log).probabilities(log)


@pytest.mark.parametrize(
    ("distributions", "why"),
    [
        (np.ones((3, 2)) / 2, "over 2 variants are given, and the log has 3"),
        (np.ones((2, 3)) / 3, "2 distributions are given for 3 rows"),
        (np.array([["a", "b", "c"]] * 3), "distributions are an array of numbers"),
        (np.ones((3, 3, 1, 1)), re.escape("(k,), (n, k) or (n, k, n_slots), and these are (3, 3, 1, 1)")),
    ],
)
def test_what_is_given_must_fit_the_log(distributions: Any, why: str) -> None:
    with pytest.raises(InvalidRequest, match=why):
        given(distributions, some()).probabilities(some())


# --- functions ------------------------------------------------------------------------------------------------------


def contexts() -> Context:
    return Context(np.array([[1.0], [np.nan], [1.0]]), np.array([[0], [-1], [0]]))


def test_a_function_is_asked_with_the_context_and_what_is_eligible_and_once_for_equal_questions() -> None:
    log = replace(some(context=contexts()), numbers=("visits",), texts=("country",), words=(("NO",),))
    seen = []

    def first(context: Any, eligible: Sequence[Any]) -> list[float]:
        seen.append((dict(context), [variant.name for variant in eligible]))
        return [1.0] + [0.0] * (len(eligible) - 1)

    target = function(first)
    assert target.probabilities(log).tolist() == [[1, 0, 0], [0, 1, 0], [1, 0, 0]]
    own = {"visits": 1.0, "country": "NO"}
    assert seen == [(own, ["a", "b", "c"]), ({}, ["b", "c"]), (own, ["a", "b"])]
    target.probabilities(log[np.array([0, 0, 0, 0])])
    assert len(seen) == 4
    assert target.name == "first"


def test_what_a_function_does_to_a_context_stays_with_it() -> None:
    log = replace(some(context=contexts()), numbers=("visits",), texts=("country",), words=(("NO",),))
    before = list(log.questions())

    def spoiling(context: Any, eligible: Sequence[Any]) -> list[float]:
        context.clear()
        context["mine"] = len(eligible)
        return [1.0] + [0.0] * (len(eligible) - 1)

    found = function(spoiling).probabilities(log)
    assert list(log.questions()) == before
    assert (found == function(spoiling).probabilities(log)).all()


def test_a_function_without_a_name_of_its_own_gets_one() -> None:
    def mine(_: Any, eligible: Sequence[Any]) -> list[float]:
        return [1 / len(eligible)] * len(eligible)

    assert function(mine).name == "mine"
    assert function(mine, "ours").name == "ours"
    for nameless in (lambda *_: [1.0], partial(mine)):
        assert str(function(nameless).name) == "the given function"


def test_only_what_can_be_called_is_a_function() -> None:
    with pytest.raises(InvalidRequest, match="3 is no function: give one of a context and the eligible variants"):
        function(3)  # type: ignore[arg-type]


def test_questions_that_differ_in_a_type_alone_are_asked_both() -> None:

    eligible = tuple(map(Variant, "abc"))
    questions: list[Any] = [{"vip": True}, {"vip": 1.0}, {"vip": ("a",)}]
    log = replace(some(), ask=lambda rows: (Question(questions[row], eligible) for row in rows))
    target = function(lambda context, _: [1.0, 0, 0] if context["vip"] is True else [0, 1.0, 0])
    assert target.probabilities(log)[:, 0].tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda *_: [1.0], "row 0: the policy answered 1 probabilities for 3 eligible variants"),
        (lambda *_: [0.5, 0.2, 0.2], "row 0: .* is no distribution: it sums to 0.9"),
        (lambda *_: [1.5, -0.5, 0.0], "row 0: .* is no distribution: some of it is below 0 or no number"),
        (lambda *_: [math.inf, 0.0, 0.0], "row 0: .* is no distribution: it sums to inf"),
        (lambda *_: None, "row 0: the policy answered None, and not a list of 3 numbers: give the probabilities"),
        (lambda *_: 0.5, "row 0: the policy answered 0.5, and not a list"),
        (lambda *_: "abc", "row 0: the policy answered 'abc', and not a list"),
        (lambda *_: {"a": 1.0, "b": 0.0, "c": 0.0}, "row 0: the policy answered {'a': 1.0, .*}, and not a list"),
        (lambda *_: np.full((1, 3), 1 / 3), "row 0: the policy answered array.*, and not a list"),
        (lambda *_: 1 / 0, "row 0: the policy's function failed with ZeroDivisionError: division by zero"),
        (lambda: [1.0, 0.0, 0.0], "row 0: the policy's function failed with TypeError"),
        (lambda *_: [math.nan, 0.5, 0.5], "row 0: .* is no distribution: some of it is below 0 or no number"),
        (lambda _, eligible: [1 / 3] * 3, "row 1: the policy answered 3 probabilities for 2 eligible variants"),
    ],
)
def test_an_answer_that_is_no_distribution_is_refused_with_its_row(answer: Callable[..., Any], why: str) -> None:
    with pytest.raises(InvalidRequest, match=why):
        function(answer).probabilities(some())
