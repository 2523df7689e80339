"""The learner process: reads the log, learns, writes its own file, and asks the server to move the live pointer.

Run by the server as `python -m engine.service.learner DIRECTORY ADDRESS PID`, PID being the server's. It ends when the
server does, however that ends.
"""

from __future__ import annotations

import gc
import logging
import os
import time
from pathlib import Path

import grpc
from armlift.v1.learning_pb2 import PublishSnapshotRequest
from armlift.v1.learning_pb2_grpc import LearningServiceStub

from engine.errors import InvalidTransition, SnapshotRefused, UnknownExperiment
from engine.learning import LearnerPool
from engine.records import Snapshot
from engine.service.companions import accompany
from engine.service.status import hearing
from engine.storage import open_reader, open_snapshots

_IDLE_S = 0.05
_PUBLISH_TIMEOUT_S = 10.0
_PUBLISH_EVERY_S = 1.0
_GARBAGE_AFTER = 100_000
"""How many objects are made before garbage is looked for: what is pending lives long, and there is much of it."""
_NICENESS = 5
_log = logging.getLogger(__name__)


def run(directory: Path, address: str, server: int) -> None:
    """Learn until the process `server`, which started this one, is gone."""
    gc.set_threshold(_GARBAGE_AFTER)
    if hasattr(os, "nice"):
        # Where processors are few, an answer goes before a lesson.
        os.nice(_NICENESS)
    reader, snapshots = open_reader(directory), open_snapshots(directory, write=True)
    pool = LearnerPool(reader, snapshots)
    with grpc.insecure_channel(address) as channel:
        publisher = Publisher(LearningServiceStub(channel))
        while os.getppid() == server:
            before = snapshots.position()
            for snapshot in pool.steps():
                publisher.add(snapshot)
            publisher.publish()
            pool.done()
            if snapshots.position() == before:
                time.sleep(_IDLE_S)


class Publisher:
    """Publishes the newest snapshot of each policy, once in a while: a learner that catches up makes many at once."""

    def __init__(self, stub: LearningServiceStub) -> None:
        self._stub = stub
        self._waiting: dict[tuple[str, bool], Snapshot] = {}
        self._published_at = 0.0

    def add(self, snapshot: Snapshot) -> None:
        """Take the place of what waits of the same policy, and publish where that is due."""
        self._waiting[snapshot.experiment_id, snapshot.is_shadow] = snapshot
        if time.monotonic() - self._published_at > _PUBLISH_EVERY_S:
            self.publish()

    def publish(self) -> None:
        """Ask the server to move the pointers to what waits."""
        for snapshot in self._waiting.values():
            self._ask(snapshot)
        self._waiting = {}
        self._published_at = time.monotonic()

    def _ask(self, snapshot: Snapshot) -> None:
        request = PublishSnapshotRequest(
            experiment_id=snapshot.experiment_id,
            epoch=snapshot.epoch,
            snapshot=snapshot.hash,
            is_shadow=snapshot.is_shadow,
        )
        try:
            with hearing():
                self._stub.PublishSnapshot(request, timeout=_PUBLISH_TIMEOUT_S)
        except (SnapshotRefused, InvalidTransition, UnknownExperiment) as refused:
            # The server goes on with the snapshot before; the next one will be tried in its turn.
            _log.error("snapshot %s of %s was not taken: %s", snapshot.hash[:12], snapshot.experiment_id, refused)


if __name__ == "__main__":
    # What could not be published is not noted as done, and the next learner publishes it.
    accompany("the learner", run)
