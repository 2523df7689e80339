"""A server's learner while customers come: it is killed again and again, and what it publishes is gone back from."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from engine import cli
from engine.learned import N_LISTED
from engine.learning import LearnerPool
from engine.records import Assignment, Snapshot
from engine.service.management import Management
from engine.storage import open_reader
from engine.storage.memory import MemorySnapshots
from tests.faults.load import begin, stored, traffic, until

N_KILLS = 4
N_BETWEEN = 3
"""Snapshots between a kill and the next one."""


def chain(snapshots: Sequence[Snapshot], *, is_shadow: bool) -> list[Snapshot]:
    return [snapshot for snapshot in snapshots if snapshot.is_shadow is is_shadow]


def test_a_learner_that_is_killed_under_load_writes_what_an_undisturbed_one_writes(
    tmp_path: Path, start_server: Callable[[str], Any]
) -> None:
    store, chance = tmp_path / "store", random.Random(20240229)
    server = start_server("request")
    with Management(server.address, "tests") as management:
        begin(management)
        killed = []
        with traffic(server.address):
            for _ in range(N_KILLS):
                before = len(stored(store))
                until(lambda before=before: len(stored(store)) >= before + N_BETWEEN)
                time.sleep(chance.uniform(0.0, 0.3))
                killed.append(server.learner())
                os.kill(killed[-1], signal.SIGKILL)
                until(lambda: server.learner() not in killed)
        with closing(open_reader(store)) as reader:
            undisturbed = LearnerPool(reader, MemorySnapshots()).step()
        until(lambda: len(stored(store)) >= len(undisturbed))
        for is_shadow in (False, True):
            expected = chain(undisturbed, is_shadow=is_shadow)
            assert len(expected) > N_KILLS * N_BETWEEN / 2
            assert chain(stored(store), is_shadow=is_shadow) == expected
        for is_shadow, live in ((False, "snapshot"), (True, "shadow_snapshot")):
            newest = chain(undisturbed, is_shadow=is_shadow)[-1].hash
            until(lambda live=live, newest=newest: getattr(management.get("offer"), live) == newest)


def test_a_snapshot_is_gone_back_to_and_followed_from_while_the_learner_publishes(
    tmp_path: Path, start_server: Callable[[str], Any]
) -> None:
    store = tmp_path / "store"
    server = start_server("request")

    def run(*words: str) -> str:
        result = CliRunner().invoke(cli.cli, ["policy", *words, "--server", server.address])
        assert result.exit_code == 0, result.output
        return result.output

    def learn(n_more: int) -> None:
        goal = len(chain(stored(store), is_shadow=False)) + n_more
        until(lambda: len(chain(stored(store), is_shadow=False)) >= goal)

    with Management(server.address, "tests") as management:
        begin(management)
        with traffic(server.address):
            learn(N_LISTED + 2)
            listed = run("list", "offer")
            assert len(re.findall(r"^ [0-9a-f]{12} ", listed, re.M)) in (N_LISTED, N_LISTED + 1)
            assert listed.count(" live ") == 1
            old = chain(stored(store), is_shadow=False)[2].hash
            run("rollback", "offer", old[:12], "--reason", "the new ones are worse")
            since = from_now_on(store)
            learn(N_BETWEEN)
            assert management.get("offer").snapshot == old
            assert old[:12] in run("list", "offer"), "it is listed as long as it is live, however old"
            assert answered_by(store, since) == {old}
            run("follow", "offer", "--reason", "mended")
            assert management.get("offer").snapshot != old
            since = from_now_on(store)
            learn(N_BETWEEN)
            until(lambda: len(answered_by(store, since)) > 1)
        assert old not in answered_by(store, since)


def from_now_on(store: Path) -> int:
    """Return a place in the log behind which there is nothing that was decided before this call."""
    with closing(open_reader(store)) as reader:
        before = reader.last_seq()
        # The only customer is on the way with one question at most, and with what came of the last one.
        until(lambda: reader.last_seq() > before + 2)
        return reader.last_seq()


def answered_by(store: Path, since: int) -> set[str]:
    """Return the snapshots that answered after a place in the log."""
    with closing(open_reader(store)) as reader:
        return {row.snapshot for row in reader.entries(since, 100_000) if isinstance(row, Assignment)}
