"""The front door: a log and a policy go in, and a verdict comes out with numbers that it bears."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.adaptive.drawn import Context
from analysis.arrays import Floats
from analysis.document import Count
from analysis.estimate import Validity
from analysis.ope.evaluating import evaluate
from analysis.ope.evaluation import Evaluable, Evaluation
from analysis.ope.logged import Collection, Logged
from analysis.ope.targets.always import always
from analysis.ope.targets.base import Target
from analysis.ope.targets.given import given
from analysis.ope.targets.logged import logged
from analysis.ope.targets.uniform import uniform
from analysis.texts import text
from engine.errors import InvalidRequest

N, RATES = 20_000, np.array([0.1, 0.2, 0.4])
NAMES = ("low", "middle", "high")


def clicks(
    n: int = N, shares: tuple[float, ...] = (0.5, 0.3, 0.2), seed: int = 5, *, is_adaptive: bool = False
) -> Logged:
    """Return draws of a fixed distribution, whose flag `x1` moves all rates up and down by .08."""
    chance = np.random.default_rng(seed)
    x = chance.integers(0, 2, n).astype(float)
    variant = chance.choice(3, n, p=shares)
    reward = (chance.random(n) < RATES[variant] + 0.08 * (2 * x - 1)).astype(float)
    collection = Collection(is_adaptive=is_adaptive, value_range=(0.0, 1.0), least=min(shares) or None, is_share=True)
    whole = np.tile(shares, (n, 1))
    context = Context(x[:, None], np.zeros((n, 0), np.int64))
    log = Logged.of(
        NAMES, variant, reward, whole[0][variant], probabilities=whole, collection=collection, context=context
    )
    return replace(log, eligible=np.ones((n, 3), np.bool_))


class Asked:
    """A policy that counts how often it is asked, and was fixed at some time."""

    name = "asked"

    def __init__(self, since: int | None = None) -> None:
        self.since = since
        self.n_asked = 0

    def probabilities(self, log: Logged) -> Floats:
        self.n_asked += len(log)
        return np.tile([0.2, 0.3, 0.5], (len(log), 1))


def numbers(found: Evaluation) -> list[float | None]:
    return [each.value for each in (found.value, found.value_anytime, found.difference, found.difference_anytime)]


@pytest.mark.parametrize("is_adaptive", [False, True])
def test_it_says_what_would_have_been_earned_at_one_look_and_at_any(is_adaptive: bool) -> None:
    found = evaluate(clicks(is_adaptive=is_adaptive), given(np.array([0.0, 0.0, 1.0])))
    assert found.verdict.word is Evaluable.YES
    # The score's variance is at most 1 / .2 * .25; 4.5 standard errors fail once in 150,000 seeds.
    error = 4.5 * np.sqrt(0.25 / 0.2 / N)
    assert found.value.value == pytest.approx(0.4, abs=error)
    assert found.difference.value == pytest.approx(0.4 - RATES @ [0.5, 0.3, 0.2], abs=error)
    for once, always_ in ((found.value, found.value_anytime), (found.difference, found.difference_anytime)):
        assert once.interval is not None
        assert always_.interval is not None
        assert always_.interval[0] < once.interval[0] < once.interval[1] < always_.interval[1]


def test_what_was_earned_stands_beside() -> None:
    log = clicks()
    found = evaluate(log, uniform())
    assert found.other.value == pytest.approx(log.reward.mean(), abs=1e-12)


def test_the_logged_policy_itself_earns_what_was_earned_and_differs_by_nothing() -> None:
    log = clicks()
    found = evaluate(log, logged())
    assert found.value.value == pytest.approx(log.reward.mean(), abs=0.01)
    assert found.difference.interval == (0.0, 0.0)
    assert found.difference_anytime.interval == (0.0, 0.0)


def test_the_log_says_nothing_of_what_it_never_drew() -> None:
    found = evaluate(clicks(shares=(0.6, 0.4, 0.0)), always("high"))
    assert found.verdict.word is Evaluable.NO
    assert numbers(found) == [None] * 4
    assert found.panel == ()
    assert found.other.value is not None, "what was earned is known all the same"
    assert found.value.note == found.verdict.reasons[0]


def test_who_forces_it_gets_numbers_that_say_so() -> None:
    found = evaluate(clicks(n=60), always("high"), forced=True)
    assert found.verdict.word is Evaluable.NO
    assert None not in numbers(found)
    assert {each.validity for each in (found.value, found.difference, *found.panel) if each.value is not None} == {
        Validity.FORCED
    }


def test_two_policies_are_compared_on_the_same_draws() -> None:
    log = clicks()
    high, low = (evaluate(log, always(name)) for name in ("high", "low"))
    both = evaluate(log, always("high"), against=always("low"))
    assert both.difference.value == pytest.approx(high.value.value - low.value.value, abs=1e-9)
    assert both.other.value == pytest.approx(low.value.value, abs=1e-9)
    assert str(both.against) == str(always("low").name)


def test_a_difference_needs_both_policies_to_be_evaluable() -> None:
    log = clicks(shares=(0.6, 0.4, 0.0))
    found = evaluate(log, always("low"), against=always("high"))
    assert found.verdict.word is not Evaluable.NO
    assert found.value.value is not None
    assert found.difference.value is None
    assert "high" in str(found.difference.note)


def test_a_policy_is_not_judged_on_what_was_drawn_before_it_was_fixed() -> None:
    log = clicks()
    changed = replace(log, reward=np.where(log.at < 8_000, 1.0 - log.reward, log.reward))
    target = Asked(since=8_000)
    found = evaluate(log, target)
    assert found.diagnostics.n == N - 8_000
    assert Count(8_000, text("ope.before")) in found.left_out
    assert evaluate(changed, target).value == found.value, "folds are of what is judged alone"


def test_the_later_of_all_beginnings_counts() -> None:
    found = evaluate(clicks(), Asked(since=2_000), against=Asked(since=9_000), since=5_000)
    assert found.diagnostics.n == N - 9_000


def test_a_policy_is_asked_once_about_each_draw() -> None:
    target = Asked()
    evaluate(clicks(), target)
    assert target.n_asked == N


@pytest.mark.parametrize("cuts", [(7_000,), (1, 300, 19_999), (5_000, 10_000, 15_000)])
def test_a_log_in_blocks_says_what_it_says_at_once(cuts: tuple[int, ...]) -> None:
    log = clicks(is_adaptive=True)
    edges = [0, *cuts, len(log)]
    blocks = (log[start:end] for start, end in pairwise(edges))
    in_blocks, at_once = evaluate(blocks, uniform()), evaluate(log, uniform())
    assert numbers(in_blocks) == pytest.approx(numbers(at_once), rel=1e-9)
    assert in_blocks.value.interval == pytest.approx(at_once.value.interval, rel=1e-7)
    assert in_blocks.difference_anytime.interval == pytest.approx(at_once.difference_anytime.interval, rel=1e-7)
    assert in_blocks.verdict == at_once.verdict


def test_what_blocks_left_out_is_counted_together() -> None:
    log = clicks(is_adaptive=True)
    broken = text("ope.before")
    parts = [replace(log[:9_000], left_out=(Count(3, broken),), n_open=2_000), replace(log[9_000:], n_open=3_000)]
    found = evaluate(iter(parts), uniform())
    assert found.left_out == (Count(3, broken),)
    assert found.diagnostics.matured == pytest.approx(N / (N + 5_000))


def test_positions_of_single_items_are_no_slates() -> None:
    log = clicks()
    found = evaluate(replace(log, slot=log.row % 3), uniform())
    assert numbers(found) == numbers(evaluate(log, uniform()))


def test_answers_of_several_slots_are_valued_as_a_whole() -> None:
    log = clicks(is_adaptive=True)
    twos = replace(log, slate=log.row // 2, slot=log.row % 2)
    found = evaluate(twos, logged())
    assert found.difference.value == 0.0, "rounding tells nothing apart"
    assert found.other.value == pytest.approx(2 * log.reward.mean(), abs=1e-9)
    assert found.diagnostics.n == N // 2


def test_a_smaller_error_asks_for_a_wider_sequence() -> None:
    log = clicks()
    usual, strict = (evaluate(log, uniform(), level=level).difference_anytime.interval for level in (0.95, 0.999))
    assert usual is not None
    assert strict is not None
    assert strict[0] < usual[0] < usual[1] < strict[1]


def test_a_reward_that_is_always_the_same_is_known_by_self_normalising() -> None:
    log = clicks()
    found = evaluate(replace(log, reward=np.ones(N)), uniform())
    snips = next(each for each in found.panel if "SNIPS" in str(each.method))
    assert snips.interval == pytest.approx((1.0, 1.0), abs=1e-9)


def test_a_log_without_blocks_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="the log has no blocks"):
        evaluate([], uniform())


def test_an_empty_log_is_not_evaluable() -> None:
    found = evaluate(clicks()[:0], uniform())
    assert found.verdict.word is Evaluable.NO
    assert numbers(found) == [None] * 4


def test_answers_that_are_no_distribution_are_refused_with_the_row() -> None:
    table = np.tile([0.2, 0.3, 0.5], (N, 1))
    table[17] = [0.5, 0.6, 0.1]
    with pytest.raises(InvalidRequest, match="row 17"):
        evaluate(clicks(), given(table))


@pytest.mark.parametrize("wrong", ["uniform", lambda context, eligible: [1.0], None])
def test_what_is_no_policy_is_refused_with_what_to_give(wrong: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"is no policy to ask about: give one, as ope.always"):
        evaluate(clicks(n=100), wrong)


def test_a_path_is_no_log(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"read it first, as by ope.read"):
        evaluate(tmp_path, uniform())  # type: ignore[arg-type]


def test_a_log_that_gives_no_interval_is_not_evaluable_whatever_its_weights_are_like() -> None:
    log = clicks(n=2_000)
    few = replace(log, reward=np.where(log.row % 200 == 0, 7.0, 0.0), collection=Collection(is_adaptive=False))
    found = evaluate(few, uniform())
    assert found.verdict.word is Evaluable.NO
    assert found.verdict.reasons[0] == found.value.note
    assert numbers(found) == [None] * 4


@pytest.mark.parametrize("target", [always("high"), uniform()])
def test_a_policy_that_puts_weight_where_the_log_has_none_is_found_though_nothing_says_what_was_eligible(
    target: Target,
) -> None:
    found = evaluate(replace(clicks(shares=(0.6, 0.4, 0.0)), eligible=None), target)
    assert found.verdict.word is Evaluable.NO
    assert any("could never be drawn" in str(reason) for reason in found.verdict.reasons)


@pytest.mark.parametrize("level", [0, 1, 2, -0.5, float("nan")])
def test_a_level_is_a_share(level: float) -> None:
    with pytest.raises(InvalidRequest, match="a level is between 0 and 1"):
        evaluate(clicks(n=100), uniform(), level=level)
