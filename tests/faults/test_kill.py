"""kill -9 of the server under load loses nothing that was acknowledged, and of the learner nothing that was learned."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from armlift import Answer, Client

from engine.experiments import Experiment, Status, Variant
from engine.learning import LearnerPool
from engine.metrics import Metric
from engine.records import Assignment, Entry, Exposure, Outcome
from engine.service.management import Management
from engine.specs import ThompsonSpec
from engine.storage import open_reader, open_snapshots
from engine.storage.memory import MemorySnapshots

N_ROUNDS = 4
N_BEFORE_KILL = 50
PATIENCE_S = 30.0  # only a machine that is busy with other things comes near it
DRIVER = Path(__file__).with_name("driver.py")
VARIANTS = (Variant("plain"), Variant("bold"), Variant("loud"))
CLICK = Metric("click", window=timedelta(milliseconds=200))
BUTTON = Experiment("button", VARIANTS, (CLICK,))
OFFER = Experiment("offer", VARIANTS, (CLICK,), policy=ThompsonSpec(publish_every=20))


@dataclass(frozen=True)
class Log:
    """What the files say, without a server."""

    entries: Sequence[Entry]

    def by_request(self) -> dict[str, Assignment]:
        return {row.request_id: row for row in self.entries if isinstance(row, Assignment)}

    def exposed(self) -> set[str]:
        return {row.assignment_id for row in self.entries if isinstance(row, Exposure)}

    def outcomes(self) -> dict[str, Outcome]:
        return {row.outcome_id: row for row in self.entries if isinstance(row, Outcome)}


def read_log(store: Path) -> Log:
    reader = open_reader(store)
    entries: list[Entry] = []
    while page := reader.entries(entries[-1].seq if entries else 0):
        entries += page
    reader.close()
    return Log(entries)


def run(address: str, *experiments: Experiment) -> None:
    with Management(address, "tests") as management:
        for experiment in experiments:
            management.apply(experiment, "to be killed")
            management.move(experiment.experiment_id, Status.RUNNING, "to be killed")


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def told(answer: Answer) -> tuple[str, str, float | None, str]:
    return answer.assignment_id, answer.variant, answer.propensity, answer.snapshot


def logged(row: Assignment) -> tuple[str, str, float | None, str]:
    return row.assignment_id, row.variant, row.propensity, row.snapshot


def notes_of(paths: Sequence[Path], kind: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
    return [line for line in lines if line["kind"] == kind]


@pytest.fixture
def notes(tmp_path: Path, start_server: Callable[[str], Any]) -> list[Path]:
    """The drivers' notes of several rounds on one store, in each of which the server was killed at a chance moment."""
    chance = random.Random(20240229)
    paths = [tmp_path / f"notes-{number}.jsonl" for number in range(N_ROUNDS)]
    for number, path in enumerate(paths):
        server = start_server("wall")
        if number == 0:
            run(server.address, BUTTON, OFFER)
        driver = subprocess.Popen([sys.executable, str(DRIVER), server.address, str(path), f"round-{number}"])
        until(lambda path=path: path.exists() and path.read_text().count('"recorded"') > N_BEFORE_KILL)
        time.sleep(chance.uniform(0.0, 0.5))
        server.kill()
        assert driver.wait(PATIENCE_S) == 0
    return paths


def test_no_acknowledgement_is_lost_and_a_repeated_request_has_one_answer(
    notes: list[Path], tmp_path: Path, start_server: Callable[[str], Any]
) -> None:
    log = read_log(tmp_path / "store")
    rows, exposed, outcomes = log.by_request(), log.exposed(), log.outcomes()
    assigned, met, came = (notes_of(notes, kind) for kind in ("assigned", "exposed", "recorded"))

    for note in assigned:
        row = rows[note["request_id"]]
        assert logged(row) == (note["assignment_id"], note["variant"], note["propensity"], note["snapshot"])
        assert (row.experiment_id, row.unit.id) == (note["experiment"], note["unit"])
    assert {note["assignment_id"] for note in met} <= exposed
    assert all(outcomes[note["outcome_id"]].assignment_id == note["assignment_id"] for note in came)
    assert {note["status"] for note in met + came} <= {"RECORDED", "DUPLICATE"}  # a retry of gRPC's may be the second
    assert [row.seq for row in log.entries] == list(range(1, len(log.entries) + 1))

    _repeat_what_was_not_answered(notes_of(notes, "sent"), assigned, rows, start_server)
    after = read_log(tmp_path / "store")
    counts = Counter(row.request_id for row in after.entries if isinstance(row, Assignment))
    assert set(counts) == {note["request_id"] for note in notes_of(notes, "sent")}
    assert set(counts.values()) == {1}
    assert after.entries[: len(log.entries)] == log.entries


def _repeat_what_was_not_answered(
    sent: list[dict[str, Any]],
    assigned: list[dict[str, Any]],
    rows: dict[str, Assignment],
    start_server: Callable[[str], Any],
) -> None:
    answered = {note["request_id"] for note in assigned}
    open_questions = [note for note in sent if note["request_id"] not in answered]
    assert open_questions, "every round ends with a question that was not answered"
    with Client(start_server("wall").address, timeout_s=PATIENCE_S) as client:
        for note in open_questions:
            first, second = (
                client.assign(note["experiment"], unit=note["unit"], request_id=note["request_id"]) for _ in range(2)
            )
            assert told(first) == told(second)
            committed = rows.get(note["request_id"])
            assert committed is None or told(first) == logged(committed)


def test_a_killed_learner_goes_on_and_learns_the_same_bytes(tmp_path: Path, start_server: Callable[[str], Any]) -> None:
    server = start_server("request")
    run(server.address, OFFER)
    start = datetime(2024, 1, 1, tzinfo=UTC)
    with Client(server.address, timeout_s=PATIENCE_S) as client, Management(server.address, "tests") as management:

        def published(n_snapshots: int) -> bool:
            hashes = _hashes(tmp_path)
            return len(hashes) == n_snapshots and management.get("offer").snapshot == hashes[-1]

        _visits(client, start, 0, 90)
        until(lambda: published(4))  # one of 20 rewards each; the latest visit is not mature yet
        killed = server.learner()
        os.kill(killed, signal.SIGKILL)
        _visits(client, start, 90, 180)
        until(lambda: published(8))
        assert server.learner() != killed
    reader = open_reader(tmp_path / "store")
    undisturbed = LearnerPool(reader, MemorySnapshots()).step()
    assert _hashes(tmp_path) == [snapshot.hash for snapshot in undisturbed]
    reader.close()


def _visits(client: Client, start: datetime, first: int, end: int) -> None:
    for number in range(first, end):
        at = start + timedelta(seconds=number)
        answer = client.assign("offer", unit=f"unit-{number}", at=at)
        if answer.variant == "bold":
            client.record("click", answer=answer, at=at)


def _hashes(tmp_path: Path) -> list[str]:
    snapshots = open_snapshots(tmp_path / "store")
    hashes = [snapshot.hash for snapshot in snapshots.snapshots("offer")]
    snapshots.close()
    return hashes


def test_a_learner_ends_with_its_server_also_while_it_starts(start_server: Callable[[str], Any]) -> None:
    server = start_server("wall")
    learner = Path(f"/proc/{server.learner()}")
    server.kill()
    until(lambda: not learner.exists() or "engine.service.learner" not in (learner / "cmdline").read_text())
