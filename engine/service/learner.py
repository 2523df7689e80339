"""The learner process: reads the log, learns, writes its own file, and asks the server to move the live pointer.

Run by the server as `python -m engine.service.learner DIRECTORY ADDRESS PID`, PID being the server's. It ends when the
server does, however that ends.
"""

from __future__ import annotations

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
_log = logging.getLogger(__name__)


def run(directory: Path, address: str, server: int) -> None:
    """Learn until the process `server`, which started this one, is gone."""
    reader, snapshots = open_reader(directory), open_snapshots(directory, write=True)
    pool = LearnerPool(reader, snapshots)
    with grpc.insecure_channel(address) as channel:
        stub = LearningServiceStub(channel)
        while os.getppid() == server:
            before = snapshots.position()
            for snapshot in pool.step():
                _publish(stub, snapshot)
            pool.done()
            if snapshots.position() == before:
                time.sleep(_IDLE_S)


def _publish(stub: LearningServiceStub, snapshot: Snapshot) -> None:
    request = PublishSnapshotRequest(experiment_id=snapshot.experiment_id, epoch=snapshot.epoch, snapshot=snapshot.hash)
    try:
        with hearing():
            stub.PublishSnapshot(request, timeout=_PUBLISH_TIMEOUT_S)
    except (SnapshotRefused, InvalidTransition, UnknownExperiment) as refused:
        # The server goes on with the snapshot before; the next one will be tried in its turn.
        _log.error("snapshot %s of %s was not taken: %s", snapshot.hash[:12], snapshot.experiment_id, refused)


if __name__ == "__main__":
    # What could not be published is not noted as done, so the next learner publishes it.
    accompany("the learner", run)
