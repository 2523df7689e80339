"""Changes of the catalog, as watchers are told of them, between the contract and the engine, in a pair."""

from __future__ import annotations

from dataclasses import dataclass

from armlift.v1 import experiment_pb2 as contract

from engine.experiments import ExperimentState
from engine.funnel import Population
from engine.service.definitions import from_state, to_state
from engine.service.funnels import from_population, to_population


@dataclass(frozen=True, slots=True)
class CatalogChange:
    """What changed: an experiment's state, an experiment that was archived, or the population.

    Whoever has dealt with it resumes after `catalog_revision`.
    """

    catalog_revision: int
    state: ExperimentState | None = None
    deleted_id: str = ""
    population: Population | None = None


def to_catalog_change(message: contract.WatchExperimentsResponse) -> CatalogChange:
    """Return a change."""
    return CatalogChange(
        message.catalog_revision,
        state=to_state(message.state) if message.HasField("state") else None,
        deleted_id=message.deleted_id,
        population=to_population(message.population) if message.HasField("population") else None,
    )


def from_catalog_change(change: CatalogChange) -> contract.WatchExperimentsResponse:
    """Return the message of a change."""
    response = contract.WatchExperimentsResponse(catalog_revision=change.catalog_revision)
    if change.state is not None:
        response.state.CopyFrom(from_state(change.state))
    elif change.population is not None:
        response.population.CopyFrom(from_population(change.population))
    else:
        response.deleted_id = change.deleted_id
    return response
