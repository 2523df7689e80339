"""What every store promises of the population, and of the catalog's revisions."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from engine.definition import define
from engine.errors import StaleEtag
from engine.experiments import Change, Experiment, ExperimentState, Status, Variant
from engine.funnel import Cap, ForcedUnit, Layer, Population, PopulationChange, PopulationState
from engine.lifecycle import create, transition
from engine.metrics import Metric
from tests.conformance.entries import ANNA, AUTHOR, NOON

DIVIDED = Population(
    segments={"vip": {"visits": {"$gte": 10.0}}, "né": {"$or": [{"country": "FR"}, {"country": None}]}},
    groups={"nordic": ("NO", "SE"), "sizes": (1.0, 2.0)},
    layers={"checkout": Layer("device", 0.05, "checkout", Cap(3, timedelta(days=7))), "home": Layer(seed="home")},
    holdout=0.1,
)
EMPTY = PopulationState()


def next_of(state: PopulationState, population: Population = DIVIDED) -> tuple[PopulationState, PopulationChange]:
    revision = state.revision + 1
    change = PopulationChange(revision, NOON, "kim", f"reason {revision}", ("holdout", "layers.né"))
    return PopulationState(population, revision), change


def created(both, experiment_id: str) -> ExperimentState:
    variants = Variant("plain"), Variant("bold")
    state, change = create(define(Experiment(experiment_id, variants, (Metric("click"),))), AUTHOR)
    both.store.save(state, change, "")
    return state


def moved(state: ExperimentState) -> tuple[ExperimentState, Change]:
    after = replace(state, epoch=state.epoch + 1, etag=str(int(state.etag) + 1))
    change = Change(
        state.experiment.experiment_id, NOON, "kim", "move", "", after.status, after.revision, after.epoch, ("layer",)
    )
    return after, change


# --- the population --------------------------------------------------------------------------------------------------


def test_a_new_store_has_an_empty_population(both) -> None:
    assert both.reader.population() == EMPTY == PopulationState(Population(), 0)
    assert (both.reader.population_at(0), both.reader.population_at(1)) == (Population(), None)
    assert both.reader.population_history() == []
    assert both.reader.states() == []


def test_every_revision_of_the_population_stays_with_its_change(both) -> None:
    first, why = next_of(EMPTY)
    second, why_again = next_of(first, replace(DIVIDED, holdout=0.2))
    both.store.save_population(first, why, [])
    both.store.save_population(second, why_again, [])
    assert both.reader.population() == second
    assert [both.reader.population_at(revision) for revision in range(4)] == [
        Population(),
        DIVIDED,
        second.population,
        None,
    ]
    assert both.reader.population_history() == [why, why_again]


def test_experiments_are_moved_along_with_the_population(both) -> None:
    hero, other = created(both, "hero"), created(both, "other")
    state, why = next_of(EMPTY)
    after, its_change = moved(hero)
    both.store.save_population(state, why, [(after, its_change)])
    assert both.reader.states() == [after, other]
    assert both.reader.history("hero")[-1] == its_change
    assert len(both.reader.history("other")) == 1


def test_who_is_late_changes_nothing(both) -> None:
    hero, other = created(both, "hero"), created(both, "other")
    state, why = next_of(EMPTY)
    both.store.save_population(state, why, [])
    after, change = moved(hero)
    skipped = next_of(PopulationState(DIVIDED, 5))
    for stale in ((state, why), next_of(PopulationState(DIVIDED, -1)), skipped):
        with pytest.raises(StaleEtag, match="population was changed in between"):
            both.store.save_population(*stale, [(after, change)])
    late = replace(moved(other)[0], etag="9"), moved(other)[1]
    with pytest.raises(StaleEtag, match="'other' was changed in between"):
        both.store.save_population(*next_of(state), [(after, change), late])
    assert (both.reader.population(), both.reader.states()) == (state, [hero, other])
    assert both.reader.population_history() == [why]
    assert both.reader.catalog_revision() == 3
    both.store.save_population(*next_of(state), [(after, change)])
    assert both.reader.population().revision == 2


def test_the_population_is_no_experiment(both) -> None:
    both.store.save_population(*next_of(EMPTY), [])
    assert (both.reader.state(""), both.reader.definition("", 1), both.reader.history("")) == (None, None, [])


def test_a_population_that_was_handed_in_or_out_can_be_changed_without_harm(both) -> None:
    segments = {"vip": {"visits": 3.0}}
    both.store.save_population(*next_of(EMPTY, Population(segments=segments)), [])
    segments["vip"] = {"visits": 9.0}
    for found in (both.reader.population().population, both.reader.population_at(1)):
        assert found.segments == {"vip": {"visits": 3.0}}
        found.segments["vip"] = {}


# --- the catalog's revisions -----------------------------------------------------------------------------------------


def test_every_change_counts_once_and_a_published_snapshot_does_not(both) -> None:
    assert (both.reader.catalog_revision(), both.reader.changed_since(0)) == (0, {})
    hero = created(both, "hero")
    created(both, "other")
    both.store.save_population(*next_of(EMPTY), [])
    running, change = transition(hero, Status.RUNNING, "", AUTHOR)
    both.store.save(running, change, hero.etag)
    both.store.point("hero", 1, "ab" * 32)
    assert both.reader.catalog_revision() == 4
    both.store.force(ForcedUnit("other", ANNA, "bold"), replace(change, experiment_id="other"))
    assert both.reader.catalog_revision() == 5
    assert both.reader.changed_since(0) == {"hero": 4, "other": 5, "": 3}
    assert both.reader.changed_since(3) == {"hero": 4, "other": 5}
    assert both.reader.changed_since(5) == both.reader.changed_since(99) == {}


def test_a_change_of_the_population_and_those_that_it_moves_have_numbers_of_their_own(both) -> None:
    hero, other = created(both, "hero"), created(both, "other")
    both.store.save_population(*next_of(EMPTY), [moved(other), moved(hero)])
    assert both.reader.changed_since(2) == {"": 3, "other": 4, "hero": 5}


def test_population_and_revisions_are_there_after_reopening(both) -> None:
    if both.reopen is None:
        pytest.skip("what is in memory ends with its process")
    hero = created(both, "hero")
    state, why = next_of(EMPTY)
    both.store.save_population(state, why, [moved(hero)])
    both.reopen()
    assert both.reader.population() == state
    assert both.reader.population_history() == [why]
    assert both.reader.changed_since(0) == {"": 2, "hero": 3}
    created(both, "other")
    assert both.reader.changed_since(3) == {"other": 4}
