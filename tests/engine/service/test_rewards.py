"""Rewards through the front door: a file, a server, a product that reports, and what the learner makes of it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from armlift import Answer, Event
from click.testing import CliRunner

from engine import cli, files
from engine.experiments import Status
from engine.learning import LearnerPool
from engine.ledger import RewardLedger
from engine.metrics import RewardTerm
from engine.records import Reward, Snapshot
from engine.storage import open_reader
from engine.storage.memory import MemorySnapshots

FILE = """\
experiment: home
variants: [plain, bold]
policy: {thompson: {publish_every: 3, publish_after: 0s}}
metrics:
  click: {kind: conversion, window: 1h}
  spend: {kind: revenue, window: 2h, cap: 100}
  visits: {kind: count, window: 2h, cap: 4}
  margin: {kind: revenue, window: 2h, range: [-10, 10]}
  happy: {kind: csat, window: 2h, range: [1, 5]}
  wait: {kind: revenue, window: 1h, cap: 20}
  complaint: {kind: conversion, window: 2h, better: lower}
reward:
  click: 0.2
  spend: 0.8
  visits: {weight: 0.4, aggregation: max}
  margin: {weight: 0.5, aggregation: mean}
  happy: {weight: 0.25, aggregation: last}
  wait: {weight: -0.1, aggregation: first}
  complaint: -1
reward_default: 0.25
reward_scale: [-2, 3]
grace: 10m
"""
AGE = timedelta(hours=2, minutes=10)
Reported = tuple[str, float | None, int]
"""A metric, a value, and the minutes after the answer at which it happened."""

CASES: dict[str, tuple[list[Reported], float]] = {
    "nothing": ([], 0.25),
    "one-click": ([("click", None, 1)], 0.2),
    "two-clicks": ([("click", None, 1), ("click", None, 59)], 0.2),
    "late-click": ([("click", None, 61)], 0.25),
    "spends": ([("spend", 30.0, 1), ("spend", 50.0, 119), ("spend", 9.0, 121)], 0.8 * 80 / 100),
    "spends-a-lot": ([("spend", 5000.0, 1)], 0.8),
    "comes-often": ([("visits", 2.0, 1), ("visits", 3.0, 2), ("visits", 1.0, 3)], 0.4 * 3 / 4),
    "loses": ([("margin", -5.0, 1), ("margin", -10.0, 2)], 0.5 * -7.5 / 10),
    "cheers-up": ([("happy", 4.0, 9), ("happy", 2.0, 1)], 0.25 * 4 / 5),
    "waits": ([("wait", 10.0, 1), ("wait", 1.0, 2), ("spend", 10.0, 3)], 0.08 - 0.1 * 10 / 20),
    "complains": ([("complaint", None, 1), ("click", None, 2)], 0.2 - 1.0),
}
"""What each unit reports, and the weighted sum by hand."""


@pytest.fixture
def home(service: Any, tmp_path: Path) -> Any:
    """A server on which the file's experiment runs, applied as somebody types it."""
    path = tmp_path / "home.yaml"
    path.write_text(FILE)
    assert "home" in run("check", path)
    run("apply", path, "--server", service.address)
    service.management.move("home", Status.RUNNING, "go")
    return service


def run(*words: object) -> str:
    result = CliRunner().invoke(cli.cli, list(map(str, words)))
    assert result.exit_code == 0, result.output
    return result.output


def answered(service: Any, at: datetime) -> dict[str, Answer]:
    """Let the units come, one a minute, report what is theirs, and let the windows close."""
    answers = {}
    events: list[tuple[datetime, Event]] = []
    for number, (unit, (reported, _)) in enumerate(CASES.items()):
        came_at = at + timedelta(minutes=number)
        answers[unit] = service.client.assign("home", unit=unit, at=came_at)
        for metric, value, minutes in reported:
            happened_at = came_at + timedelta(minutes=minutes)
            events.append((happened_at, Event(metric, value, occurred_at=happened_at).of(answers[unit])))
    for happened_at, event in sorted(events, key=lambda each: each[0]):
        (recorded,) = service.client.record_many([event], at=happened_at)
        assert recorded.status == "RECORDED", recorded
    service.client.assign("home", unit="the next day", at=at + timedelta(days=1))
    return answers


def rewards(service: Any) -> dict[str, Reward]:
    """What the log makes of each unit."""
    with closing(open_reader(service.directory)) as reader:
        state = reader.state("home")
        assert state is not None
        ledger = RewardLedger(state.experiment)
        found = [reward for entry in reader.entries() for reward in ledger.feed(entry)]
    return {reward.assignment.unit.id: reward for reward in found}


def learned(directory: Path, snapshots: Any = None) -> Sequence[Snapshot]:
    with closing(open_reader(directory)) as reader:
        return LearnerPool(reader, snapshots or MemorySnapshots()).step()


def test_a_reward_is_the_same_in_file_contract_and_registry(home: Any) -> None:
    defined = files.load(FILE)
    assert home.management.get("home").experiment == defined
    assert files.load(run("show", "home", "--server", home.address)) == defined
    assert (defined.reward_default, defined.reward_scale) == (0.25, (-2.0, 3.0))


def test_rewards_are_those_that_are_counted_by_hand(home: Any, at: datetime) -> None:
    answers = answered(home, at)
    found = rewards(home)
    assert {unit: reward.value for unit, reward in found.items()} == pytest.approx(
        {unit: (raw + 2.0) / 5.0 for unit, (_, raw) in CASES.items()}, abs=1e-12
    )
    assert {found[unit].matures_at for unit in answers} == {at + timedelta(minutes=n) + AGE for n in range(len(CASES))}
    last = learned(home.directory)[-1]
    alphas = defaultdict(lambda: 1.0)
    for unit in list(CASES)[: last.n_rewards]:
        alphas[answers[unit].variant] += (CASES[unit][1] + 2.0) / 5.0
    state = json.loads(last.blob)
    assert {name: alpha for name, (alpha, _) in state.items()} == pytest.approx(
        {name: alphas[name] for name in ("plain", "bold")}
    )


def test_a_changed_reward_is_learned_from_the_logs_start_and_another_edit_goes_on(home: Any, at: datetime) -> None:
    answered(home, at)
    before = home.management.get("home").experiment
    snapshots = MemorySnapshots()
    first = learned(home.directory, snapshots)
    assert first
    assert learned(home.directory, snapshots) == [first[-1]], "only what is not live yet"

    home.management.apply(replace(before, brief=replace(before.brief, hypothesis="another")), "said better")
    home.management.apply(replace(home.management.get("home").experiment, seed="another"), "drawn anew")
    again = learned(home.directory, snapshots)
    assert [(each.hash, each.n_rewards) for each in again] == [(first[-1].hash, first[-1].n_rewards)]

    terms = tuple(RewardTerm("click", 1.0) if term.metric == "click" else term for term in before.reward)
    home.management.apply(replace(home.management.get("home").experiment, reward=terms), "clicks are worth more")
    assert home.management.get("home").snapshot == ""
    changed, from_the_start = learned(home.directory, snapshots), learned(home.directory)
    assert changed == from_the_start
    assert [each.watermark for each in changed] == [each.watermark for each in first]
    assert {each.hash for each in changed}.isdisjoint(each.hash for each in first)


def test_an_outcome_that_comes_late_trains_nothing_and_is_in_the_report(
    home: Any, at: datetime, tmp_path: Path
) -> None:
    answers = answered(home, at)
    happened_at = at + timedelta(minutes=3)
    late = Event("click", occurred_at=happened_at).of(answers["nothing"])
    # It came within the window, and was told when that was over.
    (recorded,) = home.client.record_many([late], at=at + timedelta(days=2))
    assert recorded.status == "RECORDED"
    assert rewards(home)["nothing"].value == pytest.approx((0.25 + 2.0) / 5.0)
    run("report", "home", "--log", home.directory, "--out", tmp_path / "report")
    page = (tmp_path / "report" / "home" / "report.md").read_text()
    assert "came after their assignment had been learned from" in page
