"""The door of the learner."""

from __future__ import annotations

from armlift.v1 import learning_pb2 as contract
from armlift.v1.learning_pb2_grpc import LearningServiceServicer

from engine.service.registrar import Registrar
from engine.service.status import answering


class LearningServicer(LearningServiceServicer):
    """Lets the learner's snapshots in, after they were verified."""

    def __init__(self, registrar: Registrar) -> None:
        self._registrar = registrar

    @answering
    async def PublishSnapshot(self, message: contract.PublishSnapshotRequest) -> contract.PublishSnapshotResponse:
        """Verify a snapshot, move the live pointer, and swap one reference."""
        await self._registrar.publish(message.experiment_id, message.epoch, message.snapshot)
        return contract.PublishSnapshotResponse()
