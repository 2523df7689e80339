"""The ledger's rules one by one, and the bias that a fixed age is there to avoid."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from engine.definition import define
from engine.experiments import Experiment
from engine.ledger import RewardLedger
from engine.metrics import Aggregation, RewardTerm
from engine.records import Entry, Erasure, Group, Reason, Unit
from tests.engine.ledger_logs import (
    EPOCH,
    HERO,
    REPORTED,
    SHARED,
    assigned,
    at,
    exposed,
    minutes,
    observed,
    repeated,
    rewards_of,
    tick,
)

RETURN = replace(SHARED, reward=(RewardTerm("back", 0.25),), grace=minutes(6))
"""Its rows mature when those of HERO do."""


def values(entries: list[Entry], experiment: Experiment = HERO) -> list[float]:
    return [reward.value for reward in rewards_of(entries, experiment)]


def test_a_row_matures_at_a_fixed_age_whatever_it_earned():
    log = [assigned(1), assigned(2, unit=2), observed(3, 1, of=2), tick(4, 17.9), tick(5, 18)]
    assert rewards_of(log[:4]) == []
    assert [(r.assignment.seq, r.value, r.matures_at) for r in rewards_of(log)] == [(1, 0.0, at(18)), (2, 0.25, at(18))]


def test_watermark_moves_before_the_entry_is_applied():
    """An outcome that arrives when its row is mature is late, though it happened within the window."""
    ledger = RewardLedger(HERO)
    log = [assigned(1), observed(2, 5, of=1, received=18)]
    assert [r.value for entry in log for r in ledger.feed(entry)] == [0.0]
    assert ledger.n_late == 1
    ledger.feed(observed(3, 0, unit=1, received=18))
    assert ledger.n_late == 2


def test_window_is_closed_on_both_sides():
    assert values([assigned(1), observed(2, 0, of=1), tick(3, 18)]) == [0.25]
    assert values([assigned(1), observed(2, 5, of=1), tick(3, 18)]) == [0.25]
    assert values([assigned(1), observed(2, 5.001, of=1), tick(3, 18)]) == [0.0]
    assert values([assigned(1), observed(2, -0.001, of=1, received=1), tick(3, 18)]) == [0.0]


def test_an_outcome_by_unit_goes_to_the_latest_row_and_counts_once():
    log = [assigned(1), assigned(2, minute=2), assigned(3, unit=2), observed(4, 3, unit=1), tick(5, 30)]
    assert [(r.assignment.seq, r.value) for r in rewards_of(log)] == [(1, 0.0), (3, 0.0), (2, 0.25)]


@pytest.mark.parametrize("change", [{"is_draw": False}, {"group": Group.CONTROL}])
def test_only_draws_of_the_policy_come_out_but_the_others_take_their_outcomes(change):
    log = [assigned(1), assigned(2, minute=2, **change), observed(3, 3, unit=1), observed(4, 3, of=2), tick(5, 30)]
    assert [(r.assignment.seq, r.value) for r in rewards_of(log)] == [(1, 0.0)]


def test_draws_of_every_epoch_come_out():
    log = [assigned(1, epoch=EPOCH - 1), assigned(2, unit=2), tick(3, 30)]
    assert [(r.assignment.seq, r.assignment.epoch) for r in rewards_of(log)] == [(1, EPOCH - 1), (2, EPOCH)]


def test_what_a_sticky_answer_brings_is_its_draws_as_long_as_the_draws_window_holds_it():
    log = [assigned(1), repeated(2, 1, minute=2), observed(3, 3, unit=1), tick(4, 60)]
    assert values(log) == [0.25]
    named = [assigned(1), repeated(2, 1, minute=2), observed(3, 3, of=2), tick(4, 60)]
    assert values(named) == [0.25]
    after = [assigned(1), repeated(2, 1, minute=2), observed(3, 6, unit=1), observed(4, 6, of=2), tick(5, 60)]
    assert values(after) == [0.0]


def test_what_is_named_before_the_sticky_answer_came_is_its_draws():
    assert values([assigned(1), observed(2, 3, of=3), repeated(3, 1, minute=2, received_at=at(3)), tick(4, 60)]) == [
        0.25
    ]


def test_a_customer_who_keeps_what_was_drawn_before_the_login_brings_it_its_reward():
    log = [assigned(1, unit=1), repeated(2, 1, unit=7, minute=2), observed(3, 3, unit=7), tick(4, 60)]
    assert values(log) == [0.25]
    assert values([assigned(1, unit=1), observed(2, 1, unit=7), *log[1:2], tick(3, 60)]) == [0.0]


def test_a_draw_is_exposed_by_what_is_reported_of_a_sticky_answer():
    log = [assigned(1), repeated(2, 1, minute=1), exposed(3, 2, minute=4), observed(4, 9, unit=1), tick(5, 60)]
    assert [(r.assignment.seq, r.value, r.matures_at) for r in rewards_of(log, REPORTED)] == [(1, 0.25, at(22))]


def test_a_sticky_answer_whose_draw_is_not_known_trains_nothing_and_takes_its_outcomes():
    assert values([assigned(1), repeated(2, 9, minute=2), observed(3, 3, unit=1), tick(4, 60)]) == [0.0]


def test_an_answer_for_quality_assurance_takes_nothing_from_a_draw():
    tested = assigned(2, minute=2, is_draw=False, reason=Reason.QA)
    assert values([assigned(1), tested, observed(3, 3, unit=1), tick(4, 60)]) == [0.25]
    forced = replace(tested, reason=Reason.FORCED)
    assert values([assigned(1), forced, observed(3, 3, unit=1), tick(4, 60)]) == [0.0]


def test_another_slot_is_another_row():
    log = [assigned(1), assigned(2, assignment_id=f"{1:032x}", slot=1), observed(3, 1, of=1, slot=1), tick(4, 18)]
    assert values(log) == [0.0, 0.25]


def test_outcomes_may_come_before_their_assignment_and_exposure():
    log = [observed(1, 1, of=4), observed(2, 1, unit=1, metric="basket", value=5.0), exposed(3, 4, 1), assigned(4)]
    assert values([*log, tick(5, 19)]) == [0.625]
    assert values([*log, tick(5, 19)], REPORTED) == [0.625]


def test_what_was_never_exposed_never_matures_and_a_late_report_does_not_train():
    assert rewards_of([assigned(1), tick(2, 500)], REPORTED) == []
    assert len(rewards_of([assigned(1), exposed(2, 1, 1, received=17.9), tick(3, 50)], REPORTED)) == 1
    assert rewards_of([assigned(1), exposed(2, 1, 1, received=18), tick(3, 50)], REPORTED) == []


def test_the_first_report_of_an_exposure_counts():
    log = [assigned(1), exposed(2, 1, 10), exposed(3, 1, 11), observed(4, 10.5, of=1), tick(5, 28), tick(6, 90)]
    assert [(r.value, r.matures_at) for r in rewards_of(log, REPORTED)] == [(0.25, at(28))]


def test_an_outcome_outside_the_window_waits_for_a_row_whose_exposure_is_not_known_yet():
    first = [assigned(1), exposed(2, 1, 0), assigned(3, minute=9), observed(4, 10, unit=1), tick(5, 18)]
    log = [*first, exposed(6, 3, 9, received=19), tick(7, 27)]
    assert [(r.assignment.seq, r.value) for r in rewards_of(log, REPORTED)] == [(1, 0.0), (3, 0.25)]


def test_an_outcome_waits_until_its_exposure_is_reported():
    log = [assigned(1, minute=10), observed(2, 0, of=1, received=10)]
    assert values([*log, tick(3, 17), exposed(4, 1, 0, received=17), tick(5, 19)], REPORTED) == [0.25]


def test_window_and_age_run_from_the_exposure():
    log = [assigned(1), exposed(2, 1, 10), observed(3, 14, of=1), tick(4, 27.9), tick(5, 28)]
    assert [(r.value, r.matures_at) for r in rewards_of(log, REPORTED)] == [(0.25, at(28))]


def test_a_void_takes_back_while_pending_and_not_later():
    taken_back = observed(3, 2, of=1, void_of="o2", metric="")
    assert values([assigned(1), observed(2, 1, of=1), taken_back, tick(4, 18)]) == [0.0]
    assert values([assigned(1), taken_back, observed(2, 1, of=1), tick(4, 18)]) == [0.0]
    assert values([assigned(1), observed(2, 1, of=1), replace(taken_back, received_at=at(18))]) == [0.25]
    assert [r.n_outcomes for r in rewards_of([assigned(1), observed(2, 1, of=1), taken_back, tick(4, 18)])] == [0]


def test_a_row_that_comes_when_it_is_of_age_trains_nothing_because_its_outcomes_come_after_it():
    old = [assigned(1, minute=-500, received=0), observed(2, minute=-499, received=0, of=1), tick(3, 18)]
    assert rewards_of(old) == []
    kept = [replace(entry, received_at=at(-499)) for entry in old[:2]]
    assert [r.value for r in rewards_of(kept + old[2:])] == [0.25]


def test_a_forgotten_unit_still_counts_and_has_lost_its_context():
    erasure = Erasure(Unit("customer", ""), at(2), "ann", "asked", node_id="node", seq=2, unit_key=1)
    before, after = rewards_of([assigned(1), assigned(3, unit=2), erasure, tick(4, 18)])
    assert (before.assignment.unit.id, before.assignment.context, before.value) == ("", {}, 0.0)
    assert (after.assignment.unit.id, after.assignment.context) == ("2", {"device": "phone"})


def test_training_data_has_no_successes_before_their_failures():
    """A worse variant that converts at once, and a better one that converts late, each at its true rate at any time.

    z = 4 standard errors of a proportion, from n >= 300 rewards of the variant on; learning successes as they come
    would show the slow variant near 0 and the fast one's successes twice as often as its failures.
    """
    rng = np.random.default_rng(7)
    true, n_seen, total = {"plain": 0.1, "bold": 0.2}, Counter[str](), Counter[str]()
    events: list[tuple[float, Entry]] = []
    for index in range(6_000):
        seq, minute = index + 1, index * 0.05
        variant = ("plain", "bold")[index % 2]
        events.append((minute, assigned(seq, unit=seq, minute=minute, variant=variant)))
        delay = 0.0 if variant == "plain" else 4.9
        if rng.random() < true[variant]:
            events.append((minute + delay, observed(10**5 + seq, minute + delay, of=seq)))
    events.sort(key=lambda event: event[0])
    ledger = RewardLedger(HERO)
    for _, entry in events:
        for reward in ledger.feed(entry):
            variant = reward.assignment.variant
            n_seen[variant] += 1
            total[variant] += reward.value / 0.25
            if n_seen[variant] >= 300:
                p, n = true[variant], n_seen[variant]
                assert abs(total[variant] / n - p) < 4 * math.sqrt(p * (1 - p) / n)
        assert abs(n_seen["plain"] - n_seen["bold"]) <= 1
    assert min(n_seen.values()) > 2_500


def test_before_its_after_an_outcome_earns_nothing():
    for minute, worth in ((3.9, 0.0), (4, 0.25), (12, 0.25), (12.1, 0.0)):
        assert values([assigned(1), observed(2, minute, of=1), tick(3, 18)], RETURN) == [worth]


def test_a_return_belongs_to_the_latest_row_that_it_can_be_a_return_of():
    """Where a unit comes back, its new row is the latest; nobody has returned to that one yet."""
    log = [assigned(1), assigned(2, minute=7), observed(3, 8, unit=1), tick(4, 30)]
    assert [(r.assignment.seq, r.value) for r in rewards_of(log, RETURN)] == [(1, 0.25), (2, 0.0)]


def test_an_outcome_counts_once_in_each_metric_that_is_made_of_it():
    (reward,) = rewards_of([assigned(1), observed(2, 5, of=1), tick(3, 18)], SHARED)
    assert (reward.value, reward.n_outcomes) == (0.25 + 0.25 + 0.25 / 2, 1)
    ledger = RewardLedger(SHARED)
    for entry in (assigned(1), tick(2, 18), observed(3, 5, of=1, received=18)):
        ledger.feed(entry)
    assert ledger.n_late == 1


def test_values_reach_the_reward_in_the_order_in_which_they_occurred():
    """Whether they name the assignment or the unit, and in whatever order they came; of two at once by seq."""
    last = define(replace(HERO, reward=(RewardTerm("basket", 1.0, Aggregation.LAST),)))
    late_news = [
        observed(2, 3, unit=1, metric="basket", value=5.0),
        observed(3, 1, of=1, metric="basket", value=2.0, received=4),
        observed(4, 2, unit=1, metric="basket", value=9.0, received=5),
        observed(5, 3, of=1, metric="basket", value=7.0, received=6),
    ]
    assert values([assigned(1), *late_news, tick(6, 18)], last) == [0.7]
    assert values([assigned(1), *late_news[:3], tick(6, 18)], last) == [0.5]
    first = define(replace(last, reward=(RewardTerm("basket", 1.0, Aggregation.FIRST),)))
    assert values([assigned(1), *late_news, tick(6, 18)], first) == [0.2]


def test_who_brings_nothing_has_the_default():
    with_default = replace(HERO, reward_default=0.125)
    log = [assigned(1), assigned(2, unit=2), observed(3, 1, of=2), tick(4, 18)]
    assert values(log, with_default) == [0.125, 0.25]
    taken_back = observed(4, 2, of=2, void_of="o3", metric="")
    assert values([*log[:3], taken_back, tick(5, 18)], with_default) == [0.125, 0.125]
