"""What is remembered for how long, against sums over all rewards by their ages."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.clock import to_micros
from engine.policies.memories import N_BUCKETS, Fading, Sliding, remembered, restored
from engine.policies.tallies import Moments, Successes, Totals
from engine.specs import ThompsonSpec

START = datetime(2024, 1, 1, tzinfo=UTC)
NAMES = ("a", "b", "c")
HOUR = timedelta(hours=1)
FOR_EVER, HALVING, SLIDING = ThompsonSpec(), ThompsonSpec(half_life=HOUR), ThompsonSpec(window=HOUR)
MEMORIES = pytest.mark.parametrize("spec", [FOR_EVER, HALVING, SLIDING], ids=["for ever", "half-life", "window"])
STATISTICS = pytest.mark.parametrize(
    "statistic", [Successes((2.0, 3.0)), Totals((1.0, 1.0), 5.0), Moments((1.0, 0.4, 0.5))]
)
SECONDS = st.floats(0, 4 * 3600).map(lambda after: START + timedelta(seconds=after))
REWARDS = st.lists(st.tuples(st.sampled_from(NAMES[:2]), st.floats(0, 1), SECONDS), min_size=1, max_size=40)


def memory_of(spec, statistic, rewards):
    memory = remembered(spec, statistic, NAMES)
    for reward in rewards:
        memory.add(*reward)
    return memory


def weight(spec, at, newest):
    """How much a reward counts when the newest one has come."""
    if spec.half_life is not None:
        return 0.5 ** ((newest - at) / spec.half_life)
    if spec.window is not None:
        bucket = spec.window / N_BUCKETS
        first = (newest - datetime(1970, 1, 1, tzinfo=UTC)) // bucket - N_BUCKETS + 1
        return float((at - datetime(1970, 1, 1, tzinfo=UTC)) // bucket >= first)
    return 1.0


def by_ages(spec, statistic, rewards, name):
    newest = max(at for _, _, at in rewards)
    tally = statistic.start
    for each, reward, at in rewards:
        if each == name and (counts := weight(spec, at, newest)):
            tally = statistic.added(tally, reward, counts)
    return tally


@MEMORIES
@STATISTICS
@given(REWARDS)
def test_a_tally_is_that_of_all_rewards_weighted_by_their_ages(spec, statistic, rewards):
    """In any order: what comes late counts by its age too."""
    tallies = memory_of(spec, statistic, rewards).tallies()
    for name in NAMES:
        assert tallies[name] == pytest.approx(by_ages(spec, statistic, rewards, name), rel=1e-9, abs=1e-12)
    assert tallies["c"] == statistic.start


@MEMORIES
@STATISTICS
@given(REWARDS, REWARDS)
def test_a_memory_that_was_written_down_goes_on_to_the_bit(spec, statistic, before, after):
    undisturbed = memory_of(spec, statistic, before)
    written = json.dumps(undisturbed.state())
    undisturbed.tallies()
    again = restored(spec, statistic, NAMES, json.loads(written))
    assert json.dumps(again.state()) == written
    for reward in after:
        again.add(*reward)
        undisturbed.add(*reward)
    assert json.dumps(again.state()) == json.dumps(undisturbed.state())
    assert again.tallies() == undisturbed.tallies()


@MEMORIES
def test_nothing_is_remembered_of_nothing(spec):
    memory = remembered(spec, Successes((2.0, 3.0)), NAMES)
    assert memory.tallies() == dict.fromkeys(NAMES, (2.0, 3.0))
    again = restored(spec, Successes((2.0, 3.0)), NAMES, json.loads(json.dumps(memory.state())))
    assert json.dumps(again.state()) == json.dumps(memory.state())


def test_a_half_life_halves_and_leaves_the_prior():
    memory = memory_of(HALVING, Totals((10.0, 20.0)), [("a", 1.0, START), ("b", 1.0, START + 3 * HOUR)])
    assert memory.tallies() == {"a": (10.125, 20.125), "b": (11.0, 21.0), "c": (10.0, 20.0)}
    assert memory.state()["a"] == (to_micros(START), 1.0, 1.0)


def test_after_thousands_of_half_lives_only_the_prior_is_left():
    memory = memory_of(HALVING, Moments((1.0, 0.5, 0.5)), [("a", 1.0, START), ("b", 1.0, START + 5000 * HOUR)])
    assert memory.tallies()["a"] == (1.0, 0.5, 0.5)
    memory.add("a", 0.25, START + 5000 * HOUR)
    assert memory.tallies()["a"][0] == 2.0


def test_a_reward_from_before_1970_counts():
    early = datetime(1960, 1, 1, tzinfo=UTC)
    for spec in (HALVING, SLIDING):
        assert memory_of(spec, Totals(), [("a", 1.0, early)]).tallies()["a"] == (1.0, 1.0)


def test_a_window_forgets_at_its_end_to_within_a_bucket():
    bucket = HOUR / N_BUCKETS
    for after, is_there in [(HOUR - bucket, True), (HOUR, False)]:
        memory = memory_of(SLIDING, Totals(), [("a", 1.0, START), ("b", 0.0, START + after)])
        assert memory.tallies()["a"] == ((1.0, 1.0) if is_there else (0.0, 0.0))


def test_a_window_keeps_no_more_than_its_buckets():
    rewards = [(name, 0.5, START + n * timedelta(seconds=1)) for n in range(20_000) for name in NAMES[:2]]
    state = memory_of(SLIDING, Totals(), rewards).state()
    assert [len(state[name]) for name in NAMES] == [N_BUCKETS, N_BUCKETS, 0]


def test_a_window_of_a_microsecond_remembers_the_last_moment():
    spec = ThompsonSpec(window=timedelta(microseconds=1))
    end = datetime(9999, 1, 1, tzinfo=UTC)
    rewards = [("a", 1.0, START), ("a", 0.0, end), ("b", 1.0, end)]
    memory = memory_of(spec, Totals(), rewards)
    assert memory.tallies()["a"] == (0.0, 1.0)
    assert restored(spec, Totals(), NAMES, json.loads(json.dumps(memory.state()))).tallies() == memory.tallies()


@pytest.mark.parametrize(
    "state",
    [
        {"a": [], "b": []},
        {"a": [1.5, 0.0, 1.0]},
        {"a": [True, 0.0, 1.0]},
        {"a": [0, 0.0]},
        {"a": [0, 0.0, 1.0, 1.0]},
        {"a": [0, -0.5, 1.0]},
        {"a": ["0", 0.0, 1.0]},
        {"a": [10**30, 0.0, 1.0]},
        {"a": [0, 0.0, 10**400]},
        {"a": 5},
        [],
    ],
)
def test_what_is_no_state_of_fading_rewards_is_refused(state):
    whole = {name: [0, 0.0, 0.0] for name in NAMES} | state if isinstance(state, dict) and len(state) == 1 else state
    with pytest.raises((ValueError, TypeError, LookupError, ArithmeticError)):
        restored(HALVING, Totals(), NAMES, whole)


@pytest.mark.parametrize("buckets", [[[1, 0.5]], [[1.0, 0.5, 1.0]], [[1, 0.5, -1.0]], [[]], [1], 1])
def test_what_is_no_state_of_a_window_is_refused(buckets):
    with pytest.raises((ValueError, TypeError, LookupError, ArithmeticError)):
        restored(SLIDING, Totals(), NAMES, {"a": buckets, "b": [], "c": []})


def test_what_a_window_would_have_forgotten_is_not_taken_back():
    state = {"a": [[1, 1.0, 1.0], [40, 1.0, 1.0]], "b": [[8, 1.0, 1.0]], "c": []}
    assert restored(SLIDING, Totals(), NAMES, state).state() == {"a": [(40, 1.0, 1.0)], "b": [], "c": []}


def test_memories_say_what_they_are():
    assert isinstance(remembered(HALVING, Totals(), NAMES), Fading)
    assert isinstance(remembered(SLIDING, Totals(), NAMES), Sliding)
