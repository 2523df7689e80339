"""The door of people: experiments and the population are read, changed and watched."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from armlift.v1 import experiment_pb2 as contract
from armlift.v1.experiment_pb2_grpc import ExperimentServiceServicer

from engine.engine import Engine
from engine.errors import InvalidRequest, UnknownExperiment
from engine.experiments import ExperimentState
from engine.funnel import Population, PopulationState
from engine.ports import Reader
from engine.service.catalog_changes import from_catalog_change
from engine.service.definitions import from_change, from_state, to_experiment, to_status
from engine.service.funnels import from_population, from_population_change, to_population
from engine.service.paging import page
from engine.service.registrar import Registrar
from engine.service.status import answering, streaming
from engine.service.watching import Watching


class ExperimentServicer(ExperimentServiceServicer):
    """Reads from the engine and the registry; the registrar makes the changes."""

    def __init__(self, engine: Engine, reader: Reader, registrar: Registrar, watching: Watching) -> None:
        self._engine = engine
        self._reader = reader
        self._registrar = registrar
        self._watching = watching

    @answering
    async def CreateExperiment(self, message: contract.CreateExperimentRequest) -> contract.CreateExperimentResponse:
        """Add a draft."""
        state = await self._registrar.create(to_experiment(message.experiment), message)
        return contract.CreateExperimentResponse(state=from_state(state))

    @answering
    async def GetExperiment(self, message: contract.GetExperimentRequest) -> contract.GetExperimentResponse:
        """Read one experiment as it is now, or with the definition of an earlier revision."""
        state = self._engine.catalog.find(message.experiment_id).state
        if message.revision:
            state = self._at_revision(state, message.revision)
        return contract.GetExperimentResponse(
            state=from_state(state), outside=self._engine.outside(message.experiment_id)
        )

    @answering
    async def ListExperiments(self, message: contract.ListExperimentsRequest) -> contract.ListExperimentsResponse:
        """Read a page of experiments."""
        states = [live.state for _, live in sorted(self._engine.catalog.by_id.items())]
        found, token = page(states, message.page_size, message.page_token)
        return contract.ListExperimentsResponse(states=[from_state(state) for state in found], next_page_token=token)

    @answering
    async def UpdateExperiment(self, message: contract.UpdateExperimentRequest) -> contract.UpdateExperimentResponse:
        """Make a new revision."""
        state = await self._registrar.update(to_experiment(message.experiment), message.etag, message)
        return contract.UpdateExperimentResponse(state=from_state(state))

    @answering
    async def TransitionExperiment(
        self, message: contract.TransitionExperimentRequest
    ) -> contract.TransitionExperimentResponse:
        """Take a step of the lifecycle."""
        to = to_status(message.status)
        state = await self._registrar.transition(message.experiment_id, to, message.etag, message)
        return contract.TransitionExperimentResponse(state=from_state(state))

    @answering
    async def GetExperimentHistory(
        self, message: contract.GetExperimentHistoryRequest
    ) -> contract.GetExperimentHistoryResponse:
        """Read a page of changes."""
        self._engine.catalog.find(message.experiment_id)
        found, token = page(self._reader.history(message.experiment_id), message.page_size, message.page_token)
        changes = [from_change(change) for change in found]
        return contract.GetExperimentHistoryResponse(changes=changes, next_page_token=token)

    @answering
    async def ForceVariant(self, message: contract.ForceVariantRequest) -> contract.ForceVariantResponse:
        """Let a unit have a variant without a draw, or end that."""
        await self._registrar.force(message.experiment_id, message.unit_id, message.variant, message)
        return contract.ForceVariantResponse()

    @answering
    async def MoveRamp(self, message: contract.MoveRampRequest) -> contract.MoveRampResponse:
        """Take a ramp to another step."""
        state = await self._registrar.move_ramp(
            message.experiment_id, message.step, message.etag, message, early=message.early
        )
        return contract.MoveRampResponse(state=from_state(state))

    @answering
    async def GetPopulation(self, message: contract.GetPopulationRequest) -> contract.GetPopulationResponse:
        """Read what all experiments share, as it is now or was at an earlier revision."""
        now = self._engine.population
        state = PopulationState(self._population_at(message.revision), message.revision) if message.revision else now
        population = from_population(state.population)
        return contract.GetPopulationResponse(population=population, revision=state.revision, etag=now.etag)

    @answering
    async def UpdatePopulation(self, message: contract.UpdatePopulationRequest) -> contract.UpdatePopulationResponse:
        """Change what all experiments share."""
        population = to_population(message.population)
        state, opened = await self._registrar.update_population(population, message.etag, message)
        return contract.UpdatePopulationResponse(revision=state.revision, etag=state.etag, opened_epochs=opened)

    @answering
    async def GetPopulationHistory(
        self, message: contract.GetPopulationHistoryRequest
    ) -> contract.GetPopulationHistoryResponse:
        """Read a page of changes of the population."""
        found, token = page(self._reader.population_history(), message.page_size, message.page_token)
        changes = [from_population_change(change) for change in found]
        return contract.GetPopulationHistoryResponse(changes=changes, next_page_token=token)

    @streaming
    async def WatchExperiments(
        self, message: contract.WatchExperimentsRequest
    ) -> AsyncIterator[contract.WatchExperimentsResponse]:
        """Send what changed after a catalog revision, and then each change as it comes."""
        async for change in self._watching.changes(message.after_revision):
            yield from_catalog_change(change)

    def _at_revision(self, state: ExperimentState, revision: int) -> ExperimentState:
        """Return the state with an earlier definition; all else, and the etag of a change that restores it, is today's.

        Raises:
            UnknownExperiment: there is no such revision.
        """
        name = state.experiment.experiment_id
        definition = self._reader.definition(name, revision)
        if definition is None:
            raise UnknownExperiment(f"{name!r} has no revision {revision}: `armlift history {name}` shows which it has")
        return replace(state, experiment=definition, revision=revision)

    def _population_at(self, revision: int) -> Population:
        population = self._reader.population_at(revision)
        if population is None:
            raise InvalidRequest(
                f"the population has no revision {revision}: `armlift population --history` shows which it has"
            )
        return population
