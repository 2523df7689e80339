"""kill -9 of the learner, and damage to its file: what is learned afterwards is what would have been learned."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from engine import lifecycle
from engine.catalog import restore
from engine.errors import SnapshotRefused
from engine.experiments import ExperimentState
from engine.funnel import PopulationState
from engine.learning import LearnerPool
from engine.records import Entry, Snapshot
from engine.storage import find_snapshot_in, open_reader, open_snapshots, open_store
from engine.storage.memory import MemorySnapshots
from tests.engine.learning_house import ANN, SPECS, contents, experiment, log, started

LEARNER = Path(__file__).with_name("learning.py")
PATIENCE_S = 60.0  # only a machine that is busy with other things comes near it
N_KILLS = 8
N_VISITS = 400
BATCH = 30
BOTH = replace(experiment("contextual"), shadow=SPECS["thompson"])


@contextmanager
def learning(store: Path) -> Iterator[Callable[[Callable[[], bool]], None]]:
    """Run a learner that is waited for by what comes out, and kill it: nothing is said goodbye to."""
    process = subprocess.Popen([sys.executable, str(LEARNER), str(store)])

    def until(happened: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not happened():
            assert process.poll() is None, "it ended by itself"
            assert time.monotonic() < deadline, "it did not happen"
            time.sleep(0.02)

    try:
        yield until
    finally:
        process.kill()
        process.wait()


def stored(store: Path) -> list[Snapshot]:
    with closing(open_snapshots(store)) as snapshots:
        return snapshots.snapshots("hero")


def undisturbed(store: Path) -> list[Snapshot]:
    with closing(open_reader(store)) as reader:
        return LearnerPool(reader, MemorySnapshots()).step()


def chain(snapshots: Sequence[Snapshot], *, is_shadow: bool) -> list[tuple[object, ...]]:
    return contents([snapshot for snapshot in snapshots if snapshot.is_shadow is is_shadow])


def write(store: Path, state: ExperimentState, entries: Sequence[Entry]) -> None:
    with closing(open_store(store)) as writer:
        writer.save(state, lifecycle.create(state.experiment, ANN)[1], "")
        writer.append(entries)


def test_a_learner_that_is_killed_again_and_again_writes_what_an_undisturbed_one_writes(tmp_path: Path) -> None:
    chance = random.Random(20240229)
    write(tmp_path, started(BOTH), [])
    coming = iter(log(n=N_VISITS))
    n_stored = 0
    with closing(open_store(tmp_path)) as writer:
        for _ in range(N_KILLS):
            writer.append(list(islice(coming, BATCH)))
            with learning(tmp_path) as until:
                until(lambda before=n_stored: len(stored(tmp_path)) > before)
                # The log grows while it learns, and it is killed at a chance moment.
                writer.append(list(islice(coming, BATCH)))
                time.sleep(chance.uniform(0.0, 0.3))
            n_stored = len(stored(tmp_path))
        writer.append(list(coming))
    expected = undisturbed(tmp_path)
    with learning(tmp_path) as until:
        until(lambda: len(stored(tmp_path)) >= len(expected))
    assert n_stored < len(expected), "it was killed on the way"
    for is_shadow in (False, True):
        assert chain(stored(tmp_path), is_shadow=is_shadow) == chain(expected, is_shadow=is_shadow)


def _cut(blob: bytes) -> bytes:
    return blob[: len(blob) // 2]


def _flip(blob: bytes) -> bytes:
    place = len(blob) // 2
    return blob[:place] + bytes([blob[place] ^ 4]) + blob[place + 1 :]


@pytest.mark.parametrize("damage", [_cut, _flip], ids=["truncated", "bit-flipped"])
def test_a_damaged_snapshot_serves_nobody_and_is_learned_anew(tmp_path: Path, damage, caplog) -> None:
    state = started(experiment("contextual"))
    write(tmp_path, state, log())
    expected = undisturbed(tmp_path)
    with closing(open_reader(tmp_path)) as reader, closing(open_snapshots(tmp_path, write=True)) as snapshots:
        assert LearnerPool(reader, snapshots).step() == expected
    _rewrite(tmp_path, expected[-1].hash, damage(expected[-1].blob))

    pointing = replace(state, snapshot=expected[-1].hash)
    with pytest.raises(SnapshotRefused, match="its content is not what its name says"):
        restore(pointing, PopulationState(), find_snapshot_in(tmp_path))
    with closing(open_reader(tmp_path)) as reader, closing(open_snapshots(tmp_path, write=True)) as snapshots:
        again = LearnerPool(reader, snapshots).step()
        assert again == expected[-2:]
        assert "goes back to an earlier snapshot" in caplog.text
        # The damaged one is mended in its place.
        assert snapshots.snapshots("hero") == expected
    assert restore(pointing, PopulationState(), find_snapshot_in(tmp_path))


def _rewrite(store: Path, hash: str, blob: bytes) -> None:
    with closing(sqlite3.connect(store / "learning.db")) as connection, connection:
        connection.execute("UPDATE snapshots SET blob = ? WHERE hash = ?", (blob, bytes.fromhex(hash)))
