"""The evaluator asks for what the log says, once it may, and says why; whatever is refused stops nothing."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import textwrap
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from analysis import judging
from analysis.judging import Decision, Finding
from analysis.ramping import Evaluator, run
from engine.clock import to_micros
from engine.errors import InvalidTransition, StoreUnavailable
from engine.experiments import ROLLED_BACK, Experiment, ExperimentState, Status, Variant
from engine.funnel import Funnel, RampStep
from engine.metrics import Metric

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
HERO = Experiment(
    "hero",
    (Variant("a"), Variant("b")),
    (Metric("click"),),
    funnel=Funnel(ramp=(RampStep(0.1, HOUR), RampStep(0.5, HOUR), RampStep(1.0))),
)
STATE = ExperimentState(HERO, Status.RUNNING, 1, 1, "7", step=0, step_at=NOW - 2 * HOUR)


class Store:
    """A reader that has states and counts what is asked of it."""

    def __init__(self, *states):
        self.now = states
        self.revision = self.seq = self.n_read = 0
        self.end = NOW

    def catalog_revision(self):
        return self.revision

    def last_seq(self):
        return self.seq

    def states(self):
        self.n_read += 1
        return list(self.now)

    def ended_at(self):
        return to_micros(self.end)


class Moves:
    """A management that notes the moves it is asked for, or refuses them."""

    def __init__(self, error=None):
        self.asked = []
        self.error = error

    def move_ramp(self, experiment_id, step, etag, reason):
        self.asked.append((experiment_id, step, etag, reason))
        if self.error:
            raise self.error


@pytest.fixture
def judged(monkeypatch):
    """Let the log say what the test wants, and count how often it is asked."""
    said = {"decision": Decision.GO_ON, "n": 0}

    def judge(log, experiment_id):
        said["n"] += 1
        if isinstance(said["decision"], Exception):
            raise said["decision"]
        return Finding(said["decision"], f"evidence {said['n']}")

    monkeypatch.setattr(judging, "judge", judge)
    return said


def look(store, moves):
    Evaluator(store, moves).look()
    return [(step, etag) for _, step, etag, _ in moves.asked]


def test_it_asks_for_the_next_step_with_the_evidence_as_the_reason(judged):
    moves = Moves()
    assert look(Store(STATE), moves) == [(1, "7")]
    assert moves.asked[0][-1] == "evidence 1"


def test_a_guardrail_sends_the_ramp_back_at_every_step_however_short_it_lasted(judged):
    judged["decision"] = Decision.ROLL_BACK
    for step in range(3):
        assert look(Store(replace(STATE, step=step, step_at=NOW)), Moves()) == [(ROLLED_BACK, "7")]


@pytest.mark.parametrize("decision", [Decision.WAIT, Decision.HOLD])
def test_too_few_units_and_a_mismatch_move_nothing(judged, decision):
    judged["decision"] = decision
    assert look(Store(STATE), Moves()) == []


def test_before_the_step_has_lasted_nothing_is_asked_for(judged):
    young = replace(STATE, step_at=NOW)
    assert look(Store(young), Moves()) == []
    ahead = Store(young)
    ahead.end = NOW + HOUR
    assert look(ahead, Moves()) == [(1, "7")]


@pytest.mark.parametrize(
    "state",
    [
        replace(STATE, step=2),
        replace(STATE, step=ROLLED_BACK),
        replace(STATE, status=Status.PAUSED),
        replace(STATE, experiment=replace(HERO, funnel=Funnel())),
    ],
)
def test_where_there_is_no_next_step_nothing_is_asked_for(judged, state):
    assert look(Store(state), Moves()) == []
    assert judged["n"] == int(state.step == 2)


def test_a_log_is_read_again_only_when_something_came_and_states_when_something_changed(judged):
    store, judged["decision"] = Store(STATE), Decision.WAIT
    evaluator = Evaluator(store, Moves())
    for _ in range(3):
        evaluator.look()
    assert (judged["n"], store.n_read) == (1, 1)
    store.seq = 5
    evaluator.look()
    assert (judged["n"], store.n_read) == (2, 1)
    store.revision, store.now = 1, (replace(STATE, etag="8"),)
    evaluator.look()
    assert (judged["n"], store.n_read) == (3, 2)


def test_a_hold_is_said_once_when_it_begins(judged, caplog):
    store = Store(STATE)
    evaluator = Evaluator(store, Moves())
    for decision in (Decision.HOLD, Decision.HOLD, Decision.WAIT, Decision.HOLD):
        judged["decision"] = decision
        store.seq += 1
        evaluator.look()
    assert caplog.messages == ["the ramp of hero is held: evidence 1", "the ramp of hero is held: evidence 4"]


@pytest.mark.parametrize(
    ("error", "level"), [(InvalidTransition("too early"), None), (StoreUnavailable("no server"), logging.ERROR)]
)
def test_what_is_refused_is_asked_for_again(judged, caplog, error, level):
    moves = Moves(error)
    evaluator = Evaluator(Store(STATE), moves)
    evaluator.look()
    evaluator.look()
    assert len(moves.asked) == 2
    assert [record.levelno for record in caplog.records] == [level] * 2 * (level is not None)


def test_one_log_that_cannot_be_judged_keeps_no_other_from_it(judged, caplog, monkeypatch):
    other = replace(STATE, experiment=replace(HERO, experiment_id="other"))
    found = judging.judge
    monkeypatch.setattr(judging, "judge", lambda log, name: 1 / 0 if name == "hero" else found(log, name))
    assert look(Store(STATE, other), Moves()) == [(1, "7")]
    assert caplog.messages == ["the ramp of hero cannot be judged"]


def test_it_ends_when_its_server_is_gone(judged, monkeypatch):
    class Closing(Store):
        def close(self):
            self.is_closed = True

    store = Closing(STATE)
    monkeypatch.setattr("analysis.ramping.open_reader", lambda directory: store)
    run("nowhere", "127.0.0.1:1", os.getppid() + 1)
    assert store.is_closed


def test_statistics_are_not_loaded_before_there_is_a_ramp():
    program = """
        import sys
        import analysis.ramping
        print(sorted({"scipy.stats", "matplotlib", "analysis.judging"} & set(sys.modules)))
    """
    found = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
