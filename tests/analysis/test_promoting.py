"""Whether a proposal may be promoted, by what its evaluation says, and whether the control group confirms it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from analysis.document import Word
from analysis.estimate import Estimate, Holds, Scale, not_evaluable
from analysis.ope.evaluating import evaluate
from analysis.ope.evaluation import Evaluable, Evaluation, Verdict
from analysis.ope.logged import Logged
from analysis.ope.targets.uniform import uniform
from analysis.promoting import confirmation, decide, level_of
from analysis.texts import text
from engine import lifecycle
from engine.clock import EPOCH
from engine.definition import define
from engine.experiments import Experiment, Variant
from engine.lifecycle import Author
from engine.metrics import Metric
from engine.specs import FixedSpec, ThompsonSpec

REWARD = text("ope.reward")
NOTHING = not_evaluable(text("ope.promotion.no_interval"), REWARD)


def evaluation(word: Evaluable = Evaluable.YES, difference: Estimate | None = None) -> Evaluation:
    """Any evaluation, but for its verdict and its difference at any look."""
    log = Logged.of(("a", "b"), np.arange(8) % 2, np.ones(8), np.full(8, 0.5), probabilities=np.full((8, 2), 0.5))
    reasons = (text("left_out.unexposed_draws"),) if word is Evaluable.NO else ()
    found = evaluate(log, uniform(), forced=True)
    return replace(found, verdict=Verdict(word, reasons), difference_anytime=difference or earned())


def earned(low: float = 0.01, attempt: int = 1, **fields: object) -> Estimate:
    found = Estimate(low + 0.02, low, low + 0.04, 900, REWARD, REWARD, Scale.POINTS, level=level_of(attempt))
    return replace(found, **{"holds": Holds.ALWAYS, **fields})


def test_all_attempts_together_are_wrong_with_at_most_five_percent() -> None:
    """sum_j 6 / (pi j)**2 is 1; what is left after n attempts is between 6 / pi**2 times 1 / (n + 1) and 1 / n."""
    n = 1000
    spent = math.fsum(1 - level_of(attempt) for attempt in range(1, n + 1))
    left = 0.05 * 6 / math.pi**2
    assert 0.05 - left / n <= spent <= 0.05 - left / (n + 1)
    assert level_of(1) == pytest.approx(1 - 0.05 * 6 / math.pi**2, abs=1e-15)


def test_two_attempts_have_levels_of_their_own() -> None:
    assert [round(level_of(attempt), 4) for attempt in (1, 2, 3)] == [0.9696, 0.9924, 0.9966]


@pytest.mark.parametrize("word", [Evaluable.YES, Evaluable.WITH_CARE])
def test_a_lower_end_above_nothing_decides_also_with_care(word: Evaluable) -> None:
    decision = decide(evaluation(word), 1)
    assert decision.may_be
    assert str(decision.sentence) == (
        "Attempt 1 earns more: +3 percentage points a draw against what served, +1 percentage points to +5 percentage "
        f"points at any look (96.96 %, n = 900). {text(f'ope.{word.name.lower()}')}."
    )


@pytest.mark.parametrize("low", [0.0, -0.01])
def test_a_lower_end_that_is_not_above_nothing_does_not(low: float) -> None:
    decision = decide(evaluation(difference=earned(low)), 1)
    assert not decision.may_be
    assert str(decision.sentence).startswith("Attempt 1 is not promoted: ")
    assert str(decision.sentence).endswith("The lower end must be above 0. Evaluable.")


def test_what_the_log_cannot_say_is_not_promoted_whatever_its_numbers_are() -> None:
    decision = decide(evaluation(Evaluable.NO), 2)
    assert not decision.may_be
    assert "because the log cannot say what it would earn: " in str(decision.sentence)
    assert "points" not in str(decision.sentence)
    assert not decide(evaluation(difference=NOTHING), 2).may_be


@pytest.mark.parametrize(
    "difference",
    [earned(holds=Holds.ONCE), earned(attempt=1, level=0.95), replace(earned(), level=level_of(1) - 1e-6)],
)
def test_an_interval_of_another_level_or_of_one_look_decides_nothing(difference: Estimate) -> None:
    with pytest.raises(ValueError, match="attempt 1 is judged at any look at"):
        decide(evaluation(difference=difference), 1)


def test_what_was_enough_for_the_first_attempt_is_not_for_the_second() -> None:
    with pytest.raises(ValueError, match="attempt 2"):
        decide(evaluation(difference=earned(attempt=1)), 2)
    assert decide(evaluation(difference=earned(attempt=2)), 2).may_be


# --- confirmation ----------------------------------------------------------------------------------------------------


def bandit(control_share: float = 0.5, **fields: object) -> Experiment:
    policy = ThompsonSpec(control_share=control_share, floor=0.1, **fields)
    return define(Experiment("hero", (Variant("plain"), Variant("bold")), (Metric("click"),), policy=policy))


def lived(new_log, rates, n: int, *, control_share: float = 0.5, is_promoted: bool = True):
    """Before a promotion everything brings a click with 30 %, and after it what `rates` say, by group."""
    log, rng = new_log(bandit(control_share)), np.random.default_rng(3)
    for number in range(50):
        visit(log, f"before {number}", number / 50, 0.3, rng)
    if is_promoted:
        updated(log, bandit(control_share, prior_beta=2.0))
    for number in range(n):
        visit(log, f"after {number}", 10 + number / n, rates, rng)
    log.end(60)
    return log


def visit(log, unit, at, rates, rng) -> None:
    row = log.assign(unit, at)
    rate = rates if isinstance(rates, float) else rates[row.group.value]
    if rng.random() < rate:
        log.observe(row, "click", at + 0.01)


def updated(log, experiment: Experiment, action: str = "promote") -> None:
    before = log.state.etag
    log.state, change = lifecycle.update(log.state, experiment, before, Author("kim", "evidence", EPOCH))
    log.store.save(log.state, replace(change, action=action), before)


def test_the_control_group_confirms_contradicts_or_does_not_know_yet(new_log) -> None:
    """At a difference of 40 points the sequence of 600 units is off 0 with all but certainty: it is 10 errors wide."""
    better, worse, alike = {"policy": 0.6, "control": 0.2}, {"policy": 0.2, "control": 0.6}, 0.3
    found = {
        name: confirmation(lived(new_log, rates, 600).store, "hero")
        for name, rates in {"better": better, "worse": worse, "alike": alike}.items()
    }
    assert [found[name].word for name in found] == [Word.BETTER, Word.WORSE, Word.NOT_CLEAR]
    assert str(found["better"].sentence).startswith("The control group confirms it: since epoch 2 “click” of")
    assert str(found["worse"].sentence).startswith("The control group contradicts it")
    assert str(found["alike"].sentence).startswith("The control group does not confirm it yet")
    assert all(each.estimate.holds in (Holds.ALWAYS, Holds.ALWAYS_IN_THE_LIMIT) for each in found.values())


def test_only_what_came_since_the_promotion_confirms_it(new_log) -> None:
    found = confirmation(lived(new_log, {"policy": 0.6, "control": 0.2}, 0).store, "hero")
    assert found.word is Word.NOT_EVALUABLE


def test_without_a_control_share_it_is_not_evaluable_and_without_a_promotion_there_is_nothing(new_log) -> None:
    found = confirmation(lived(new_log, 0.3, 40, control_share=0.0).store, "hero")
    assert (found.word, found.estimate) == (Word.NOT_EVALUABLE, None)
    assert str(found.sentence).endswith("is not evaluable: there is no control share.")
    assert confirmation(lived(new_log, 0.3, 40, is_promoted=False).store, "hero") is None


def test_what_another_definition_brings_later_neither_confirms_nor_contradicts(new_log) -> None:
    """What was promoted is 40 points better than the control; what somebody put in its place is 40 points worse."""
    log, rng = lived(new_log, {"policy": 0.6, "control": 0.2}, 600), np.random.default_rng(8)
    updated(log, bandit(prior_beta=3.0), "update")
    before = confirmation(log.store, "hero")
    for number in range(600):
        visit(log, f"later {number}", 70 + number / 600, {"policy": 0.2, "control": 0.6}, rng)
    log.end(90)
    after = confirmation(log.store, "hero")
    assert after.word is Word.BETTER
    assert after.estimate == before.estimate
    assert str(after.sentence).endswith(" Since epoch 3 another definition serves, which is not counted.")


def test_the_latest_of_two_promotions_counts(new_log) -> None:
    log = lived(new_log, {"policy": 0.6, "control": 0.2}, 600)
    updated(log, bandit(prior_beta=3.0))
    assert "since epoch 3" in str(confirmation(log.store, "hero").sentence)
    updated(log, define(replace(bandit(), policy=FixedSpec())))
    assert "no control share" in str(confirmation(log.store, "hero").sentence)
