"""A second policy is asked beside the serving one: it is logged, made again, and changes nothing."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from engine.clock import RequestClock
from engine.errors import SnapshotRefused
from engine.experiments import ContextField, Experiment, FieldType, Status, Variant
from engine.explanation import Explanation, Verdict
from engine.policies import Policy
from engine.randomness import ONE
from engine.records import Assignment, Candidate, Context, Group, Reason, Reward
from engine.specs import ContextualSpec, EpsilonGreedySpec, FixedSpec, ThompsonSpec
from tests.engine.house import NOW, House, experiment

EVEN = FixedSpec()
SHADOWED = experiment(shadow=ThompsonSpec(floor=0.03))
SERVING = experiment(
    policy=ThompsonSpec(control_share=0.3), shadow=FixedSpec({"plain": 0.6, "bold": 0.3, "quiet": 0.1})
)


def housed(running: Experiment, **asked: Any) -> House:
    house = House(**asked)
    house.run(running)
    return house


def rewards_of(house: House, best: str, n: int = 60) -> list[Reward]:
    """Return the rewards of so many answers: one variant is always worth it, the others are not."""
    rows = [house.ask(f"taught {number}") for number in range(n)]
    return [Reward(row, float(row.variant == best), NOW, 1) for row in rows if row.group is Group.POLICY]


def steps(explanation: Explanation) -> dict[str, tuple[str, bool]]:
    return {step.name: (step.finding, step.holds) for step in explanation.steps}


def test_the_shadows_distribution_stands_in_the_row_over_the_same_variants() -> None:
    house = housed(SERVING)
    rows = [house.ask(f"u{n}", excluded_variants=frozenset({"quiet"} if n % 2 else ())) for n in range(40)]
    for row in rows:
        assert house.explain(row).verdict is Verdict.REPRODUCED
        if row.group is Group.CONTROL:
            assert row.shadow_distribution == ()
            continue
        shares = [weight / ONE for weight in row.shadow_distribution]
        expected = [0.6, 0.3, 0.1] if "quiet" in row.eligible else [2 / 3, 1 / 3]
        assert shares == pytest.approx(expected)
        assert steps(house.explain(row))["shadow"][0].startswith("fixed: plain 0.6")
    assert {row.group for row in rows} == set(Group)


def test_the_shadow_serves_nobody() -> None:
    alone, beside = housed(replace(SHADOWED, shadow=None)), housed(SHADOWED)
    beside.teach("hero", rewards_of(beside, "quiet"), is_shadow=True)
    for n in range(60):
        with_shadow, without = beside.ask(f"u{n}"), alone.ask(f"u{n}")
        bare = replace(with_shadow, shadow_snapshot="", shadow_distribution=(), revision=without.revision)
        assert bare == without


def test_the_shadow_of_a_test_learns_from_its_draws_into_snapshots_of_its_own() -> None:
    house = housed(SHADOWED)
    untaught = house.ask("before")
    assert (untaught.shadow_snapshot, len(untaught.shadow_distribution)) == ("", 3)
    snapshot = house.teach("hero", rewards_of(house, "quiet"), is_shadow=True)
    row = house.ask("after")
    chances = dict(zip(row.eligible, row.shadow_distribution, strict=True))
    assert chances["quiet"] > 0.9 * ONE
    assert min(chances.values()) >= int(0.01 * ONE)
    assert (row.shadow_snapshot, row.snapshot) == (snapshot.hash, "")
    assert {round(weight / ONE, 3) for weight in row.distribution} == {0.333}
    for each in (untaught, row):
        assert house.explain(each).verdict is Verdict.REPRODUCED
    assert steps(house.explain(row))["shadow"][0].startswith(f"thompson (snapshot {snapshot.hash[:12]}): plain 0.0")


def test_each_slot_has_the_shadows_distribution_over_what_was_left_for_it() -> None:
    brought = tuple(Candidate(f"c{n}", {"price": float(n)}) for n in range(6))
    declared = (ContextField("price", FieldType.NUMBER),)
    house = housed(experiment(candidates=declared, slots=3, shadow=ContextualSpec()))
    rows = house.fill("u1", 3, candidates=brought)
    assert [len(row.shadow_distribution) for row in rows] == [6, 5, 4]
    assert {sum(row.shadow_distribution) for row in rows} == {ONE}
    assert {house.explain(row).verdict for row in rows} == {Verdict.REPRODUCED}


def test_of_a_killed_variant_the_shadow_knows_nothing() -> None:
    house = housed(SHADOWED)
    house.change("hero", killed=("bold",))
    row = house.ask()
    assert (row.eligible, len(row.shadow_distribution)) == (("plain", "quiet"), 2)
    assert house.explain(row).verdict is Verdict.REPRODUCED


# --- a shadow that is not well -------------------------------------------------------------------------------------


class Sick:
    """A policy that raises, or answers what it was told to."""

    def __init__(self, answer: Exception | Sequence[float]) -> None:
        self.answer = answer
        self.n_asked = 0

    def distribution(self, _: Context, eligible: Sequence[Variant]) -> Sequence[float]:
        self.n_asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer or [1 / len(eligible)] * len(eligible)


def with_shadow(house: House, shadow: Policy) -> House:
    house.engine.swap_in(replace(house.engine.catalog.find("hero"), shadow=shadow))
    return house


@pytest.mark.parametrize("answer", [RuntimeError("boom"), [0.5], [math.nan, 0.5, 0.5], [0.9, 0.9, -0.8]])
def test_a_shadow_that_fails_is_left_out(answer: Exception | Sequence[float], caplog: pytest.LogCaptureFixture) -> None:
    expected = housed(SHADOWED).ask()
    row = with_shadow(housed(SHADOWED), Sick(answer)).ask()
    assert row == replace(expected, shadow_distribution=())
    assert "the shadow of hero failed" in caplog.text


class Strolling(RequestClock):
    """Every look at the stopwatch takes a second, and no policy is ever slow: it is looked at twice for each."""

    seconds = 0.0

    def stopwatch_s(self) -> float:
        self.seconds += 1.0
        return self.seconds


def test_of_a_policy_that_goes_on_failing_an_operator_hears_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    house = housed(SHADOWED, clock=Strolling())
    live = house.engine.catalog.find("hero")
    house.engine.swap_in(replace(live, policy=Sick(RuntimeError("boom")), shadow=None))
    # A decision that fails looks twice: when it begins, and when it complains.
    for number in range(100):
        assert house.ask(f"u{number}").reason is Reason.POLICY_FAILED
    first, *later = caplog.records
    assert first.exc_info is not None
    assert first.getMessage() == "the policy of hero failed; its default is served"
    assert [record.getMessage() for record in later] == [f"{first.getMessage()} (and 29 times before)"] * 3


class Ticking(RequestClock):
    """Every look at the stopwatch takes 30 milliseconds; a policy has 50."""

    seconds = 0.0

    def stopwatch_s(self) -> float:
        self.seconds += 0.03
        return self.seconds


def test_a_slow_shadow_is_left_out_and_not_asked_again_for_the_next_slot() -> None:
    house, shadow = housed(experiment(slots=3, shadow=EVEN), clock=Ticking()), Sick([])
    rows = with_shadow(house, shadow).fill("u1", 3)
    assert [row.reason for row in rows] == [Reason.DRAWN, Reason.POLICY_SLOW, Reason.POLICY_SLOW]
    assert [len(row.shadow_distribution) for row in rows] == [3, 0, 0]
    late = housed(experiment(slots=3, shadow=EVEN), clock=Slow())
    shadow = Sick([])
    rows = with_shadow(late, shadow).fill("u1", 3)
    assert [(row.reason, row.shadow_distribution) for row in rows] == [(Reason.DRAWN, ())] * 3
    assert shadow.n_asked == 1


class Slow(RequestClock):
    """The serving policy takes no time, and the shadow a second."""

    n_looks = 0

    def stopwatch_s(self) -> float:
        # One look before the serving policy, one after each of its three answers, and one before the shadow.
        self.n_looks += 1
        return 0.0 if self.n_looks <= 5 else 1.0


def test_a_shadow_whose_snapshot_is_lost_is_reported_and_left_out(caplog: pytest.LogCaptureFixture) -> None:
    house = housed(SHADOWED)
    house.teach("hero", rewards_of(house, "quiet"), is_shadow=True)
    taught = house.ask("u1")
    house.snapshots = type(house.snapshots)()
    with caplog.at_level(logging.ERROR):
        house.open()
    assert "hero goes without its shadow" in caplog.text
    row = house.ask("u2")
    assert (row.reason, row.shadow_distribution, row.shadow_snapshot) == (Reason.DRAWN, (), "")
    assert house.explain(row).verdict is Verdict.REPRODUCED
    explanation = house.explain(taught)
    assert explanation.verdict is Verdict.DIFFERS
    assert [step.name for step in explanation.steps if not step.holds] == ["shadow"]


def test_a_shadow_that_says_something_else_than_was_logged_is_noticed() -> None:
    house = housed(SHADOWED)
    row = house.decide()
    one, two, *rest = row.shadow_distribution
    house.store.append([replace(row, shadow_distribution=(one + 1, two - 1, *rest))])
    explanation = house.explain(row)
    assert explanation.verdict is Verdict.DIFFERS
    assert [step.name for step in explanation.steps if not step.holds] == ["shadow"]


# --- what is restored when -----------------------------------------------------------------------------------------


def both_taught() -> House:
    house = housed(experiment(policy=ThompsonSpec(), shadow=EpsilonGreedySpec()))
    rewards = rewards_of(house, "bold")
    house.teach("hero", rewards)
    house.teach("hero", rewards, is_shadow=True)
    return house


def live(house: House) -> tuple[Policy | None, Policy | None]:
    found = house.engine.catalog.find("hero")
    return found.policy, found.shadow


def test_what_did_not_move_is_not_restored_again() -> None:
    house = both_taught()
    policy, shadow = live(house)
    house.teach("hero", rewards_of(house, "quiet"), is_shadow=True)
    assert live(house)[0] is policy
    assert live(house)[1] is not shadow
    shadow = live(house)[1]
    house.teach("hero", rewards_of(house, "quiet"))
    assert live(house)[0] is not policy
    assert live(house)[1] is shadow


def test_an_edit_restores_only_the_policy_that_it_concerns() -> None:
    house = both_taught()
    policy, shadow = live(house)
    house.change("hero", shadow=EpsilonGreedySpec(epsilon=0.3))
    assert live(house)[0] is policy
    assert live(house)[1] is not shadow
    house.change("hero", shadow=None)
    assert live(house) == (policy, None)
    assert house.ask().shadow_distribution == ()


def test_neither_waits_for_the_other_where_one_cannot_be_restored() -> None:
    house = both_taught()
    rewards = rewards_of(house, "quiet")
    house.engine.swap_in(replace(house.engine.catalog.find("hero"), shadow=None))
    house.teach("hero", rewards)
    assert live(house)[1] is None
    house.engine.swap_in(replace(house.engine.catalog.find("hero"), policy=None))
    house.teach("hero", rewards, is_shadow=True)
    assert live(house)[0] is None
    assert live(house)[1] is not None


def test_what_is_learned_while_it_is_paused_waits_for_nobody_either() -> None:
    house = both_taught()
    rewards = rewards_of(house, "quiet")
    house.move("hero", Status.PAUSED)
    kept, house.snapshots = house.snapshots, type(house.snapshots)()
    house.open()
    house.teach("hero", rewards)
    assert house.engine.catalog.find("hero").state.snapshot in [each.hash for each in house.snapshots.snapshots("hero")]
    assert kept.snapshots("hero")


def test_a_snapshot_that_does_not_verify_moves_nothing() -> None:
    house = both_taught()
    before, state = live(house), house.engine.catalog.find("hero").state
    for moved in (
        {"shadow_snapshot": state.snapshot},
        {"snapshot": state.shadow_snapshot},
        {"shadow_snapshot": "0" * 64},
    ):
        with pytest.raises(SnapshotRefused):
            house.engine.stage(replace(state, **moved))
    assert live(house) == before


def test_a_pause_rests_both_and_a_start_restores_both() -> None:
    house = both_taught()
    house.move("hero", Status.PAUSED)
    assert live(house) == (None, None)
    house.move("hero", Status.RUNNING)
    assert None not in live(house)
    row = house.ask()
    assert row.snapshot
    assert row.shadow_snapshot


def logged(row: Assignment) -> tuple[str, int]:
    return row.shadow_snapshot, len(row.shadow_distribution)


def test_what_is_not_drawn_has_no_shadow() -> None:
    house = both_taught()
    assert logged(house.ask("u1", qa_variant="bold")) == ("", 0)
    assert logged(house.ask("u2", context={"visits": "many"})) == ("", 0)
