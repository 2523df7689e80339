"""A ledger that begins where `fold_from` says finds the same rewards as one that read the whole log."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings

from engine.clock import CLOCK_SKEW
from engine.definition import define
from engine.experiments import Experiment, ExposureRule
from engine.ledger import RewardLedger
from engine.metrics import Metric, MetricKind, RewardTerm
from engine.records import Entry, Reward
from tests.engine.ledger_logs import HERO, assigned, exposed, logs, minutes, observed, tick

QUICK = define(
    replace(
        HERO,
        metrics=(
            Metric("click", window=minutes(2)),
            Metric("basket", MetricKind.REVENUE, minutes(3), cap=10.0),
            Metric("back", MetricKind.RETENTION, minutes(3), of="click", after=minutes(1)),
        ),
        reward=tuple(RewardTerm(name, 0.25) for name in ("click", "basket", "back")),
        grace=minutes(0.5),
    )
)
"""So short of age that logs of an hour or two are long ones."""
RULES = pytest.mark.parametrize("rule", list(ExposureRule))

Found = list[tuple[Reward, int]]


def found(entries: list[Entry], experiment: Experiment) -> Found:
    """Return the rewards, and where a ledger must begin that goes on after each."""
    ledger = RewardLedger(experiment)
    return [(reward, ledger.fold_from(reward)) for entry in entries for reward in ledger.feed(entry)]


@RULES
@settings(max_examples=100)
@given(log=logs(n_most=90))
def test_a_ledger_that_begins_there_finds_all_later_rewards(rule, log):
    experiment = replace(QUICK, exposure=rule)
    whole = found(log, experiment)
    for index, (reward, begin) in enumerate(whole):
        part = found([entry for entry in log if entry.seq > begin], experiment)
        assert [(later, place) for later, place in part if later.key > reward.key] == whole[index + 1 :]


@RULES
@settings(max_examples=50)
@given(log=logs(n_most=60))
def test_every_reward_has_a_higher_key_than_those_before_it(rule, log):
    keys = [reward.key for reward, _ in found(log, replace(QUICK, exposure=rule))]
    assert all(before < after for before, after in pairwise(keys))


def test_a_ledger_reads_no_further_back_than_a_few_ages_and_skews():
    log: list[Entry] = [assigned(seq, unit=seq, minute=seq) for seq in range(1, 301)]
    reach = (4 * QUICK.maturity_age + 3 * CLOCK_SKEW) / minutes(1)
    for reward, begin in found(log, QUICK)[100:]:
        age = reward.matures_at - log[begin - 1].received_at
        assert reach < age / minutes(1) <= reach + 2


def test_what_is_dated_further_ahead_than_a_clock_may_be_is_passed_over():
    ahead = CLOCK_SKEW / minutes(1)
    log: list[Entry] = [
        assigned(1, minute=ahead, received=0),
        assigned(2, unit=2, minute=ahead + 0.1, received=0),
        observed(3, ahead + 0.1, of=1, received=0),
        observed(4, ahead, unit=1, received=0),
        tick(5, 60),
    ]
    assert [(reward.assignment.seq, reward.n_outcomes) for reward, _ in found(log, QUICK)] == [(1, 1)]
    shown: list[Entry] = [assigned(1), exposed(2, 1, ahead + 0.1, received=0), tick(3, 60)]
    assert found(shown, replace(QUICK, exposure=ExposureRule.REPORTED)) == []


def test_a_clock_that_runs_backwards_changes_no_order_and_holds_nothing_up():
    """The wall is set back by an hour while rows come in: the watermark stays where it was."""
    log: list[Entry] = [assigned(1, minute=70), assigned(2, unit=2, minute=72), assigned(3, unit=3, minute=10)]
    log += [observed(4, 11, of=3), observed(5, 73, of=2), tick(6, 80)]
    rewards = [reward for reward, _ in found(log, QUICK)]
    # What was assigned at minute 10 was of age when it came.
    assert [(reward.assignment.seq, reward.n_outcomes) for reward in rewards] == [(1, 0), (2, 1)]
