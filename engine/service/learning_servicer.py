"""The door to what was learned: the learner publishes, and people look and choose."""

from __future__ import annotations

from armlift.v1 import learning_pb2 as contract
from armlift.v1.learning_pb2_grpc import LearningServiceServicer

from engine.engine import Engine
from engine.experiments import ExperimentState
from engine.learned import Learned, summarised
from engine.service.registrar import Registrar
from engine.service.snapshots import from_summary, to_learned
from engine.service.status import answering


class LearningServicer(LearningServiceServicer):
    """Reads what was learned; the registrar verifies it and makes the changes."""

    def __init__(self, engine: Engine, learned: Learned, registrar: Registrar) -> None:
        self._engine = engine
        self._learned = learned
        self._registrar = registrar

    @answering
    async def PublishSnapshot(self, message: contract.PublishSnapshotRequest) -> contract.PublishSnapshotResponse:
        """Verify a snapshot, move the live pointer, and swap one reference."""
        name, epoch, snapshot = message.experiment_id, message.epoch, message.snapshot
        await self._registrar.publish(name, epoch, snapshot, is_shadow=message.is_shadow)
        return contract.PublishSnapshotResponse()

    @answering
    async def ListSnapshots(self, message: contract.ListSnapshotsRequest) -> contract.ListSnapshotsResponse:
        """Read the latest snapshots."""
        state = self._state(message.experiment_id)
        found = self._learned.listed(state, is_shadow=message.is_shadow)
        summaries = [from_summary(summarised(snapshot, state)) for snapshot in found]
        return contract.ListSnapshotsResponse(snapshots=summaries, pinned=state.pinned)

    @answering
    async def PinSnapshot(self, message: contract.PinSnapshotRequest) -> contract.PinSnapshotResponse:
        """Go back to a snapshot."""
        pinned = await self._registrar.pin(message.experiment_id, message.snapshot, message.etag, message)
        return contract.PinSnapshotResponse(snapshot=from_summary(pinned))

    @answering
    async def UnpinSnapshot(self, message: contract.UnpinSnapshotRequest) -> contract.UnpinSnapshotResponse:
        """Follow the learner again."""
        newest = await self._registrar.unpin(message.experiment_id, message.etag, message)
        return contract.UnpinSnapshotResponse(snapshot=from_summary(newest) if newest else None)

    @answering
    async def WarmStart(self, message: contract.WarmStartRequest) -> contract.WarmStartResponse:
        """Take learned state for a draft."""
        learned = to_learned(message.state, self._state(message.experiment_id))
        begun = await self._registrar.warm(learned, message.etag, message)
        return contract.WarmStartResponse(snapshot=from_summary(begun))

    def _state(self, experiment_id: str) -> ExperimentState:
        return self._engine.catalog.find(experiment_id).state
